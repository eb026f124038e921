"""Probe, Classify, Refine: the next candidates from what is known at one moment.

The solver and the service's candidate worker use :mod:`.proposer`; nothing here changes a study.
"""

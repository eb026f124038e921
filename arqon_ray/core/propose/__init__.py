"""Probe, Classify, Refine: the next candidates computed on one view of the data.

The solver and the service's candidate worker use :mod:`.proposer`; nothing here changes a study.
"""

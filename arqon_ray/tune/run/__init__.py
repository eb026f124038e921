"""One run of Tune: its trials, how they end, and the checkpoint from which a new searcher goes on.

The searcher uses :mod:`.trials`, :mod:`.checkpoint` and :mod:`.restoring`.
"""

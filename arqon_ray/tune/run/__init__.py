"""One run of Tune: its trials, how they end, and the checkpoint from which a new searcher continues.

Use :mod:`.trials`, :mod:`.outcome`, :mod:`.ending`, :mod:`.checkpoint` and :mod:`.reconcile`.
"""

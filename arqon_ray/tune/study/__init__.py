"""The searcher's view of a study: one that lives in this process, or the shared one of the cluster.

The searcher uses :mod:`.study`, :mod:`.shared` and :mod:`.attach`.
"""

"""A Tune search space as an arqon space, and trial configs as points of it.

The searcher uses :mod:`.convert` and :mod:`.points`.
"""

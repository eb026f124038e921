"""Search spaces of Tune and ConfigSpace as arqon spaces, and trial configs as points of them.

Use :mod:`.convert`, :mod:`.config_space`, :mod:`.points` and ``fingerprint`` of :mod:`.sameness`; the rest is theirs.
"""

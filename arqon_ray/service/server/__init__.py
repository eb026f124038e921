"""The server: the actor that Ray runs, its host, and the study behind it, which knows nothing of Ray.

``client`` may use the actor's class and ``verify``; reports may use :mod:`.reading`.
"""

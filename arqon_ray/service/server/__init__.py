"""What Ray runs: the actor, its host, and the study behind it, which knows no Ray.

The client's room may use the actor's class and ``verify``; reports may use :mod:`.reading`.
"""

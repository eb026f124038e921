"""The kinds of parameters, one file each: what the search asks of a parameter, each kind answers for itself.

A new kind is a subclass of :class:`~arqon_ray.core.space.kinds.base.Parameter` (or of
:class:`~arqon_ray.core.space.kinds.finite.Finite`, when it has finitely many values) in a file here, and an entry in
``choose.py`` that tells which configs describe it. No file outside of ``core/space`` asks which kind a parameter is.
"""

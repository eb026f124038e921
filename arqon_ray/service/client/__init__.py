"""What users hold: clients of a study, and how studies are started, found and listed.

Use the names of :mod:`arqon_ray.service`; imports run from here down to ``server``, ``log`` and ``storage``.
"""

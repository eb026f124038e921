"""``optimize``: ask the study, evaluate by remote tasks, tell what comes back.

Use ``arqon_ray.optimize`` and its ``Result``.
"""

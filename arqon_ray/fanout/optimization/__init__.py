"""``optimize``: ask the study for candidates, evaluate them by remote tasks, tell the results.

From outside use ``arqon_ray.optimize``, ``Result``, ``Failure`` and ``OptimizeInterrupted``.
"""

"""The solver as a search algorithm of Ray Tune: use :class:`ArqonSearcher`.

Importing this imports ``ray.tune``, so only drivers should. Inside, the files beside the rooms use ``run``, which uses
``study`` and ``space``.
"""

from __future__ import annotations

from arqon_ray.tune.former import keep_former_names
from arqon_ray.tune.searcher import ArqonSearcher

__all__ = ["ArqonSearcher"]

keep_former_names()

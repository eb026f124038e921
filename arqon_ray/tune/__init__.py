"""The solver as a search algorithm of Ray Tune. Importing this imports ``ray.tune``: drivers alone should."""

from __future__ import annotations

from arqon_ray.tune.kept import keep_old_names
from arqon_ray.tune.searcher import ArqonSearcher

__all__ = ["ArqonSearcher"]

keep_old_names()

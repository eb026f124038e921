"""The solver and the probe: numpy and scipy alone, usable without Ray.

Names load on first use: a worker that samples the probe needs none of the solver's scipy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOME = {"ArqonProbe": "probe.probe", "ArqonSolver": "solver", "Candidate": "ledger.view"}

if TYPE_CHECKING:
    from arqon_ray.core.ledger.view import Candidate
    from arqon_ray.core.probe.probe import ArqonProbe
    from arqon_ray.core.solver import ArqonSolver

__all__ = ["ArqonProbe", "ArqonSolver", "Candidate"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value

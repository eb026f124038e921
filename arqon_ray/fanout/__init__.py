"""Plain remote tasks and the driver's side of them: ``optimize``, ``sweep`` and ``probe_shard``.

Names load on first use: a worker process imports this package on its way to the one module that it needs. No module
has the name of a public function: importing it would put the module in the function's place.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_HOME = {
    "Failure": "results",
    "OptimizeInterrupted": "results",
    "Progress": "progress",
    "Result": "results",
    "SweepInterrupted": "results",
    "Context": "context",
    "SweepResult": "sweep_result",
    "open_sweep": "sweep_result",
    "optimize": "optimizing",
    "probe_shard": "shard",
    "show_progress": "progress",
    "sweep": "sweeping",
}

if TYPE_CHECKING:
    from arqon_ray.fanout.context import Context
    from arqon_ray.fanout.optimizing import optimize
    from arqon_ray.fanout.progress import Progress, show_progress
    from arqon_ray.fanout.results import Failure, OptimizeInterrupted, Result, SweepInterrupted
    from arqon_ray.fanout.shard import probe_shard
    from arqon_ray.fanout.sweep_result import SweepResult, open_sweep
    from arqon_ray.fanout.sweeping import sweep

__all__ = [
    "Context",
    "Failure",
    "OptimizeInterrupted",
    "Progress",
    "Result",
    "SweepInterrupted",
    "SweepResult",
    "open_sweep",
    "optimize",
    "probe_shard",
    "show_progress",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value

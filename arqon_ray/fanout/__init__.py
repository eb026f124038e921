"""``optimize``, ``sweep`` and ``probe_shard``: evaluate a function on the whole cluster, by plain remote tasks.

Names are imported on first use, since every worker process imports this package. No module is named like a public
function: importing the module would replace the function.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_MODULE_OF = {
    "Failure": "optimization.results",
    "OptimizeInterrupted": "optimization.results",
    "Progress": "driver.progress",
    "Result": "optimization.results",
    "SweepInterrupted": "sweeps.sweep_result",
    "Context": "worker.context",
    "SweepResult": "sweeps.sweep_result",
    "open_sweep": "sweeps.opening",
    "optimize": "optimization.optimizing",
    "probe_shard": "worker.shard",
    "show_progress": "driver.progress",
    "sweep": "sweeps.sweeping",
}

if TYPE_CHECKING:
    from arqon_ray.fanout.driver.progress import Progress, show_progress
    from arqon_ray.fanout.optimization.optimizing import optimize
    from arqon_ray.fanout.optimization.results import Failure, OptimizeInterrupted, Result
    from arqon_ray.fanout.sweeps.opening import open_sweep
    from arqon_ray.fanout.sweeps.sweep_result import SweepInterrupted, SweepResult
    from arqon_ray.fanout.sweeps.sweeping import sweep
    from arqon_ray.fanout.worker.context import Context
    from arqon_ray.fanout.worker.shard import probe_shard

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
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value

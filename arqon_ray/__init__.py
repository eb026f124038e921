"""Hyperparameter optimization as a service of a Ray cluster.

One named, durable actor that any driver, any number of Tune runs and any plain remote task can ask and
tell, and a stateless probe that any worker can sample without asking anybody. Names load on first use, so
that ``import arqon_ray`` costs next to nothing and does not import Ray.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0.dev0"

_HOME = {
    "ArqonError": "errors",
    "ArqonProbe": "core",
    "ArqonSearcher": "tune",
    "ArqonSolver": "core",
    "AskTimeoutError": "errors",
    "AskedCandidate": "service.answers",
    "AsyncSolverClient": "service",
    "BatchedClient": "service",
    "BestPoint": "service.answers",
    "ConfigError": "errors",
    "Context": "fanout",
    "EvaluationRow": "service.answers",
    "EvaluationsFailedError": "errors",
    "Explanation": "service.answers",
    "HistoryRow": "service.answers",
    "IdentityError": "errors",
    "NodesLostError": "errors",
    "OptimizeInterrupted": "fanout",
    "OutOfBoundsError": "errors",
    "PendingRow": "service.answers",
    "PoisonedCallError": "errors",
    "Result": "fanout",
    "ResultFields": "service.answers",
    "ResultsError": "errors",
    "Seeded": "service.answers",
    "SolverClient": "service",
    "StateError": "errors",
    "StudyCalls": "service.calls",
    "StudyCounts": "service.answers",
    "StudyNotFoundError": "errors",
    "StudyRefusedError": "errors",
    "StudySnapshot": "service.answers",
    "StudyStatus": "service.answers",
    "StudyUnreachableError": "errors",
    "SweepInterrupted": "fanout",
    "SweepResult": "fanout",
    "Told": "service.answers",
    "UnknownCandidateError": "errors",
    "Verification": "service",
    "connect": "service",
    "init": "service",
    "list": "service",
    "open_run": "report",
    "open_sweep": "fanout",
    "optimize": "fanout",
    "probe_shard": "fanout",
    "register_strategy": "strategies",
    "start": "service",
    "sweep": "fanout",
    "verify": "service",
}

if TYPE_CHECKING:
    from arqon_ray.core import ArqonProbe, ArqonSolver
    from arqon_ray.errors import (
        ArqonError,
        AskTimeoutError,
        ConfigError,
        EvaluationsFailedError,
        IdentityError,
        NodesLostError,
        OutOfBoundsError,
        PoisonedCallError,
        ResultsError,
        StateError,
        StudyNotFoundError,
        StudyRefusedError,
        StudyUnreachableError,
        UnknownCandidateError,
    )
    from arqon_ray.fanout import (
        Context,
        OptimizeInterrupted,
        Result,
        SweepInterrupted,
        SweepResult,
        open_sweep,
        optimize,
        probe_shard,
        sweep,
    )
    from arqon_ray.report import open_run
    from arqon_ray.service import (
        AsyncSolverClient,
        BatchedClient,
        SolverClient,
        Verification,
        connect,
        init,
        list,
        start,
        verify,
    )
    from arqon_ray.service.answers import (
        AskedCandidate,
        BestPoint,
        EvaluationRow,
        Explanation,
        HistoryRow,
        PendingRow,
        ResultFields,
        Seeded,
        StudyCounts,
        StudySnapshot,
        StudyStatus,
        Told,
    )
    from arqon_ray.service.calls import StudyCalls
    from arqon_ray.strategies import register_strategy
    from arqon_ray.tune import ArqonSearcher

__all__ = [
    "ArqonError",
    "ArqonProbe",
    "ArqonSearcher",
    "ArqonSolver",
    "AskTimeoutError",
    "AskedCandidate",
    "AsyncSolverClient",
    "BatchedClient",
    "BestPoint",
    "ConfigError",
    "Context",
    "EvaluationRow",
    "EvaluationsFailedError",
    "Explanation",
    "HistoryRow",
    "IdentityError",
    "NodesLostError",
    "OptimizeInterrupted",
    "OutOfBoundsError",
    "PendingRow",
    "PoisonedCallError",
    "Result",
    "ResultFields",
    "ResultsError",
    "Seeded",
    "SolverClient",
    "StateError",
    "StudyCalls",
    "StudyCounts",
    "StudyNotFoundError",
    "StudyRefusedError",
    "StudySnapshot",
    "StudyStatus",
    "StudyUnreachableError",
    "SweepInterrupted",
    "SweepResult",
    "Told",
    "UnknownCandidateError",
    "Verification",
    "__version__",
    "connect",
    "init",
    "list",
    "open_run",
    "open_sweep",
    "optimize",
    "probe_shard",
    "register_strategy",
    "start",
    "sweep",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> Any:
    return sorted({*globals(), *_HOME})

"""Classes that searchers of earlier releases were pickled with, by the names that those releases had for them."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

_MOVED: dict[str, dict[str, tuple[str, ...]]] = {
    "core.evaluation": {"core.record.evaluation": ("Step",)},
    "service.client": {"service.client.client": ("SolverClient",)},
    "tune.checkpoint": {"tune.run.checkpoint": ("Writer",)},
    "tune.config_space": {"tune.space.config_space": ("ConfigurationSpaceOf",)},
    "tune.convert": {"tune.space.convert": ("ArqonSpace", "TuneSpace")},
    "tune.domains": {"tune.space.domains": ("Plain", "Multiples", "Quantiles")},
    "tune.nodes": {
        "tune.space.nodes": ("Constant", "Number", "Choice", "Table", "Row"),
        "tune.space.placeholders": ("Behind",),
    },
    "tune.outcome": {"tune.run.outcome": ("Trial",), "tune.study.ticket": ("Ticket",)},
    "tune.points": {"tune.space.points": ("Point",)},
    "tune.reconcile": {"tune.run.reconcile": ("Seen",)},
    "tune.shared": {"tune.study.shared": ("SharedStudy",)},
    "tune.study": {"tune.study.study": ("OwnStudy",)},
    "tune.trials": {"tune.run.trials": ("Trials",)},
}
"""Former module, present module, classes; all of them below ``arqon_ray``."""

_PRESENT = {
    (f"arqon_ray.{former}", name): (f"arqon_ray.{present}", name)
    for former, modules in _MOVED.items()
    for present, names in modules.items()
    for name in names
}
_PRESENT["arqon_ray.tune.ahead", "Ahead"] = "arqon_ray.tune.study.prefetch", "Prefetcher"
_PRESENT["arqon_ray.tune.ending", "_Noting"] = "arqon_ray.tune.run.ending", "_StopWatcher"
_PRESENT["arqon_ray.tune.courier", "Call"] = "arqon_ray.tune.study.call_queue", "FormerCall"


def present_name(module: str, name: str) -> tuple[str, str]:
    """Return the module and the name that a class has today."""
    return _PRESENT.get((module, name), (module, name))


def keep_former_names() -> None:
    """Make the former names importable: Tune itself reads an experiment's ``tuner.pkl``, which has them."""
    for (module, name), (present, its_name) in _PRESENT.items():
        found: Any = sys.modules.get(module) or _module(module)
        setattr(found, name, getattr(import_module(present), its_name))


def _module(name: str) -> ModuleType:
    """Return a module, one without a file where there is none any more."""
    try:
        return import_module(name)
    except ModuleNotFoundError:
        return sys.modules.setdefault(name, ModuleType(name))

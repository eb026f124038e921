"""Optuna's samplers, each with its defaults."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.benchmarks.peers.trace import Trace
from tests.benchmarks.problems import Params, Problem


def optuna_runner(sampler: str, **options: Any) -> Callable[..., Trace]:
    """Return the solver that a sampler's name stands for."""

    def run(problem: Problem, budget: int, seed: int, in_flight: int = 1) -> Trace:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore")
        trace = Trace(problem, seed)
        study = optuna.create_study(sampler=getattr(optuna.samplers, sampler)(seed=seed, **options))
        flying: list[Any] = []
        for k in range(budget):
            while len(flying) < in_flight and k + len(flying) < budget:
                trial = study.ask()
                flying.append((trial, _suggest(trial, problem.bounds)))
            trial, params = flying.pop(0)
            study.tell(trial, trace(params))
        return trace

    return run


def _suggest(trial: Any, bounds: dict[str, Any]) -> Params:
    params: Params = {}
    for name, rule in bounds.items():
        if any(params.get(parent) not in np.atleast_1d(values) for parent, values in rule.get("when", {}).items()):
            continue
        if "choices" in rule:
            params[name] = trial.suggest_categorical(name, rule["choices"])
        elif rule.get("type") == "int":
            params[name] = trial.suggest_int(name, rule["min"], rule["max"], log=rule.get("scale") == "Log")
        else:
            log = rule.get("scale") == "Log"
            params[name] = trial.suggest_float(name, rule["min"], rule["max"], log=log, step=rule.get("step"))
    return params

"""HEBO and SMAC, each with its defaults.

They take seconds a suggestion and want packages that the others do not, so they run on a handful of problems, from an
environment of their own.
"""

from __future__ import annotations

import tempfile
import warnings
from typing import Any

import numpy as np

from tests.benchmarks.peers.trace import Trace
from tests.benchmarks.peers.with_others import fit
from tests.benchmarks.problems import Params, Problem


def run_hebo(problem: Problem, budget: int, seed: int, in_flight: int = 1) -> Trace:
    """Run HEBO; conditional parameters are all present, and each suggestion takes seconds."""
    import torch
    from hebo.design_space.design_space import DesignSpace
    from hebo.optimizers.hebo import HEBO

    warnings.simplefilter("ignore")
    torch.manual_seed(seed)
    np.random.seed(seed)
    trace = Trace(problem, seed)
    kinds: list[dict[str, Any]] = []
    for name, rule in problem.bounds.items():
        whole, log = rule.get("type") == "int", rule.get("scale") == "Log"
        if "choices" in rule:
            kinds.append({"name": name, "type": "cat", "categories": [str(each) for each in rule["choices"]]})
            continue
        kind = ("pow_int" if whole else "pow") if log else ("int" if whole else "num")
        kinds.append({"name": name, "type": kind, "lb": rule["min"], "ub": rule["max"]})
    optimizer = HEBO(DesignSpace().parse(kinds), scramble_seed=seed)
    for _ in range(budget):
        asked = optimizer.suggest(n_suggestions=1)
        params: Params = {}
        for name, rule in problem.bounds.items():
            value = asked[name].iloc[0]
            if "choices" in rule:
                params[name] = next(each for each in rule["choices"] if str(each) == value)
            else:
                value = min(max(float(value), rule["min"]), rule["max"])
                params[name] = round(value) if rule.get("type") == "int" else value
        optimizer.observe(asked, np.array([[trace(fit(params, problem.bounds))]]))
    return trace


def run_smac(problem: Problem, budget: int, seed: int, in_flight: int = 1) -> Trace:
    """Run SMAC's facade for hyperparameters, a random forest; it knows conditions."""
    import ConfigSpace as cs
    from smac import HyperparameterOptimizationFacade, Scenario
    from smac.runhistory.dataclasses import TrialValue

    warnings.simplefilter("ignore")
    space = cs.ConfigurationSpace(seed=seed)
    for name, rule in problem.bounds.items():
        log = rule.get("scale") == "Log"
        if "choices" in rule and rule.get("ordered"):
            space.add(cs.OrdinalHyperparameter(name, rule["choices"]))
        elif "choices" in rule:
            space.add(cs.CategoricalHyperparameter(name, rule["choices"]))
        elif rule.get("type") == "int":
            space.add(cs.UniformIntegerHyperparameter(name, rule["min"], rule["max"], log=log))
        else:
            space.add(cs.UniformFloatHyperparameter(name, rule["min"], rule["max"], log=log))
        for parent, values in rule.get("when", {}).items():
            space.add(cs.InCondition(space[name], space[parent], np.atleast_1d(values).tolist()))
    trace = Trace(problem, seed)
    with tempfile.TemporaryDirectory() as folder:
        scenario = Scenario(space, deterministic=True, n_trials=budget, seed=seed, output_directory=folder)  # type: ignore[arg-type]
        optimizer = HyperparameterOptimizationFacade(scenario, _unused, logging_level=False, overwrite=True)
        for _ in range(budget):
            asked = optimizer.ask()
            config = {name: asked.config[name] for name in problem.bounds if name in asked.config}
            params = {name: value.item() if hasattr(value, "item") else value for name, value in config.items()}
            optimizer.tell(asked, TrialValue(cost=trace(fit(params, problem.bounds))), save=False)
    return trace


def _unused(config: Any, seed: int = 0) -> float:
    """Stand where SMAC wants an objective; it is asked and told instead."""
    raise AssertionError("SMAC evaluated by itself: the benchmark counts the evaluations, so it must not")

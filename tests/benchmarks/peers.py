"""The solvers that are compared: ours, and peers in their best defaults, all behind one function each.

A solver is ``solver(problem, budget, seed, in_flight) -> list of the points evaluated, in order``; what it
recommends last on a noisy problem is appended by :func:`run_arqon` alone, peers recommend their best value.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from arqon_ray.core import ArqonProbe, ArqonSolver
from tests.benchmarks.problems import Params, Problem


class Trace:
    """The evaluations of one run, and the value of what would be recommended after each of them."""

    def __init__(self, problem: Problem, seed: int) -> None:
        """Begin an empty run."""
        self._problem = problem
        self._rng = np.random.default_rng([seed, 77])
        self._least = np.inf
        self._best_true = np.inf
        self.curve: list[float] = []

    def __call__(self, params: Params) -> float:
        """Evaluate; the recommendation is the best observed value's point."""
        value = self._problem.evaluate(params, self._rng)
        if value < self._least:
            self._least, self._best_true = value, self._problem.true(params)
        self.curve.append(self._best_true)
        return value

    def recommend(self, params: Params) -> None:
        """Replace the last recommendation."""
        self.curve[-1] = self._problem.true(params)


def run_arqon(problem: Problem, budget: int, seed: int, in_flight: int = 1, **config: Any) -> list[float]:
    """Run ArqonSolver; with candidates in flight, the oldest finishes first."""
    trace = Trace(problem, seed)
    solver = ArqonSolver({"seed": seed, "budget": budget, "bounds": problem.bounds, **config})
    flying: list[Any] = []
    while True:
        while len(flying) < in_flight and (candidate := solver.propose()) is not None:
            flying.append(candidate)
        if not flying:
            return trace.curve
        done = flying.pop(0)
        solver.observe(done.number, trace(done.params))
        if problem.noise and (best := solver.best()) is not None:
            trace.recommend(best["params"])


def run_sobol(problem: Problem, budget: int, seed: int, in_flight: int = 1) -> list[float]:
    """Evaluate a scrambled Sobol' sequence."""
    trace = Trace(problem, seed)
    for params in ArqonProbe({"bounds": problem.bounds}, seed).sample_range(0, budget):
        trace(params)
    return trace.curve


def run_random(problem: Problem, budget: int, seed: int, in_flight: int = 1) -> list[float]:
    """Evaluate uniform random points."""
    trace = Trace(problem, seed)
    probe = ArqonProbe({"bounds": problem.bounds})
    for params in probe.space.decode_array(np.random.default_rng(seed).random((budget, probe.space.d))):
        trace(params)
    return trace.curve


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


def _optuna(make: Callable[[int], Any]) -> Callable[..., list[float]]:
    def run(problem: Problem, budget: int, seed: int, in_flight: int = 1) -> list[float]:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.simplefilter("ignore")
        trace = Trace(problem, seed)
        study = optuna.create_study(sampler=make(seed))
        flying: list[Any] = []
        for k in range(budget):
            while len(flying) < in_flight and k + len(flying) < budget:
                trial = study.ask()
                flying.append((trial, _suggest(trial, problem.bounds)))
            trial, params = flying.pop(0)
            study.tell(trial, trace(params))
        return trace.curve

    return run


def _sampler(name: str) -> Callable[[int], Any]:
    def make(seed: int) -> Any:
        import optuna

        return getattr(optuna.samplers, name)(seed=seed)

    return make


def run_ngopt(problem: Problem, budget: int, seed: int, in_flight: int = 1) -> list[float]:
    """Run nevergrad's NGOpt; conditional parameters are all present and passed over when inactive."""
    import nevergrad as ng

    warnings.simplefilter("ignore")
    trace = Trace(problem, seed)
    kinds: dict[str, Any] = {}
    for name, rule in problem.bounds.items():
        if "choices" in rule:
            kinds[name] = ng.p.Choice(rule["choices"])
        elif rule.get("scale") == "Log":
            kinds[name] = ng.p.Log(lower=rule["min"], upper=rule["max"])
        else:
            kinds[name] = ng.p.Scalar(lower=rule["min"], upper=rule["max"])
        if rule.get("type") == "int":
            kinds[name] = kinds[name].set_integer_casting()
    space = ng.p.Dict(**kinds)
    space.random_state = np.random.RandomState(seed)
    optimizer = ng.optimizers.NGOpt(parametrization=space, budget=budget, num_workers=in_flight)
    flying: list[Any] = []
    for k in range(budget):
        while len(flying) < in_flight and k + len(flying) < budget:
            flying.append(optimizer.ask())
        candidate = flying.pop(0)
        optimizer.tell(candidate, trace(_fit(candidate.value, problem.bounds)))
    return trace.curve


def _fit(params: Params, bounds: dict[str, Any]) -> Params:
    """Drop inactive parameters and round to steps, for a peer that knows neither."""
    fitted: Params = {}
    for name, rule in bounds.items():
        if all(fitted.get(parent) in np.atleast_1d(values) for parent, values in rule.get("when", {}).items()):
            value = params[name]
            if "step" in rule:
                value = rule["min"] + round((value - rule["min"]) / rule["step"]) * rule["step"]
            fitted[name] = value
    return fitted


SOLVERS: dict[str, Callable[..., list[float]]] = {
    "arqon": run_arqon,
    "random": run_random,
    "sobol": run_sobol,
    "optuna-tpe": _optuna(_sampler("TPESampler")),
    "optuna-gp": _optuna(_sampler("GPSampler")),
    "optuna-cmaes": _optuna(_sampler("CmaEsSampler")),
    "ngopt": run_ngopt,
}

"""Learning curves: what a configuration is worth after each of 27 epochs.

Real ones train scikit-learn's learners epoch by epoch, on fixed splits and seeds; each value is kept. Synthetic ones
have curves that cross: what learns slowly ends best, the early order says little, or the early values are noisy.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from tests.benchmarks.problems.learning import _int, _log, _loss, _splits
from tests.benchmarks.problems.memo import remembered
from tests.benchmarks.problems.problem import Bounds, Params

MAX_T = 27
FLOORS = {"real": 0.05, "synthetic": 0.01}
"""Regrets below are no difference; the optima of real ones are only the best known."""


@dataclass(frozen=True)
class CurveProblem:
    """A space, and the value to minimize after each epoch.

    Attributes:
        name: its name.
        kind: ``real`` or ``synthetic``.
        bounds: the space.
        start: begins a training: parameters in, a function from the epoch (1 .. MAX_T) to the value out.
        optimum: the best value after MAX_T epochs; NaN when it is only known from runs.
    """

    name: str
    kind: str
    bounds: Bounds
    start: Callable[[Params], Callable[[int], float]]
    optimum: float = float("nan")


Advance = Callable[[], Any]


def _real(name: str, data: str, loss: str, rows: int, bounds: Bounds, begin: Callable[..., Advance]) -> CurveProblem:
    """Return a problem whose ``begin(params, x, y)`` gives a function that trains one epoch more."""

    def start(params: Params) -> Callable[[int], float]:
        state: dict[str, Any] = {"epoch": 0}

        def value(wanted: Params) -> float:
            (x, y, x_test, y_test) = _splits(data, rows, 1, 0)[0]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                advance = state.setdefault("advance", begin(params, x, y) if not state["epoch"] else None)
                while state["epoch"] < wanted["epoch"]:
                    state["model"] = advance()
                    state["epoch"] += 1
                try:
                    found = _loss(loss, state["model"], x_test, y_test)
                except (ValueError, FloatingPointError):  # it diverged
                    return float("inf")
                return float(found) if np.isfinite(found) else float("inf")

        kept = remembered(f"uncut-curve-{name}", value)
        return lambda epoch: kept({**params, "epoch": epoch})

    return CurveProblem(name, "real", bounds, start)


def _partial(make: Callable[[Params], Any], classes: bool) -> Callable[..., Advance]:
    """Return a ``begin`` for learners with ``partial_fit``."""

    def begin(params: Params, x: Any, y: Any) -> Advance:
        model = make(params)
        every = {"classes": np.unique(y)} if classes else {}

        def advance() -> Any:
            try:
                return model.partial_fit(x, y, **every)
            except ValueError:  # weights that are no numbers any more
                return model

        return advance

    return begin


def _growing(make: Callable[[Params], Any], each: int) -> Callable[..., Advance]:
    """Return a ``begin`` for ensembles that grow by so many trees an epoch."""

    def begin(params: Params, x: Any, y: Any) -> Advance:
        model = make(params).set_params(n_estimators=0, warm_start=True)
        return lambda: model.set_params(n_estimators=model.n_estimators + each).fit(x, y)

    return begin


_MLP = {
    "lr": _log(1e-4, 1.0),
    "hidden": _int(4, 64, scale="Log"),
    "alpha": _log(1e-6, 1.0),
    "batch": _int(8, 128, scale="Log"),
    "solver": {"choices": ["adam", "sgd"]},
    "activation": {"choices": ["relu", "tanh", "logistic"]},
}
_BOOSTING = {
    "learning_rate": _log(1e-3, 1.0),
    "max_depth": _int(1, 8),
    "min_samples_leaf": _int(1, 40, scale="Log"),
    "subsample": {"min": 0.2, "max": 1.0},
    "max_features": {"min": 0.1, "max": 1.0},
}
_SGD = {
    "eta0": _log(1e-5, 10.0),
    "alpha": _log(1e-7, 1.0),
    "power_t": {"min": 0.0, "max": 1.0},
    "l1_ratio": {"min": 0.0, "max": 1.0},
    "loss": {"choices": ["log_loss", "modified_huber"]},
}


def _mlp(kind: str) -> Callable[[Params], Any]:
    def make(p: Params) -> Any:
        from sklearn import neural_network

        return getattr(neural_network, kind)(
            hidden_layer_sizes=tuple(p[layer] for layer in ("hidden", "second") if layer in p),
            activation=p["activation"],
            solver=p["solver"],
            alpha=p["alpha"],
            batch_size=p["batch"],
            learning_rate_init=p["lr"],
            random_state=0,
        )

    return make


def _sgd(p: Params) -> Any:
    from sklearn.linear_model import SGDClassifier

    rest = {"learning_rate": "invscaling", "penalty": "elasticnet", "random_state": 0}
    return SGDClassifier(**{**p, **rest})


def _boosting(kind: str) -> Callable[[Params], Any]:
    def make(p: Params) -> Any:
        from sklearn import ensemble

        return getattr(ensemble, kind)(random_state=0, **p)

    return make


def _synthetic(name: str, d: int, early: Callable[[Any, float], tuple[float, float, float]]) -> CurveProblem:
    """Return a problem of ``d`` parameters whose final values are a shifted bowl with ripples.

    ``early(x, t)`` gives what is added to it at first, the speed at which that goes, and a ripple that goes with it.
    """
    rng = np.random.default_rng([7, d, *name.encode()])
    center = rng.uniform(0.2, 0.8, d)

    def start(params: Params) -> Callable[[int], float]:
        x = np.array([params[f"x{j}"] for j in range(d)])
        final = float(np.mean((x - center) ** 2) + 0.02 * np.mean(1.0 - np.cos(8.0 * np.pi * (x - center))))

        def value(epoch: int) -> float:
            gap, speed, ripple = early(x, float(epoch))
            left = float(np.exp(-speed * epoch) - np.exp(-speed * MAX_T))
            return final + gap * left + ripple * (1.0 - epoch / MAX_T)

        return value

    bounds = {f"x{j}": {"min": 0.0, "max": 1.0} for j in range(d)}
    return CurveProblem(name, "synthetic", bounds, start, 0.0)


def _jitter(x: Any, epoch: float) -> float:
    """Return a number in -1 .. 1 that is the same for the same place and epoch, and no function of either."""
    phase = float(x @ np.arange(1.0, len(x) + 1)) * 12.9898 + 78.2 * epoch
    return float(2.0 * np.modf(abs(np.sin(phase)) * 43758.5)[0] - 1.0)


@cache
def curves() -> dict[str, CurveProblem]:
    """Return the problems by name."""
    return {problem.name: problem for problem in _problems()}


def _problems() -> Iterator[CurveProblem]:
    yield _real("mlp-digits", "digits", "log", 500, _MLP, _partial(_mlp("MLPClassifier"), True))
    deep = {**_MLP, "second": _int(4, 64, scale="Log")}
    yield _real("mlp-deep", "digits", "log", 900, deep, _partial(_mlp("MLPClassifier"), True))
    yield _real("mlp-diabetes", "diabetes", "squared", 300, _MLP, _partial(_mlp("MLPRegressor"), False))
    yield _real("sgd-digits", "digits", "log", 500, _SGD, _partial(_sgd, True))
    boosted = _growing(_boosting("GradientBoostingRegressor"), 6)
    yield _real("boosting-diabetes", "diabetes", "squared", 300, _BOOSTING, boosted)
    boosted = _growing(_boosting("GradientBoostingClassifier"), 6)
    yield _real("boosting-cancer", "breast_cancer", "log", 300, _BOOSTING, boosted)
    # Whatever has a small x0 learns fast and whatever has a large one slowly, wherever the optimum lies.
    yield _synthetic("slow-ends-best", 4, lambda x, t: (1.0, 0.05 + 0.5 * float(1.0 - x[0]), 0.0))
    yield _synthetic("early-noise", 4, lambda x, t: (0.5, 0.2, 0.1 * _jitter(x, t)))
    yield _synthetic("early-order", 6, lambda x, t: (0.3 + float(np.mean(np.abs(x[:3] - 0.5))), 0.1, 0.0))
    yield _synthetic("parallel", 5, lambda x, t: (0.5, 0.15, 0.0))

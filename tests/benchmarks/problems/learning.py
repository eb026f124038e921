"""Machine-learning tuning: scikit-learn's estimators, cross-validated on the data sets that it ships.

Folds and seeds are fixed, so that an evaluation is a function of its parameters. Errors are plateaus with steps;
log losses and squared errors (of the variance) are smooth at the coarse end. The optima are the best known.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from tests.benchmarks.problems import estimators as make
from tests.benchmarks.problems.memo import remembered
from tests.benchmarks.problems.problem import Array, Bounds, Params, Problem

FLOOR = 0.05  # a regret below it is no difference, since the optimum is only the best known


@dataclass(frozen=True)
class Task:
    """An estimator, the data that it learns, and its loss.

    Attributes:
        data: the data set's name in ``sklearn.datasets``.
        loss: ``error``, ``log`` or ``squared``.
        bounds: the space.
        estimator: makes one from parameters.
        rows: use so many rows.
        weights: a factor for each column, from parameters and the number of columns.
    """

    data: str
    loss: str
    bounds: Bounds
    estimator: Callable[[Params], Any]
    rows: int = 10_000
    weights: Callable[[Params, int], Array] | None = None

    def value(self, params: Params, splits: int, seed: int) -> float:
        """Return the mean loss over some splits; ``seed`` decides them."""
        import sklearn

        losses = []
        with warnings.catch_warnings(), sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
            warnings.simplefilter("ignore")
            for x, y, x_test, y_test in _splits(self.data, self.rows, splits, seed):
                if self.weights is not None:
                    factors = self.weights(params, x.shape[1])
                    x, x_test = x * factors, x_test * factors
                losses.append(_loss(self.loss, self.estimator(params).fit(x, y), x_test, y_test))
        return float(np.mean(losses))


Split = tuple[Array, Array, Array, Array]


@lru_cache(64)
def _splits(data: str, rows: int, splits: int, seed: int) -> list[Split]:
    """Return standardized training and test data of each split."""
    x, y = _data(data, rows)
    order = np.random.default_rng([seed, 5]).permutation(len(y))
    if splits > 1:
        return [_standardized(x, y, np.delete(order, test), order[test]) for test in _parts(len(y), splits)]
    return [_standardized(x, y, order[len(y) // 3 :], order[: len(y) // 3])]


def _parts(n: int, splits: int) -> list[slice]:
    edges = np.linspace(0, n, splits + 1).astype(int)
    return [slice(a, b) for a, b in pairwise(edges)]


def _standardized(x: Array, y: Array, train: Array, test: Array) -> Split:
    mean, scale = x[train].mean(axis=0), x[train].std(axis=0) + 1e-9
    return (x[train] - mean) / scale, y[train], (x[test] - mean) / scale, y[test]


@cache
def _data(name: str, rows: int) -> tuple[Array, Array]:
    from sklearn import datasets

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    order = np.random.default_rng(3).permutation(len(y))[:rows]
    x, y = x[order], y[order]
    varied = x.std(axis=0) > 0
    return x[:, varied], (y - y.mean()) / y.std() if name == "diabetes" else y


def _loss(kind: str, estimator: Any, x: Array, y: Array) -> float:
    if kind == "squared":
        # A model that diverges is as bad as the worst that is still told apart.
        return float(np.minimum(np.mean((estimator.predict(x) - y) ** 2), 10.0))
    if kind == "error":
        return float(np.mean(estimator.predict(x) != y))
    columns = np.searchsorted(estimator.classes_, y)
    chances = estimator.predict_proba(x)[np.arange(len(y)), columns]
    return float(-np.mean(np.log(np.clip(chances, 1e-6, 1.0))))


def problems() -> Iterator[Problem]:
    """Yield the tasks."""
    for name, task in TASKS.items():
        yield Problem(name, "ml", task.bounds, _true(name, task), float("nan"), floor=FLOOR)


def _true(name: str, task: Task) -> Callable[[Params], float]:
    return remembered(name, lambda params: task.value(params, 3, 0))


def random_folds(name: str, task: Task) -> Problem:
    """Return a task whose evaluations split the data anew: real noise; the truth is the mean of twenty splits."""

    def true(params: Params) -> float:
        return float(np.mean([task.value(params, 1, 1_000_000 + seed) for seed in range(20)]))

    def sample(params: Params, rng: np.random.Generator) -> float:
        # One of 400 splits: they are kept, and nobody meets the twenty of the truth.
        return task.value(params, 1, int(rng.integers(400)))

    return Problem(f"{name}-folds", "noisy", task.bounds, remembered(f"{name}-folds", true), np.nan, 0.0, sample, FLOOR)


def _log(low: float, high: float, **rest: Any) -> Bounds:
    return {"min": low, "max": high, "scale": "Log", **rest}


def _int(low: int, high: int, **rest: Any) -> Bounds:
    return {"min": low, "max": high, "type": "int", **rest}


TASKS: dict[str, Task] = {
    "svc-digits": Task(
        "digits",
        "error",
        {
            "C": _log(1e-3, 1e4),
            "gamma": _log(1e-6, 10.0),
            "components": _int(2, 55),
            "whiten": {"choices": [False, True]},
        },
        make.svc,
        400,
    ),
    "svc-kernels": Task(
        "digits",
        "error",
        {
            "kernel": {"choices": ["linear", "rbf", "poly", "sigmoid"]},
            "C": _log(1e-4, 1e4),
            "gamma": _log(1e-6, 10.0, when={"kernel": ["rbf", "poly", "sigmoid"]}),
            "coef0": {"min": -2.0, "max": 2.0, "when": {"kernel": ["poly", "sigmoid"]}},
            "degree": _int(2, 6, when={"kernel": "poly"}),
            "components": _int(2, 55),
        },
        make.svc,
        400,
    ),
    "svr-diabetes": Task(
        "diabetes",
        "squared",
        {"C": _log(1e-3, 1e3), "gamma": _log(1e-5, 10.0), "epsilon": _log(1e-3, 1.0)},
        make.svr,
        240,
    ),
    "kernel-ridge": Task(
        "diabetes", "squared", {"alpha": _log(1e-5, 1e3), "gamma": _log(1e-5, 10.0)}, make.kernel_ridge, 240
    ),
    "kernel-ridge-ard": Task(
        "diabetes",
        "squared",
        {"alpha": _log(1e-4, 1e2), **{f"w{j}": _log(1e-3, 3.0) for j in range(10)}},
        make.kernel_ridge,
        240,
        lambda params, columns: np.array([params[f"w{j}"] for j in range(columns)]),
    ),
    "elastic-net": Task(
        "diabetes", "squared", {"alpha": _log(1e-5, 10.0), "l1_ratio": {"min": 0.0, "max": 1.0}}, make.elastic_net, 300
    ),
    "logistic-digits": Task(
        "digits",
        "log",
        {"C": _log(1e-5, 1e4), "components": _int(2, 50), "whiten": {"choices": [False, True]}},
        make.logistic,
        300,
    ),
    "logistic-cancer": Task(
        "breast_cancer", "log", {"C": _log(1e-6, 1e4), "positive": _log(0.1, 10.0)}, make.weighted_logistic
    ),
    "boosting-diabetes": Task("diabetes", "squared", make.BOOSTING, make.boosting_regressor, 240),
    "boosting-cancer": Task("breast_cancer", "log", make.BOOSTING, make.boosting_classifier, 140),
    "forest-digits": Task("digits", "error", make.FOREST, make.forest_classifier, 240),
    "extra-trees-diabetes": Task(
        "diabetes",
        "squared",
        {**make.TREES, "criterion": {"choices": ["squared_error", "friedman_mse"]}},
        make.trees_regressor,
        240,
    ),
    "mlp-digits": Task("digits", "error", make.MLP, make.mlp_classifier, 200),
    "mlp-diabetes": Task("diabetes", "squared", make.MLP, make.mlp_regressor, 200),
    "neighbors-digits": Task(
        "digits",
        "log",
        {
            "k": _int(1, 60, scale="Log"),
            "p": {"min": 1.0, "max": 6.0},
            "weights": {"choices": ["uniform", "distance"]},
            "components": _int(2, 40),
        },
        make.neighbors,
        300,
    ),
    "neighbors-weighted": Task(
        "digits",
        "error",
        {f"w{j:02d}": {"min": 0.0, "max": 1.0} for j in range(16)},
        lambda params: make.neighbors({"k": 5, "p": 2.0, "weights": "distance"}),
        400,
        lambda params, columns: np.array([params[f"w{16 * j // columns:02d}"] for j in range(columns)]),
    ),
    "tree-cancer": Task("breast_cancer", "log", make.TREE, make.tree),
    "sgd-digits": Task("digits", "error", make.SGD, make.sgd, 500),
    "models-digits": Task("digits", "log", make.MODELS, make.any_model, 300),
}

# With few rows and single splits the noise is as large as what is to be found.
SPLIT_ANEW: dict[str, Task] = {
    "kernel-ridge": TASKS["kernel-ridge"],
    "neighbors-cancer": Task(
        "breast_cancer",
        "error",
        {"k": _int(1, 60, scale="Log"), "p": {"min": 1.0, "max": 6.0}, "weights": {"choices": ["uniform", "distance"]}},
        make.neighbors,
        240,
    ),
    "tree-cancer": TASKS["tree-cancer"],
}

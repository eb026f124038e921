"""Where Ray's shipped searchers fail, and ArqonSearcher does not: one case for all of them.

The README lists these cases. A searcher that is not named in a case passes it; one that is named must fail it in the
way that is named, so that a peer's mended bug is seen here. NevergradSearch and BayesOptSearch keep no results that
could be looked at, so they are put through the spaces and the points alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from ray import tune

from arqon_ray.tune import ArqonSearcher

X = {"x": tune.uniform(-5.0, 5.0)}


class Ours:
    """ArqonSearcher, and what it knows."""

    def make(self, space: dict[str, Any], **options: Any) -> Any:
        return ArqonSearcher(space, metric="loss", mode="min", **options)

    def values(self, searcher: Any) -> list[float]:
        return [row["value"] for row in searcher.solver.history() if row["value"] is not None]

    def ended(self, searcher: Any) -> int:
        return len(searcher.solver.history())


class Optuna:
    """OptunaSearch, and what it knows."""

    def make(self, space: dict[str, Any], **options: Any) -> Any:
        optuna = pytest.importorskip("optuna")
        from ray.tune.search.optuna import OptunaSearch

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        return OptunaSearch(space, metric="loss", mode="min", seed=1, **options)

    def values(self, searcher: Any) -> list[float]:
        return [trial.value for trial in searcher._ot_study.trials if trial.value is not None]

    def ended(self, searcher: Any) -> int:
        return sum(trial.state.is_finished() for trial in searcher._ot_study.trials)


class HyperOpt:
    """HyperOptSearch, and what it knows."""

    def make(self, space: dict[str, Any], **options: Any) -> Any:
        pytest.importorskip("hyperopt")
        from ray.tune.search.hyperopt import HyperOptSearch

        return HyperOptSearch(space, metric="loss", mode="min", random_state_seed=1, **options)

    def _results(self, searcher: Any) -> list[Any]:
        searcher._hpopt_trials.refresh()
        return [job["result"] for job in searcher._hpopt_trials.trials if job["state"] in (2, 3)]

    def values(self, searcher: Any) -> list[float]:
        return [result["loss"] for result in self._results(searcher) if "loss" in result]

    def ended(self, searcher: Any) -> int:
        return len(self._results(searcher))


class Nevergrad:
    """NevergradSearch."""

    def make(self, space: dict[str, Any], **options: Any) -> Any:
        nevergrad = pytest.importorskip("nevergrad")
        from ray.tune.search.nevergrad import NevergradSearch

        return NevergradSearch(nevergrad.optimizers.OnePlusOne, space=space, metric="loss", mode="min", **options)

    def ended(self, searcher: Any) -> int:
        return int(searcher._nevergrad_opt.num_tell)


class BayesOpt:
    """BayesOptSearch."""

    def make(self, space: dict[str, Any], **options: Any) -> Any:
        pytest.importorskip("bayes_opt")
        from ray.tune.search.bayesopt import BayesOptSearch

        return BayesOptSearch(space, metric="loss", mode="min", random_state=1, **options)

    def ended(self, searcher: Any) -> int:
        return len(searcher.optimizer.space)


PEERS = {"ours": Ours(), "optuna": Optuna(), "hyperopt": HyperOpt(), "nevergrad": Nevergrad(), "bayesopt": BayesOpt()}
Case = Callable[[Any], None]


def trial(searcher: Any, result: dict[str, Any] | None, name: str = "t") -> Any:
    config = searcher.suggest(name)
    searcher.on_trial_complete(name, result)
    return config


# Results


def unknown_trial(peer: Any) -> None:
    searcher = peer.make(X)
    searcher.on_trial_result("never", {"loss": 1.0, "training_iteration": 1})
    searcher.on_trial_complete("never", {"loss": 1.0, "training_iteration": 1})


def intermediate(result: dict[str, Any]) -> Case:
    def case(peer: Any) -> None:
        searcher = peer.make(X)
        searcher.suggest("t")
        searcher.on_trial_result("t", result)
        searcher.on_trial_complete("t", {"loss": 1.0, "training_iteration": 2})
        assert peer.values(searcher) == [1.0]

    return case


def final(result: dict[str, Any]) -> Case:
    """The trial has ended for the searcher, and is no value that it would strive for."""

    def case(peer: Any) -> None:
        searcher = peer.make(X)
        trial(searcher, {"loss": 1.0, "training_iteration": 1}, "first")
        trial(searcher, {"training_iteration": 1, **result})
        assert peer.ended(searcher) == 2
        assert peer.values(searcher) == [1.0]
        assert isinstance(searcher.suggest("more"), dict)

    return case


def ended_by_hyperband(peer: Any) -> None:
    searcher = peer.make(X)
    searcher.suggest("t")
    searcher.on_trial_result("t", {"loss": 1.0, "training_iteration": 1})
    searcher.on_trial_complete("t", None)
    assert peer.ended(searcher) == 1


# Spaces


def gives(domain: Any, holds: Callable[[Any], bool], count: int = 60) -> Case:
    def case(peer: Any) -> None:
        searcher = peer.make({"v": domain, "x": tune.uniform(0, 1)})
        values = [trial(searcher, {"loss": 1.0, "training_iteration": 1}, f"t{i}")["v"] for i in range(count)]
        assert all(holds(value) for value in values), values

    return case


def one_of(*options: Any) -> Callable[[Any], bool]:
    return lambda value: any(type(value) is type(option) and value == option for option in options)


def multiple(q: float) -> Callable[[Any], bool]:
    return lambda value: math.isclose(value / q, round(value / q), rel_tol=1e-9)


def slash(peer: Any) -> None:
    assert 0 <= peer.make({"a/b": tune.uniform(0, 1)}).suggest("t")["a/b"] <= 1


# Points


def nested_point(peer: Any) -> None:
    searcher = peer.make({"deep": {"x": tune.uniform(0, 1)}}, points_to_evaluate=[{"deep": {"x": 0.25}}])
    assert searcher.suggest("t")["deep"]["x"] == 0.25


def incomplete_point(peer: Any) -> None:
    searcher = peer.make({**X, "y": tune.uniform(0, 1)}, points_to_evaluate=[{"x": 0.25}])
    config = searcher.suggest("t")
    assert config["x"] == 0.25
    assert 0 <= config["y"] <= 1


def whole_config_evaluated_before(peer: Any) -> None:
    searcher = peer.make({**X, "epochs": 3})
    searcher.add_evaluated_point({"x": 0.5, "epochs": 3}, 1.0)
    assert peer.ended(searcher) == 1


INSIDE = tune.choice([{"kind": "a", "p": tune.uniform(0, 1)}, {"kind": "b"}])
Failures = dict[str, type[Exception]]
RESULTS: dict[str, tuple[Case, Failures]] = {
    "a result of an unknown trial": (unknown_trial, {"optuna": KeyError}),
    "an intermediate result without the metric": (intermediate({"training_iteration": 1}), {"optuna": KeyError}),
    "an intermediate result that is None": (
        intermediate({"loss": None, "training_iteration": 1}),
        {"optuna": TypeError},
    ),
    "an intermediate result without an iteration": (intermediate({"loss": 3.0}), {"optuna": KeyError}),
    "a final NaN": (final({"loss": math.nan}), {"optuna": AssertionError, "hyperopt": AssertionError}),
    "a final -inf": (final({"loss": -math.inf}), {"optuna": AssertionError, "hyperopt": AssertionError}),
    "a final +inf": (final({"loss": math.inf}), {"optuna": AssertionError, "hyperopt": AssertionError}),
    "a final None": (final({"loss": None}), {"hyperopt": TypeError}),
    "a final result without the metric": (final({}), {"hyperopt": RuntimeError}),
    "a trial that HyperBand ended": (ended_by_hyperband, {"hyperopt": AssertionError}),
}


def fails(**how: type[Exception]) -> Failures:
    return how


SPACES: dict[str, tuple[Case, Failures]] = {
    "qloguniform on its grid": (
        gives(tune.qloguniform(1e-2, 1.0, 5e-3), multiple(5e-3)),
        fails(optuna=AssertionError, nevergrad=AssertionError, bayesopt=AssertionError),
    ),
    "qrandint on multiples of q": (
        gives(tune.qrandint(1, 10, 3), one_of(3, 6, 9)),
        fails(optuna=AssertionError, hyperopt=AssertionError, nevergrad=AssertionError, bayesopt=ValueError),
    ),
    "qrandint with q=1 below its upper end": (
        gives(tune.qrandint(1, 5, 1), one_of(1, 2, 3, 4)),
        fails(optuna=AssertionError, bayesopt=ValueError),
    ),
    "qlograndint": (
        gives(tune.qlograndint(2, 20, 2), lambda value: type(value) is int and value % 2 == 0),
        fails(optuna=ValueError, nevergrad=AssertionError, bayesopt=ValueError),
    ),
    "randn": (
        gives(tune.randn(0, 1), lambda value: isinstance(value, float) and math.isfinite(value), 5),
        fails(optuna=ValueError, nevergrad=AssertionError, bayesopt=OverflowError),
    ),
    "a list with domains inside": (
        gives([tune.randint(1, 4), 7], lambda value: type(value) is list and value[0] in (1, 2, 3) and value[1] == 7),
        fails(optuna=TypeError, hyperopt=AssertionError, nevergrad=TypeError, bayesopt=TypeError),
    ),
    "a choice of lists": (
        gives(tune.choice([[8, 8], [16]]), one_of([8, 8], [16])),
        fails(hyperopt=AssertionError, bayesopt=ValueError),
    ),
    "a choice with domains inside": (
        gives(INSIDE, lambda value: value == {"kind": "b"} or isinstance(value["p"], float)),
        fails(optuna=ValueError, nevergrad=AssertionError, bayesopt=ValueError),
    ),
    "bounds that are equal": (
        gives(tune.uniform(2.0, 2.0), one_of(2.0), 5),
        fails(hyperopt=ValueError, nevergrad=ValueError, bayesopt=AssertionError),
    ),
    "a key with a slash": (slash, fails(optuna=ValueError, nevergrad=ValueError, bayesopt=ValueError)),
    "a nested point to evaluate": (nested_point, fails(optuna=AssertionError, nevergrad=ValueError)),
    "a point that leaves a parameter out": (
        incomplete_point,
        fails(optuna=ValueError, hyperopt=ValueError, nevergrad=ValueError, bayesopt=KeyError),
    ),
    "an evaluated config with constants": (
        whole_config_evaluated_before,
        fails(
            optuna=ValueError,
            hyperopt=NotImplementedError,  # Ray left add_evaluated_point of these two unwritten
            nevergrad=NotImplementedError,  # likewise: Ray left it unwritten
            bayesopt=ValueError,
        ),
    ),
}
CASES = {**RESULTS, **SPACES}
PAIRS = [(peer, name) for peer in PEERS for name in (SPACES if peer in ("nevergrad", "bayesopt") else CASES)]


@pytest.mark.parametrize(("peer", "name"), PAIRS)
@pytest.mark.filterwarnings("ignore")
def test_case(peer: str, name: str) -> None:
    case, failures = CASES[name]
    if peer not in failures:
        case(PEERS[peer])
        return
    PEERS[peer].make(X)  # skipped where the package is not installed
    with pytest.raises(failures[peer]):
        case(PEERS[peer])

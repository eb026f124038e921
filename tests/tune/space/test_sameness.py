"""Options of a choice are told apart by what they are, whatever their ``==`` says."""

from __future__ import annotations

import itertools
import json
import math
import operator
import tempfile
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray import cloudpickle, tune

from arqon_ray.errors import ConfigError
from arqon_ray.tune import ArqonSearcher
from arqon_ray.tune.space.sameness import ALIKE, OTHER, READ, SAME, distance, find


class Plain:
    """An object without an ``__eq__`` of its own."""

    def __init__(self, size: int) -> None:
        self.size = size


class Tensor:
    """Answers ``==`` with an array, as tensors do, and has no truth value."""

    def __init__(self, *values: float) -> None:
        self.values = np.array(values)

    def __eq__(self, other: object) -> Any:
        return self.values == getattr(other, "values", None)

    def __bool__(self) -> bool:
        raise RuntimeError("the truth value of a tensor is ambiguous")

    __hash__ = None  # type: ignore[assignment]


class Rude:
    """Raises whatever is asked of it."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("not today")

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("cannot be pickled")

    __hash__ = None  # type: ignore[assignment]


def two_lambdas() -> list[Callable[[float], float]]:
    return [lambda v: v, lambda v: -v]


def closures(*powers: int) -> list[Callable[[float], float]]:
    return [lambda v, power=power: v**power for power in powers]


CHOICES: dict[str, list[Any]] = {
    "arrays": [np.array([1, 2]), np.array([1, 2, 3]), np.array([[1, 2]]), np.array([1.0, 2.0])],
    "data frames": [pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [2]}), pd.DataFrame({"b": [1]})],
    "tensors": [Tensor(1.0), Tensor(1.0, 2.0), Tensor(2.0)],
    "lambdas": two_lambdas(),
    "closures": closures(1, 2, 3),
    "partials": [partial(pow, 2), partial(pow, 3), partial(operator.add, 2)],
    "objects": [Plain(1), Plain(2)],
    "nan and numbers": [math.nan, 0.0, None],
    "flags beside numbers": [False, 0, True, 1],
    "numbers of two types": [1, 1.0, 2, "1"],
    "large numbers": [2**64, 2**64 + 1, -(2**70)],
    "containers": [[1, 2], (1, 2), {"a": 1}, {"a": 2}, {1, 2}],
    "classes": [Plain, Tensor, int, float],
    "decimals": [Decimal("0.1"), Decimal("0.2"), 0.1],
}


@pytest.mark.parametrize("name", CHOICES)
def test_each_option_is_found_by_itself_and_by_its_copy(name: str) -> None:
    options = CHOICES[name]
    copies = cloudpickle.loads(cloudpickle.dumps(options))
    for place, (option, copy) in enumerate(zip(options, copies, strict=True)):
        assert find(options, option) == place
        assert find(options, copy) == place
        assert distance(option, option) == SAME
        assert distance(option, copy) <= ALIKE
    for one, other in itertools.permutations(options, 2):
        assert distance(one, other) > ALIKE


@pytest.mark.parametrize("name", CHOICES)
def test_every_option_is_handed_out_and_taken_back_as_a_point(name: str) -> None:
    options = CHOICES[name]
    space = {"x": tune.uniform(0, 1), "c": tune.choice(options)}
    points = [{"x": 0.5, "c": option} for option in cloudpickle.loads(cloudpickle.dumps(options))]
    searcher = ArqonSearcher(space, metric="loss", mode="min", points_to_evaluate=points)
    for k, option in enumerate(options):
        config = searcher.suggest(f"t{k}")
        assert isinstance(config, dict)
        assert config["c"] is option
        searcher.on_trial_complete(f"t{k}", {"loss": float(k)})
    drawn = []
    for k in range(30):
        config = searcher.suggest(f"more{k}")
        assert isinstance(config, dict)
        drawn.append(next(i for i, option in enumerate(options) if option is config["c"]))
        searcher.on_trial_complete(f"more{k}", {"loss": float(k)})
    assert len(set(drawn)) > 1


def test_what_answers_nothing_is_only_itself() -> None:
    rude = Rude()
    assert find([Rude(), rude], rude) == 1
    assert find([Rude(), Rude()], rude) is None
    assert distance(rude, Rude()) == OTHER


def test_a_value_that_a_file_or_a_table_changed_is_read_as_the_nearest() -> None:
    assert find([(1, 2), (2, 1)], [1, 2]) == 0
    assert find([{"a": {"b": 1}}, {"a": {"b": 2}}], {"a/b": 2}) == 1
    assert find([1, 2], 2.0) == 1
    assert distance(1, 1.0) == READ
    assert find([1, 2], np.float64(2.0)) == 1
    assert find([1, 2], True) is None


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=8))
def test_plain_values_are_like_their_copies(value: Any) -> None:
    assert distance(value, cloudpickle.loads(cloudpickle.dumps(value))) <= ALIKE
    assert find([object(), value], value) == 1


@pytest.mark.parametrize(("point", "place"), [(0.25, 0), (7.0, 1), (np.float64(5.0), 1)])
def test_a_point_picks_the_range_that_contains_it(point: float, place: int) -> None:
    ranges = [tune.uniform(0, 1), tune.uniform(5, 10)]
    searcher = ArqonSearcher({"x": tune.choice(ranges)}, metric="loss", mode="min", points_to_evaluate=[{"x": point}])
    assert searcher.suggest("t0") == {"x": pytest.approx(float(point))}


@pytest.mark.parametrize("point", [3.0, "a", None, np.array([1.0, 2.0]), Rude(), {"y": 1}])
def test_a_point_in_no_range_is_refused_by_name(point: Any) -> None:
    space = {"x": tune.choice([tune.uniform(0, 1), tune.uniform(5, 10)])}
    with pytest.raises(ConfigError, match="x"):
        ArqonSearcher(space, metric="loss", mode="min", points_to_evaluate=[{"x": point}]).suggest("t0")


def test_dicts_with_domains_are_told_by_what_they_hold() -> None:
    models = [
        {"name": "svm", "C": tune.loguniform(0.1, 10)},
        {"name": "tree", "depth": tune.randint(1, 9)},
        {"name": "none"},
    ]
    points = [{"m": {"name": "tree", "depth": 3}}, {"m": {"name": "none"}}, {"m": {"name": "svm", "C": 2.0}}]
    searcher = ArqonSearcher({"m": tune.choice(models)}, metric="loss", mode="min", points_to_evaluate=points)
    assert [searcher.suggest(f"t{k}") for k in range(3)] == [
        {"m": {"name": "tree", "depth": 3}},
        {"m": {"name": "none"}},
        {"m": {"name": "svm", "C": pytest.approx(2.0)}},
    ]


@pytest.mark.parametrize("name", CHOICES)
def test_a_searchers_file_gives_the_same_options_back(name: str, tmp_path: Path) -> None:
    space = {"x": tune.uniform(0, 1), "c": tune.choice(CHOICES[name])}
    searcher = ArqonSearcher(space, metric="loss", mode="min")
    config = searcher.suggest("t0")
    assert isinstance(config, dict)
    searcher.on_trial_complete("t0", {"loss": 1.0})
    searcher.save(str(tmp_path / "searcher"))
    again = ArqonSearcher(space, metric="loss", mode="min")
    again.restore(str(tmp_path / "searcher"))
    following = again.suggest("t1")
    assert isinstance(following, dict)
    assert find(CHOICES[name], following["c"]) is not None
    assert len(again.solver.history()) == 1


def test_trials_that_ended_while_no_file_was_written_are_matched_by_their_options() -> None:
    from ray.tune import PlacementGroupFactory
    from ray.tune.experiment import Trial

    space = {"x": tune.uniform(0, 1), "act": tune.choice(two_lambdas()), "shape": tune.choice([(8,), (8, 8)])}
    folder = tempfile.mkdtemp()
    searcher = ArqonSearcher(space, metric="loss", mode="min")
    searcher.suggest("a")
    searcher.save_to_dir(folder, "s")
    rows = []
    for loss in (2.0, 1.0):
        trial = Trial("t", stub=True, trial_id=f"late{loss}", evaluated_params=searcher.suggest(f"late{loss}"))
        trial.placement_group_factory = PlacementGroupFactory([{"CPU": 1}])
        trial.status = "TERMINATED"
        trial.run_metadata.last_result = {"loss": loss, "training_iteration": 1, "done": True}
        rows.append(trial.get_json_state())
    Path(folder, "experiment_state-2026-01-01_00-00-00.json").write_text(json.dumps({"trial_data": rows}))
    again = ArqonSearcher(space, metric="loss", mode="min")
    again.restore_from_dir(folder)
    assert isinstance(again.suggest("b"), dict)
    assert sorted(row["value"] for row in again.solver.history()) == [1.0, 2.0]


NUMBERS: dict[str, Callable[[float], Any]] = {
    "float32": np.float32,
    "int64": lambda v: np.int64(v) if v == int(v) else np.float64(v),
    "0-d array": np.array,
    "decimal": lambda v: Decimal(str(v)),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_bounds_may_be_any_number(kind: str) -> None:
    n = NUMBERS[kind]
    space = {
        "uniform": tune.uniform(n(0.0), n(1.0)),
        "quniform": tune.quniform(n(0.0), n(2.0), n(0.5)),
        "loguniform": tune.loguniform(n(0.125), n(8.0)),
        "randint": tune.randint(n(1), n(10)),
        "qrandint": tune.qrandint(n(2), n(10), n(2)),
        "lograndint": tune.lograndint(n(1), n(100)),
        "randn": tune.randn(n(0.0), n(1.0)),
    }
    searcher = ArqonSearcher(space, metric="loss", mode="min")
    for k in range(15):
        config = searcher.suggest(f"t{k}")
        assert isinstance(config, dict)
        assert 0.0 <= config["uniform"] <= 1.0
        assert config["quniform"] in (0.0, 0.5, 1.0, 1.5, 2.0)
        assert 0.125 <= config["loguniform"] <= 8.0
        assert 1 <= config["randint"] < 10
        assert config["qrandint"] in (2, 4, 6, 8, 10)
        assert 1 <= config["lograndint"] < 100
        searcher.on_trial_complete(f"t{k}", {"loss": float(k)})


@pytest.mark.parametrize("bound", ["0.1", b"1", None, [0.1], object()])
def test_a_bound_that_is_no_number_is_refused_by_its_key(bound: Any) -> None:
    domain = tune.uniform(0.0, 1.0)
    domain.lower = bound
    with pytest.raises(ConfigError, match="lr"):
        ArqonSearcher({"lr": domain}, metric="loss", mode="min").suggest("t0")


def test_a_number_that_cannot_be_compared_is_told_apart_all_the_same() -> None:
    signal = Decimal("sNaN")
    assert find([1.5, signal], signal) == 1
    assert find([1.5, 2.5], signal) is None

"""The maps between native values and the unit cube."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from arqon_ray.core.config import load_config
from arqon_ray.core.solver import ArqonSolver
from arqon_ray.core.space.space import Space
from arqon_ray.errors import ConfigError, OutOfBoundsError, ResultsError
from tests.core.spaces import EVERY_KIND, bounds, extreme_ranges


def space_of(parameters: dict[str, Any]) -> Space:
    return Space(load_config({"bounds": parameters}).bounds)


@pytest.fixture
def space() -> Space:
    return space_of(EVERY_KIND)


@given(bounds=bounds(), seed=st.integers(0, 2**32))
def test_any_point_of_any_space_comes_back(bounds: dict[str, Any], seed: int) -> None:
    space = space_of(bounds)
    U = np.random.default_rng(seed).random((20, space.d))
    params = space.decode_array(U)
    points = space.encode_many(params)
    assert np.allclose(points, space.snap(U), atol=1e-9)
    assert ((points >= 0) & (points <= 1)).all()
    for p in params:
        assert json.loads(json.dumps(p)) == p
        for name, value in p.items():
            rule = bounds[name]
            if "choices" in rule:
                assert any(value is choice or value == choice for choice in rule["choices"])
            else:
                assert rule["min"] <= value <= rule["max"]
                assert isinstance(value, int if rule.get("type") == "int" else float)
                steps = (value - rule["min"]) / rule.get("step", 1)
                assert "step" not in rule or abs(steps - round(steps)) < 1e-6


@given(rule=extreme_ranges(), seed=st.integers(0, 2**32))
def test_any_range_that_is_accepted_is_kept_to_and_works(rule: dict[str, Any], seed: int) -> None:
    try:
        config = load_config({"bounds": {"x": rule}, "seed": seed, "strategy": "probe"})
    except ConfigError:
        assume(False)
    space, low, high = Space(config.bounds), config.bounds["x"].min, config.bounds["x"].max
    assert low is not None
    assert high is not None
    U = np.concatenate([np.random.default_rng(seed).random(20), [0.0, 0.5, 1.0, 1e-17, 1 - 1e-16]])[:, None]
    params = space.decode_array(U)
    points = space.encode_many(params)
    assert ((points >= 0) & (points <= 1)).all()
    assert np.allclose(space.encode_many(space.decode_array(points)), points, rtol=0, atol=1e-9)
    for p, point in zip(params, points, strict=True):
        assert low <= p["x"] <= high
        native = space.native(p)
        assert native == p
        assert type(native["x"]) is type(p["x"])
        assert (space.encode(native) == point).all()
    solver = ArqonSolver(config)
    for number in range(5):
        asked = solver.ask_one()
        if asked is None:
            break
        assert low <= asked["x"] <= high
        assert solver.tell([{"params": asked, "value": 1.0}]) == [{"id": str(number), "accepted": True}]


@pytest.mark.parametrize("scale", ["Linear", "Log"])
@pytest.mark.parametrize(("low", "high"), [(1e-10, 1.0), (1e-5, 1e5), (3.0, 3.3), (1e-300, 1e300), (5e-324, 1e-320)])
def test_the_tolerance_is_relative_to_the_range_on_its_scale(low: float, high: float, scale: str) -> None:
    space = space_of({"x": {"min": low, "max": high, "scale": scale}})

    def beyond(bound: float, share: float) -> float:
        """Return what lies outside by this share of the range."""
        if scale == "Log":
            return bound * math.exp(share * (math.log(high) - math.log(low)))
        return bound + share * (high - low)

    for bound, sign in ((low, -1), (high, 1)):
        assert space.native({"x": beyond(bound, sign * 1e-10)}) == {"x": bound}
        far = beyond(bound, sign * 1e-7)
        if low > 1e-300:  # subnormals are too coarse for it
            with pytest.raises(OutOfBoundsError, match="it must lie in"):
                space.encode({"x": far})
    for far in (-low, 0.0, -1e-9 * high) if scale == "Log" else ():
        with pytest.raises(OutOfBoundsError):
            space.encode({"x": far})


@given(bounds=bounds(), seed=st.integers(0, 2**32))
def test_the_order_of_the_config_means_nothing(bounds: dict[str, Any], seed: int) -> None:
    reversed_order = {name: bounds[name] for name in reversed(bounds) if "when" not in bounds[name]}
    reversed_order |= bounds
    U = np.random.default_rng(seed).random((5, len(bounds)))
    assert space_of(bounds).decode_array(U) == space_of(reversed_order).decode_array(U)


def test_every_level_has_the_same_chance(space: Space) -> None:
    U = np.random.default_rng(0).random((24_000, space.d))
    params = space.decode_array(U)
    for name, levels in (("dropout", 10), ("hour", 24), ("optimizer", 2), ("size", 3)):
        counts = Counter(p[name] for p in params)
        assert len(counts) == levels
        assert max(counts.values()) < 1.2 * min(counts.values())


def test_log_integers_are_even_in_logarithms(space: Space) -> None:
    U = np.random.default_rng(0).random((20_000, space.d))
    batches = np.array([p["batch"] for p in space.decode_array(U)], dtype=float)
    assert batches.min() == 8
    assert batches.max() == 128
    assert np.median(batches) == pytest.approx(32, rel=0.06)


def test_steps_are_the_decimals_that_were_meant() -> None:
    space = space_of({"x": {"min": 0.1, "max": 0.9, "step": 0.1}})
    values = {p["x"] for p in space.decode_array(np.linspace(0, 1, 50)[:, None])}
    assert values == {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9}


def test_a_range_that_is_no_multiple_of_the_step_ends_below_max() -> None:
    space = space_of({"x": {"min": 0, "max": 10, "type": "int", "step": 4}})
    assert {p["x"] for p in space.decode_array(np.linspace(0, 1, 50)[:, None])} == {0, 4, 8}


def test_a_periodic_value_wraps_and_its_end_is_its_beginning(space: Space) -> None:
    angle = space.names.index("angle")
    hour = space.names.index("hour")
    point = {**space.decode(np.full(space.d, 0.5)), "angle": 365.0, "hour": 25}
    same = {**point, "angle": 5.0, "hour": 1}
    assert np.allclose(space.encode(point), space.encode(same), atol=1e-12)
    ends = space.to_native(np.vstack([np.zeros(space.d), np.ones(space.d)]))
    assert ends[0, angle] == ends[1, angle] == 0.0
    assert ends[0, hour] == ends[1, hour] == 0.0


def test_conditional_parameters_exist_only_under_their_condition(space: Space) -> None:
    U = np.random.default_rng(1).random((200, space.d))
    params = space.decode_array(U)
    assert {p["optimizer"] for p in params} == {"adam", "sgd"}
    for p in params:
        assert ("momentum" in p) == ("nesterov" in p) == (p["optimizer"] == "sgd")
    native = space.to_native(U)
    assert (np.isnan(native[:, space.names.index("momentum")]) == [p["optimizer"] == "adam" for p in params]).all()


def test_a_chain_of_conditions_ends_with_its_parent() -> None:
    space = space_of(
        {
            "z": {"choices": [0, 1]},
            "y": {"choices": ["a", "b"], "when": {"z": 1}},
            "a": {"min": 0, "max": 1, "when": {"y": "b"}},
        }
    )
    names = {frozenset(p) for p in space.decode_array(np.random.default_rng(0).random((100, 3)))}
    assert names == {frozenset("z"), frozenset("zy"), frozenset("zya")}


def test_cardinality() -> None:
    assert space_of(EVERY_KIND).cardinality is None
    assert space_of({"a": {"choices": [1, 2, 3]}, "b": {"min": 0, "max": 4, "type": "int"}}).cardinality == 15
    assert space_of({"a": {"min": 1.0, "max": 1.0}}).cardinality == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lr": 1.0}, ["params.lr", "1.0", "0.1"]),
        ({"lr": "a"}, ["params.lr", "'a'", "number"]),
        ({"lr": math.nan}, ["params.lr", "nan", "finite"]),
        ({"batch": 8.5}, ["params.batch", "8.5", "one of"]),
        ({"batch": True}, ["params.batch", "True", "number"]),
        ({"dropout": 0.15}, ["params.dropout", "0.15"]),
        ({"optimizer": "rmsprop"}, ["params.optimizer", "'rmsprop'", "adam"]),
        ({"zzz": 1}, ["'zzz'", "lr, batch"]),
        ({"optimizer": "adam"}, ["momentum", "condition does not hold"]),
    ],
)
def test_params_that_do_not_fit_are_refused(space: Space, change: dict[str, Any], words: list[str]) -> None:
    params = {
        "lr": 0.01, "batch": 16, "dropout": 0.3, "angle": 90.0, "hour": 3, "optimizer": "sgd", "size": "small",
        "momentum": 0.5, "nesterov": None, "constant": 3.0,
    }  # fmt: skip
    space.encode(params)
    with pytest.raises(ResultsError) as caught:
        space.encode({**params, **change})
    for word in words:
        assert word in str(caught.value)
    for name in params:
        with pytest.raises(ResultsError, match=name):
            space.encode({k: v for k, v in params.items() if k != name})


@given(bounds=bounds(), seed=st.integers(0, 2**32))
def test_all_parameters_snap_together_as_each_does_alone(bounds: dict[str, Any], seed: int) -> None:
    space = space_of(bounds)
    U = np.random.default_rng(seed).uniform(-0.2, 1.2, size=(20, space.d))
    U[:4] = np.array([0.0, 1.0, 0.5, -0.0])[:, None]
    alone = np.stack([parameter.snap(U[:, j]) for j, parameter in enumerate(space.parameters)], axis=1)
    np.testing.assert_array_equal(space._snap_each(U), alone)


@given(bounds=bounds(), seed=st.integers(0, 2**32))
def test_the_points_of_a_finite_space_are_all_that_there_are(bounds: dict[str, Any], seed: int) -> None:
    space = space_of(bounds)
    points = space.points(3000)
    if points is None:
        assert space.conditional or space.cardinality is None or space.cardinality > 3000
        return
    np.testing.assert_array_equal(points, np.unique(points, axis=0))
    np.testing.assert_array_equal(points, space.snap(points))
    listed = {row.tobytes() for row in points + 0.0}
    drawn = space.encode_many(space.decode_array(np.random.default_rng(seed).random((200, space.d))))
    assert {row.tobytes() for row in drawn} <= listed
    if not space.conditional:
        assert len(points) == space.cardinality


def test_branches_have_few_points_however_many_combinations_there_are() -> None:
    learners = [f"l{k}" for k in range(30)]
    tree = {"learner": {"choices": learners}} | {
        f"p_{name}": {"choices": [1, 2, 3], "when": {"learner": name}} for name in learners
    }
    space = space_of(tree)
    assert space.cardinality == 30 * 3**30
    points = space.points(100)
    assert points is not None
    assert len(points) == 90
    assert space.points(89) is None
    assert space_of({**tree, "x": {"min": 0, "max": 1, "when": {"learner": "l0"}}}).points(1000) is None

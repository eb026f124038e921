"""Our values against Tune's own: the same set, the same types, for every kind of domain."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray import tune
from ray.tune.search.sample import Domain, Float
from ray.tune.search.variant_generator import generate_variants

from arqon_ray.core.config import load_config
from arqon_ray.core.space.space import Space
from arqon_ray.errors import ConfigError
from arqon_ray.tune.space.convert import TuneSpace
from arqon_ray.tune.space.domains import NORMAL_TAIL

SAMPLES = 3000
EXAMPLES = settings(max_examples=20, deadline=None, derandomize=True)


def configs(space: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """The configs at an even sample of our space."""
    converted = TuneSpace(space)
    cube = Space(load_config({"bounds": converted.bounds}).bounds)
    points = np.random.default_rng(0).random((count, cube.d))
    points[0], points[1] = 0.0, 1.0
    return [converted.build(converted.decode(params)) for params in cube.decode_array(points)]


def our_values(domain: Domain, count: int = SAMPLES) -> list[Any]:
    return [config["x"] for config in configs({"x": domain}, count)]


def tune_values(domain: Domain, count: int = SAMPLES) -> list[Any]:
    rng = np.random.default_rng(0)
    return [domain.sample(random_state=rng) for _ in range(count)]


def assert_same_set(domain: Domain) -> None:
    ours, theirs = our_values(domain), tune_values(domain)
    assert set(ours) == set(theirs)
    assert {type(value) for value in ours} == {type(value) for value in theirs}


def integer_bounds(least: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.integers(least, 50).flatmap(lambda low: st.tuples(st.just(low), st.integers(low + 1, low + 8)))


@EXAMPLES
@given(integer_bounds(-50))
def test_randint_gives_what_tune_gives(bounds: tuple[int, int]) -> None:
    assert_same_set(tune.randint(*bounds))


@EXAMPLES
@given(integer_bounds(1))
def test_lograndint_gives_what_tune_gives(bounds: tuple[int, int]) -> None:
    assert_same_set(tune.lograndint(*bounds))


@EXAMPLES
@given(integer_bounds(-50), st.sampled_from([1, 1.0, 2, 3, 0.5, 2.5]))
def test_qrandint_gives_what_tune_gives(bounds: tuple[int, int], q: float) -> None:
    assert_same_or_empty(lambda: tune.qrandint(*bounds, q))


@EXAMPLES
@given(integer_bounds(1), st.sampled_from([1, 2, 3, 5]))
def test_qlograndint_gives_what_tune_gives(bounds: tuple[int, int], q: int) -> None:
    assert_same_or_empty(lambda: tune.qlograndint(*bounds, q))


def assert_same_or_empty(make: Any) -> None:
    """Tune finds out at the first sample that there is no value; we at construction."""
    domain = make()
    try:
        domain.sample()
    except ValueError:
        with pytest.raises(ConfigError, match=r"^x "):
            TuneSpace({"x": domain})
    else:
        assert_same_set(domain)


@EXAMPLES
@given(st.integers(-20, 20), st.integers(1, 8), st.sampled_from([0.1, 0.25, 0.3, 1.0, 2, 1e-4]))
def test_quniform_gives_the_floats_that_tune_gives(first: int, count: int, q: float) -> None:
    assert_same_set(tune.quniform(first * q, (first + count) * q, q))


@EXAMPLES
@given(st.integers(1, 20), st.integers(1, 8), st.sampled_from([0.1, 0.25, 0.3, 1.0, 2, 1e-4]))
def test_qloguniform_gives_the_floats_that_tune_gives(first: int, count: int, q: float) -> None:
    assert_same_set(tune.qloguniform(first * q, (first + count) * q, q))


@pytest.mark.parametrize(
    "domain",
    [tune.uniform(-3, 7), tune.loguniform(1e-5, 10), tune.uniform(0, 0.1), Float(1, 2)],
    ids=["uniform", "loguniform", "small", "bare Float"],
)
def test_continuous_values_fill_the_bounds_like_tunes(domain: Any) -> None:
    ours, theirs = np.array(our_values(domain)), np.array(tune_values(domain))
    assert domain.lower <= ours.min()
    assert ours.max() <= domain.upper
    assert {type(value) for value in our_values(domain, 5)} == {float}
    levels = [0.1, 0.5, 0.9]
    np.testing.assert_allclose(
        np.log1p(np.quantile(ours - domain.lower, levels)),
        np.log1p(np.quantile(theirs - domain.lower, levels)),
        rtol=0.25,
    )


@pytest.mark.parametrize(("mean", "sd"), [(0.0, 1.0), (10.0, 0.5), (-3, 20)])
def test_randn_is_normal_within_four_deviations(mean: float, sd: float) -> None:
    ours = np.sort(our_values(tune.randn(mean, sd)))
    assert np.abs(ours - mean).max() <= NORMAL_TAIL * sd * (1 + 1e-9)
    expected = [NormalDist(mean, sd).inv_cdf((i + 0.5) / SAMPLES) for i in range(SAMPLES)]
    inside = slice(SAMPLES // 20, -SAMPLES // 20)
    np.testing.assert_allclose(ours[inside], expected[inside], atol=0.15 * sd)


def test_qrandn_gives_multiples_as_tune_does() -> None:
    domain = tune.qrandn(1.0, 2.0, 0.3)
    ours, theirs = set(our_values(domain)), set(tune_values(domain))
    assert all(value == round(value / 0.3) * 0.3 for value in ours)
    assert {v for v in theirs if abs(v - 1) < 5} <= ours
    assert max(abs(v - 1) for v in ours) <= NORMAL_TAIL * 2 + 0.3


def test_a_point_comes_back_from_its_config() -> None:
    space = TuneSpace({"a": tune.quniform(0, 1, 0.1), "n": tune.randn(2, 3), "c": tune.choice(["x", "y"])})
    values = space.read({"a": 0.30000000000000004, "n": 1.5, "c": "y"}, strict=True)
    again = space.decode(space.encode(values))
    assert again.pop("quantile(n)") == pytest.approx(1.5)
    assert again == {"a": 0.30000000000000004, "c": "y"}


OBJECT = object()


@pytest.mark.parametrize(
    "options",
    [
        ["relu", "tanh"],
        [1, 1.0, True, None],
        [[64, 64], [128], []],
        [(1, 2), (3,)],
        [OBJECT, dict],
        [np.int64(3), np.float32(0.5)],
        [float("inf"), 1.0],
        ["only"],
        ["twice", "twice"],
        [{"a": 1}, {"a": 2, "b": [3]}],
    ],
    ids=lambda options: "-".join(type(option).__name__ for option in options),
)
def test_a_choice_gives_its_very_options(options: list[Any]) -> None:
    ours = our_values(tune.choice(options), 200)
    chosen = {id(value) for value in ours}
    assert all(any(value is option for option in options) for value in ours)
    assert len(chosen) == len({id(option) for option in options})


def test_scalars_stand_in_the_study_as_they_are_and_objects_by_index() -> None:
    bounds = TuneSpace({"s": tune.choice(["a", None, 2.5]), "o": tune.choice([OBJECT, "b"])}).bounds
    assert bounds == {"s": {"choices": ["a", None, 2.5]}, "o": {"choices": [0, 1]}}


CONDITIONAL = {
    "lr": tune.loguniform(1e-4, 1e-1),
    "model": tune.choice(
        [
            {"kind": "svm", "gamma": tune.uniform(0, 1), "inner": {"c": tune.randint(1, 5)}},
            {"kind": "forest", "trees": tune.qrandint(10, 50, 10), "split": tune.choice(["a", tune.uniform(5, 6)])},
            "none",
        ]
    ),
}


def test_domains_inside_options_exist_only_under_their_option() -> None:
    kinds = set()
    for config in configs(CONDITIONAL, 300):
        assert 1e-4 <= config["lr"] <= 1e-1
        model = config["model"]
        kinds.add(model if isinstance(model, str) else model["kind"])
        if model == "none":
            continue
        if model["kind"] == "svm":
            assert set(model) == {"kind", "gamma", "inner"}
            assert model["inner"]["c"] in range(1, 5)
        else:
            assert set(model) == {"kind", "trees", "split"}
            assert model["trees"] in (10, 20, 30, 40, 50)
            assert model["split"] == "a" or 5 <= model["split"] <= 6
    assert kinds == {"svm", "forest", "none"}
    bounds = TuneSpace(CONDITIONAL).bounds
    assert bounds["model=0/gamma"]["when"] == {"model": 0}
    assert bounds["model=1/split=1"]["when"] == {"model=1/split": 1}


NESTED = {
    "optimizer": {"lr": tune.uniform(0, 1), "name": "adam", "betas": {"one": tune.uniform(0.8, 0.9)}},
    "layers": [tune.randint(1, 4), 7, {"width": tune.choice([8, 16])}],
    "pair": (tune.uniform(0, 1), "fixed"),
    "epochs": 10,
}


def test_nested_dicts_lists_and_tuples_come_back_in_shape() -> None:
    space = TuneSpace(NESTED)
    names = {"optimizer/lr", "optimizer/betas/one", "layers/0", "layers/2/width", "pair/0"}
    assert set(space.bounds) == names
    _, theirs = next(iter(generate_variants(NESTED)))
    for config in configs(NESTED, 20):
        assert shape(config) == shape(theirs)
        assert (config["optimizer"]["name"], config["layers"][1], config["pair"][1]) == ("adam", 7, "fixed")


def test_without_constants_only_what_is_searched_is_returned() -> None:
    space = TuneSpace(NESTED)
    values = space.read(
        {"optimizer/lr": 0.5, "optimizer/betas/one": 0.85, "layers": [1, 7, {"width": 8}], "pair": (0.25, "fixed")},
        strict=True,
    )
    assert space.build(values, constants=False) == {
        "optimizer": {"lr": 0.5, "betas": {"one": 0.85}},
        "layers": [1, 7, {"width": 8}],
        "pair": (0.25, "fixed"),
    }


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(shape(item) for item in value)
    return type(value)


def test_sample_from_is_called_with_the_config_it_belongs_to() -> None:
    space = {
        "a": tune.uniform(1, 2),
        "b": tune.sample_from(lambda config: config["a"] * 10),
        "deep": [tune.sample_from(lambda config: config["b"] + 1)],
    }
    assert list(TuneSpace(space).bounds) == ["a"]
    for config in configs(space, 10):
        assert config["b"] == config["a"] * 10
        assert config["deep"] == [config["b"] + 1]


def test_keys_with_a_slash_do_not_mix_with_nested_ones() -> None:
    space = {"a/b": tune.uniform(0, 1), "a": {"b": tune.uniform(5, 6)}}
    assert len(TuneSpace(space).bounds) == 2
    for config in configs(space, 10):
        assert 0 <= config["a/b"] <= 1
        assert 5 <= config["a"]["b"] <= 6


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"a": {"x": tune.grid_search([1, 2])}}, r"^a/x is grid_search\(\[1, 2\]\).*tune\.choice"),
        ({"x": tune.choice([1, tune.grid_search([2])])}, r"^x=1 is grid_search"),
        ({"x": {"eval": "1 + 1"}}, r"^x is .*sample_from"),
        ({"x": tune.choice([])}, r"^x is a choice without options"),
        ({"x": 1, "y": [2]}, r"only constants"),
        ({"x": tune.randint(3, 3)}, r"^x lies between 3 and 3.*empty"),
        ({"x": tune.uniform(3, 2)}, r"^x lies between 3 and 2"),
        ({"x": Float(0, float("nan"))}, r"^x has the upper bound nan"),
        ({"x": Float(None, 1)}, r"^x has the lower bound -inf"),
        ({"x": Float(0, 1).normal(0, 1)}, r"^x is normal between 0 and 1"),
        ({"x": Domain()}, r"^x is a Domain"),
        ({"x": tune.quniform(0, 1, -0.5)}, r"^x has q=-0\.5"),
        ({"x": tune.randint(0, 2**60)}, r"bounds\.x"),
        ({1: tune.uniform(0, 1)}, r"names as keys"),
        ([tune.uniform(0, 1)], r"must be a dict"),
    ],
)
def test_what_cannot_be_searched_is_refused_by_its_key(space: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TuneSpace(space)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"lrr": 0.1}, "lrr is not in the space"),
        ({"lr": "big"}, "lr is 'big': it must be a number"),
        ({"model": {"kind": "tree"}}, "model is"),
        ({"model": 3}, "model is 3"),
    ],
)
def test_a_config_that_does_not_fit_is_refused_by_its_key(config: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TuneSpace(CONDITIONAL).read(config, strict=True)


def test_reading_finds_the_option_and_what_is_inside() -> None:
    space = TuneSpace(CONDITIONAL)
    values = space.read({"lr": 0.01, "model": {"kind": "forest", "trees": 20, "split": 5.5}}, strict=True)
    assert values == {"lr": 0.01, "model": 1, "model=1/trees": 20, "model=1/split": 1, "model=1/split=1": 5.5}
    assert space.build(values)["model"] == {"kind": "forest", "trees": 20, "split": 5.5}
    assert not math.isnan(values["lr"])

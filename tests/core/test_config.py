"""The schema: what is taken, what is refused, and in which words."""

from __future__ import annotations

import enum
import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from arqon_ray import ArqonSolver
from arqon_ray.core.config import identity, is_arqon_config, load_config, read_config_file
from arqon_ray.core.inputs.plain import MAX_TEXT, same
from arqon_ray.errors import ConfigError
from tests.core.spaces import EVERY_KIND

X = {"x": {"min": 0, "max": 1}}


def _nested(depth: int) -> list[Any]:
    nested: list[Any] = []
    for _ in range(depth):
        nested = [nested]
    return nested


def test_a_dict_its_json_and_its_own_writing_mean_the_same() -> None:
    source = {"seed": 7, "budget": 10, "mode": "max", "bounds": EVERY_KIND, "strategy_params": None}
    config = load_config(source)
    assert load_config(json.dumps(source)) == config
    assert load_config(config.to_dict()) == config
    assert load_config(json.dumps(config.to_dict())) == config


def test_numpy_scalars_and_tuples_are_taken() -> None:
    config = load_config({"seed": np.int64(3), "bounds": {"x": {"min": np.float32(0), "max": np.int8(2)}}})
    assert config.seed == 3
    assert config.bounds["x"].max == 2.0


class Optimizer(enum.Enum):
    ADAM = "adam"
    SGD = "sgd"


class Size(enum.StrEnum):
    SMALL = "small"
    LARGE = "large"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (np.array([32, 64]), [32, 64]),
        (np.array(["a", "b"]), ["a", "b"]),
        (np.array([0.5, 1]), [0.5, 1.0]),
        ((np.float32(0.5), np.bool_(True), np.str_("a")), [0.5, True, "a"]),
        (range(3), [0, 1, 2]),
        (pd.Series(["x", None], dtype=object), ["x", None]),
        (Optimizer, ["adam", "sgd"]),
        ([Optimizer.SGD, None, Size.SMALL], ["sgd", None, "small"]),
    ],
    ids=repr,
)
def test_choices_come_in_whatever_holds_a_list(given: Any, meant: list[Any]) -> None:
    config = load_config({"bounds": {"x": {"choices": given}}})
    plain = config.to_dict()["bounds"]["x"]["choices"]
    assert plain == meant
    assert list(map(type, plain)) == list(map(type, meant))
    assert json.loads(json.dumps(config.to_dict())) == config.to_dict()


def test_members_of_an_enumeration_come_back_as_themselves_in_this_process_and_as_values_after_it() -> None:
    bounds = {
        "o": {"choices": Optimizer},
        "s": {"choices": list(Size), "when": {"o": Optimizer.SGD}},
        "n": {"choices": [1, 2]},
    }
    solver = ArqonSolver({"budget": 8, "bounds": bounds})
    rows = [{"params": params, "value": float(i)} for i, params in enumerate(solver.ask(8) or [])]
    assert {row["params"]["o"] for row in rows} == set(Optimizer)
    solver.tell(rows)
    assert [row["params"] for row in solver.history()] == [row["params"] for row in rows]
    best = solver.best()
    assert best is not None
    assert best["params"] == rows[0]["params"]
    solver.extend_budget(9)
    assert isinstance((solver.ask_one() or {})["o"], Optimizer)
    again = ArqonSolver.from_state(solver.export())
    assert {row["params"]["o"] for row in again.history()} == {"adam", "sgd"}
    assert all(type(row["params"].get("s", "")) is str for row in again.history())
    again.seed([{"params": {"o": Optimizer.SGD, "s": Size.LARGE, "n": 1}, "value": 0.0}])
    assert again.history()[-1]["params"] == {"o": "sgd", "s": "large", "n": 1}


@pytest.mark.parametrize("scale", ["log", "LOG", "Log"])
def test_scale_is_read_in_any_case(scale: str) -> None:
    assert load_config({"bounds": {"x": {"min": 1, "max": 2, "scale": scale}}}).bounds["x"].scale == "Log"


def test_an_upstream_config_needs_no_change() -> None:
    upstream = '{"seed": 42, "budget": 100, "probe_ratio": 0.2, "bounds": {"x": {"min": 1, "max": 9, "scale": "Log"}}}'
    assert load_config(upstream).budget == 100


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{", ["not valid JSON"]),
        ('{"bounds": {"x": {"min": NaN, "max": 1}}}', ["NaN", "finite"]),
        (5, ["config is 5", "dict"]),
        ({}, ["bounds is required"]),
        ({"bounds": {}}, ["bounds", "{}"]),
        ({"bounds": {"": {"min": 0, "max": 1}}}, ["must not be empty"]),
        ({"bounds": X, "budgt": 5}, ["budgt", "5", "unknown key"]),
        ({"bounds": {"x": {"min": 0, "max": 1, "kind": "int"}}}, ["bounds.x.kind", "'int'", "unknown key"]),
        ({"bounds": {"x": {"min": 2, "max": 1}}}, ["bounds.x.min", "2.0", "above max"]),
        ({"bounds": {"x": {"min": 0, "max": 1, "scale": "Log"}}}, ["bounds.x.min", "0.0", "min > 0"]),
        ({"bounds": {"x": {"min": 0, "max": 1, "scale": "cubic"}}}, ["bounds.x.scale", "Cubic", "'Log'"]),
        ({"bounds": {"x": {"min": "0", "max": 1}}}, ["bounds.x.min", "'0'"]),
        ({"bounds": {"x": {"min": 0}}}, ["bounds.x.max is required"]),
        ({"bounds": {"x": {"min": -1e308, "max": 1.7e308}}}, ["bounds.x.min", "max - min"]),
        ({"bounds": {"x": {"min": 0, "max": float("inf")}}}, ["bounds.x.max", "inf", "finite"]),
        ({"bounds": {"x": {"min": 0.5, "max": 3, "type": "int"}}}, ["bounds.x.min", "0.5", "integers"]),
        ({"bounds": {"x": {"min": 0, "max": 1, "step": 0}}}, ["bounds.x.step", "above 0"]),
        ({"bounds": {"x": {"choices": []}}}, ["bounds.x.choices", "[]"]),
        ({"bounds": {"x": {"choices": [[1]]}}}, ["bounds.x.choices", "[1]"]),
        ({"bounds": {"x": {"choices": ["a", "a"]}}}, ["bounds.x.choices", "'a' twice"]),
        ({"bounds": {"x": {"choices": ["a"], "min": 0}}}, ["bounds.x.min", "either choices or a range"]),
        (
            {"bounds": {"x": {"choices": [enum.Enum("K", {"A": (1, 2)}).A]}}},
            ["bounds.x.choices contains", "K.A", "enumeration"],
        ),
        ({"bounds": {"x": {"choices": [1, np.int8(1)]}}}, ["bounds.x.choices contains 1 twice"]),
        ({"bounds": {"x": {"choices": {"a", "b"}}}}, ["bounds.x.choices", "list"]),
        ({"bounds": {"x": {"choices": range(10**30)}}}, ["bounds.x.choices is range(0, 1", "min, max, step"]),
        ({"bounds": {"x": {"choices": np.array([np.nan])}}}, ["bounds.x.choices contains nan", "finite"]),
        ({"bounds": {"x": {"choices": [2**63]}}}, ["bounds.x.choices", "64 bits"]),
        ({"bounds": {"x": {"choices": ["a", "\ud800"]}}}, ["bounds.x.choices[1]", r"'\ud800'", "surrogate"]),
        ({"bounds": {"x": {"choices": ["a" * (MAX_TEXT + 1)]}}}, ["bounds.x.choices[0]", "2**20 characters"]),
        ({"bounds": {"\ud800": X["x"]}}, ["bounds", r"'\ud800'", "surrogate"]),
        ({"bounds": {"a\0b": X["x"]}}, ["bounds", r"'a\x00b'", "NUL"]),
        ({"bounds": {1: X["x"]}}, ["bounds has the key 1", "string"]),
        ({"bounds": X, "strategy_params": {"big": [2**70]}}, ["strategy_params", "64 bits"]),
        ({"bounds": X, "strategy_params": {"a": -(2**63) - 1}}, ["strategy_params", "64 bits"]),
        ({"bounds": X, "strategy_params": {"a": float("nan")}}, ["strategy_params", "finite"]),
        ({"bounds": X, "strategy_params": {"a": {2: 1}}}, ["strategy_params.a has the key 2", "string"]),
        ({"bounds": X, "strategy_params": {"a": "\udfff"}}, ["strategy_params.a", "surrogate"]),
        ({"bounds": X, "strategy_params": {"a": object()}}, ["strategy_params", "JSON"]),
        ({"bounds": X, "strategy_params": {"a": _nested(5000)}}, ["strategy_params.a", "nested deeper than 100"]),
        ({"bounds": X, "seed": 10**400}, ["seed"]),
        ({"bounds": {"x": {"min": 0, "max": 10**400}}}, ["bounds.x.max is inf", "finite"]),
        ({"bounds": {"x": {"min": 0, "max": True}}}, ["bounds.x.max is True", "number"]),
        ({"bounds": {"x": {"min": 0, "max": 2**53 + 1, "type": "int"}}}, ["bounds.x.max", "2**53"]),
        ({"bounds": {"x": {"min": -(2**63), "max": 2**63 - 1, "type": "int"}}}, ["bounds.x.min", "2**53"]),
        ({"bounds": {"x": {"min": 1, "max": 1.01, "step": 1e-15}}}, ["bounds.x.step", "2**-48"]),
        ({"bounds": {"x": {"min": 0, "max": 1, "step": 5e-324}}}, ["bounds.x.step", "2**53"]),
        ({"bounds": {"x": [0, 1]}}, ["bounds.x", "[0, 1]", "dictionary"]),
        ({"bounds": {**X, "y": {"min": 0, "max": 1, "when": {"z": 1}}}}, ["bounds.y.when", "'z'", "earlier"]),
        ({"bounds": {**X, "y": {"min": 0, "max": 1, "when": {"x": 1}}}}, ["bounds.y.when", "'x'", "choices"]),
        (
            {"bounds": {"o": {"choices": ["a"]}, "y": {"min": 0, "max": 1, "when": {"o": "b"}}}},
            ["bounds.y.when.o", "'b'", "never"],
        ),
        ({"bounds": X, "seed": -1}, ["seed", "-1"]),
        ({"bounds": X, "seed": 2**64}, ["seed", str(2**64)]),
        ({"bounds": X, "seed": True}, ["seed", "True"]),
        ({"bounds": X, "budget": 1.5}, ["budget", "1.5"]),
        ({"bounds": X, "mode": "up"}, ["mode", "'up'"]),
        ({"bounds": X, "probe_ratio": 2}, ["probe_ratio", "2"]),
    ],
)
def test_what_breaks_a_rule_is_refused_by_key_value_and_rule(source: Any, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(source)
    assert isinstance(caught.value, ValueError)
    for word in words:
        assert word in str(caught.value)


def test_messages_about_long_values_are_short() -> None:
    long = ["x" * 1000] * 1000
    for wrong in ({"bounds": X, "seed": long}, {"bounds": {"x": {"choices": long}}}, long, {"bounds": X, "zzz": long}):
        with pytest.raises(ConfigError) as caught:
            load_config(wrong)  # type: ignore[arg-type]
        assert len(str(caught.value)) < 1000


def test_numbers_of_any_type_are_bounds() -> None:
    bounds = {"x": {"min": Fraction(1, 2), "max": Decimal("2.5"), "step": np.array([0.5])}}
    assert load_config({"bounds": bounds}).to_dict()["bounds"]["x"] == {"min": 0.5, "max": 2.5, "step": 0.5}


def test_choices_of_another_type_are_another_study() -> None:
    a, b = ({"bounds": {"x": {"choices": choices}}} for choices in ([0, 1], [False, True]))
    assert not same(identity(load_config(a)), identity(load_config(b)))
    assert same({"a": [1, {"b": 2.0}]}, {"a": [1.0, {"b": 2}]})
    for one, other in (([0, 1], [0, True]), ({"a": 1}, {"a": 1, "b": None}), ("1", 1), ([1], {"0": 1}), (None, 0)):
        assert not same(one, other)
        assert not same(other, one)


def test_several_broken_rules_come_in_one_message() -> None:
    with pytest.raises(ConfigError, match=r"seed is -1.*budget is 'x'|budget is 'x'.*seed is -1"):
        load_config({"bounds": X, "seed": -1, "budget": "x"})


def test_an_arqon_config_is_told_from_a_tune_space() -> None:
    assert is_arqon_config({"bounds": X})
    assert is_arqon_config({"bounds": {"o": {"choices": [1]}}, "seed": 1})
    assert not is_arqon_config({"bounds": [0, 1]})
    assert not is_arqon_config({"bounds": {"low": 0, "high": 1}})
    assert not is_arqon_config({"lr": 1})


def test_identity_is_all_but_the_budget_and_knows_no_order() -> None:
    a = load_config({"seed": 1, "budget": 5, "bounds": {"x": {"min": 0, "max": 1}, "y": {"min": 0, "max": 1}}})
    b = load_config({"seed": 1, "budget": 9, "bounds": {"y": {"min": 0, "max": 1.0}, "x": {"min": 0, "max": 1}}})
    assert identity(a) == identity(b)
    assert identity(a) != identity(load_config({**a.to_dict(), "seed": 2}))


def test_yaml_files_read_as_json_would(tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    file.write_text("bounds:\n  lr: {min: 1e-4, max: 1.0e-1, scale: log}\n")
    assert load_config(read_config_file(file)).bounds["lr"].min == 1e-4


@pytest.mark.parametrize(("text", "words"), [("[1, 2]", "list"), ("a: [", "not valid YAML")])
def test_files_that_are_no_mapping_are_refused(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "job.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_config_file(file)
    with pytest.raises(ConfigError, match="cannot read"):
        read_config_file(tmp_path / "missing.yaml")

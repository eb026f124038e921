"""The schema: what is taken, what is refused, and in which words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arqon_ray.core.config import identity, is_arqon_config, load_config, read_config_file
from arqon_ray.errors import ConfigError
from tests.core.spaces import EVERY_KIND

X = {"x": {"min": 0, "max": 1}}


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
        ({}, ["bounds", "missing"]),
        ({"bounds": {}}, ["bounds", "{}"]),
        ({"bounds": {"": {"min": 0, "max": 1}}}, ["not empty"]),
        ({"bounds": X, "budgt": 5}, ["budgt", "5", "unknown key"]),
        ({"bounds": {"x": {"min": 0, "max": 1, "kind": "int"}}}, ["bounds.x.kind", "'int'", "unknown key"]),
        ({"bounds": {"x": {"min": 2, "max": 1}}}, ["bounds.x.min", "2.0", "above max"]),
        ({"bounds": {"x": {"min": 0, "max": 1, "scale": "Log"}}}, ["bounds.x.min", "0.0", "min > 0"]),
        ({"bounds": {"x": {"min": 0, "max": 1, "scale": "cubic"}}}, ["bounds.x.scale", "Cubic", "'Log'"]),
        ({"bounds": {"x": {"min": "0", "max": 1}}}, ["bounds.x.min", "'0'"]),
        ({"bounds": {"x": {"min": 0}}}, ["bounds.x.max", "missing"]),
        ({"bounds": {"x": {"min": -1e308, "max": 1.7e308}}}, ["bounds.x.min", "max - min"]),
        ({"bounds": {"x": {"min": 0, "max": float("inf")}}}, ["bounds.x.max", "inf", "finite"]),
        ({"bounds": {"x": {"min": 0.5, "max": 3, "type": "int"}}}, ["bounds.x.min", "0.5", "whole"]),
        ({"bounds": {"x": {"min": 0, "max": 1, "step": 0}}}, ["bounds.x.step", "above 0"]),
        ({"bounds": {"x": {"choices": []}}}, ["bounds.x.choices", "[]"]),
        ({"bounds": {"x": {"choices": [[1]]}}}, ["bounds.x.choices", "[1]"]),
        ({"bounds": {"x": {"choices": ["a", "a"]}}}, ["bounds.x.choices", "once"]),
        ({"bounds": {"x": {"choices": ["a"], "min": 0}}}, ["bounds.x.min", "not both"]),
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

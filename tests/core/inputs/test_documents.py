"""YAML 1.2 as its specification has it, and JSON: text in, plain data or one error out."""

from __future__ import annotations

import json
import math
import string
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from arqon_ray import ArqonSolver
from arqon_ray.core.config import load_config, read_config_file
from arqon_ray.core.inputs.documents import read_json, read_yaml
from arqon_ray.core.inputs.plain import MAX_DEPTH
from arqon_ray.errors import ConfigError, ResultsError

# Section 10.3.2 of the specification and its example 10.9, and what YAML 1.1 made of the same texts.
NUMBERS = {
    "0": 0,
    "0o7": 7,
    "0x3A": 58,
    "-19": -19,
    "+12": 12,
    "010": 10,
    "0.": 0.0,
    "-0.0": -0.0,
    ".5": 0.5,
    "+12e03": 12000.0,
    "-2E+05": -200000.0,
    "1e-4": 1e-4,
    "1e5": 1e5,
    ".inf": math.inf,
    "-.Inf": -math.inf,
    "+.INF": math.inf,
    ".nan": math.nan,
    ".NAN": math.nan,
}
TEXTS = """
    on On OFF off yes YES no No y n nULL tRUE none 1:30 190:20:30 2001-12-14 2001-12-14t21:59:43.10-05:00 0b1010 1_000
    << = . -.nan 1e e5 1.2.3 0x 0o8 0X3A 0O7 -0x3A inf nan + 685_230.15 0x_0A
"""
SCALARS: list[tuple[str, Any]] = [
    *[(text, None) for text in ("null", "Null", "NULL", "~", "")],
    *[(text, True) for text in ("true", "True", "TRUE")],
    *[(text, False) for text in ("false", "False", "FALSE")],
    *NUMBERS.items(),
    *[(text, text) for text in TEXTS.split()],
]


def same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and (a == b or (a != a and b != b)) and str(a) == str(b)


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_a_plain_scalar_is_what_the_core_schema_says(text: str, value: Any) -> None:
    assert same(read_yaml(text, "it"), value)
    if text:
        assert same(read_yaml(f"[{text}]", "it")[0], value)
        assert read_yaml(f"'{text}'", "it") == text
        assert read_yaml(f'"{text}"', "it") == text
        assert read_yaml(f"! {text}", "it") == text
        assert read_yaml(f"!!str {text}", "it") == text
    assert same(read_yaml(f"key: {text}", "it")["key"], value)


@given(st.text(string.digits + "+-.eExXoOabfinu_:", max_size=8))
def test_only_what_the_schema_lists_is_a_number(text: str) -> None:
    try:
        value = read_yaml(f"- {text}", "it")[0]
    except ConfigError:
        return
    if isinstance(value, int | float):
        try:
            assert same(float(value), float(text))
        except ValueError:
            assert text[:2] in ("0x", "0o") or text.lstrip("+-").lower() in (".inf", ".nan")


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
TREES = st.recursive(LEAVES, lambda each: st.lists(each) | st.dictionaries(st.text(), each), max_leaves=20)


@given(TREES)
def test_json_is_yaml(tree: Any) -> None:
    text = json.dumps(tree)
    for constant, ours in (("-Infinity", "-.inf"), ("Infinity", ".inf"), ("NaN", ".nan")):
        if constant in text:
            return
        assert ours
    if not any(0xD800 <= int(text[i + 2 : i + 6], 16) < 0xE000 for i in range(len(text)) if text[i : i + 2] == "\\u"):
        assert json.dumps(read_yaml(text, "it")) == text
    assert json.dumps(read_json(text, "it")) == text


@given(TREES)
def test_what_pyyaml_writes_is_read_back(tree: Any) -> None:
    """It quotes what YAML 1.1 would misread, so that both versions read the same."""
    text = yaml.safe_dump(tree, sort_keys=False)
    if "!!" not in text and "&" not in text:
        assert repr(read_yaml(text, "it")) == repr(tree)


def test_aliases_are_copies() -> None:
    found = read_yaml("a: &x {min: 0, max: 1}\nb: *x\nc: &x 3\nd: *x\n", "it")
    assert found == {"a": {"min": 0, "max": 1}, "b": {"min": 0, "max": 1}, "c": 3, "d": 3}
    found["a"]["min"] = 5
    assert found["b"]["min"] == 0


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: the key 'a' occurs twice, first in line 1"),
        ("x:\n  {p: 1, q: 2, p: 1}\n", "line 2: the key 'p' occurs twice, first in line 2"),
        ("on: 1\n'on': 2\n", "line 2: the key 'on' occurs twice"),
        ("[a]: 1\n", "line 1: a key is ['a']: it must be a string"),
        ("a: &a [*a]\n", "line 1: *a refers to a value that contains it"),
        ("a: &a {b: *a}\n", "*a refers to a value that contains it"),
        ("a: *b\n", "*b has no anchor above it"),
        (LAUGHS, "aliases repeat more than 100000 values"),
        ("[" * 100_000, "nested deeper than 100"),
        ("- " * 5000 + "a", "nested deeper than 100"),
        ("{a: " * 5000, "nested deeper than 100"),
        ("a: !!python/object/apply:os.system [ls]\n", "the tag 'tag:yaml.org,2002:python/object/apply:os.system'"),
        ("a: !!timestamp 2001-12-14\n", "the tag 'tag:yaml.org,2002:timestamp' is not of YAML's core schema"),
        ("a: !!set {x}\n", "the tag 'tag:yaml.org,2002:set'"),
        ("a: !own 3\n", "the tag '!own'"),
        ("a: !!int x\n", "'x' is not of type int"),
        ("a: 1\n---\nb: 2\n", "line 2: a second document begins"),
        ("a: [1\nb: 2\n", "(line 2)"),
        ("a: " + "9" * 5000, "line 1: a number has 5000 digits"),
        ("a: \x01\n", "is not valid YAML"),
    ],
)
def test_what_is_no_plain_data_is_one_error_that_names_the_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_config_file(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 500 + len(str(path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1, "b": {"c": 1, "c": 2}}', "the key 'c' twice in one object"),
        ("[" * 100_000, "nested deeper than 100"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "nested deeper than 100"),
        ('{"a":' * 5000 + "1" + "}" * 5000, "nested deeper than 100"),
        ('{"a": NaN}', "numbers must be finite"),
        ("9" * 5000, "not valid JSON"),
        ("{", "not valid JSON"),
    ],
)
def test_malformed_json_is_one_error(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        read_json(text, "it")
    with pytest.raises(ConfigError, match=said):
        load_config(text)


def test_a_json_file_is_read_as_json(tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    path.write_text('\ufeff{\n\t"a": "\\ud83d\\ude00"\n}', encoding="utf-8")
    assert read_config_file(path) == {"a": "\U0001f600"}


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"bugdet": 3}, "did you mean 'budget'?"),
        ({"Strategy": "auto"}, "did you mean 'strategy'?"),
        ({"bounds": {"x": {"mim": 0, "max": 1}}}, "bounds.x.mim is 0: unknown key (did you mean 'min'?)"),
        ({"bounds": {"x": {"choice": [1, 2]}}}, "did you mean 'choices'?"),
        ({"zzzzz": 1}, "unknown key; the keys are seed, budget"),
        (
            {"bounds": {"opt": {"choices": ["a", "b"]}, "y": {"min": 0, "max": 1, "when": {"otp": "a"}}}},
            "did you mean 'opt'?",
        ),
    ],
)
def test_a_mistyped_key_suggests_the_nearest(config: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ArqonSolver({"bounds": {"x": {"min": 0, "max": 1}}, **config})
    assert said in str(caught.value)


def test_a_mistyped_parameter_or_key_of_a_result_does_too() -> None:
    solver = ArqonSolver({"bounds": {"learning_rate": {"min": 0, "max": 1}}})
    with pytest.raises(ResultsError, match=r"params has 'learnign_rate' \(did you mean 'learning_rate'\?\)"):
        solver.tell([{"params": {"learnign_rate": 0.5}, "value": 1.0}])
    with pytest.raises(ResultsError, match=r"has 'vlaue' \(did you mean 'value'\?\)"):
        solver.tell([{"params": {"learning_rate": 0.5}, "vlaue": 1.0}])
    with pytest.raises(ConfigError, match=r"strategy is 'prob' \(did you mean 'probe'\?\)"):
        ArqonSolver({"bounds": {"x": {"min": 0, "max": 1}}, "strategy": "prob"})

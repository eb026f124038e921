"""The readers: which values are numbers, whole numbers, seconds and texts, and how the others are refused."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arqon_ray.core.inputs import values
from arqon_ray.errors import ConfigError, ResultsError


class Tensor:
    """What a tensor of torch or jax offers: one element as Python has it."""

    def __init__(self, *elements: Any) -> None:
        self.elements = elements

    def item(self) -> Any:
        (element,) = self.elements
        return element


class Measure:
    """What has nothing but ``__float__``, as an eager tensor of TensorFlow."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __float__(self) -> float:
        return self.value


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (2, 2.0),
        (0.5, 0.5),
        (np.float32(0.5), 0.5),
        (np.float16(2), 2.0),
        (np.longdouble(1.5), 1.5),
        (np.int8(-3), -3.0),
        (np.array(1.5), 1.5),
        (np.array([[1.5]]), 1.5),
        (np.array([Decimal("1.5")]), 1.5),
        (pd.Series([1.5]), 1.5),
        (Decimal("1.5"), 1.5),
        (Fraction(1, 4), 0.25),
        (Tensor(0.5), 0.5),
        (Tensor(3), 3.0),
        (Measure(2.5), 2.5),
        (10**400, math.inf),
        (-(10**400), -math.inf),
        (Fraction(10**400), math.inf),
        (Decimal("-1e400"), -math.inf),
    ],
)
def test_whatever_is_a_number_is_read_as_one(given: Any, meant: float) -> None:
    assert values.as_number(given) == meant
    assert type(values.as_number(given)) is float
    assert values.result("value", given) == (meant if math.isfinite(meant) else None)


@pytest.mark.parametrize(
    "given",
    [
        "1.5",
        b"1.5",
        np.str_("1.5"),
        np.array("1.5"),
        True,
        np.bool_(False),
        np.array([True]),
        Tensor(True),
        Tensor(1.0, 2.0),
        [1.0],
        {"a": 1.0},
        np.array([1.0, 2.0]),
        np.datetime64("2020", "ns"),
        np.timedelta64(5, "ns"),
        pd.Timestamp("2020"),
        1 + 2j,
        np.complex64(1),
        Decimal("sNaN"),
        object(),
    ],
    ids=lambda given: type(given).__name__,
)
def test_what_is_no_number_is_refused_by_every_reader(given: Any) -> None:
    with pytest.raises(TypeError):
        values.as_number(given)
    with pytest.raises(ResultsError, match=r"loss is .*: it must be a number, or null"):
        values.result("loss", given, ResultsError)
    with pytest.raises(ConfigError, match=r"target is .*: it must be a number$"):
        values.number("target", given, ConfigError)
    with pytest.raises(ConfigError, match=r"patience is .*: it must be a finite number of seconds"):
        values.seconds("patience", given, error=ConfigError)


@pytest.mark.parametrize("given", [None, math.nan, np.float32("nan"), pd.NA, pd.NaT, np.ma.masked, Decimal("NaN")])
def test_an_empty_cell_is_a_failed_evaluation_and_no_number(given: Any) -> None:
    assert values.is_missing(given)
    assert values.result("value", given) is None
    with pytest.raises(ValueError, match=r"it must be a (finite )?number"):
        values.number("x", given)


@pytest.mark.parametrize("given", [math.inf, -math.inf, 0.0, "", "nan", [], (), {}, False])
def test_nothing_else_is_an_empty_cell(given: Any) -> None:
    assert not values.is_missing(given)


@given(st.integers() | st.integers(-(2**63), 2**63 - 1).map(np.int64))
def test_whole_numbers_of_any_type_come_back_exactly(given: Any) -> None:
    assert values.as_whole(given) == int(given)
    assert type(values.as_whole(given)) is int


@pytest.mark.parametrize("given", [np.uint64(2**64 - 1), np.array(7), np.array([7]), Tensor(7)])
def test_arrays_and_tensors_of_one_whole_number_are_one(given: Any) -> None:
    assert values.whole("seed", given) in (7, 2**64 - 1)


@pytest.mark.parametrize("given", [3.0, np.float64(3), "3", None, True, np.bool_(True), Tensor(True), Fraction(3), [3]])
def test_what_is_no_whole_number_by_its_type_is_refused(given: Any) -> None:
    with pytest.raises(ConfigError, match=r"n is .*: it must be a whole number, 1 or more$"):
        values.whole("n", given, 1, error=ConfigError)


def test_limits_of_whole_numbers_are_included_and_named() -> None:
    assert values.whole("n", 1, 1, 9) == 1
    assert values.whole("n", 9, 1, 9) == 9
    for wrong in (0, 10):
        with pytest.raises(ValueError, match=f"n is {wrong}: it must be a whole number, 1 to 9"):
            values.whole("n", wrong, 1, 9)
    with pytest.raises(ValueError, match=r"0 to 2\*\*53 - 1"):
        values.whole("step", 2**53, 0, values.MAX_WHOLE)


def test_seconds_are_finite_or_none() -> None:
    assert values.seconds("timeout", None) is None
    assert values.seconds("timeout", np.float32(0.5)) == 0.5
    assert values.seconds("timeout", 0, zero=True) == 0.0
    for wrong in (0, -1, math.nan, math.inf, 10**400):
        with pytest.raises(ValueError, match="above 0, or None"):
            values.seconds("timeout", wrong)
    with pytest.raises(ValueError, match="0 or more, or None"):
        values.seconds("timeout", -1, zero=True)


def test_texts_have_a_length_and_can_be_encoded() -> None:
    assert values.text("key", "é😀", 2) == "é😀"
    assert type(values.text("key", np.str_("a"), 2)) is str
    for wrong in ("", "abc", None, 5, b"a"):
        with pytest.raises(ValueError, match=r"key is .*: it must be a string of 1 to 2 characters"):
            values.text("key", wrong, 2)
    with pytest.raises(ValueError, match=r"key is '\\ud800': it must be text that UTF-8 can encode"):
        values.text("key", "\ud800", 2)


def test_a_message_is_short_whatever_the_value_is() -> None:
    class Unprintable:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for value in ("x" * 10**7, b"x" * 10**7, list(range(10**5)), 10**10_000, Unprintable(), deep, {"a": deep}):
        assert len(values.shown(value)) < 300
    assert values.shown("x" * 10**7).endswith("(10000000 in all)")
    assert values.shown(10**10_000) == "<int of 33220 bits that cannot be printed>"
    while deep:  # unlinked one by one: freeing a deep list recurses
        deep = deep.pop()

"""One call of the user's function: whatever it does becomes plain data."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import pytest

from arqon_ray.fanout.evaluate import evaluate_point, pack, read_value, unpack


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


def _raise(error: BaseException) -> Any:
    raise error


@pytest.mark.parametrize(
    ("result", "metric", "value"),
    [
        (2, None, 2.0),
        (np.float32(0.5), None, 0.5),
        (np.array([[3.0]]).reshape(()), None, 3.0),
        ({"accuracy": 0.9}, None, 0.9),
        ({"loss": 1.0, "accuracy": 0.9}, None, 1.0),
        ({"loss": 1.0, "accuracy": 0.9}, "accuracy", 0.9),
    ],
)
def test_a_number_is_read_from_what_the_function_returns(result: Any, metric: str | None, value: float) -> None:
    assert read_value(result, metric) == value


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (None, "returned None"),
        ("0.5", "returned '0.5'"),
        ({"a": 1, "b": 2}, "metric 'loss' is not in the returned dict; it has ['a', 'b']"),
        ({"loss": None}, "returned None"),
        (math.nan, "the value is nan"),
        (-math.inf, "the value is -inf"),
        ([1.0, 2.0], "TypeError"),
    ],
)
def test_what_is_no_finite_number_is_a_failure_with_a_reason(result: Any, words: str) -> None:
    outcome = evaluate_point(lambda params: result, {})
    assert outcome.value is None
    assert outcome.error is not None
    assert words in outcome.error


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("bad\n  luck"), "ValueError: bad luck"),
        (KeyError(), "KeyError"),
        (SystemExit(3), "SystemExit: 3"),
        (Unprintable(), "Unprintable: (its message cannot be printed)"),
    ],
)
def test_an_exception_is_a_failure_with_one_line_and_a_trace(error: BaseException, line: str) -> None:
    outcome = evaluate_point(lambda params: _raise(error), {})
    assert outcome.value is None
    assert outcome.error == line
    assert outcome.trace is not None
    assert "_raise" in outcome.trace
    assert outcome.seconds >= 0


def test_an_interrupt_is_not_swallowed() -> None:
    with pytest.raises(KeyboardInterrupt):
        evaluate_point(lambda params: _raise(KeyboardInterrupt()), {})


def test_the_function_cannot_change_the_parameters() -> None:
    params = {"x": 1}
    assert evaluate_point(lambda p: p.pop("x"), params).value == 1
    assert params == {"x": 1}


def test_a_long_message_is_cut() -> None:
    error = evaluate_point(lambda params: _raise(ValueError("x" * 10**6)), {}).error
    assert error is not None
    assert len(error) == 1000


def test_what_is_no_function_or_cannot_be_pickled_is_refused() -> None:
    with pytest.raises(TypeError, match="it must be a function"):
        pack(3)  # type: ignore[arg-type]
    frame = sys._getframe()
    with pytest.raises(TypeError, match="it cannot be sent to the workers"):
        pack(lambda params: frame.f_lineno)


@pytest.mark.usefixtures("cluster")
def test_a_function_with_much_data_goes_through_the_object_store() -> None:
    data = np.arange(2**21, dtype=np.float64)
    parcel = pack(lambda params: data[params["i"]])
    assert parcel.fn is None
    fetched = unpack(parcel.fn, parcel.stored)
    assert fetched({"i": 7}) == 7.0
    assert unpack(parcel.fn, parcel.stored) is fetched

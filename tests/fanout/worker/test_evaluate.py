"""One call of the user's function: whatever it does becomes plain data."""

from __future__ import annotations

import asyncio
import math
import sys
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from arqon_ray.fanout.worker.evaluate import evaluate_point, read_value
from arqon_ray.fanout.worker.shipped_function import pack, unpack


class Item:
    def __init__(self, inner: float) -> None:
        self.item = lambda: inner


class Panic(BaseException):
    """What Rust's libraries raise."""


class Exiting(Exception):
    def __str__(self) -> str:
        raise SystemExit(1)


class Stopping:
    def __float__(self) -> float:
        raise KeyboardInterrupt


class Counted:
    made = 0

    def __init__(self) -> None:
        Counted.made += 1
        self.calls = 0

    def __call__(self, params: dict[str, Any]) -> float:
        self.calls += 1
        return self.calls + params["x"]


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
        (np.array([[0.25]]), None, 0.25),
        (Decimal("0.125"), None, 0.125),
        (Fraction(1, 4), None, 0.25),
        ({"loss": Item(2)}, None, 2.0),
    ],
)
def test_a_number_is_read_from_what_the_function_returns(result: Any, metric: str | None, value: float) -> None:
    assert read_value(result, metric) == value


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (None, "returned None"),
        ("0.5", "returned '0.5'"),
        ({"a": 1, "b": 2}, "metric 'loss' is not in the returned dict; it has 'a', 'b'"),
        ({"losss": 1, "b": 2}, "it has 'b', 'losss' (did you mean 'losss'?)"),
        (True, "returned True"),
        (b"1", "returned b'1'"),
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
        (Exiting(), "Exiting: (its message cannot be printed)"),
        (Panic("from Rust"), "Panic: from Rust"),
        (GeneratorExit(), "GeneratorExit"),
        (asyncio.CancelledError(), "CancelledError"),
        (BaseExceptionGroup("g", [KeyboardInterrupt()]), "BaseExceptionGroup: g (1 sub-exception)"),
        (KeyboardInterrupt(), "KeyboardInterrupt: raised by the function itself, not by an interrupt"),
    ],
)
def test_an_exception_is_a_failure_with_one_line_and_a_trace(error: BaseException, line: str) -> None:
    outcome = evaluate_point(lambda params: _raise(error), {})
    assert outcome.value is None
    assert outcome.error == line
    assert outcome.trace is not None
    assert "_raise" in outcome.trace
    assert outcome.seconds >= 0


def test_a_result_that_raises_when_it_is_read_is_a_failure() -> None:
    error = evaluate_point(lambda params: Stopping(), {}).error
    assert error is not None
    assert error.startswith("KeyboardInterrupt: raised by the function itself")


def test_an_endless_recursion_is_a_failure() -> None:
    def descend(params: Any) -> Any:
        return descend(params)

    error = evaluate_point(descend, {}).error
    assert error is not None
    assert error.startswith("RecursionError")


def test_a_coroutine_function_is_awaited_always_in_one_loop() -> None:
    loops = set()

    async def objective(params: dict[str, Any]) -> float:
        await asyncio.sleep(0)
        loops.add(asyncio.get_running_loop())
        return params["x"] + 1.0

    assert [evaluate_point(objective, {"x": x}).value for x in (1, 2)] == [2.0, 3.0]
    assert len(loops) == 1


def test_a_coroutine_that_is_cancelled_is_a_failure() -> None:
    async def objective(params: dict[str, Any]) -> None:
        task = asyncio.create_task(asyncio.sleep(60))
        await asyncio.sleep(0)
        task.cancel()
        await task

    assert evaluate_point(objective, {}).error == "CancelledError"
    assert evaluate_point(lambda params: 1.0, {}).value == 1.0


def test_a_class_is_constructed_once_and_its_instance_called() -> None:
    values = [evaluate_point(Counted, {"x": 10}).value for _ in range(3)]
    assert values == [11, 12, 13]
    assert Counted.made == 1


def test_a_class_whose_constructor_fails_is_a_failure() -> None:
    class Broken:
        def __init__(self) -> None:
            raise OSError("no data")

        def __call__(self, params: Any) -> float:
            return 0.0

    assert evaluate_point(Broken, {}).error == "OSError: no data"


def test_a_missing_metric_is_told_apart_from_other_failures() -> None:
    assert evaluate_point(lambda params: {"a": 1, "b": 2}, {}, "c").metric_missing
    assert not evaluate_point(lambda params: {"a": 1}, {}).metric_missing
    assert not evaluate_point(lambda params: _raise(ValueError()), {}).metric_missing


def test_the_function_cannot_change_the_parameters() -> None:
    params = {"x": 1}
    assert evaluate_point(lambda p: p.pop("x"), params).value == 1
    assert params == {"x": 1}


@pytest.mark.parametrize(
    "objective",
    [
        lambda params: _raise(ValueError("x" * 10**6)),
        lambda params: "x" * 50_000_000,
        lambda params: {"loss": b"x" * 50_000_000},
        lambda params: {f"{'m' * 1000}{i}": i for i in range(10_000)},
        lambda params: _raise(ValueError("\n".join("x" * 10**5 for _ in range(30)))),
    ],
)
def test_what_is_long_is_cut(objective: Any) -> None:
    outcome = evaluate_point(objective, {})
    assert outcome.error is not None
    assert len(outcome.error) <= 1000
    assert len(outcome.trace or "") < 5000


def test_what_is_no_function_or_cannot_be_pickled_is_refused() -> None:
    with pytest.raises(TypeError, match="it must be a function"):
        pack(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a class must have __call__"):
        pack(dict)
    with pytest.raises(TypeError, match=r"constructs it without arguments .*'inner'.*; give an instance"):
        pack(type("Needy", (Item,), {"__call__": lambda self, params: 0.0}))
    frame = sys._getframe()
    with pytest.raises(TypeError, match="it cannot be sent to the workers"):
        pack(lambda params: frame.f_lineno)


@pytest.mark.usefixtures("cluster")
def test_a_function_with_much_data_goes_through_the_object_store() -> None:
    data = np.arange(2**21, dtype=np.float64)
    shipped = pack(lambda params: data[params["i"]])
    assert shipped.fn is None
    fetched = unpack(shipped.fn, shipped.stored)
    assert fetched({"i": 7}) == 7.0
    assert unpack(shipped.fn, shipped.stored) is fetched

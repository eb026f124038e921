"""One call of the user's function, whatever it does, as plain data.

This module is what a worker process imports: it needs the standard library alone, and the readers of values.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import cache, lru_cache
from typing import Any, NamedTuple

from arqon_ray.core.spelling import did_you_mean
from arqon_ray.core.values import as_number, shown
from arqon_ray.fanout.shipping import Shipped

Objective = Callable[[dict[str, Any]], Any]
"""Takes the parameters as one dict; returns a number, or a dict of metrics. It may be a coroutine function, or a class
whose instances are called."""

DEFAULT_METRIC = "loss"
"""The metric that is read from a dict with several when no name is given anywhere."""

_LONGEST_ERROR = 1000  # characters kept of a message: one that prints an array must not fill the table
_LONGEST_LINE = 300
_TRACE_LINES = 12
_NAMES = 20  # metrics that a message names


class Outcome(NamedTuple):
    """What one evaluation gave.

    Attributes:
        value: the finite value, or None when the evaluation failed.
        error: why it failed, one line such as ``ValueError: no convergence``, or None.
        trace: the last lines of the traceback, or None when nothing was raised.
        seconds: the wall time of the call; NaN when its process died.
        lacking: whether a dict was returned without the metric that counts; ``error`` has the names that are there.
    """

    value: float | None
    error: str | None
    trace: str | None
    seconds: float
    lacking: bool = False


class MissingMetricError(ValueError):
    """The function returned a dict without the metric that counts; the message has the names that are there."""

    def __init__(self, metric: str, names: Iterable[object]) -> None:
        there = sorted(str(name)[:_LONGEST_LINE] for name in names)
        more = f" and {len(there) - _NAMES} more" if len(there) > _NAMES else ""
        listed = ", ".join(map(repr, there[:_NAMES])) or "none"
        near = did_you_mean(metric, there)
        super().__init__(f"metric {metric!r} is not in the returned dict; it has {listed}{more}{near}")


def died(reason: str, attempts: int) -> Outcome:
    """Return the outcome of a point that took its process along every time."""
    times = f"{attempts} times" if attempts > 1 else "once"
    return Outcome(None, f"the worker process died, tried {times}: {reason}"[:_LONGEST_ERROR], None, math.nan)


def evaluate_point(fn: Objective, params: Mapping[str, Any], metric: str | None = None) -> Outcome:
    """Call ``fn`` with a copy of the parameters; whatever it raises, None, NaN or an infinity is a failed evaluation.

    Args:
        fn: the user's function.
        params: the native values of the candidate.
        metric: which entry counts when ``fn`` returns a dict; None for its only entry, or ``loss``.

    Raises:
        KeyboardInterrupt: when Ray has cancelled the task, whatever the function raised then.
    """
    start = time.perf_counter()
    try:
        value = read_value(call(fn, params), metric)
    except MissingMetricError as error:
        return Outcome(None, str(error)[:_LONGEST_ERROR], None, time.perf_counter() - start, lacking=True)
    # Every one: neither sys.exit() in a script nor a panic of a Rust library may take the process and its shard along.
    except BaseException as error:
        if _cancelled():
            raise KeyboardInterrupt from error
        return Outcome(None, one_line(error), _trace(error), time.perf_counter() - start)
    seconds = time.perf_counter() - start
    if not math.isfinite(value):
        return Outcome(None, f"the value is {value!r}: it must be finite", None, seconds)
    return Outcome(value, None, None, seconds)


def call(fn: Objective, params: Mapping[str, Any]) -> Any:
    """Return what the user's function gives for a copy of the parameters.

    A class is constructed once in a process and its instance called. What is awaitable is awaited, always in the
    same event loop, so that connections which an objective keeps last as long as the process.
    """
    if isinstance(fn, Shipped):
        fn = fn.function
    result = (_instance(fn) if isinstance(fn, type) else fn)(dict(params))
    return _runner().run(_awaited(result)) if inspect.isawaitable(result) else result


@lru_cache(maxsize=8)
def _instance(kind: Callable[[], Objective]) -> Objective:
    return kind()


@cache
def _runner() -> asyncio.Runner:
    return asyncio.Runner()


async def _awaited(result: Awaitable[Any]) -> Any:
    return await result


def read_value(result: Any, metric: str | None = None) -> float:
    """Return the number in what ``fn`` returned.

    Args:
        result: whatever is a number, see :mod:`arqon_ray.core.values`, or a dict of metrics.
        metric: the entry of the dict; None for its only entry, or ``loss``.

    Raises:
        MissingMetricError: when there is no such metric.
        TypeError: when it is not a number; text and truth values are none.
    """
    if isinstance(result, Mapping):
        name = metric or (next(iter(result)) if len(result) == 1 else DEFAULT_METRIC)
        if name not in result:
            raise MissingMetricError(name, result)
        result = result[name]
    try:
        return as_number(result)
    except TypeError:
        message = f"the function returned {shown(result)}: it must return a number or a dict of metrics"
        raise TypeError(message) from None


def _cancelled() -> bool:
    """Tell whether this is a task that Ray has cancelled: what it raises then is no fault of the function."""
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return False
    try:
        return bool(ray.get_runtime_context().is_canceled())
    except RuntimeError:  # in a driver, which nobody cancels
        return False


def one_line(error: BaseException) -> str:
    """Return an exception as one line of bounded length; it never raises."""
    try:
        message = " ".join(str(error).split()).encode("utf-8", "backslashreplace").decode()
    except BaseException:
        message = "(its message cannot be printed)"
    if isinstance(error, KeyboardInterrupt):
        message = f"raised by the function itself, nobody interrupted it{message and f' ({message})'}"
    name = type(error).__name__
    return f"{name}: {message}"[:_LONGEST_ERROR] if message else name


def _trace(error: BaseException) -> str:
    try:
        lines = "".join(traceback.format_exception(error)).strip().splitlines()[-_TRACE_LINES:]
    except BaseException as another:
        return f"(the traceback cannot be printed: {type(another).__name__})"
    return "\n".join(line[:_LONGEST_LINE] for line in lines)

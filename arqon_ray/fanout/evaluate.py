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

from arqon_ray.core.kinds import BAD_VALUE, DIED, RAISED, TIMEOUT
from arqon_ray.core.spelling import did_you_mean
from arqon_ray.core.values import as_number, shown
from arqon_ray.fanout.shipping import Shipped
from arqon_ray.fanout.watchdog import Watchdog

Objective = Callable[[dict[str, Any]], Any]
"""Takes the parameters as one dict; returns a number, or a dict of metrics. It may be a coroutine function, or a class
whose instances are called."""

DEFAULT_METRIC = "loss"
"""The metric that is read from a dict with several when no name is given anywhere."""

_LONGEST_ERROR = 1000  # characters kept of a message: one that prints an array must not fill the table
_LONGEST_LINE = 300
_TRACE_LINES = 12
_NAMES = 20  # metrics that a message names
_PLAIN = frozenset({float, int, dict})  # what most functions return, known at once to be nothing to await
_EVALUATION = "arqon-evaluation"  # the name of the task that awaits a coroutine function


class Outcome(NamedTuple):
    """What one evaluation gave.

    Attributes:
        value: the finite value, or None when the evaluation failed.
        error: why it failed, one line such as ``ValueError: no convergence``, or None.
        trace: the last lines of the traceback, or None when nothing was raised.
        seconds: the wall time of the call; NaN when its process died.
        lacking: whether a dict was returned without the metric that counts; ``error`` has the names that are there.
        kind: why it failed, one of :mod:`arqon_ray.core.kinds`, or None.
    """

    value: float | None
    error: str | None
    trace: str | None
    seconds: float
    lacking: bool = False
    kind: str | None = None


class MissingMetricError(ValueError):
    """The function returned a dict without the metric that counts; the message has the names that are there."""

    def __init__(self, metric: str, names: Iterable[object]) -> None:
        there = sorted(str(name)[:_LONGEST_LINE] for name in names)
        more = f" and {len(there) - _NAMES} more" if len(there) > _NAMES else ""
        listed = ", ".join(map(repr, there[:_NAMES])) or "none"
        near = did_you_mean(metric, there)
        super().__init__(f"metric {metric!r} is not in the returned dict; it has {listed}{more}{near}")


def died(reason: str, attempts: int, kind: str = DIED) -> Outcome:
    """Return the outcome of a point that took its process along every time."""
    times = f"{attempts} times" if attempts > 1 else "once"
    error = f"the worker process died, tried {times}: {reason}"[:_LONGEST_ERROR]
    return Outcome(None, error, None, math.nan, kind=kind)


def timed_out(limit: float, seconds: float, trace: str | None) -> Outcome:
    """Return the outcome of an evaluation that took longer than it may."""
    return Outcome(None, f"timeout: it ran longer than {limit:g} s", trace, seconds, kind=TIMEOUT)


def evaluate_point(
    fn: Objective, params: Mapping[str, Any], metric: str | None = None, watchdog: Watchdog | None = None
) -> Outcome:
    """Call ``fn`` with a copy of the parameters; whatever it raises, None, NaN or an infinity is a failed evaluation.

    Args:
        fn: the user's function.
        params: the native values of the candidate.
        metric: which entry counts when ``fn`` returns a dict; None for its only entry, or ``loss``.
        watchdog: ends it when it runs too long; None for no limit.

    Raises:
        KeyboardInterrupt: when Ray has cancelled the task, whatever the function raised then.
    """
    start, kind = time.perf_counter(), RAISED
    try:
        result = call(fn, params) if watchdog is None else watchdog.run(call, fn, params)
        kind = BAD_VALUE
        value, seconds = read_value(result, metric), time.perf_counter() - start
        if math.isfinite(value):
            outcome = Outcome(value, None, None, seconds)
        else:
            outcome = _bad(f"the value is {value!r}: it must be finite", seconds)
    except MissingMetricError as missing:
        outcome = _bad(str(missing), time.perf_counter() - start, lacking=True)
    # Every one: neither sys.exit() in a script nor a panic of a Rust library may take the process and its shard along.
    except BaseException as error:
        if watchdog is not None:
            watchdog.rest()
        if _cancelled():
            raise KeyboardInterrupt from error
        outcome = Outcome(None, one_line(error), _trace(error), time.perf_counter() - start, kind=kind)
    if watchdog is not None and watchdog.struck:  # whatever the function made of the exception
        return timed_out(watchdog.limit or 0.0, outcome.seconds, outcome.trace)
    return outcome


def _bad(error: str, seconds: float, lacking: bool = False) -> Outcome:
    return Outcome(None, error[:_LONGEST_ERROR], None, seconds, lacking, BAD_VALUE)


def call(fn: Objective, params: Mapping[str, Any]) -> Any:
    """Return what the user's function gives for a copy of the parameters.

    A class is constructed once in a process and its instance called. What is awaitable is awaited, always in the
    same event loop, so that connections which an objective keeps last as long as the process.
    """
    if isinstance(fn, Shipped):
        fn = fn.function
    result = (_instance(fn) if isinstance(fn, type) else fn)(dict(params))
    if type(result) in _PLAIN or not inspect.isawaitable(result):
        return result
    try:
        return _runner().run(_awaited(result))
    except BaseException:  # an exception that was raised in the loop and not in the coroutine leaves it suspended
        _abandon()
        raise


@lru_cache(maxsize=8)
def _instance(kind: Callable[[], Objective]) -> Objective:
    return kind()


@cache
def _runner() -> asyncio.Runner:
    return asyncio.Runner()


async def _awaited(result: Awaitable[Any]) -> Any:
    task = asyncio.current_task()
    assert task is not None
    task.set_name(_EVALUATION)
    return await result


def _abandon() -> None:
    """Let no coroutine of an evaluation that was broken off go on during the next."""
    loop = _runner().get_loop()
    left = [task for task in asyncio.all_tasks(loop) if task.get_name() == _EVALUATION]
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left))


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

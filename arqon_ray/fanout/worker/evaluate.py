"""One call of the user's function, and what came of it as plain data, whatever the function does."""

from __future__ import annotations

import asyncio
import inspect
import math
import os
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import cache, lru_cache
from typing import Any

from arqon_ray.core.inputs.spelling import did_you_mean
from arqon_ray.core.inputs.values import as_number, shown
from arqon_ray.core.record.error_kinds import BAD_VALUE, RAISED, TIMEOUT
from arqon_ray.core.record.evaluation import Error, Evaluation, Metric, Step
from arqon_ray.core.record.metrics import flatten, joined
from arqon_ray.fanout.worker.context import Context, cancelled
from arqon_ray.fanout.worker.outcome import LONGEST_ERROR, Outcome, node
from arqon_ray.fanout.worker.shipping import Shipped
from arqon_ray.fanout.worker.watchdog import Watchdog

Objective = Callable[..., Any]
"""Takes the parameters as one dict, and a :class:`.Context` if it has a parameter ``context``; returns a number, or a
dict of metrics. It may be a coroutine function, or a class with ``__call__``."""

DEFAULT_METRIC = "loss"
"""The metric that counts if a dict has several and no name is given anywhere."""

_LONGEST_LINE = 300
_TRACE_LINES = 12
_NAMES = 20  # metrics in a message
_PLAIN = frozenset({float, int, dict})  # what most functions return; it needs no check for an awaitable
_EVALUATION = "arqon-evaluation"  # the name of the task that awaits a coroutine function


class MissingMetricError(ValueError):
    """The function returned a dict without the metric that counts. The message lists the names in it."""

    def __init__(self, metric: str, names: Iterable[object]) -> None:
        there = sorted(str(name)[:_LONGEST_LINE] for name in names)
        more = f" and {len(there) - _NAMES} more" if len(there) > _NAMES else ""
        listed = ", ".join(map(repr, there[:_NAMES])) or "none"
        near = did_you_mean(metric, there)
        super().__init__(f"metric {metric!r} is not in the returned dict; it has {listed}{more}{near}")


def evaluate_point(
    fn: Objective,
    params: Mapping[str, Any],
    metric: str | None = None,
    watchdog: Watchdog | None = None,
    context: Context | None = None,
    attempt: int = 1,
    warned: set[str] | None = None,
) -> Outcome:
    """Call ``fn`` with a copy of the parameters. Any exception, None, NaN or an infinity is a failed evaluation.

    Args:
        fn: the user's function.
        params: the candidate's parameters, native values.
        metric: the entry that counts if ``fn`` returns a dict; None for its only entry, or ``loss``.
        watchdog: interrupts an evaluation that runs too long; None for no limit.
        context: passed to the function; None if it takes none.
        attempt: how often the evaluation was started.
        warned: metrics that were warned of before and are not again; a new one is added. None for none.

    Raises:
        KeyboardInterrupt: Ray has cancelled the task, whatever the function raised; or ``context.should_stop()`` has
            returned True, whatever the function returned.
    """
    value, missing, error, kind = None, False, None, RAISED
    metrics: dict[str, Metric] = {}
    steps: tuple[Step, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    started, start, end = time.time(), time.perf_counter(), 0.0
    try:
        result = call(fn, params, context) if watchdog is None else watchdog.run(call, fn, params, context)
        end, kind = time.perf_counter(), BAD_VALUE
        if type(result) is float:  # the common case, which needs no conversion
            value = result
        else:
            if isinstance(result, Mapping):
                metrics, notes = _metrics_of(result, warned, metric)
            value = read_value(result, metric, metrics)
        if not math.isfinite(value):
            value, error = None, Error(BAD_VALUE, f"the value is {value!r}: it must be finite")
    except MissingMetricError as no_such_metric:
        missing, error = True, Error(BAD_VALUE, str(no_such_metric)[:LONGEST_ERROR])
    # All of them: sys.exit() in a script or a panic of a Rust library must not end the process and lose its shard.
    except BaseException as raised:
        if watchdog is not None:
            watchdog.rest()
        if cancelled():
            if context is not None:
                context.end()  # its thread must not report for the next attempt at the candidate
            raise KeyboardInterrupt from raised
        error = Error(kind, one_line(raised), _trace(raised))
    seconds = (end or time.perf_counter()) - start
    if watchdog is not None and watchdog.struck:  # even if the function caught the exception
        value, missing = None, False
        error = Error(TIMEOUT, f"timeout: it ran longer than {watchdog.limit or 0.0:g} s", error and error.trace)
    if context is not None:
        steps, metrics = context.end(), joined(context.metrics, metrics)
        notes = (*context.notes, *notes)
        if context.stopping:
            raise KeyboardInterrupt("the function stopped because its evaluation was no longer wanted")
    # By position: a sweep makes millions of them, and keyword arguments take longer.
    evaluation = Evaluation(
        None,
        {},
        value,
        "complete" if error is None else "failed",
        None,
        None,
        metrics,
        None,
        steps,
        1.0,
        started,
        started + seconds,
        seconds,
        node(),
        _pid(),
        error,
        "",
        attempt,
    )
    return Outcome(evaluation, missing, notes)


def _metrics_of(
    returned: Mapping[str, Any], warned: set[str] | None, metric: str | None
) -> tuple[dict[str, Metric], tuple[tuple[str, str], ...]]:
    """Return the metrics, and the warnings about those that are left out or shortened."""
    notes: list[tuple[str, str]] = []
    known = set() if warned is None else warned
    metrics = flatten(returned, lambda *note: notes.append(note), known, metric or DEFAULT_METRIC)
    return metrics, tuple(notes)


_pid = cache(os.getpid)  # os.getpid() takes a third of the time of a record
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pid.cache_clear)


def call(fn: Objective, params: Mapping[str, Any], context: Context | None = None) -> Any:
    """Call the user's function with a copy of the parameters, and with the context if there is one.

    A class is constructed once in a process, and its instance is called. An awaitable is awaited, always in the same
    event loop, so that connections which the function keeps open last as long as the process.
    """
    if isinstance(fn, Shipped):
        fn = fn.function
    function = _instance(fn) if isinstance(fn, type) else fn
    result = function(dict(params)) if context is None else function(dict(params), context=context)
    if type(result) in _PLAIN or not inspect.isawaitable(result):
        return result
    try:
        return _runner().run(_awaited(result))
    except BaseException:  # raised in the loop and not in the coroutine, which is still suspended then
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
    """Cancel the coroutine of an interrupted evaluation, so that it does not continue during the next one."""
    loop = _runner().get_loop()
    left = [task for task in asyncio.all_tasks(loop) if task.get_name() == _EVALUATION]
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.wait(left))


def read_value(result: Any, metric: str | None = None, metrics: Mapping[str, Any] | None = None) -> float:
    """Return the number in what the user's function returned.

    Args:
        result: anything numeric, see :mod:`arqon_ray.core.inputs.values`, or a dict of metrics.
        metric: the entry of the dict; None for its only entry, or ``loss``.
        metrics: the dict flattened, which names nested entries, such as ``val/loss``.

    Raises:
        MissingMetricError: the dict has no such metric.
        TypeError: it is not a number. Text and truth values are not numbers.
    """
    if isinstance(result, Mapping):
        name = metric or (next(iter(result)) if len(result) == 1 else DEFAULT_METRIC)
        if name in result:
            result = result[name]
        elif metrics and name in metrics:
            result = metrics[name]
        else:
            raise MissingMetricError(name, metrics or result)
    try:
        return as_number(result)
    except TypeError:
        message = f"the function returned {shown(result)}: it must return a number or a dict of metrics"
        raise TypeError(message) from None


def one_line(error: BaseException) -> str:
    """Return an exception as one line of bounded length. Never raises."""
    try:
        message = " ".join(str(error).split()).encode("utf-8", "backslashreplace").decode()
    except BaseException:
        message = "(its message cannot be printed)"
    if isinstance(error, KeyboardInterrupt):
        message = f"raised by the function itself, not by an interrupt{message and f' ({message})'}"
    name = type(error).__name__
    return f"{name}: {message}"[:LONGEST_ERROR] if message else name


def _trace(error: BaseException) -> str:
    try:
        lines = "".join(traceback.format_exception(error)).strip().splitlines()[-_TRACE_LINES:]
    except BaseException as another:
        return f"(the traceback cannot be printed: {type(another).__name__})"
    return "\n".join(line[:_LONGEST_LINE] for line in lines)

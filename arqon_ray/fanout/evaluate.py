"""One call of the user's function, whatever it does, as plain data; and the way it travels to the workers.

This module is what a worker process imports: it needs the standard library alone, and the readers of values.
"""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from arqon_ray.core.values import as_number, shown

Objective = Callable[[dict[str, Any]], Any]
"""Takes the parameters as one dict; returns a number, or a dict of metrics."""

DEFAULT_METRIC = "loss"
"""The metric that is read from a dict with several when no name is given anywhere."""

_LONGEST_ERROR = 1000  # characters kept of a message: one that prints an array must not fill the table
_TRACE_LINES = 12
_LARGE = 8 * 2**20  # bytes; Ray warns from 10 MiB on that a function is too large to be sent as one


class Outcome(NamedTuple):
    """What one evaluation gave.

    Attributes:
        value: the finite value, or None when the evaluation failed.
        error: why it failed, one line such as ``ValueError: no convergence``, or None.
        trace: the last lines of the traceback, or None when nothing was raised.
        seconds: the wall time of the call; NaN when its process died.
    """

    value: float | None
    error: str | None
    trace: str | None
    seconds: float


def died(reason: str, attempts: int) -> Outcome:
    """Return the outcome of a point that took its process along every time."""
    times = f"{attempts} times" if attempts > 1 else "once"
    return Outcome(None, f"the worker process died, tried {times}: {reason}"[:_LONGEST_ERROR], None, math.nan)


def evaluate_point(fn: Objective, params: Mapping[str, Any], metric: str | None = None) -> Outcome:
    """Call ``fn`` with a copy of the parameters; an exception, None, NaN or an infinity is a failed evaluation.

    Args:
        fn: the user's function.
        params: the native values of the candidate.
        metric: which entry counts when ``fn`` returns a dict; None for its only entry, or ``loss``.
    """
    start = time.perf_counter()
    try:
        value = read_value(fn(dict(params)), metric)
    # SystemExit too: a script that calls sys.exit() must not take the worker process and its shard along.
    except (Exception, SystemExit) as error:
        lines = traceback.format_exc().strip().splitlines()[-_TRACE_LINES:]
        return Outcome(None, _one_line(error), "\n".join(lines), time.perf_counter() - start)
    seconds = time.perf_counter() - start
    if not math.isfinite(value):
        return Outcome(None, f"the value is {value!r}: it must be finite", None, seconds)
    return Outcome(value, None, None, seconds)


def read_value(result: Any, metric: str | None = None) -> float:
    """Return the number in what ``fn`` returned.

    Args:
        result: whatever is a number, see :mod:`arqon_ray.core.values`, or a dict of metrics.
        metric: the entry of the dict; None for its only entry, or ``loss``.

    Raises:
        ValueError: when there is no such metric.
        TypeError: when it is not a number; text and truth values are none.
    """
    if isinstance(result, Mapping):
        name = metric or (next(iter(result)) if len(result) == 1 else DEFAULT_METRIC)
        if name not in result:
            raise ValueError(f"metric {name!r} is not in the returned dict; it has {sorted(map(str, result))}")
        result = result[name]
    try:
        return as_number(result)
    except TypeError:
        rule = "it must return a number or a dict of metrics"
        raise TypeError(f"the function returned {shown(result)}: {rule}") from None


def _one_line(error: BaseException) -> str:
    try:
        message = " ".join(str(error).split()).encode("utf-8", "backslashreplace").decode()
    except Exception:
        message = "(its message cannot be printed)"
    name = type(error).__name__
    return f"{name}: {message}"[:_LONGEST_ERROR] if message else name


class Parcel(NamedTuple):
    """The user's function on its way to the workers.

    Attributes:
        fn: what the remote function captures; None when it is stored.
        stored: empty, or the one reference to it, which every task is given.
    """

    fn: Objective | None
    stored: list[Any]


def pack(fn: Objective) -> Parcel:
    """Decide how ``fn`` travels.

    What a remote function captures is unpickled once in a worker, not once a task, so what the user's function
    caches in globals lasts. One that drags much data along goes through the object store, which has no limit of size.

    Raises:
        TypeError: when it is not callable, or cannot be pickled.
    """
    import ray
    from ray import cloudpickle

    pickled: Callable[[Objective], bytes] = cloudpickle.dumps
    if not callable(fn):
        raise TypeError(f"fn is {fn!r}: it must be a function that takes the parameters as one dict")
    try:
        size = len(pickled(fn))
    except Exception as error:
        raise TypeError(f"fn is {fn!r}: it cannot be sent to the workers ({_one_line(error)})") from error
    return Parcel(fn, []) if size < _LARGE else Parcel(None, [ray.put(fn)])


_unpacked: dict[str, Objective] = {}


def unpack(fn: Objective | None, stored: list[Any]) -> Objective:
    """Return the function of a :class:`Parcel` in a worker, where a stored one is fetched and unpickled once."""
    if fn is not None:
        return fn
    key = stored[0].hex()
    if key not in _unpacked:
        import ray

        _unpacked.clear()  # one at a time: it is large
        _unpacked[key] = ray.get(stored[0])
    return _unpacked[key]

"""The metrics of an evaluation: allowed types, limits, and how the dict that a function returned is read."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from arqon_ray.core.inputs import values as read
from arqon_ray.core.record.evaluation import Metric
from arqon_ray.errors import ResultsError

MAX_METRICS = 64
MAX_LIST = 64
"""The most numbers in a list."""
MAX_TEXT = 4096
"""The most bytes of a text, in UTF-8."""
MAX_STEPS = 1000
"""The most intermediate reports of one evaluation that are kept."""

_LARGEST = 2**63
_SCALARS = frozenset({float, bool, type(None)})
_RULE = "a number, a text, True, False, None or a list of numbers"
_warned: set[str] = set()


def flatten(
    returned: Mapping[Any, Any],
    warn: Callable[[str, str], object] | None = None,
    named: set[str] | None = None,
    first: str | None = None,
) -> dict[str, Metric]:
    """Return the metrics in the dict that a function returned.

    Nested dicts are flattened with ``/``. Entries that are no metrics (see :func:`check`) are left out, those that
    exceed the limits are cut; a warning says so once for each name.

    Args:
        returned: the dict.
        warn: called with the name and the warning; None for ``warnings.warn``.
        named: the names that were warned of already, updated in place; None for one set for the whole process.
        first: the name of a metric that is kept even if there are too many.
    """
    if len(returned) <= MAX_METRICS and all(map(_is_plain, returned.items())):
        return dict(returned)  # the usual case
    metrics: dict[str, Metric] = {}
    problems: list[tuple[str, str]] = []
    beyond = False
    for name, value in _leaves(returned, "", problems):
        room = MAX_METRICS if first is None or first in metrics or name == first else MAX_METRICS - 1
        if len(metrics) >= room and name not in metrics:
            if not beyond:
                problems.append((name, f"only the first {MAX_METRICS} metrics of an evaluation are kept"))
            beyond = True
            continue
        try:
            metrics[name] = _metric(value)
        except _TooLongError as long:
            metrics[name] = long.cut
            problems.append((name, f"it was cut: {long}"))
        except TypeError:
            problems.append((name, f"{_described(value)} is left out: a metric is {_RULE}"))
    named = _warned if named is None else named
    for name, problem in problems:
        if name not in named:
            named.add(name)
            (warn or _warn)(name, f"metric {name!r}: {problem}")
    return metrics


def _is_plain(item: tuple[Any, Any]) -> bool:
    name, value = item
    return type(name) is str and name.isascii() and type(value) in _SCALARS


def joined(before: Mapping[str, Metric], after: Mapping[str, Metric]) -> dict[str, Metric]:
    """Return the metrics of both; later ones replace earlier ones, of which only as many are kept as fit."""
    metrics = {**before, **after}
    if len(metrics) > MAX_METRICS:
        dropped = [name for name in before if name not in after][MAX_METRICS - len(metrics) :]
        for name in dropped:
            del metrics[name]
    return metrics


def _warn(name: str, message: str) -> None:
    warnings.warn(message, stacklevel=4)


def _leaves(
    returned: Mapping[Any, Any], prefix: str, problems: list[tuple[str, str]], above: tuple[int, ...] = ()
) -> Iterator[tuple[str, Any]]:
    above = (*above, id(returned))
    for key, value in returned.items():
        if not isinstance(key, str) or not read.is_unicode(key):
            problems.append((f"{prefix}{key!s}", f"the name {read.shown(key)} is no text, so it is left out"))
        elif isinstance(value, Mapping):
            if id(value) in above:
                problems.append((prefix + key, "a dict that contains itself is left out"))
            else:
                yield from _leaves(value, f"{prefix}{key}/", problems, above)
        else:
            yield prefix + key, value


class _TooLongError(ValueError):
    def __init__(self, message: str, cut: Metric) -> None:
        super().__init__(message)
        self.cut = cut


def _metric(value: Any) -> Metric:
    """Return a value as plain Python.

    Raises:
        TypeError: it is no metric.
        _TooLongError: it exceeds a limit; has the part that is kept.
    """
    kind = type(value)
    if kind in _SCALARS:
        plain: Metric = value
        return plain
    value = read.element(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(str(value))
    if callable(getattr(value, "tolist", None)):
        return _of_array(value)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        numbers = [_number(each) for each in value[: MAX_LIST + 1]]
        if len(value) > MAX_LIST:
            raise _TooLongError(f"a list has at most {MAX_LIST} numbers, and this one {len(value)}", numbers[:MAX_LIST])
        return numbers
    return _number(value)


def _of_array(value: Any) -> list[Any]:
    """Return a vector (array, tensor or series) as a list; only the part that is kept is converted."""
    shape = tuple(getattr(value, "shape", ()))
    if len(shape) != 1:
        raise TypeError(value)
    numbers = [_number(each) for each in value[:MAX_LIST].tolist()]
    if shape[0] > MAX_LIST:
        raise _TooLongError(f"a list has at most {MAX_LIST} numbers, and this one {shape[0]}", numbers)
    return numbers


def _described(value: Any) -> str:
    """Return a value as warnings show it; for an array, its type and shape."""
    shape = getattr(value, "shape", None)
    return read.shown(value) if shape is None else f"{type(value).__name__} of shape {tuple(shape)}"


def _number(value: Any) -> float | int:
    try:
        whole = read.as_whole(value)
    except TypeError:
        return read.as_number(value)
    return whole if -_LARGEST <= whole < _LARGEST else float(whole) if abs(whole) < 2**1023 else math.inf


def _text(text: str) -> str:
    if not read.is_unicode(text):
        text = text.encode("utf-8", "backslashreplace").decode()
    if len(text) * 4 > MAX_TEXT and len(encoded := text.encode()) > MAX_TEXT:
        cut = encoded[:MAX_TEXT].decode(errors="ignore")
        raise _TooLongError(f"a text has at most {MAX_TEXT} bytes, and this one {len(encoded)}", cut)
    return text


def check(name: str, metrics: Any) -> dict[str, Metric]:
    """Return the flattened metrics of a result that was told. Unlike :func:`flatten`, nothing is left out or cut.

    Args:
        name: what messages call the dict.
        metrics: a dict.

    Raises:
        ResultsError: it is not a dict, an entry is not a metric, or a limit is exceeded.
    """
    if not isinstance(metrics, Mapping):
        raise ResultsError(read.broken(name, metrics, "a dict of metrics by name"))
    checked: dict[str, Metric] = {}
    problems: list[tuple[str, str]] = []
    for key, value in _leaves(metrics, "", problems):
        try:
            checked[key] = _metric(value)
        except _TooLongError as long:
            raise ResultsError(f"{name}[{key!r}]: {long}") from None
        except TypeError:
            raise ResultsError(read.broken(f"{name}[{key!r}]", value, _RULE)) from None
    if problems:
        raise ResultsError(f"{name}: {problems[0][1].removesuffix(', so it is left out')}")
    if len(checked) > MAX_METRICS:
        raise ResultsError(f"{name} has {len(checked)} entries: an evaluation has at most {MAX_METRICS} metrics")
    return checked


def to_json(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return metrics as JSON can hold them; NaN and infinities become dicts such as ``{"float": "nan"}``."""
    return {name: _jsonable(value) for name, value in metrics.items()}


def _jsonable(value: Any) -> Any:
    if type(value) is float and not math.isfinite(value):
        return {"float": repr(value)}
    return [_jsonable(each) for each in value] if isinstance(value, list) else value


def from_json(metrics: Mapping[str, Any]) -> dict[str, Metric]:
    """Return the metrics that :func:`to_json` wrote.

    Raises:
        TypeError, ValueError, LookupError: the form is wrong.
    """
    if not isinstance(metrics, Mapping):
        raise TypeError(read.broken("metrics", metrics, "a dict of metrics by name"))
    return {name: _unjsoned(value) for name, value in metrics.items()}


def _unjsoned(value: Any) -> Any:
    if isinstance(value, Mapping):
        return float(value["float"])
    return [_unjsoned(each) for each in value] if isinstance(value, list) else value

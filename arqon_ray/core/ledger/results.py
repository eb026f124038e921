"""Results as users give them: the whole list is checked before any of it is recorded."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arqon_ray.core.inputs import values as read
from arqon_ray.core.inputs.spelling import did_you_mean
from arqon_ray.core.record import metrics as metric_rules
from arqon_ray.core.record.error_kinds import BAD_VALUE, KINDS, RAISED
from arqon_ray.core.record.evaluation import Error, Evaluation, Metric, Step
from arqon_ray.core.record.running import thinned
from arqon_ray.errors import ResultsError

KEYS = (
    *("params", "value", "values", "metrics", "cost", "eval_id", "id", "status", "step", "steps", "reason", "error"),
    *("started", "ended", "seconds", "node", "pid", "attempt"),
)
_PLAIN_KEYS = frozenset({"params", "value", "cost", "eval_id", "id", "metrics"})
ECHOED = ("note", "owner", "key", "number", "origin", "seq")
"""Keys of the answers of ``ask`` and ``pending``: such an answer with a value added is a valid result."""
_KNOWN = frozenset({*KEYS, *ECHOED})
_LONGEST_REASON = 10_000
_LONGEST_NAME = 512

OUTSIDE = -1
"""The number of a point from outside that must not be matched with a candidate by its params."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One checked entry of a list of results.

    Attributes:
        params: native values, or None if the id alone names the point.
        number: the number of the candidate that the entry names; None to match by the params; or :data:`OUTSIDE`.
        told: the evaluation; it is not assigned to a candidate yet.
        unsaid: whether it comes from a release that did not say which evaluations were stopped.
    """

    params: Mapping[str, Any] | None
    number: int | None
    told: Evaluation
    unsaid: bool = False


Results = str | Sequence[Mapping[str, Any]] | Mapping[str, Any]
"""A list of results, one of them, or the JSON of either."""


def parse_results(results: Results, metric: str | None = None) -> list[Entry]:
    """Check a list of results (a list of dicts, one dict, or the JSON of either).

    Each has ``params`` or an id (``id`` or ``eval_id``), and ``value`` (a number; None, NaN or infinite means a failed
    evaluation), ``values`` where there are several objectives, or ``metrics`` with the one that the config names. What
    else an :class:`.Evaluation` has may be there: ``status`` (``complete``, ``stopped`` or ``failed``), ``metrics``,
    ``step``, ``steps``, ``cost``, ``started``, ``ended``, ``seconds``, ``node``, ``pid``, ``attempt``, and ``error``
    (a dict of ``kind``, ``message`` and ``trace``) or a ``reason``.

    Args:
        results: the results.
        metric: the name of the objective, for entries that have metrics but no value.

    Raises:
        ResultsError: if any entry is malformed; it names the entry, the key, the value and the rule.
    """
    return [parse_entry(entry, f"results[{i}]", metric) for i, entry in enumerate(rows_of(results))]


def rows_of(results: Any) -> Sequence[Any]:
    """Return the rows of a list of results, of one result, or of the JSON of either.

    Raises:
        ResultsError: if it is none of these.
    """
    if isinstance(results, str):
        results = _read(results)
    if isinstance(results, Mapping):
        return [results]
    if not isinstance(results, Sequence) or isinstance(results, str | bytes):
        raise ResultsError(read.broken("results", results, "a list of dicts with params and value"))
    return results


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ResultsError(f"results is not valid JSON: {error}. Got {text[:80]!r}") from None


def parse_entry(entry: Any, where: str, metric: str | None = None) -> Entry:
    """Check one result; ``where`` is how messages call it. See :func:`parse_results`."""
    if not isinstance(entry, Mapping):
        raise ResultsError(read.broken(where, entry, "a dict with params and value"))
    if not entry.keys() <= _KNOWN:
        key = next(key for key in entry if key not in _KNOWN)
        near = did_you_mean(key, KEYS)
        raise ResultsError(f"{where} has {read.shown(key)}{near}: the keys are {', '.join(KEYS)}")
    params, number = entry.get("params"), _parse_id(entry, where)
    if params is None and number is None:
        raise ResultsError(f"{where} has neither params nor eval_id: it must say which point it is about")
    if params is not None and not isinstance(params, Mapping):
        raise ResultsError(read.broken(f"{where}.params", params, "a dict of the parameters' values"))
    value, cost = entry.get("value"), entry.get("cost", 1.0)
    if (
        type(value) is type(cost) is float
        and entry.keys() <= _PLAIN_KEYS
        and math.isfinite(value)
        and 0 <= cost < math.inf
    ):
        # The most frequent form, on a short path.
        metrics = {} if entry.get("metrics") is None else metric_rules.check(f"{where}.metrics", entry["metrics"])
        return Entry(params, number, Evaluation(None, {}, value, cost=cost, metrics=metrics))
    return Entry(params, number, _parse_told(entry, where, metric))


def _parse_told(entry: Mapping[str, Any], where: str, metric: str | None) -> Evaluation:
    status = entry.get("status")
    status = "complete" if read.is_missing(status) else status
    if not isinstance(status, str) or status not in ("complete", "stopped", "failed"):
        raise ResultsError(read.broken(f"{where}.status", status, "complete, stopped or failed"))
    metrics = {} if entry.get("metrics") is None else metric_rules.check(f"{where}.metrics", entry["metrics"])
    values = _parse_values(entry.get("values"), f"{where}.values")
    given = entry.get("value")
    if values is not None:
        given = values[0] if all(value is not None for value in values) else None
    elif "value" not in entry and status != "failed":
        given = _metric_of(metrics, "metrics" in entry, where, metric)
    value = read.result(f"{where}.value", given, ResultsError) if status != "failed" else None
    cost = read.number(f"{where}.cost", entry.get("cost", 1.0), ResultsError)
    if cost < 0:
        raise ResultsError(read.broken(f"{where}.cost", cost, "a finite number, 0 or more"))
    every = None if values is None or value is None else tuple(each for each in values if each is not None)
    attempt = entry.get("attempt")
    return Evaluation(
        id=None,
        params={},
        value=value,
        status="failed" if value is None else "stopped" if status == "stopped" else "complete",
        values=every,
        metrics=metrics,
        step=None if entry.get("step") is None else _parse_step(f"{where}.step", entry["step"]),
        steps=thinned(parse_steps(f"{where}.steps", entry.get("steps"))),
        cost=cost,
        started=_parse_time(f"{where}.started", entry.get("started")),
        ended=_parse_time(f"{where}.ended", entry.get("ended")),
        seconds=_parse_seconds(f"{where}.seconds", entry.get("seconds")),
        node=_parse_node(f"{where}.node", entry.get("node")),
        pid=None if entry.get("pid") is None else read.whole(f"{where}.pid", entry["pid"], 0, 2**53 - 1, ResultsError),
        error=None if value is not None else _parse_error({**entry, "value": given}, where, status),
        attempt=1 if attempt is None else read.whole(f"{where}.attempt", attempt, 1, 2**53 - 1, ResultsError),
    )


def _metric_of(metrics: Mapping[str, Metric], given: bool, where: str, metric: str | None) -> Metric:
    """Return the value of a result that has metrics instead."""
    if not given:
        raise ResultsError(f"{where} has no value: give a number, or null for a failed evaluation")
    if metric is None:
        raise ResultsError(f"{where} has metrics and no value: give the value too, or a config that names its metric")
    if metric not in metrics:
        near = did_you_mean(metric, metrics)
        raise ResultsError(f"{where}.metrics has no {metric!r}{near}: it must have the metric that the config names")
    return metrics[metric]


def _parse_error(entry: Mapping[str, Any], where: str, status: str) -> Error:
    """Return why an evaluation failed: the given error or reason, or else its value."""
    reason, error = entry.get("reason"), entry.get("error")
    if isinstance(error, Mapping):
        kind, reason, trace = error.get("kind", RAISED), error.get("message"), error.get("trace")
        if kind not in KINDS:
            raise ResultsError(read.broken(f"{where}.error.kind", kind, f"one of {', '.join(KINDS)}"))
        if trace is not None and not isinstance(trace, str):
            raise ResultsError(read.broken(f"{where}.error.trace", trace, "a string or None"))
    else:
        kind, trace, reason = (RAISED if status == "failed" else BAD_VALUE), None, error if reason is None else reason
    if reason is not None and not isinstance(reason, str):
        raise ResultsError(read.broken(f"{where}.reason", reason, "a string"))
    if reason is None:
        reason = "failed" if status == "failed" else f"value is {read.shown(entry.get('value'))}"
    return Error(kind, printable(reason), None if trace is None else printable(trace))


def printable(text: str) -> str:
    """Return a message as it is stored: of bounded length, and valid UTF-8."""
    # A message may contain a file name that is not UTF-8, or a whole array; that must not lose the result.
    return text[:_LONGEST_REASON].encode("utf-8", "backslashreplace").decode()


def parse_steps(name: str, steps: Any) -> list[Step]:
    """Check the reports in a result: a list of step, value and optionally time."""
    if steps is None or (isinstance(steps, Sequence) and not steps):
        return []
    if isinstance(steps, str | bytes) or not isinstance(steps, Sequence):
        raise ResultsError(read.broken(name, steps, "a list of [step, value, time]"))
    read_steps = []
    for i, each in enumerate(steps):
        if isinstance(each, str | bytes) or not isinstance(each, Sequence) or len(each) not in (2, 3):
            raise ResultsError(read.broken(f"{name}[{i}]", each, "[step, value, time], the time in seconds or absent"))
        step, value = check_report(each[0], each[1])
        read_steps.append(Step(step, value, _parse_time(f"{name}[{i}][2]", each[2] if len(each) > 2 else None)))
    return read_steps


def _parse_time(name: str, time: Any) -> float | None:
    return None if read.is_missing(time) else read.number(name, time, ResultsError)


def _parse_seconds(name: str, seconds: Any) -> float | None:
    if read.is_missing(seconds):
        return None
    return read.seconds(name, seconds, zero=True, error=ResultsError)


def _parse_node(name: str, node: Any) -> str | None:
    # There are few different ones, and each result brings its own copy.
    return None if read.is_missing(node) else sys.intern(read.text(name, node, _LONGEST_NAME, error=ResultsError))


def _parse_values(values: Any, where: str) -> list[float | None] | None:
    """Return the values of several objectives; a value that is not finite becomes None: a failed evaluation."""
    if values is None:
        return None
    if callable(getattr(values, "tolist", None)):
        values = values.tolist()  # an array, a tensor, a series
    if isinstance(values, str | bytes) or not isinstance(values, Sequence) or len(values) < 2:
        raise ResultsError(read.broken(where, values, "a list of one number for each objective"))
    return [read.result(f"{where}[{i}]", value, ResultsError) for i, value in enumerate(values)]


def check_report(step: Any, value: Any) -> tuple[int, float | None]:
    """Return step and value of an intermediate result; a value that is not finite becomes None.

    Raises:
        ResultsError: if one of them is malformed.
    """
    return _parse_step("step", step), read.result("value", value, ResultsError)


def _parse_step(name: str, step: Any) -> int:
    # Steps are stored beside the values in arrays of float64.
    return read.whole(name, step, 0, read.MAX_WHOLE, ResultsError)


def _parse_id(entry: Mapping[str, Any], where: str) -> int | None:
    """Return the number in ``eval_id`` (an int, as in ArqonHPO) or ``id`` (a string)."""
    given = entry.get("eval_id") if entry.get("eval_id") is not None else entry.get("id")
    if given is None:
        return None
    if isinstance(given, str) and given.isascii() and given.isdigit() and len(given) < 20:
        given = int(given)
    return read.whole(f"{where}.eval_id", given, 0, 2**63 - 1, ResultsError)

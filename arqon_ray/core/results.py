"""Results as users give them: read, checked as a whole, and only then taken."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arqon_ray.core import values as read
from arqon_ray.core.ledger import Status
from arqon_ray.core.spelling import did_you_mean
from arqon_ray.errors import ResultsError

_KEYS = ("params", "value", "cost", "eval_id", "id", "status", "step", "reason", "values")
ECHOED = ("note", "owner", "key")
"""What the answers of ``ask`` and ``pending`` say beside a candidate: a result may be one of them with its value."""
_KNOWN = frozenset({*_KEYS, *ECHOED})
_LONGEST_REASON = 10_000

OUTSIDE = -1
"""The number of a point from outside that is no candidate's whatever its params are."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One checked entry of a list of results.

    Attributes:
        params: native values, or None when the id alone names the point.
        number: the candidate's number that the entry names; None to go by the params; :data:`OUTSIDE`.
        value: finite, or None for a failed evaluation.
        cost: finite, 0 or more.
        status: ``complete`` or ``failed``.
        step: how far a multi-step evaluation had come, or None.
        reason: why it failed, or None.
        values: of all objectives, where there are several; ``value`` is the first of them.
    """

    params: Mapping[str, Any] | None
    number: int | None
    value: float | None
    cost: float
    status: Status
    step: int | None
    reason: str | None
    values: tuple[float, ...] | None = None


Results = str | Sequence[Mapping[str, Any]] | Mapping[str, Any]
"""A list of results, one of them, or the JSON of either."""


def parse_results(results: Results) -> list[Entry]:
    """Check a list of results (a list of dicts, one dict, or the JSON of either).

    Each has ``params`` or an id (``id`` or ``eval_id``), ``value`` (a number; None, NaN or infinite means a
    failed evaluation), and optionally ``cost``, ``status`` (``complete``, ``failed``), ``step``, ``reason``;
    ``values`` in place of ``value`` where there are several objectives.

    Raises:
        ResultsError: when any entry is malformed; it names the entry, the key, the value and the rule.
    """
    return [parse_entry(entry, f"results[{i}]") for i, entry in enumerate(rows_of(results))]


def rows_of(results: Any) -> Sequence[Any]:
    """Return the rows of a list of results, of one result, or of the JSON of either.

    Raises:
        ResultsError: when it is none of them.
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


def parse_entry(entry: Any, where: str) -> Entry:
    """Check one result; ``where`` is how messages call it."""
    if not isinstance(entry, Mapping):
        raise ResultsError(read.broken(where, entry, "a dict with params and value"))
    if not entry.keys() <= _KNOWN:
        key = next(key for key in entry if key not in _KNOWN)
        near = did_you_mean(key, _KEYS)
        raise ResultsError(f"{where} has {read.shown(key)}{near}: the keys are {', '.join(_KEYS)}")
    params, number = entry.get("params"), _parse_id(entry, where)
    if params is None and number is None:
        raise ResultsError(f"{where} has neither params nor eval_id: it must say which point it is about")
    if params is not None and not isinstance(params, Mapping):
        raise ResultsError(read.broken(f"{where}.params", params, "a dict of the parameters' values"))
    status = entry.get("status")
    status = "complete" if read.is_missing(status) else status
    if not isinstance(status, str) or status not in ("complete", "failed"):
        raise ResultsError(read.broken(f"{where}.status", status, "complete or failed"))
    values = _parse_values(entry.get("values"), f"{where}.values")
    if values is not None:
        entry = {**entry, "value": values[0] if all(value is not None for value in values) else None}
    if "value" not in entry and status == "complete":
        raise ResultsError(f"{where} has no value: give a number, or null for a failed evaluation")
    value = read.result(f"{where}.value", entry.get("value"), ResultsError) if status == "complete" else None
    cost = read.number(f"{where}.cost", entry.get("cost", 1.0), ResultsError)
    if cost < 0:
        raise ResultsError(read.broken(f"{where}.cost", cost, "a finite number, 0 or more"))
    reason = entry.get("reason")
    step = None if entry.get("step") is None else _parse_step(f"{where}.step", entry["step"])
    if reason is not None and not isinstance(reason, str):
        raise ResultsError(read.broken(f"{where}.reason", reason, "a string"))
    if reason is not None:
        # A message may hold a file name that is no UTF-8, or a whole array; a result must not be lost for it.
        reason = reason[:_LONGEST_REASON].encode("utf-8", "backslashreplace").decode()
    if value is None and reason is None:
        reason = f"value is {read.shown(entry.get('value'))}" if status == "complete" else "failed"
    every = None if values is None or value is None else tuple(each for each in values if each is not None)
    return Entry(params, number, value, cost, "failed" if value is None else "complete", step, reason, every)


def _parse_values(values: Any, where: str) -> list[float | None] | None:
    """Return the values of several objectives; one that is not finite is None, and means a failed evaluation."""
    if values is None:
        return None
    if callable(getattr(values, "tolist", None)):
        values = values.tolist()  # an array, a tensor, a series
    if isinstance(values, str | bytes) or not isinstance(values, Sequence) or len(values) < 2:
        raise ResultsError(read.broken(where, values, "a list of one number for each objective"))
    return [read.result(f"{where}[{i}]", value, ResultsError) for i, value in enumerate(values)]


def check_report(step: Any, value: Any) -> tuple[int, float | None]:
    """Return step and value of an intermediate result; the value is None when it was not finite.

    Raises:
        ResultsError: when one of them is malformed.
    """
    return _parse_step("step", step), read.result("value", value, ResultsError)


def _parse_step(name: str, step: Any) -> int:
    # They lie beside the values in arrays of float64.
    return read.whole(name, step, 0, read.MAX_WHOLE, ResultsError)


def _parse_id(entry: Mapping[str, Any], where: str) -> int | None:
    """Return the number behind ``eval_id`` (an int, as ArqonHPO has it) or ``id`` (its string)."""
    given = entry.get("eval_id") if entry.get("eval_id") is not None else entry.get("id")
    if given is None:
        return None
    if isinstance(given, str) and given.isascii() and given.isdigit() and len(given) < 20:
        given = int(given)
    return read.whole(f"{where}.eval_id", given, 0, 2**63 - 1, ResultsError)

"""Results as users give them: read, checked as a whole, and only then taken."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from arqon_ray.core.ledger import Status
from arqon_ray.errors import ResultsError

_KEYS = ("params", "value", "cost", "eval_id", "id", "status", "step", "reason", "values")
_KNOWN = frozenset(_KEYS)


@dataclass(frozen=True, slots=True)
class Entry:
    """One checked entry of a list of results.

    Attributes:
        params: native values, or None when the id alone names the point.
        number: the candidate's number that the entry names, or None.
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
    if isinstance(results, str):
        results = _read(results)
    if isinstance(results, Mapping):
        results = [results]
    if not isinstance(results, Sequence) or isinstance(results, str | bytes):
        raise ResultsError(f"results is {results!r}: it must be a list of dicts with params and value")
    return [_parse_entry(entry, f"results[{i}]") for i, entry in enumerate(results)]


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ResultsError(f"results is not valid JSON: {error}. Got {text[:80]!r}") from None


def _parse_entry(entry: Any, where: str) -> Entry:
    if not isinstance(entry, Mapping):
        raise ResultsError(f"{where} is {entry!r}: it must be a dict with params and value")
    if not entry.keys() <= _KNOWN:
        key = next(key for key in entry if key not in _KNOWN)
        raise ResultsError(f"{where} has {key!r}: the keys are {', '.join(_KEYS)}")
    params, number = entry.get("params"), _parse_id(entry, where)
    if params is None and number is None:
        raise ResultsError(f"{where} has neither params nor eval_id: it must say which point it is about")
    if params is not None and not isinstance(params, Mapping):
        raise ResultsError(f"{where}.params is {params!r}: it must be a dict of the parameters' values")
    status = entry.get("status") or "complete"
    if status not in ("complete", "failed"):
        raise ResultsError(f"{where}.status is {status!r}: it must be complete or failed")
    values = _parse_values(entry.get("values"), f"{where}.values")
    if values is not None:
        entry = {**entry, "value": values[0] if all(value is not None for value in values) else None}
    if "value" not in entry and status == "complete":
        raise ResultsError(f"{where} has no value: give a number, or null for a failed evaluation")
    value = parse_value(entry.get("value"), f"{where}.value") if status == "complete" else None
    cost = parse_value(entry.get("cost", 1.0), f"{where}.cost")
    if cost is None or cost < 0:
        raise ResultsError(f"{where}.cost is {entry.get('cost')!r}: it must be a finite number, 0 or more")
    reason = entry.get("reason")
    step = None if entry.get("step") is None else _parse_step(entry["step"], f"{where}.step")
    if reason is not None and not isinstance(reason, str):
        raise ResultsError(f"{where}.reason is {reason!r}: it must be a string")
    if reason is not None:
        # A message may hold a file name that is no UTF-8; it must not be what a result is lost for.
        reason = reason.encode("utf-8", "backslashreplace").decode()
    if value is None and reason is None:
        reason = f"value is {entry.get('value')!r}" if status == "complete" else "failed"
    every = None if values is None or value is None else tuple(each for each in values if each is not None)
    return Entry(params, number, value, cost, "failed" if value is None else "complete", step, reason, every)


def _parse_values(values: Any, where: str) -> list[float | None] | None:
    """Return the values of several objectives; one that is not finite is None, and means a failed evaluation."""
    if values is None:
        return None
    if isinstance(values, str) or not isinstance(values, Sequence | np.ndarray) or len(values) < 2:
        raise ResultsError(f"{where} is {values!r}: it must be a list of one number for each objective")
    return [parse_value(value, f"{where}[{i}]") for i, value in enumerate(values)]


def check_report(step: Any, value: Any) -> tuple[int, float | None]:
    """Return step and value of an intermediate result; the value is None when it was not finite.

    Raises:
        ResultsError: when one of them is malformed.
    """
    return _parse_step(step, "step"), parse_value(value, "value")


def _parse_step(step: Any, where: str) -> int:
    if isinstance(step, bool) or not isinstance(step, int | np.integer) or not 0 <= step < 2**63:
        raise ResultsError(f"{where} is {step!r}: it must be a whole number, 0 .. 2**63 - 1")
    return int(step)


def _parse_id(entry: Mapping[str, Any], where: str) -> int | None:
    """Return the number behind ``eval_id`` (an int, as ArqonHPO has it) or ``id`` (its string)."""
    given = entry.get("eval_id") if entry.get("eval_id") is not None else entry.get("id")
    if given is None:
        return None
    short = isinstance(given, str) and given.isascii() and given.isdigit() and len(given) < 20
    number = int(given) if short else given
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < 0:
        raise ResultsError(f"{where}.eval_id is {given!r}: it must be a whole number, 0 or more")
    return int(number)


def parse_value(value: Any, where: str) -> float | None:
    """Return a finite float, or None for what means a failed evaluation: None, NaN, an infinity.

    Raises:
        ResultsError: when it is no number at all.
    """
    if type(value) is float:
        return value if math.isfinite(value) else None
    if value is None:
        return None
    if isinstance(value, np.generic | np.ndarray) and np.ndim(value) == 0:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ResultsError(f"{where} is {value!r}: it must be a number, or null for a failed evaluation")
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None

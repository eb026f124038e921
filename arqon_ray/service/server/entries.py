"""Parses the results and reports that calls bring; a call is checked as a whole before anything is changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from arqon_ray.core.inputs import values
from arqon_ray.core.ledger.results import Entry, check_report, parse_results, rows_of
from arqon_ray.core.ledger.seeds import fit, parse_seeds
from arqon_ray.core.record import metrics as metric_rules
from arqon_ray.core.record.error_kinds import NOT_THE_POINTS_FAULT
from arqon_ray.core.space.space import Space
from arqon_ray.errors import ResultsError
from arqon_ray.service.server.outcomes import Reported
from arqon_ray.service.validation import check_batch, check_id

_VALUES = frozenset({"value", "values", "metrics"})
_REPORT = frozenset({"id", "step", "value", "metrics", "time"})


def tell_entries(results: Any, rest: Mapping[str, Any], metric: str | None = None) -> list[Entry]:
    """Return the checked results of ``tell(id, value, ...)`` or ``tell([{...}, ...])``.

    Args:
        results: an id, or a list of dicts (or one dict) with ``id`` and ``value``.
        rest: the other arguments of the call; without ``value`` if none was given.
        metric: the config's; names the value of results that have only metrics.

    Raises:
        ResultsError: the arguments are malformed; see :func:`checked_entries` too.
    """
    if isinstance(results, str):
        check_id(results)
        if not _VALUES.intersection(rest) and rest.get("status") != "failed":
            raise ResultsError(f"tell({results!r}) has no value: give a number, or None for a failed evaluation")
        results = [{"id": results, **rest}]
    elif "value" in rest:
        raise ResultsError(values.broken("id", results, "the string that ask gave as id"))
    elif unread := [key for key in rest if key != "cost"]:
        raise ResultsError(f"tell([...]) has {unread[0]} beside the list: put it into the results that it is about")
    return checked_entries(results, metric)


def checked_entries(results: Any, metric: str | None = None) -> list[Entry]:
    """Return the entries of a list of candidates' results.

    Raises:
        ResultsError: an entry is malformed, has no id, or failed for a reason that says nothing about its point.
    """
    entries = parse_results([_ended(row) for row in _rows(results)], metric)
    for row, entry in enumerate(entries):
        if entry.number is None:
            raise ResultsError(f"results[{row}] has no id: give the one that ask gave; seed() takes outside points")
        error = entry.told.error
        if error is not None and error.kind in NOT_THE_POINTS_FAULT:
            raise ResultsError(
                f"results[{row}].error.kind is {error.kind!r}, which says nothing about the point: "
                f"release('{entry.number}') gives it back, and it is handed out again"
            )
    return entries


def _ended(row: Any) -> Any:
    """Return a result; a row of ``pending()`` to which a value was added is turned into one."""
    status = row.get("status") if isinstance(row, Mapping) else None
    if not isinstance(status, str) or status != "running":
        return row
    return {k: v for k, v in row.items() if k != "status" and (v is not None or k not in ("value", "values"))}


def seed_entries(
    results: Any, space: Space, out_of_bounds: str, metric: str | None = None
) -> tuple[list[Entry], list[str | None]]:
    """Return the entries given to ``seed`` that fit the space, and why the others are skipped; see ``fit``."""
    return fit(parse_seeds(_rows(results), metric), space, out_of_bounds)


def report_entries(id: Any, step: Any, value: Any, metrics: Any, now: Callable[[], float]) -> list[Reported]:
    """Return the checked reports of ``report(id, step, value, ...)`` or ``report([{...}, ...])``.

    Args:
        id: an id, or a list of dicts (or one dict) with ``id``, ``step`` and ``value``.
        step: that of a single report; ``...`` if none was given.
        value: likewise.
        metrics: those of a single report; None if there are none.
        now: returns the time for reports that bring none, in seconds since 1970.

    Raises:
        ResultsError: a report is malformed.
    """
    if isinstance(id, str):
        if step is ... or value is ...:
            raise ResultsError(f"report({id!r}) has no {'step' if step is ... else 'value'}: give step and value")
        return [_reported({"id": id, "step": step, "value": value, "metrics": metrics}, "", now)]
    if not isinstance(id, Mapping) and (isinstance(id, bytes) or not isinstance(id, Sequence)):
        raise ResultsError(values.broken("id", id, "the string that ask gave as id"))
    if step is not ... or value is not ... or metrics is not None:
        raise ResultsError("report([...]) has arguments beside the list: put them into the reports that they are about")
    return [_reported(each, f"reports[{row}].", now) for row, each in enumerate(_rows(id))]


def _reported(given: Any, where: str, now: Callable[[], float]) -> Reported:
    if not isinstance(given, Mapping) or not {"id", "step", "value"} <= given.keys() <= _REPORT:
        problem = values.broken(where[:-1], given, "a dict of id, step, value and optionally metrics and time")
        raise ResultsError(problem)
    try:
        number = check_id(given["id"])
        step, value = check_report(given["step"], given["value"])
        time = now() if given.get("time") is None else values.number("time", given["time"], ResultsError)
    except ResultsError as error:
        raise ResultsError(f"{where}{error}") from None
    metrics = given.get("metrics")
    return Reported(
        number, step, value, None if metrics is None else metric_rules.check(f"{where}metrics", metrics), time
    )


def _rows(results: Any) -> Any:
    rows = rows_of(results)
    check_batch("results", rows)
    return rows

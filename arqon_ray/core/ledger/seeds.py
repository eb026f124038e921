"""Points from outside: old results, rows that a study handed out, rows of a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeVar

from arqon_ray.core.inputs.values import is_missing, shown
from arqon_ray.core.ledger.results import ECHOED, OUTSIDE, Entry, Results, parse_entry, rows_of
from arqon_ray.core.space.space import Space
from arqon_ray.errors import OutOfBoundsError, ResultsError

T = TypeVar("T")

OutOfBounds = Literal["raise", "skip"]
"""What to do with a row whose parameters are outside the space."""

_IDS = frozenset({"id", "eval_id"})
_COLUMN = "params."
_METRIC = "metrics."
_PASSED_OVER = frozenset({*_IDS, *ECHOED, "number", "origin", "predicted", "index", "seq", "attempts", "trace"})
"""Keys of rows of ``history()``, ``best()``, ``pareto()``, a run and a sweep that are not part of a result."""
_COUNTS = ("step", "pid", "attempt")


def parse_seeds(results: Results, metric: str | None = None) -> list[Entry]:
    """Check a list of points from outside; see :func:`.parse_results` for their keys.

    Rows that the library handed out are taken as they are. An id is where a row came from: it never means a candidate
    of this study, and the row stays a point from outside even where its parameters are those of a candidate in flight.
    A row without an id is that candidate's result. A text under ``error`` may stand for ``reason``, a column
    ``params.x`` of a table for the parameter ``x``, ``metrics.y`` for the metric ``y``, and an empty cell (None, NaN,
    ``pandas.NA``) is absent, but for ``value``.

    Args:
        results: the rows.
        metric: the config's, whose value counts where a row has metrics alone.

    Raises:
        ResultsError: if any row is malformed or has no params; it names the row, the key, the value and the rule.
    """
    return [_parse_row(row, f"results[{i}]", metric) for i, row in enumerate(rows_of(results))]


def _parse_row(row: Any, where: str, metric: str | None) -> Entry:
    if not isinstance(row, Mapping):
        return parse_entry(row, where)
    columns = [key for key in row if isinstance(key, str) and key.startswith(_COLUMN)]
    others = [key for key in row if isinstance(key, str) and key.startswith(_METRIC)]
    rest = {key: value for key, value in row.items() if key not in _PASSED_OVER and key not in (*columns, *others)}
    told = {key: value for key, value in rest.items() if key == "value" or not is_missing(value)}
    if columns:
        told.setdefault("params", {key.removeprefix(_COLUMN): row[key] for key in columns})
    if others:
        told.setdefault("metrics", {key.removeprefix(_METRIC): row[key] for key in others if not is_missing(row[key])})
    _join_error(told)
    for key in _COUNTS:
        if isinstance(told.get(key), float) and told[key].is_integer():
            told[key] = int(told[key])  # a column with empty cells holds floats
    if "params" not in told:
        raise ResultsError(f"{where} is {shown(row)}: a point from outside needs params beside its value")
    return replace(parse_entry(told, where, metric), number=OUTSIDE if _IDS & row.keys() else None)


def _join_error(told: dict[str, Any]) -> None:
    """Join a table's error columns into one error, and drop them where a row has a value."""
    kind = told.pop("error_kind", None)
    if kind is not None:
        told["error"] = {"kind": kind, "message": told.get("error")}
    for key in ("started", "ended"):
        if callable(getattr(told.get(key), "timestamp", None)):
            told[key] = told[key].timestamp()


def fit(entries: Sequence[Entry], space: Space, out_of_bounds: str) -> tuple[list[Entry], list[str | None]]:
    """Fit points from outside into a space.

    Args:
        entries: from :func:`parse_seeds`.
        space: the study's.
        out_of_bounds: ``raise``, or ``skip`` for rows with a value that the parameter cannot have here: outside a range
            that was narrowed, off the grid, no choice any more, an empty cell (None, NaN, ``pandas.NA``).

    Returns:
        The entries that fit, their params plain and within the bounds; and for every entry None, or why it is skipped.

    Raises:
        OutOfBoundsError: a row lies outside and ``out_of_bounds`` is ``raise``.
        ResultsError: the params of a row are not those of this space; it names the row.
    """
    if out_of_bounds not in ("raise", "skip"):
        raise ResultsError(f"out_of_bounds is {shown(out_of_bounds)}: it must be 'raise' or 'skip'")
    rows = [entry.params or {} for entry in entries]
    try:
        space.encode_many(rows)  # all at once is much faster, and they mostly fit
        notes: list[str | None] = [None] * len(rows)
    except ResultsError:
        notes = [_misfit(params, f"results[{i}]", space, out_of_bounds) for i, params in enumerate(rows)]
    fitting = zip(entries, rows, notes, strict=True)
    return [replace(entry, params=space.native(params)) for entry, params, note in fitting if note is None], notes


def _misfit(params: Mapping[str, Any], where: str, space: Space, out_of_bounds: str) -> str | None:
    """Return why a row is skipped; None if it fits."""
    try:
        space.encode(params)
    except OutOfBoundsError as error:
        if out_of_bounds == "raise":
            raise OutOfBoundsError(f"{where}.{error}; out_of_bounds='skip' passes such rows over") from None
        return f"skipped: {error}"
    except ResultsError as error:
        raise ResultsError(f"{where}.{error}") from None
    return None


def answers(notes: Iterable[str | None], taken: Iterable[T]) -> list[T | dict[str, Any]]:
    """Return one answer per row: the given ones for rows that were taken, and a note for each row that was skipped."""
    rest = iter(taken)
    return [next(rest) if note is None else {"id": None, "accepted": False, "note": note} for note in notes]

"""``history.csv``: the evaluations of a run as a table for spreadsheets.

For the columns see :mod:`arqon_ray.core.record.table`.

Times are ISO 8601 in UTC. Lists, metrics of several types, and choices that would be
ambiguous as text, such as 1 and "1", are JSON.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from arqon_ray.core.inputs.plain import column_text
from arqon_ray.core.record.run import Run
from arqon_ray.core.record.table import columns_of
from arqon_ray.tables import Column, Kind


def history_text(run: Run) -> str:
    """Return the table of a run's evaluations as CSV."""
    columns = columns_of(run.evaluations, run.config.bounds)
    stream = io.StringIO()
    table = csv.writer(stream)
    table.writerow([column.name for column in columns])
    chosen = {f"params.{name}": _chosen(run, name, p.choices) for name, p in run.config.bounds.items() if p.choices}
    table.writerows(zip(*(chosen.get(column.name) or _cells(column) for column in columns), strict=True))
    return stream.getvalue()


def _chosen(run: Run, name: str, choices: Sequence[Any]) -> list[str | None]:
    """Return the cells of a parameter with choices, one of which may be None; an inactive one is empty."""
    write = column_text(choices, _plain)
    return [write(e.params[name]) if name in e.params else "" for e in run.evaluations]


def _cells(column: Column) -> list[str]:
    write = _WRITERS.get(column.kind, _plain)
    return ["" if entry is None else write(entry) for entry in column.entries]


def _plain(entry: Any) -> str:
    return "" if entry is None else str(entry)


def _time(entry: float) -> str:
    return datetime.fromtimestamp(entry, UTC).isoformat(timespec="microseconds")


_WRITERS: dict[Kind, Callable[[Any], str]] = {
    Kind.TIME: _time,
    Kind.INTS: json.dumps,
    Kind.FLOATS: json.dumps,
    Kind.MIXED: json.dumps,
}

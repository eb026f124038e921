"""Columns of plain Python as typed tables: pandas, Arrow and Parquet. It knows nothing of what the columns mean.

Times are timestamps in UTC, lists of numbers are lists. A whole number or a truth value that may be missing is pandas'
``Int64`` or ``boolean``. If the entries of a column are of several kinds, pandas has them as they are, and Arrow and
Parquet as their JSON. pandas and pyarrow are imported when a table is asked for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Steps = Sequence[tuple[int, float | None, float | None]]
"""The reports of one evaluation: step, value, and time in seconds since 1970."""


class Kind(Enum):
    """What the entries of a column are, but for None, which every column may have."""

    BOOL = auto()
    INT = auto()
    FLOAT = auto()
    TEXT = auto()
    INTS = auto()
    FLOATS = auto()
    TIME = auto()
    """Seconds since 1970."""
    MIXED = auto()
    """Of several kinds."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: its name.
        kind: of its entries.
        entries: one for each row; numbers of a FLOAT column may be whole ones.
    """

    name: str
    kind: Kind
    entries: list[Any]


def widest(kinds: Collection[Kind]) -> Kind:
    """Return the kind of a column whose entries are of these kinds."""
    different = set(kinds)
    if len(different) == 1:
        return different.pop()
    if different == {Kind.INT, Kind.FLOAT}:
        return Kind.FLOAT
    return Kind.FLOATS if different == {Kind.INTS, Kind.FLOATS} else Kind.MIXED


def to_pandas(columns: Sequence[Column], steps: Sequence[Steps] | None = None) -> pd.DataFrame:
    """Return columns as a table.

    Args:
        columns: of equal length.
        steps: a column of reports more; None for none.
    """
    import pandas as pd

    # Side by side at once: hundreds of columns that are added one by one would be copied as often.
    table = pd.DataFrame({column.name: _series(column) for column in columns})
    return table if steps is None else table.assign(steps=steps_array(steps).to_pylist())


def to_arrow(columns: Sequence[Column], steps: Sequence[Steps] | None = None) -> pa.Table:
    """Return columns as an Arrow table, with a column of reports if there is one."""
    import pyarrow as pa

    arrays = {column.name: arrow_array(column) for column in columns}
    return pa.table(arrays if steps is None else {**arrays, "steps": steps_array(steps)})


def write_parquet(table: pa.Table, path: str | Path) -> Path:
    """Write a table to a Parquet file, which appears whole or not at all, and return its path."""
    import pyarrow.parquet as pq

    target = Path(path).expanduser()
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(target.name + ".part")
    pq.write_table(table, temporary)
    os.replace(temporary, target)
    return target


def step_type() -> pa.DataType:
    """Return the Arrow type of a column of reports: a list of step, value and time."""
    import pyarrow as pa

    return pa.list_(pa.struct([("step", pa.int64()), ("value", pa.float64()), ("time", pa.timestamp("us", "UTC"))]))


def steps_array(steps: Sequence[Steps]) -> pa.Array:
    """Return reports as an Arrow array; null where a row has none."""
    import pyarrow as pa

    rows = [
        [{"step": n, "value": value, "time": _microseconds(time)} for n, value, time in row] or None for row in steps
    ]
    return pa.array(rows, step_type())


def arrow_array(column: Column) -> Any:
    """Return a column as an Arrow array."""
    import pyarrow as pa

    write = _WRITERS.get(column.kind)
    entries = column.entries if write is None else [write(entry) for entry in column.entries]
    return pa.array(entries, arrow_type(column.kind))


def arrow_type(kind: Kind) -> pa.DataType:
    """Return the Arrow type of the columns of a kind."""
    import pyarrow as pa

    kinds = {
        Kind.BOOL: pa.bool_(),
        Kind.INT: pa.int64(),
        Kind.FLOAT: pa.float64(),
        Kind.TEXT: pa.string(),
        Kind.INTS: pa.list_(pa.int64()),
        Kind.FLOATS: pa.list_(pa.float64()),
        Kind.TIME: pa.timestamp("us", "UTC"),
        Kind.MIXED: pa.string(),
    }
    return kinds[kind]


def _float(entry: float | None) -> float | None:
    return None if entry is None else float(entry)


def _floats(entry: list[float] | None) -> list[float] | None:
    return None if entry is None else [float(each) for each in entry]


def _microseconds(entry: float | None) -> int | None:
    return None if entry is None else round(entry * 1e6)


def _json(entry: Any) -> str | None:
    return None if entry is None else json.dumps(entry)


# The entries of other columns are as Arrow takes them.
_WRITERS: dict[Kind, Callable[[Any], Any]] = {
    Kind.FLOAT: _float,
    Kind.FLOATS: _floats,
    Kind.TIME: _microseconds,
    Kind.MIXED: _json,
}


def _series(column: Column) -> pd.Series[Any]:
    import pandas as pd

    if column.kind is Kind.TIME:
        times: pd.Series[Any] = arrow_array(column).to_pandas()
        return times
    entries = column.entries
    missing = any(entry is None for entry in entries)
    kinds: dict[Kind, Any] = {
        Kind.BOOL: "boolean" if missing else "bool",
        Kind.INT: "Int64" if missing else "int64",
        Kind.FLOAT: "float64",
    }
    series: pd.Series[Any] = pd.Series(entries, dtype=kinds.get(column.kind, "object"))
    return series

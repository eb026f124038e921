"""Evaluations as typed tables: pandas, Arrow and Parquet; see :mod:`.columns` for what is in them.

Times are timestamps in UTC, lists of numbers are lists. A whole number or a truth value that may be missing is pandas'
``Int64`` or ``boolean``. Where the entries of a column are of several kinds, pandas has them as they are, and Arrow and
Parquet as their JSON.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arqon_ray.core.record.evaluation import Evaluation
from arqon_ray.report.columns import Column, Kind, columns_of
from arqon_ray.report.opening import Source, open_run

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def to_pandas(run: Source) -> pd.DataFrame:
    """Return the evaluations of a run as a table, a row for each.

    Args:
        run: a Run, or what :func:`open_run` takes.
    """
    import pandas as pd

    # Side by side at once: hundreds of columns that are added one by one would be copied as often.
    table = pd.DataFrame({column.name: _series(column) for column in _columns(run)})
    return table if (steps := _steps(run)) is None else table.assign(steps=steps.to_pylist())


def to_arrow(run: Source) -> pa.Table:
    """Return the evaluations of a run as an Arrow table, a row for each.

    Args:
        run: a Run, or what :func:`open_run` takes.
    """
    import pyarrow as pa

    columns = _columns(run)
    arrays = {column.name: arrow_array(column) for column in columns}
    return pa.table(arrays if (steps := _steps(run)) is None else {**arrays, "steps": steps})


def write_parquet(run: Source, path: str | Path) -> Path:
    """Write the evaluations of a run as a Parquet file, a row for each; it appears whole or not at all.

    Args:
        run: a Run, or what :func:`open_run` takes.
        path: the file.

    Returns:
        Its path.
    """
    import pyarrow.parquet as pq

    target = Path(path).expanduser()
    table = to_arrow(run)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(target.name + ".part")
    pq.write_table(table, temporary)
    os.replace(temporary, target)
    return target


def _steps(run: Source) -> Any | None:
    """Return the column of reports; None where there are none."""
    evaluations = open_run(run).evaluations
    return steps_array(evaluations) if any(each.steps for each in evaluations) else None


def step_type() -> pa.DataType:
    """Return the Arrow type of the column ``steps``: a list of step, value and time."""
    import pyarrow as pa

    return pa.list_(pa.struct([("step", pa.int64()), ("value", pa.float64()), ("time", pa.timestamp("us", "UTC"))]))


def steps_array(evaluations: Sequence[Evaluation]) -> pa.Array:
    """Return the reports of evaluations as an Arrow array; null where there are none."""
    import pyarrow as pa

    rows = [[{**each._asdict(), "time": _microseconds(each.time)} for each in e.steps] or None for e in evaluations]
    return pa.array(rows, step_type())


def _columns(run: Source) -> list[Column]:
    opened = open_run(run)
    return columns_of(opened.evaluations, opened.config.bounds)


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

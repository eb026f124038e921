"""The evaluations of a run as typed tables, whatever the run is opened from; see :mod:`arqon_ray.core.record.table`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from arqon_ray.report.opening import Source, open_run

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def to_pandas(run: Source) -> pd.DataFrame:
    """Return the evaluations of a run as a table, one row each.

    Args:
        run: a Run, or anything that :func:`open_run` accepts.
    """
    return open_run(run).to_pandas()


def to_arrow(run: Source) -> pa.Table:
    """Return the evaluations of a run as an Arrow table, one row each.

    Args:
        run: a Run, or anything that :func:`open_run` accepts.
    """
    return open_run(run).to_arrow()


def write_parquet(run: Source, path: str | Path) -> Path:
    """Write the evaluations of a run to a Parquet file, one row each, atomically.

    Args:
        run: a Run, or anything that :func:`open_run` accepts.
        path: the file.

    Returns:
        Its path.
    """
    return open_run(run).to_parquet(path)

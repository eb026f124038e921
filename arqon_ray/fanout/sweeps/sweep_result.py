"""The result of a sweep: counts, the best row, and the table, which is read from the shards on demand."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from arqon_ray.core.config import load_config
from arqon_ray.core.inputs.spelling import did_you_mean
from arqon_ray.core.inputs.values import shown
from arqon_ray.errors import ConfigError
from arqon_ray.fanout.sweeps.store import ShardStore
from arqon_ray.fanout.worker.shard_summary import Summary, unpack_summary
from arqon_ray.fanout.worker.shard_table import schema, with_optional_columns
from arqon_ray.tables import Kind

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


class SweepResult:
    """The result of a sweep. Its rows are read from the shards on demand.

    Attributes:
        path: the directory of the Parquet files; None if they are in memory.
        config: what was swept: ``bounds``, ``seed``, ``sequence``, ``num_samples``, ``metric`` and ``mode``.
        num_done: how many indices have a row.
        num_failed: how many of them failed.
        best: ``{"index", "params", "value", "metrics"}``, among equal ones that with the lowest index; None if nothing
            succeeded.
        failures: the failures with the lowest indices, at most 20: ``{"index", "params", "error", "kind"}``.
        seconds: the wall time of the call; None if the sweep was opened by :func:`.open_sweep`.

    Example:
        >>> import arqon_ray
        >>> config = {"bounds": {"x": {"min": 0.0, "max": 1.0}}}
        >>> result = arqon_ray.sweep(lambda params: params["x"], config, 16, progress=False)
        >>> result.num_done, result.best["value"] == min(result.to_table()["value"].to_pylist())
        (16, True)
    """

    def __init__(self, store: ShardStore, seconds: float | None = None) -> None:
        """Read the counts from the store.

        Args:
            store: has the shards.
            seconds: the wall time of the call.
        """
        self._store = store
        self.path = store.path
        self.config: dict[str, Any] = dict(store.manifest)
        self.num_done: int = store.tally.count
        self.num_failed: int = store.tally.failed
        self.best: dict[str, Any] | None = store.tally.best(self.mode)
        self.failures: list[dict[str, Any]] = list(store.tally.errors)
        self.seconds = seconds

    @property
    def mode(self) -> str:
        """``min`` or ``max``: what ``best`` means."""
        return str(self.config.get("mode") or "min")

    @property
    def metric(self) -> str | None:
        """The name of what ``value`` measures; None if it was not given."""
        return self.config.get("metric")

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Yield the table shard by shard, in the order of the indices; all have the same columns.

        They are ``index``, the parameters, ``value``, ``error``, ``seconds``, and those in
        :mod:`arqon_ray.fanout.worker.shard_table`. Columns that a shard lacks are null. A metric of which some entries
        are whole numbers and others are not is a float; a metric of several types is text, its JSON.

        Args:
            columns: the columns to read, in this order; None for all.

        Raises:
            ConfigError: the sweep does not have one of the columns.
        """
        import pyarrow.parquet as pq

        types = self._schema(columns)
        kinds = self._store.tally.metrics()
        for source in self._store.sources():
            with pq.ParquetFile(source) as file:
                there = set(file.schema_arrow.names)
                table = file.read(columns=[name for name in types.names if name in there])
                yield _fitted(table, types, _to_write_out(unpack_summary(file.metadata), kinds))

    def _schema(self, columns: Sequence[str] | None) -> pa.Schema:
        import pyarrow as pa

        bounds = load_config({"bounds": self.config["bounds"]}).bounds
        tally = self._store.tally
        types = with_optional_columns(schema(bounds), bounds, tally.metrics(), steps=tally.steps)
        if columns is None:
            return types
        for name in columns:
            if name not in types.names:
                raise ConfigError(
                    f"columns has {shown(name)}: the sweep has no such column{did_you_mean(name, types.names)}"
                )
        return pa.schema([types.field(name) for name in columns])

    def to_table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return an Arrow table with a row per index, in order.

        Args:
            columns: as in :meth:`batches`.
        """
        import pyarrow as pa

        if not self.num_done:
            raise ValueError("the sweep was interrupted before its first row: there is no table")
        return pa.concat_tables(self.batches(columns))

    def to_pandas(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return a pandas table with a row per index, in order.

        Except for parameters, columns of integers and booleans with gaps are pandas' ``Int64`` and ``boolean``.

        Args:
            columns: as in :meth:`batches`.
        """
        import pyarrow as pa

        table = self.to_table(columns)
        frame: pd.DataFrame = table.to_pandas()
        for name in table.column_names:
            column = table[name]
            if name not in self.config["bounds"] and column.null_count and column.type in (pa.int64(), pa.bool_()):
                frame[name] = _nullable(column)
        return frame

    def __len__(self) -> int:
        return self.num_done

    def __repr__(self) -> str:
        where = f", path={str(self.path)!r}" if self.path else ""
        return f"SweepResult(num_done={self.num_done}, num_failed={self.num_failed}, best={self.best}{where})"


def _nullable(column: pa.ChunkedArray) -> pd.Series[Any]:
    """Return a column with gaps as a pandas series in which integers and booleans keep their type."""
    import pandas as pd
    import pyarrow as pa

    kinds: dict[Any, Any] = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    series: pd.Series[Any] = column.to_pandas(types_mapper=kinds.get)
    return series


def _to_write_out(summary: Summary, kinds: Mapping[str, Kind]) -> set[str]:
    """Return the metrics that have one type in this shard and several in the sweep, so that they become JSON."""
    return {
        name
        for name, kind in summary["metrics"].items()
        if kind is not None and kinds[name] is Kind.MIXED is not Kind[kind]
    }


def _fitted(table: pa.Table, types: pa.Schema, to_write_out: Collection[str]) -> pa.Table:
    """Return the table of a shard with these columns, with those in ``to_write_out`` as JSON."""
    import pyarrow as pa

    arrays = []
    for field in types:
        column = table[field.name] if field.name in table.column_names else None
        if column is None or column.null_count == len(table):
            column = pa.nulls(len(table), field.type)
        elif field.name in to_write_out:
            texts = [None if entry is None else json.dumps(entry) for entry in column.to_pylist()]
            column = pa.array(texts, pa.string())
        elif column.type != field.type:
            column = column.cast(field.type, safe=False)  # a whole number beyond 2**53 is rounded
        arrays.append(column)
    return pa.table(arrays, schema=types)


class SweepInterrupted(KeyboardInterrupt):
    """Ctrl-C during ``sweep``. Finished rows are in the files or the result, and the message says how to continue.

    Attributes:
        result: has the finished rows.
    """

    def __init__(self, result: SweepResult, num_samples: int) -> None:
        """Keep the partial result."""
        kept = f"they are stored in {result.path}: repeat the call to continue" if result.path else _IN_MEMORY
        super().__init__(f"{result.num_done} of {num_samples} points are finished; {kept}")
        self.result, self._num_samples = result, num_samples

    def __reduce__(self) -> tuple[Any, ...]:
        return (SweepInterrupted, (self.result, self._num_samples))


_IN_MEMORY = "they are in the result of this exception; with an output, a sweep can be continued"

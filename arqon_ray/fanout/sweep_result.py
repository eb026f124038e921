"""What a sweep gave: counts, the best row, and its table, read from the shards when it is asked for."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arqon_ray.errors import ConfigError
from arqon_ray.fanout.store import (
    DirectoryStore,
    Range,
    ShardStore,
    file_of,
    read_manifest,
    refuse_overlap,
    shards_in,
)
from arqon_ray.fanout.tally import Tally

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


class SweepResult:
    """The rows of a sweep, read from its shards when they are asked for.

    Attributes:
        path: the directory of the Parquet files; None when they are kept in memory.
        config: what was swept: ``bounds``, ``seed``, ``sequence``, ``num_samples``, ``metric`` and ``mode``.
        num_done: indices with a row.
        num_failed: how many of them failed.
        best: ``{"index", "params", "value", "metrics"}``; None when nothing succeeded. The lowest index of equal ones.
        failures: the first failures in the order of the indices, at most 20: ``{"index", "params", "error", "kind"}``.
        seconds: the wall time of the call; None for a sweep that was opened.
    """

    def __init__(self, store: ShardStore, seconds: float | None = None) -> None:
        """Sum up what the store holds.

        Args:
            store: where the shards lie.
            seconds: the wall time of the call.
        """
        self._store = store
        self.path: Path | None = store.path if isinstance(store, DirectoryStore | StoredShards) else None
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
        """The name of what ``value`` measures; None where nobody named it."""
        return self.config.get("metric")

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Yield the table shard by shard, in the order of the indices; all have the same columns.

        A metric that is a whole number in one shard and any number in another is a float; one of several kinds is text,
        its JSON.

        Args:
            columns: the names of the columns to read; None for all: ``index``, the parameters, ``value``, ``error``,
                ``seconds``, and what else :mod:`.table` names.
        """
        import pyarrow.parquet as pq

        schema = self._schema()
        if columns is not None:
            import pyarrow as pa

            schema = pa.schema([schema.field(name) for name in columns])
        for source in self._store.sources():
            with pq.ParquetFile(source) as file:
                there = [name for name in schema.names if name in file.schema_arrow.names]
                yield _fitted(file.read(columns=there).replace_schema_metadata(None), schema)

    def _schema(self) -> pa.Schema:
        """Return the columns that one of the shards has, each of a type that holds all of their entries."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        types: dict[str, pa.DataType] = {}
        for source in self._store.sources():
            for field in pq.read_schema(source):
                known = types.setdefault(field.name, field.type)
                if known != field.type:
                    types[field.name] = _wider(known, field.type)
        return pa.schema(list(types.items()))

    def to_table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return one Arrow table with one row per index, in their order.

        Args:
            columns: as in :meth:`batches`.
        """
        import pyarrow as pa

        if not self.num_done:
            raise ValueError("the sweep was interrupted before its first row: there is no table")
        return pa.concat_tables(self.batches(columns))

    def to_pandas(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return one pandas table with one row per index, in their order.

        Args:
            columns: as in :meth:`batches`.
        """
        frame: pd.DataFrame = self.to_table(columns).to_pandas()
        return frame

    def __len__(self) -> int:
        return self.num_done

    def __repr__(self) -> str:
        where = f", path={str(self.path)!r}" if self.path else ""
        return f"SweepResult(num_done={self.num_done}, num_failed={self.num_failed}, best={self.best}{where})"


def _wider(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """Return a type that holds the entries of both."""
    import pyarrow as pa

    kinds = {one, other}
    if pa.null() in kinds:
        return other if one == pa.null() else one
    if kinds == {pa.int64(), pa.float64()}:
        return pa.float64()
    if kinds == {pa.list_(pa.int64()), pa.list_(pa.float64())}:
        return pa.list_(pa.float64())
    return pa.string()


def _fitted(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return a shard's table with these columns."""
    import pyarrow as pa

    arrays = []
    for field in schema:
        if field.name not in table.column_names:
            arrays.append(pa.nulls(len(table), field.type))
            continue
        column = table[field.name]
        if field.type == pa.string() != column.type:
            texts = [None if entry is None else json.dumps(entry) for entry in column.to_pylist()]
            arrays.append(pa.array(texts, pa.string()))
        else:
            arrays.append(column.cast(field.type))
    return pa.table(arrays, schema=schema)


class StoredShards:
    """The shards of a directory, for reading alone: nothing is locked, moved or written.

    Attributes:
        path: the directory.
        manifest: what the sweep is.
        finished: the ranges that are there.
        tally: the sum of their summaries.
    """

    def __init__(self, path: Path) -> None:
        """Look at what is there.

        Raises:
            ConfigError: there is no sweep, or it is damaged; it names the file.
        """
        manifest = read_manifest(path) if path.is_dir() else None
        if manifest is None or not isinstance(manifest.get("bounds"), dict):
            raise ConfigError(f"{path} holds no sweep: give the output folder of one")
        self.path = path
        self.manifest: Mapping[str, Any] = manifest
        self.finished: set[Range] = set()
        self.tally = Tally()
        for shard, summary, error in shards_in(path):
            if summary is None:
                raise ConfigError(f"{path / file_of(shard)} is damaged ({error}): the same sweep evaluates it again")
            self.finished.add(shard)
            self.tally.add(summary)
        refuse_overlap(path, self.finished)

    def sources(self) -> Iterator[Any]:
        """Yield the paths of the files in the order of the indices."""
        yield from (self.path / file_of(shard) for shard in sorted(self.finished))


def open_sweep(path: str | os.PathLike[str]) -> SweepResult:
    """Open the folder of a sweep, finished or not, without its function and without Ray.

    Example::

        done = arqon_ray.open_sweep("results/swing")
        print(done.num_done, done.best, done.to_pandas().columns)

    Args:
        path: the ``output`` of :func:`.sweep`, or the results' folder of ``arqon-ray sweep``.

    Raises:
        ConfigError: there is no sweep, or one of its files is damaged.
    """
    return SweepResult(StoredShards(Path(path).expanduser()))

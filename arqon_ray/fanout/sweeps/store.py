"""The interface of what stores the finished shards of a sweep, and the store in the driver's memory."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from arqon_ray.fanout.sweeps.ranges import Range
from arqon_ray.fanout.sweeps.tally import Tally
from arqon_ray.fanout.worker.shard_summary import Summary, read_summary


class ShardStore(Protocol):
    """Stored shards, for reading."""

    path: Path | None
    """The directory of the files; None if they are in memory."""
    finished: set[Range]
    """The stored ranges."""
    tally: Tally
    """The sum of their summaries."""
    manifest: Mapping[str, Any]
    """What is swept: ``num_samples``, ``seed``, ``sequence``, ``metric``, ``bounds`` and ``mode``."""

    def sources(self) -> Iterator[Any]:
        """Yield a path or file object for ``pyarrow.parquet`` per shard, in the order of the indices."""
        ...


class WritableStore(ShardStore, Protocol):
    """A store for the shards of a running sweep."""

    def write(self, start: int, parquet: bytes, summary: Summary | None = None) -> Summary:
        """Store the rows from index ``start`` on, all or none; return their summary, read if not given."""
        ...

    def discard_if_empty(self) -> None:
        """Remove what was created for a sweep that was refused before its first row."""
        ...

    def close(self) -> None:
        """End writing; stored shards stay readable."""
        ...


class MemoryStore:
    """Stores the shards, compressed, in the driver's memory."""

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        """Begin without shards; the manifest says what is swept."""
        self.path: Path | None = None
        self.manifest: Mapping[str, Any] = manifest
        self.finished: set[Range] = set()
        self.tally = Tally()
        self._shards: dict[Range, bytes] = {}

    def write(self, start: int, parquet: bytes, summary: Summary | None = None) -> Summary:
        """Store one shard."""
        summary = summary or read_summary(io.BytesIO(parquet))
        shard = start, start + summary["count"]
        self._shards[shard] = parquet
        self.finished.add(shard)
        self.tally.add(summary)
        return summary

    def sources(self) -> Iterator[Any]:
        """Yield the shards in the order of the indices."""
        for shard in sorted(self._shards):
            yield io.BytesIO(self._shards[shard])

    def discard_if_empty(self) -> None:
        """Do nothing: there is nothing outside of memory."""

    def close(self) -> None:
        """Do nothing: there is nothing outside of memory."""

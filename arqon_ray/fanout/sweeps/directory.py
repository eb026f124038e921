"""A directory as the store of a sweep: one Parquet file per shard, written by one driver at a time.

A file is named by its range of indices and written atomically: under a temporary name, flushed to disk and renamed. So
whatever crashes, every index is in at most one file, and the names tell which are missing. Only the driver writes, so
that the workers need no shared file system.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from arqon_ray.core.inputs.differences import differences
from arqon_ray.errors import ConfigError
from arqon_ray.fanout.driver.folder_lock import FolderLock
from arqon_ray.fanout.sweeps.manifest import FORMAT_VERSION, MANIFEST, read_manifest
from arqon_ray.fanout.sweeps.ranges import Range
from arqon_ray.fanout.sweeps.shard_files import file_of, refuse_overlap, shards_in
from arqon_ray.fanout.sweeps.tally import Tally
from arqon_ray.fanout.worker.shard_summary import Summary, read_summary


class DirectoryStore:
    """Stores each shard as a Parquet file in a directory, beside the manifest of the sweep."""

    def __init__(self, path: Path, manifest: dict[str, Any], mode: str, *, resume: bool) -> None:
        """Open or create the directory.

        Args:
            path: the directory.
            manifest: what is swept; a stored one must be equal.
            mode: ``min`` or ``max``; it may differ from an earlier call's.
            resume: whether a sweep in the directory may be continued.

        Raises:
            ConfigError: the directory holds another sweep, or something else; the message names what differs.
        """
        self.path: Path | None = path
        self._folder = path
        self.finished: set[Range] = set()
        self.tally = Tally()
        manifest = {"format_version": FORMAT_VERSION, **manifest}
        if path.exists() and not path.is_dir():
            raise ConfigError(f"output is {str(path)!r}: it must be a directory, and it is a file")
        self._lock = FolderLock(path, "sweep")
        try:
            stored = read_manifest(path)
            if stored is None:
                _refuse_foreign(path)
            elif not resume:
                raise ConfigError(f"{path} already holds a sweep: give resume=True to continue it, or another output")
            elif changes := differences({**stored, "mode": mode}, {**manifest, "mode": mode}):
                changed = "; ".join(changes)
                raise ConfigError(f"{path} holds another sweep ({changed}): give the same, or another output")
            self.manifest: Mapping[str, Any] = {**manifest, "mode": mode}
            if stored is None or stored.get("mode") != mode:
                self._write_whole(MANIFEST, json.dumps(self.manifest, indent=2).encode())
            for leftover in path.glob(".shard-*.tmp"):  # of a driver that was killed: a running one would have the lock
                leftover.unlink()
            self._load()
        except BaseException:
            self.close()
            raise

    def discard_if_empty(self) -> None:
        """Remove the manifest if there is no row; closing removes the folder."""
        if not self.finished:
            (self._folder / MANIFEST).unlink(missing_ok=True)

    def close(self) -> None:
        """Release the lock on the directory."""
        self._lock.release()

    def _load(self) -> None:
        for shard, summary, error in shards_in(self._folder):
            if summary is None:
                file = self._folder / file_of(shard)
                kept = file.rename(file.with_name(f".damaged-{file.name}"))
                warnings.warn(
                    f"{file.name} is damaged ({error}): it is renamed to {kept}, and evaluated again", stacklevel=4
                )
                continue
            self.finished.add(shard)
            self.tally.add(summary)
        refuse_overlap(self._folder, self.finished)

    def write(self, start: int, parquet: bytes, summary: Summary | None = None) -> Summary:
        """Store a shard as ``shard-<start>-<stop>.parquet``, flushed to disk."""
        summary = summary or read_summary(io.BytesIO(parquet))
        stop = start + summary["count"]
        self._write_whole(file_of((start, stop)), parquet)
        self.finished.add((start, stop))
        self.tally.add(summary)
        return summary

    def sources(self) -> Iterator[Any]:
        """Yield the paths of the files in the order of the indices."""
        yield from (self._folder / file_of(shard) for shard in sorted(self.finished))

    def _write_whole(self, name: str, data: bytes) -> None:
        temporary = self._folder / f".{name}.{os.getpid()}.tmp"
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self._folder / name)
        # A rename is durable once its directory is flushed; not every platform can open a directory.
        with contextlib.suppress(PermissionError):
            descriptor = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _refuse_foreign(path: Path) -> None:
    if any(path.glob("*.parquet")):
        raise ConfigError(f"{path} holds Parquet files but no {MANIFEST}: give another output")

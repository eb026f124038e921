"""Where a sweep's shards lie: a directory of Parquet files, or the driver's memory.

A file is named by its range of indices and appears whole: it is written under a temporary name, flushed to the
disk and renamed. So whatever crashes, every index is in exactly one file or in none, and what is missing is seen
from the names alone. The driver writes; nothing needs a file system that is shared with the workers.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from arqon_ray.core.inputs.plain import same
from arqon_ray.core.inputs.values import shown
from arqon_ray.errors import ConfigError
from arqon_ray.fanout.sweeps.lock import FolderLock
from arqon_ray.fanout.sweeps.summary import Summary, read_summary
from arqon_ray.fanout.sweeps.tally import Tally

FORMAT_VERSION = 1
MANIFEST = "_manifest.json"  # readers of Parquet data sets skip names that begin with _ or .
_NAME = re.compile(r"shard-(\d{12,})-(\d{12,})\.parquet")

Range = tuple[int, int]
"""A half-open range of indices: start, stop."""


class ShardStore(Protocol):
    """What keeps the finished shards."""

    finished: set[Range]
    """The stored ranges."""
    tally: Tally
    """The sum of their summaries."""
    manifest: Mapping[str, Any]
    """What the sweep is: ``num_samples``, ``seed``, ``sequence``, ``metric``, ``bounds`` and ``mode``."""

    def sources(self) -> Iterator[Any]:
        """Yield what ``pyarrow.parquet`` opens, in the order of the indices."""
        ...


class WritableStore(ShardStore, Protocol):
    """What takes them."""

    def write(self, start: int, parquet: bytes, summary: Summary | None = None) -> Summary:
        """Store the rows from index ``start`` on, all or none, and return their summary, read unless it is given."""
        ...

    def withdraw(self) -> None:
        """Leave no trace of a sweep that was refused before it had a row."""
        ...

    def close(self) -> None:
        """Nothing more is written; what is stored stays readable."""
        ...


class MemoryStore:
    """Keeps the shards, compressed, in the driver's memory."""

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        """Begin empty; the manifest says what the sweep is."""
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

    def withdraw(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class DirectoryStore:
    """Keeps one Parquet file a shard in a directory, and the manifest that says what the sweep is."""

    def __init__(self, path: Path, manifest: dict[str, Any], mode: str, *, resume: bool) -> None:
        """Open or create the directory.

        Args:
            path: the directory.
            manifest: what the sweep is; a stored one must be equal.
            mode: ``min`` or ``max``: what is best is asked anew by each call.
            resume: whether a sweep that was begun there may be continued.

        Raises:
            ConfigError: when another sweep, or something else, lies there; it names what differs.
        """
        self.path = path
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
                raise ConfigError(f"{path} holds a sweep already: give resume=True to continue it, or another output")
            elif changes := differences({**stored, "mode": mode}, {**manifest, "mode": mode}):
                changed = "; ".join(changes)
                raise ConfigError(f"{path} holds another sweep ({changed}): give the same, or another output")
            self.manifest: Mapping[str, Any] = {**manifest, "mode": mode}
            if stored is None or stored.get("mode") != mode:
                self._write_whole(MANIFEST, json.dumps(self.manifest, indent=2).encode())
            for leftover in path.glob(".shard-*.tmp"):  # of a driver that was killed: the lock says that none lives
                leftover.unlink()
            self._load()
        except BaseException:
            self.close()
            raise

    def withdraw(self) -> None:
        """Remove the manifest, where there is no row; the folder goes when it is closed."""
        if not self.finished:
            (self.path / MANIFEST).unlink(missing_ok=True)

    def close(self) -> None:
        """Let another sweep write there."""
        self._lock.release()

    def _load(self) -> None:
        for shard, summary, error in shards_in(self.path):
            if summary is None:
                file = self.path / file_of(shard)
                kept = file.rename(file.with_name(f".damaged-{file.name}"))
                warnings.warn(f"{file.name} is damaged ({error}): kept as {kept}, evaluated again", stacklevel=4)
                continue
            self.finished.add(shard)
            self.tally.add(summary)
        refuse_overlap(self.path, self.finished)

    def write(self, start: int, parquet: bytes, summary: Summary | None = None) -> Summary:
        """Store one shard as ``shard-<start>-<stop>.parquet``; it is on the disk when this returns."""
        summary = summary or read_summary(io.BytesIO(parquet))
        stop = start + summary["count"]
        self._write_whole(file_of((start, stop)), parquet)
        self.finished.add((start, stop))
        self.tally.add(summary)
        return summary

    def sources(self) -> Iterator[Any]:
        """Yield the paths of the files in the order of the indices."""
        yield from (self.path / file_of(shard) for shard in sorted(self.finished))

    def _write_whole(self, name: str, data: bytes) -> None:
        temporary = self.path / f".{name}.{os.getpid()}.tmp"
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self.path / name)
        # A rename is durable when its directory is; not every platform lets a directory be opened.
        with contextlib.suppress(PermissionError):
            descriptor = os.open(self.path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def file_of(shard: Range) -> str:
    """Return the name of a shard's file."""
    start, stop = shard
    return f"shard-{start:012d}-{stop:012d}.parquet"


def shards_in(path: Path) -> Iterator[tuple[Range, Summary | None, str]]:
    """Yield the shards of a directory with their summaries; of one that is damaged None, and what is wrong."""
    for file in sorted(path.glob("shard-*.parquet")):
        match = _NAME.fullmatch(file.name)
        if match is None:
            continue
        start, stop = int(match[1]), int(match[2])
        try:
            summary = read_summary(file)
            if summary["count"] != stop - start:
                raise ValueError(f"it holds {summary['count']} rows")
        except (ValueError, OSError) as error:  # pyarrow's errors are ValueErrors
            yield (start, stop), None, str(error)
        else:
            yield (start, stop), summary, ""


def refuse_overlap(path: Path, finished: Iterable[Range]) -> None:
    """Raise ConfigError where two ranges overlap."""
    for (start, stop), (after, end) in itertools.pairwise(sorted(finished)):
        if after < stop:
            raise ConfigError(
                f"{path} holds the ranges {start}..{stop} and {after}..{end}, which overlap: two sweeps wrote "
                "there at once; remove one of the files"
            )


def _refuse_foreign(path: Path) -> None:
    if any(path.glob("*.parquet")):
        raise ConfigError(f"{path} holds Parquet files and no {MANIFEST}: give another output")


def read_manifest(path: Path) -> dict[str, Any] | None:
    """Return what the sweep in a directory is; None where there is none.

    Raises:
        ConfigError: it cannot be read, or is damaged.
    """
    try:
        text = (path / MANIFEST).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"output is {str(path)!r}: {error.strerror or error}") from None
    try:
        manifest = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path / MANIFEST} is damaged ({error}): give another output") from None
    if not isinstance(manifest, dict):
        raise ConfigError(f"{path / MANIFEST} is damaged (it holds no object): give another output")
    return manifest


def differences(stored: Any, given: Any, where: str = "") -> list[str]:
    """Return one line for each leaf that differs between two JSON documents, with its dotted key."""
    if isinstance(stored, dict) and isinstance(given, dict):
        keys = [*given, *(key for key in stored if key not in given)]
        nested = [differences(stored.get(k), given.get(k), f"{where}.{k}" if where else k) for k in keys]
        order = f"{where}: the order of the parameters differs"
        moved = [order] if where == "bounds" and list(stored) != list(given) and not any(nested) else []
        return [line for lines in nested for line in lines] + moved
    return [] if same(stored, given) else [f"{where} was {shown(stored)} and is {shown(given)}"]


def gaps(finished: list[Range], total: int) -> Iterator[Range]:
    """Yield the ranges of ``0 .. total`` that no finished one covers, in order."""
    at = 0
    for start, stop in sorted(finished):
        if at < start:
            yield at, start
        at = stop
    if at < total:
        yield at, total

"""The files of shards in a directory: their names, reading their summaries, and a store that only reads."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from arqon_ray.core.config import load_config
from arqon_ray.core.inputs.values import shown
from arqon_ray.errors import ConfigError
from arqon_ray.fanout.sweeps.manifest import FORMAT_VERSION, MANIFEST, read_manifest
from arqon_ray.fanout.sweeps.ranges import Range
from arqon_ray.fanout.sweeps.tally import Tally
from arqon_ray.fanout.worker.shard_summary import Summary, read_summary

_NAME = re.compile(r"shard-(\d{12,})-(\d{12,})\.parquet")


def file_of(shard: Range) -> str:
    """Return the name of the file of a shard."""
    start, stop = shard
    return f"shard-{start:012d}-{stop:012d}.parquet"


def shards_in(path: Path) -> Iterator[tuple[Range, Summary | None, str]]:
    """Yield the shards in a directory with their summaries; for a damaged one None, and what is wrong with it."""
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
    """Raise ConfigError if two ranges overlap."""
    for (start, stop), (after, end) in itertools.pairwise(sorted(finished)):
        if after < stop:
            raise ConfigError(
                f"{path} holds the ranges {start}..{stop} and {after}..{end}, which overlap: two sweeps wrote "
                "to it at once; remove one of the files"
            )


class StoredShards:
    """The shards in a directory, for reading only: nothing is locked, moved or written.

    Attributes:
        path: the directory.
        manifest: what is swept.
        finished: the stored ranges.
        tally: the sum of their summaries.
    """

    def __init__(self, path: Path) -> None:
        """Read the manifest and the summaries.

        Raises:
            ConfigError: there is no sweep, or a file of it is damaged; the message names it.
        """
        manifest = read_manifest(path) if path.is_dir() else None
        if manifest is None:
            raise ConfigError(f"{path} holds no sweep: give the output folder of one")
        if manifest.get("format_version") != FORMAT_VERSION:
            raise ConfigError(
                f"{path} holds a sweep of format {shown(manifest.get('format_version'))}, and this version knows "
                f"{FORMAT_VERSION}: open it with the arqon_ray that wrote it"
            )
        try:
            load_config({"bounds": manifest.get("bounds")})
        except ConfigError as error:
            raise ConfigError(f"{path / MANIFEST} is damaged ({error})") from None
        self.path: Path | None = path
        self._folder = path
        self.manifest: Mapping[str, Any] = manifest
        self.finished: set[Range] = set()
        self.tally = Tally()
        for shard, summary, damage in shards_in(path):
            if summary is None:
                raise ConfigError(
                    f"{path / file_of(shard)} is damaged ({damage}): repeat the sweep to evaluate it again"
                )
            self.finished.add(shard)
            self.tally.add(summary)
        refuse_overlap(path, self.finished)

    def sources(self) -> Iterator[Any]:
        """Yield the paths of the files in the order of the indices."""
        yield from (self._folder / file_of(shard) for shard in sorted(self.finished))

"""Opening a place for the rows of a sweep, or those of an earlier sweep."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from arqon_ray.core.inputs.values import shown
from arqon_ray.errors import ConfigError
from arqon_ray.fanout.sweeps.directory import DirectoryStore
from arqon_ray.fanout.sweeps.shard_files import StoredShards
from arqon_ray.fanout.sweeps.store import MemoryStore, WritableStore
from arqon_ray.fanout.sweeps.sweep_result import SweepResult


def open_store(
    output: str | os.PathLike[str] | None, manifest: dict[str, Any], mode: str, *, resume: bool
) -> WritableStore:
    """Return the store for the rows of a sweep.

    Raises:
        ConfigError: ``output`` is a URI, or holds something else.
    """
    if output is None:
        return MemoryStore({**manifest, "mode": mode})
    if "://" in os.fspath(output):
        raise ConfigError(
            f"output is {output!r}: it must be a local or mounted directory; copy it to a bucket afterwards"
        )
    return DirectoryStore(Path(output).expanduser(), manifest, mode, resume=resume)


def open_sweep(path: str | os.PathLike[str], mode: str | None = None) -> SweepResult:
    """Open the folder of a sweep, finished or not, without its function and without Ray.

    The sweep may still be running: the rows that are stored so far are read.

    Args:
        path: the ``output`` of :func:`.sweep`, or the results folder of ``arqon-ray sweep``.
        mode: ``min`` or ``max``, for ``best``; None for the mode of the sweep, or ``min`` if it was written by 0.1.0,
            which does not store it.

    Raises:
        ConfigError: there is no sweep, one of its files is damaged, or the mode is neither.

    Example:
        >>> import arqon_ray
        >>> config = {"bounds": {"x": {"min": 0.0, "max": 1.0}}}
        >>> swept = arqon_ray.sweep(lambda params: params["x"], config, 16, output="swept", progress=False)
        >>> arqon_ray.open_sweep("swept").best == swept.best
        True
    """
    if mode not in (None, "min", "max"):
        raise ConfigError(f"mode is {shown(mode)}: it must be 'min' or 'max'")
    shards = StoredShards(Path(path).expanduser())
    if mode is not None:
        shards.manifest = {**shards.manifest, "mode": mode}
    return SweepResult(shards)

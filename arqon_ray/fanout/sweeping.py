"""A sweep: the function at every point of the probe, in shards, into Parquet files that survive a crash."""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from arqon_ray.core.config import load_config
from arqon_ray.core.probe import check_seed
from arqon_ray.errors import ConfigError
from arqon_ray.fanout.evaluate import Objective, died
from arqon_ray.fanout.parcel import Parcel, pack
from arqon_ray.fanout.plan import ShardPlan, split
from arqon_ray.fanout.pool import Died, TaskPool
from arqon_ray.fanout.progress import Progress, show_progress
from arqon_ray.fanout.resources import ensure_ray, slots, task_options
from arqon_ray.fanout.results import SweepResult, best_row
from arqon_ray.fanout.shard import open_probe, remote_shard
from arqon_ray.fanout.stop import check_most, check_whole
from arqon_ray.fanout.store import DirectoryStore, MemoryStore, Range, ShardStore
from arqon_ray.fanout.table import check_names, pack_rows

_LOOK_AGAIN = 10.0  # seconds after which the cluster's size is read again: it may have grown


def sweep(
    fn: Objective,
    config: Mapping[str, Any] | str,
    num_samples: int,
    *,
    seed: int | None = None,
    shard_size: int | None = None,
    output: str | os.PathLike[str] | None = None,
    resume: bool = True,
    metric: str | None = None,
    mode: str | None = None,
    max_in_flight: int | None = None,
    resources: Mapping[str, float] | None = None,
    retries: int = 2,
    sequence: str = "sobol",
    progress: bool = True,
) -> SweepResult:
    """Evaluate ``fn`` at the indices ``0 .. num_samples - 1`` of the probe, on all of the cluster.

    The points depend on (config, seed, sequence) alone, not on shards, cluster or crashes. A point whose evaluation
    raises, or gives None, NaN or an infinity, is a failed row. A shard whose process dies is tried once more and then
    cut into pieces until the point that kills it is alone, which becomes a failed row after ``retries``.

    The driver writes the files, so the workers need no file system in common; each shard's file appears whole.
    Ctrl-C or a killed driver leaves what is finished, and the same call continues.

    Args:
        fn: takes one point's parameters as a dict; returns a number or a dict of metrics. A resumed sweep takes for
            granted that it is the same function.
        config: an arqon config, dict or JSON string; only ``bounds`` is needed.
        num_samples: how many points.
        seed: the probe's seed; None for the config's.
        shard_size: points of one task; None for powers of two that take a few seconds each.
        output: a directory for the Parquet files, created if need be; None keeps the rows in memory, compressed.
        resume: whether finished shards under ``output`` are kept; False refuses a directory that has any.
        metric: which entry counts when ``fn`` returns a dict; None for its only entry, or ``loss``.
        mode: ``min`` or ``max``, for ``best``; None for the config's.
        max_in_flight: shards submitted at once; None for twice what the cluster runs at once.
        resources: what one shard takes: ``{"cpu": 1, "gpu": 0.5, "memory": bytes, "custom": 1}``.
        retries: how often a point that kills its process is tried again.
        sequence: ``sobol`` or ``kronecker``.
        progress: whether progress is shown, on standard error.

    Returns:
        The best row, the counts, the first failures, and access to the table.

    Raises:
        ConfigError: for a config or argument that breaks a rule, or an ``output`` that holds another sweep.
        TypeError: when ``fn`` cannot be sent to the workers.
    """
    began = time.monotonic()
    checked = load_config(config)
    seed = checked.seed if seed is None else check_seed(seed)
    mode = checked.mode if mode is None else mode
    if mode not in ("min", "max"):
        raise ConfigError(f"mode is {mode!r}: it must be 'min' or 'max'")
    num_samples, retries = check_whole("num_samples", num_samples, 1), check_whole("retries", retries, 0)
    shard_size, max_in_flight = check_most("shard_size", shard_size), check_most("max_in_flight", max_in_flight)
    check_names(checked.bounds)
    bounds = checked.to_dict()["bounds"]
    text = json.dumps({"bounds": bounds})
    open_probe(text, seed, sequence)[0].sample_range(num_samples - 1, 1)
    options = task_options(resources)
    manifest = {"num_samples": num_samples, "seed": seed, "sequence": sequence, "metric": metric, "bounds": bounds}
    remark = ensure_ray()
    parcel = pack(fn)
    store = open_store(output, manifest, resume=resume)
    try:
        with show_progress("sweep", num_samples, enabled=progress) as shown:
            if remark:
                shown.note(remark)
            plan = ShardPlan(list(store.finished), num_samples, shard_size)
            run = _Sweep(store, plan, parcel, text, seed, sequence, metric, mode, options, retries)
            run.work(shown, max_in_flight)
    finally:
        store.close()
    return SweepResult(store, mode, time.monotonic() - began)


def open_store(output: str | os.PathLike[str] | None, manifest: dict[str, Any], *, resume: bool) -> ShardStore:
    """Return where the rows go.

    Raises:
        ConfigError: when ``output`` holds something else, or is a URI.
    """
    if output is None:
        return MemoryStore()
    if "://" in os.fspath(output):
        raise ConfigError(f"output is {output!r}: it must be a directory, local or mounted; copy it to a bucket after")
    return DirectoryStore(Path(output).expanduser(), manifest, resume=resume)


class _Sweep:
    """One call of :func:`sweep`: shards out, files in."""

    def __init__(
        self,
        store: ShardStore,
        plan: ShardPlan,
        parcel: Parcel,
        config: str,
        seed: int,
        sequence: str,
        metric: str | None,
        mode: str,
        options: dict[str, Any],
        retries: int,
    ) -> None:
        self._store, self._plan, self._parcel, self._mode = store, plan, parcel, mode
        self._probe, self._bounds = open_probe(config, seed, sequence)
        self._options, self._retries = options, retries
        self._pool: TaskPool[Range] = TaskPool(remote_shard(parcel, config, seed, sequence, metric), options)
        self._pieces: deque[Range] = deque()
        self._slots = 1
        self._slots_read = float("-inf")
        self._done = self._failed = 0
        self._best: dict[str, Any] | None = None
        for summary in store.finished.values():
            self._count(summary)

    def work(self, shown: Progress, max_in_flight: int | None) -> None:
        """Run until every index has its row."""
        self._show(shown)
        with self._pool.cancelled_on_error():
            while True:
                self._submit(max_in_flight)
                if not self._pool:
                    return
                for shard, result in self._pool.take():
                    self._finish(shard, result)
                self._show(shown)

    def _submit(self, max_in_flight: int | None) -> None:
        if time.monotonic() - self._slots_read > _LOOK_AGAIN:
            self._slots, self._slots_read = slots(self._options), time.monotonic()
        while len(self._pool) < (max_in_flight or 2 * self._slots):
            if self._pieces:
                start, stop = self._pieces.popleft()
                retries = self._retries if stop - start == 1 else 0
            elif (shard := self._plan.next(self._slots)) is not None:
                start, stop = shard
                retries = self._retries if stop - start == 1 else min(self._retries, 1)
            else:
                return
            self._pool.submit((start, stop), start, stop, self._parcel.stored, retries=retries)

    def _finish(self, shard: Range, result: bytes | Died) -> None:
        start, stop = shard
        if isinstance(result, bytes):
            self._write(shard, result)
            summary = self._store.finished[shard]
            self._plan.learn(summary["count"], summary["seconds"])
        elif stop - start > 1:
            self._pieces.extendleft(reversed(split(start, stop)))
        else:
            outcome = died(result.reason, result.attempts)
            self._write(shard, pack_rows(self._bounds, start, self._probe.sample_range(start, 1), [outcome]))

    def _write(self, shard: Range, parquet: bytes) -> None:
        self._store.write(*shard, parquet)
        self._count(self._store.finished[shard])

    def _count(self, summary: dict[str, Any]) -> None:
        self._done += summary["count"]
        self._failed += summary["failed"]
        self._best = best_row([{self._mode: self._best}, summary], self._mode)

    def _show(self, shown: Progress) -> None:
        shown.update(self._done, self._failed, self._best["value"] if self._best else None)

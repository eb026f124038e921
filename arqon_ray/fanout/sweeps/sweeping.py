"""``sweep``: evaluate a function at the points of the probe in shards, and store them so that a crash loses little."""

from __future__ import annotations

import contextlib
import io
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from arqon_ray.core.config import load_config
from arqon_ray.core.probe.probe import check_seed
from arqon_ray.core.record.error_kinds import NODE_LOST
from arqon_ray.errors import ConfigError, EvaluationsFailedError, NodesLostError
from arqon_ray.fanout.driver.arguments import check_metric, check_most, check_seconds, check_whole
from arqon_ray.fanout.driver.failfast import FailFast
from arqon_ray.fanout.driver.interrupts import Interrupts
from arqon_ray.fanout.driver.missing_metric import MetricCheck
from arqon_ray.fanout.driver.pool import Died, Interrupted, TaskPool, outcome_of_death
from arqon_ray.fanout.driver.progress import Progress, show_progress
from arqon_ray.fanout.driver.resources import ensure_ray, task_options
from arqon_ray.fanout.sweeps.opening import open_store
from arqon_ray.fanout.sweeps.plan import ShardPlan
from arqon_ray.fanout.sweeps.ranges import Range
from arqon_ray.fanout.sweeps.shard_queue import ShardQueue
from arqon_ray.fanout.sweeps.store import WritableStore
from arqon_ray.fanout.sweeps.sweep_result import SweepInterrupted, SweepResult
from arqon_ray.fanout.worker.evaluate import Objective
from arqon_ray.fanout.worker.mailbox import Mailbox
from arqon_ray.fanout.worker.outcome import Outcome
from arqon_ray.fanout.worker.shard import open_probe, remote_shard
from arqon_ray.fanout.worker.shard_summary import Summary, read_summary
from arqon_ray.fanout.worker.shard_table import check_names, pack_rows
from arqon_ray.fanout.worker.shipped_function import pack
from arqon_ray.fanout.worker.warn_once import WarnOnce


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
    evaluation_timeout_s: float | None = None,
    fail_fast: int | None = 10,
    retries: int = 2,
    sequence: str = "sobol",
    progress: bool = True,
) -> SweepResult:
    """Evaluate ``fn`` at the indices ``0 .. num_samples - 1`` of the probe, on the whole cluster.

    The points depend on config, seed and sequence only, not on shards, cluster or crashes. A point whose evaluation
    raises, or returns None, NaN or an infinity, is a failed row. A shard whose process dies is tried once more and then
    split, until the point that kills the process is alone; it becomes a failed row after ``retries``.

    The driver writes the files, each atomically, so the workers need no shared file system. Ctrl-C raises
    :class:`SweepInterrupted`, a KeyboardInterrupt, whose ``result`` has every finished row, including those of shards
    that were still running. With an ``output``, repeating the call continues, also if the driver was killed.

    Args:
        fn: takes one point's parameters as a dict; returns a number or a dict of metrics, all of which are kept in
            columns ``metrics.NAME``. It may be a coroutine function or a class, and have a parameter ``context``, as
            for ``optimize``: its reports are in the column ``steps``. Whether a resumed sweep has the same function
            is not checked.
        config: an arqon config, dict or JSON string; only ``bounds`` is needed.
        num_samples: the number of points.
        seed: the probe's seed; None for the config's.
        shard_size: the points of one task; None for an automatic size that takes a few seconds.
        output: a directory for the Parquet files, created if necessary; None keeps the rows in memory, compressed.
        resume: whether to continue a sweep in ``output``; False refuses a directory that holds one.
        metric: the entry that counts if ``fn`` returns a dict; None for the config's ``metric``, or if it has none for
            the only entry, or ``loss``.
        mode: ``min`` or ``max``, for ``best``; None for the config's.
        max_in_flight: shards in flight at once; None for twice as many as the cluster runs at once.
        resources: of one shard: ``{"cpu": 1, "gpu": 0.5, "memory": bytes, "custom": 1}``.
        evaluation_timeout_s: seconds that one evaluation may run, counted from the start of the function; None for no
            limit.
            One that takes longer gets an exception raised in it, and 5 s later its process is ended, without the rows
            that are finished being lost; its own is a failed row that says ``timeout``.
        fail_fast: give up when so many evaluations, the first of this call, all failed alike: of one kind and with one
            message, numbers aside; lost nodes do not count. None for never.
        retries: how often a point is started again if its process dies.
        sequence: ``sobol`` or ``kronecker``.
        progress: whether to show progress, on standard error.

    Returns:
        The best row, the counts, the first failures, and access to the table.

    Raises:
        ConfigError: the config or an argument breaks a rule, ``output`` holds another sweep, or none of the first
            results has the ``metric``.
        EvaluationsFailedError: the first ``fail_fast`` evaluations failed alike; finished rows are kept.
        NodesLostError: ten nodes in a row were lost during the same points; finished rows are kept.
        SweepInterrupted: on Ctrl-C.
        TypeError: ``fn`` cannot be sent to the workers.

    Example:
        >>> import arqon_ray
        >>> config = {"bounds": {"x": {"min": 0.0, "max": 1.0}}}
        >>> result = arqon_ray.sweep(lambda params: {"loss": params["x"] ** 2}, config, 32, progress=False)
        >>> result.to_table().num_rows, result.num_failed
        (32, 0)
    """
    began = time.monotonic()
    checked = load_config(config)
    metric = check_metric(metric) or checked.metric
    seed = checked.seed if seed is None else check_seed(seed)
    mode = checked.mode if mode is None else mode
    if mode not in ("min", "max"):
        raise ConfigError(f"mode is {mode!r}: it must be 'min' or 'max'")
    num_samples, retries = check_whole("num_samples", num_samples, 1), check_whole("retries", retries, 0)
    shard_size, max_in_flight = check_most("shard_size", shard_size), check_most("max_in_flight", max_in_flight)
    limit, fail_fast = check_seconds("evaluation_timeout_s", evaluation_timeout_s), check_most("fail_fast", fail_fast)
    check_names(checked.bounds)
    bounds = checked.to_dict()["bounds"]
    text = json.dumps({"bounds": bounds})
    probe = open_probe(text, seed, sequence)[0]
    try:
        probe.sample_range(num_samples - 1, 1)
    except ValueError as error:  # beyond the end of the sequence
        raise ConfigError(f"num_samples is {num_samples}: {error}") from None
    options = task_options(resources)
    manifest = {"num_samples": num_samples, "seed": seed, "sequence": sequence, "metric": metric, "bounds": bounds}
    remark = ensure_ray()
    shipped = pack(fn)
    store = open_store(output, manifest, mode, resume=resume)
    failing = FailFast(fail_fast)
    try:
        with show_progress("sweep", num_samples, enabled=progress) as shown, Interrupts() as interrupts:
            if remark:
                shown.note(remark)
            plan = ShardPlan(list(store.finished), num_samples, shard_size)
            function = remote_shard(shipped, text, seed, sequence, metric, limit)
            pool: TaskPool[Range] = TaskPool(function, options, interrupts, Mailbox(limit))
            shards = ShardQueue(pool, plan, options, shipped.stored, retries, max_in_flight)
            point = partial(_one_point, text, seed, sequence)
            _Sweep(store, plan, shards, failing, mode, limit, point).work(shown)
    except ConfigError:
        store.discard_if_empty()
        raise
    except KeyboardInterrupt:
        raise SweepInterrupted(SweepResult(store, time.monotonic() - began), num_samples) from None
    except NodesLostError as error:
        error.result = SweepResult(store, time.monotonic() - began)
        raise
    finally:
        store.close()
    result = SweepResult(store, time.monotonic() - began)
    if failing.reached:
        raise EvaluationsFailedError(failing.message(), result)
    return result


def _one_point(config: str, seed: int, sequence: str, index: int, outcome: Outcome) -> bytes:
    """Return the row of an index whose worker could not return it."""
    probe, bounds = open_probe(config, seed, sequence)
    return pack_rows(bounds, index, probe.sample_range(index, 1), [outcome])


def _is_lost(ended: tuple[Range, bytes | Died | Interrupted]) -> bool:
    result = ended[1]
    return isinstance(result, Died) and result.kind == NODE_LOST


class _Sweep:
    """One call of :func:`sweep`: submits shards and stores their rows."""

    def __init__(
        self,
        store: WritableStore,
        plan: ShardPlan,
        shards: ShardQueue,
        failing: FailFast,
        mode: str,
        limit: float | None,
        one_point: Callable[[int, Outcome], bytes],
    ) -> None:
        self._store, self._plan, self._shards, self._failing = store, plan, shards, failing
        self._mode, self._limit, self._one_point = mode, limit, one_point
        self._warn_once = WarnOnce()
        self._metric_check: MetricCheck[tuple[int, bytes, Summary]] = MetricCheck(
            store.tally.count > store.tally.failed
        )

    def work(self, shown: Progress) -> None:
        """Run until every index has its row, or ``fail_fast`` gives up."""
        self._show(shown)
        try:
            while not self._failing.reached and self._shards.fill():
                for shard, result in sorted(
                    self._shards.take(), key=_is_lost
                ):  # a lost node raises: first store the others
                    self._finish(shard, result)
                self._show(shown)
            self._metric_check.conclude()
        finally:
            for (start, _), result in self._shards.wind_down():
                # A missing metric raises; the exception that ended the sweep matters more.
                with contextlib.suppress(ConfigError):
                    self._write(start, result)
            self._show(shown)
        if self._shards.interrupted:
            raise KeyboardInterrupt

    def _finish(self, shard: Range, result: bytes | Died | Interrupted) -> None:
        start, stop = shard
        if isinstance(result, bytes):
            summary = self._write(start, result)
            self._plan.learn(summary["count"], summary["seconds"])
            self._shards.requeue(start + summary["count"], stop)  # what its process did not finish
        elif isinstance(result, Interrupted):
            self._shards.requeue(start, stop)
        elif result.kind == NODE_LOST:
            raise NodesLostError(
                f"{result.losses} nodes were lost one after another under the indices {start} to {stop - 1} "
                f"({result.reason}). Finished rows are in the files or in this exception's result: find out why the "
                "cluster loses nodes; with an output, repeat the call to continue"
            )
        elif stop - start > 1:
            self._shards.split(start, stop, result.attempts)
        else:
            outcome = outcome_of_death(result, self._limit)
            attempt = self._shards.tried(shard) + result.attempts
            evaluation = replace(outcome.evaluation, attempt=attempt)
            self._write(start, self._one_point(start, outcome._replace(evaluation=evaluation)))

    def _write(self, start: int, parquet: bytes) -> Summary:
        summary = read_summary(io.BytesIO(parquet))
        has_value, missing = summary["failed"] < summary["count"], summary.get("lacking", 0)
        for shard in self._metric_check.admit((start, parquet, summary), has_value, missing, summary.get("lacks", "")):
            self._keep(*shard)
        return summary

    def _keep(self, start: int, parquet: bytes, summary: Summary) -> None:
        self._warn_once.warn(summary.get("notes", ()))
        self._store.write(start, parquet, summary)
        first = summary["errors"][0]["error"] if summary["errors"] else ""
        if summary["failed"] < summary["count"]:
            self._failing.add_many(0, None, "", None)
        elif summary.get("counted"):
            self._failing.add_many(summary["counted"], summary["alike"], first, summary["trace"])

    def _show(self, shown: Progress) -> None:
        tally = self._store.tally
        best = tally.best(self._mode)
        shown.update(tally.count, tally.failed, best["value"] if best else None)

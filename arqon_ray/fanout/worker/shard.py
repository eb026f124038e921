"""The remote functions that sample or evaluate a range of the probe: ``probe_shard``, and the shard of a sweep."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import ray

from arqon_ray.core.config import load_config
from arqon_ray.core.probe.probe import ArqonProbe
from arqon_ray.fanout.worker.context import Context, seed_of, takes_context
from arqon_ray.fanout.worker.evaluate import Objective, evaluate_point
from arqon_ray.fanout.worker.mailbox import TaskMailbox
from arqon_ray.fanout.worker.outcome import Outcome, timed_out
from arqon_ray.fanout.worker.shard_table import Bounds, pack_rows
from arqon_ray.fanout.worker.shipped_function import ShippedFunction, unpack
from arqon_ray.fanout.worker.warn_once import WarnOnce
from arqon_ray.fanout.worker.watchdog import GRACE, Watchdog

_BEGIN_AGAIN = 1.0  # seconds between two records of when an evaluation began, so that short ones need few


@ray.remote(num_cpus=1)
def probe_shard(
    config: Mapping[str, Any] | str,
    seed: int,
    start: int,
    count: int,
    evaluate: Objective | None = None,
    metric: str | None = None,
    sequence: str = "sobol",
) -> list[dict[str, Any]]:
    """Sample the probe at the indices ``start .. start + count - 1``, and evaluate the points if a function is given.

    A remote function: call ``probe_shard.remote(...)``, or ``probe_shard.options(...)`` for other resources. It asks
    for one CPU, since Ray starts a new worker process for each task without one. A shard whose ``count`` is a power of
    two and whose ``start`` is a multiple of it is evenly spread by itself.

    Args:
        config: an arqon config, dict or JSON string; only ``bounds`` is needed.
        seed: 0 .. 2**64 - 1.
        start: the first index.
        count: the number of points.
        evaluate: takes one point's parameters as a dict; returns a number or a dict of metrics. It may be a coroutine
            function or a class, and have a parameter ``context``, as for ``optimize``. The worker warns of entries
            that cannot be metrics.
        metric: the entry of that dict that counts; None for its only entry, or ``loss``.
        sequence: ``sobol`` or ``kronecker``.

    Returns:
        Without ``evaluate`` the list of points, equal to ``ArqonProbe(config, seed).sample_range(start, count)``.
        They are dicts and not an array, which could not hold choices or leave out inactive parameters. With
        ``evaluate`` a list of rows ``{"index", "params", "value", "metrics", "error", "error_kind", "seconds",
        "started", "ended", "node", "pid", "steps"}``, as in :class:`.Evaluation`. ``value`` is None if the evaluation
        failed (it raised, or returned None, NaN or an infinity); then ``error`` is the message, otherwise None.

    Raises:
        ConfigError: the config, seed or sequence breaks a rule.
        ValueError: the range is not one, or goes beyond the end of the sequence.

    Example:
        >>> import ray
        >>> from arqon_ray import ArqonProbe, probe_shard
        >>> config = {"bounds": {"x": {"min": 0.0, "max": 1.0}}}
        >>> points = ray.get(probe_shard.remote(config, 7, 8, 8))
        >>> points == ArqonProbe(config, seed=7).sample_range(8, 8)
        True
    """
    points = ArqonProbe(config, seed, sequence).sample_range(start, count)
    if evaluate is None:
        return points
    context_of, warned, warn_once = _context_maker(evaluate, seed), set[str](), WarnOnce()
    rows = []
    for index, point in enumerate(points, start):
        outcome = evaluate_point(evaluate, point, metric, None, context_of(index), 1, warned)
        warn_once.warn(outcome.notes)
        rows.append(_row(index, point, outcome))
    return rows


def _row(index: int, point: dict[str, Any], outcome: Outcome) -> dict[str, Any]:
    told = outcome.evaluation
    return {
        "index": index,
        "params": point,
        "value": told.value,
        "metrics": dict(told.metrics),
        "error": outcome.error,
        "error_kind": outcome.kind,
        "seconds": told.seconds,
        "started": told.started,
        "ended": told.ended,
        "node": told.node,
        "pid": told.pid,
        "steps": [list(step) for step in told.steps],
    }


def _context_maker(
    fn: Objective, seed: int, attempt: int = 1, stopped: Callable[[], bool] | None = None
) -> Callable[[int], Context | None]:
    """Return a function that makes the context of an index; its result is None if the user's function takes none."""
    if not takes_context(fn):
        return lambda index: None
    return lambda index: Context(None, index, 0, attempt, seed_of(seed, index), None, stopped)


@lru_cache(maxsize=8)
def open_probe(config: str, seed: int, sequence: str) -> tuple[ArqonProbe, Bounds]:
    """Return the probe and the bounds of a config in JSON, cached in the process."""
    return ArqonProbe(config, seed, sequence), load_config(config).bounds


def remote_shard(
    shipped: ShippedFunction, config: str, seed: int, sequence: str, metric: str | None, limit: float | None = None
) -> Any:
    """Make the remote function ``(start, stop, stored, mailbox, tried, attempt) -> bytes`` of one sweep.

    It returns the rows of the whole range as Parquet, or the finished rows if the task is cancelled. If the process has
    to end because an evaluation ran too long, it leaves the finished rows and that one in ``mailbox``.

    Args:
        shipped: the user's function.
        config: the sweep's config in JSON.
        seed: the probe's seed.
        sequence: the probe's sequence.
        metric: the entry that counts if the function returns a dict.
        limit: seconds that one evaluation may take; None for no limit.
    """
    fn = shipped.fn
    warned: set[str] = set()  # each worker has its own: metrics it has warned of in this call

    @ray.remote
    def sweep_shard(start: int, stop: int, stored: list[Any], mailbox: TaskMailbox, tried: int, attempt: int) -> bytes:
        probe, bounds = open_probe(config, seed, sequence)
        objective, attempt = unpack(fn, stored), tried + attempt
        points = probe.sample_range(start, stop - start)
        outcomes: list[Outcome] = []
        context: Context | None = None

        def rows(*more: Outcome) -> bytes:
            finished = [*outcomes, *more]
            return pack_rows(bounds, start, points[: len(finished)], finished)

        def on_exit(trace: str | None) -> None:
            if trace is not None:
                assert limit is not None
                late = timed_out(limit, limit + GRACE, trace, here=True, context=context, attempt=attempt)
                mailbox.leave(rows(late))
            elif outcomes:
                mailbox.leave(rows())

        begun = -math.inf
        with Watchdog(limit, on_exit) as watchdog:
            timer = watchdog if limit is not None else None
            context_of = _context_maker(objective, seed, attempt, lambda: watchdog.cancelled)
            try:
                for index, point in enumerate(points, start):
                    if limit is not None and (now := time.monotonic()) - begun > _BEGIN_AGAIN:
                        begun = now
                        mailbox.mark_begin()
                    context = context_of(index)
                    outcomes.append(evaluate_point(objective, point, metric, timer, context, attempt, warned))
                    if watchdog.cancelled:
                        break
            except KeyboardInterrupt:
                if not outcomes:
                    raise
        return rows()

    return sweep_shard

"""The remote function of ``optimize``: one evaluation in a worker."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ray

from arqon_ray.fanout.worker.context import Context, Report, seed_of
from arqon_ray.fanout.worker.evaluate import Objective, evaluate_point
from arqon_ray.fanout.worker.mailbox import TaskMailbox
from arqon_ray.fanout.worker.outcome import Outcome, timed_out
from arqon_ray.fanout.worker.shipped_function import ShippedFunction, unpack
from arqon_ray.fanout.worker.watchdog import Watchdog

if TYPE_CHECKING:
    from arqon_ray.service import SolverClient


@dataclass(frozen=True)
class Asked:
    """What a worker needs to make the context of a candidate.

    Attributes:
        id: the candidate's id.
        seed: the study's seed.
        study: receives the reports.
    """

    id: str
    seed: int
    study: SolverClient

    def context(self, attempt: int, watchdog: Watchdog) -> Context:
        """Make the context of an evaluation that begins in this process."""
        index = int(self.id)
        seed = seed_of(self.seed, index)
        return Context(self.id, index, 0, attempt, seed, self._send, lambda: watchdog.cancelled)

    def _send(self, reports: list[Report]) -> None:
        self.study.report([{"id": self.id, **report} for report in reports])


def make_task(shipped: ShippedFunction, metric: str | None, limit: float | None) -> Any:
    """Make the remote function ``(params, stored, asked, mailbox, attempt) -> Outcome`` of one call.

    What the function captures is sent to each worker once.

    Args:
        shipped: the user's function.
        metric: the entry that counts if it returns a dict.
        limit: seconds that an evaluation may take; None for no limit.
    """
    fn = shipped.fn
    warned: set[str] = set()  # each worker has its own: metrics it has warned of in this call

    @ray.remote
    def evaluate(
        params: dict[str, Any], stored: list[Any], asked: Asked | None, mailbox: TaskMailbox | None, attempt: int
    ) -> Outcome:
        objective = unpack(fn, stored)
        if asked is None and mailbox is None:
            return evaluate_point(objective, params, metric, attempt=attempt, warned=warned)
        return evaluate_watched(objective, params, metric, limit, asked, mailbox, attempt, warned)

    return evaluate


def evaluate_watched(
    fn: Objective,
    params: dict[str, Any],
    metric: str | None,
    limit: float | None,
    asked: Asked | None,
    mailbox: TaskMailbox | None,
    attempt: int,
    warned: set[str],
) -> Outcome:
    """Evaluate under a watchdog, which interrupts what takes longer than ``limit``, or is cancelled in any thread."""
    context: Context | None = None

    def on_exit(trace: str | None) -> None:
        if trace is not None and mailbox is not None and limit is not None:
            seconds = time.perf_counter() - began
            mailbox.leave(timed_out(limit, seconds, trace, here=True, context=context, attempt=attempt))

    if mailbox is not None:
        mailbox.mark_begin()
    began = time.perf_counter()
    with Watchdog(limit, on_exit) as watchdog:
        context = None if asked is None else asked.context(attempt, watchdog)
        timer = None if limit is None else watchdog
        return evaluate_point(fn, params, metric, timer, context, attempt, warned)

"""The loop of one driver: ask the study for candidates, evaluate them by remote tasks, tell the results."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ray.exceptions import RayError

from arqon_ray.core.record.error_kinds import NODE_LOST, RAISED
from arqon_ray.errors import ArqonError, AskTimeoutError, NodesLostError, StudyRefusedError
from arqon_ray.fanout.driver.failfast import FailFast
from arqon_ray.fanout.driver.interrupts import Interrupts
from arqon_ray.fanout.driver.missing_metric import MetricCheck
from arqon_ray.fanout.driver.pool import Died, Interrupted, TaskPool, outcome_of_death
from arqon_ray.fanout.driver.progress import Progress
from arqon_ray.fanout.driver.resources import slots
from arqon_ray.fanout.optimization.results import Failure
from arqon_ray.fanout.optimization.stop import StopRule
from arqon_ray.fanout.worker.mailbox import Mailbox
from arqon_ray.fanout.worker.outcome import Outcome
from arqon_ray.fanout.worker.shipped_function import ShippedFunction
from arqon_ray.fanout.worker.task import Asked, make_task
from arqon_ray.fanout.worker.warn_once import WarnOnce
from arqon_ray.service import Heartbeat, SolverClient

Callback = Callable[[dict[str, Any]], Any]
"""Called in the driver after each evaluation with its record, see :meth:`.Evaluation.to_dict`; True stops the run.

The record lacks what only the study knows: ``origin`` is empty, and ``steps`` has only the reports that came with the
result. The history of the :class:`.Result` has all of it.
"""

FAIL_FAST = "fail_fast"
"""The reason for stopping if the first evaluations all failed alike."""

_ASK_AT_ONCE = 16  # so that a large cluster starts working while its other candidates are still being computed
_TICK = 1.0  # seconds between two checks for stop conditions and released candidates if nothing else happens
_REFRESH = 10.0  # seconds between two looks at the size of the cluster and at the results of other drivers
_SHOWN_FAILURES = 3
_TRACES = 100  # failures that keep their traceback
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluator:
    """How one evaluation is run.

    Attributes:
        function: the user's function, on its way to the workers.
        metric: the entry that counts if it returns a dict.
        options: Ray's options of the task.
        retries: how often a candidate is started again if its process dies.
        max_concurrency: evaluations at once; None for as many as the cluster has resources for.
        limit: seconds that an evaluation may take; None for no limit.
        given: converts a candidate's parameters for the function: to members of an enumeration, if the config has one.
        seed: the study's seed; None if the function takes no context.
    """

    function: ShippedFunction
    metric: str | None
    options: dict[str, Any]
    retries: int
    max_concurrency: int | None
    limit: float | None = None
    given: Callable[[dict[str, Any]], dict[str, Any]] = dict
    seed: int | None = None


class Loop:
    """One call of ``optimize`` on a study.

    Attributes:
        evaluator: how an evaluation is run.
        evaluations: how many have ended, including failed ones.
        failures: the failed ones.
    """

    def __init__(
        self,
        study: SolverClient,
        beat: Heartbeat,
        evaluator: Evaluator,
        stop: StopRule,
        fail_fast: FailFast,
        callbacks: Sequence[Callback],
        progress: Progress,
        interrupts: Interrupts,
    ) -> None:
        """Prepare the first ask.

        Args:
            study: the study to ask and tell.
            beat: renews the leases of this driver's candidates.
            evaluator: how an evaluation is run.
            stop: when to end before the budget is spent.
            fail_fast: when to give up.
            callbacks: called after each evaluation.
            progress: shows the numbers.
            interrupts: decides when Ctrl-C may interrupt.
        """
        self._study, self._beat, self.evaluator = study, beat, evaluator
        self._stop, self._fail_fast, self._callbacks, self._progress = stop, fail_fast, callbacks, progress
        self._interrupts = interrupts
        self._mailbox = None if evaluator.limit is None else Mailbox(evaluator.limit)
        self._pool: TaskPool[str] = TaskPool(
            make_task(evaluator.function, evaluator.metric, evaluator.limit),
            evaluator.options,
            interrupts,
            self._mailbox,
        )
        self._held: dict[str, dict[str, Any]] = {}
        self._metric_check: MetricCheck[tuple[str, dict[str, Any], Outcome]] = MetricCheck()
        self._started = 0
        self.evaluations = 0
        self.failures: list[Failure] = []
        self._warn_once = WarnOnce()
        self._by_others = (0, 0)  # evaluations of other calls, and how many of them failed
        self._limit = 1
        self._looked = float("-inf")

    def run(self) -> str:
        """Work until the study is finished or a stop condition holds; return the reason.

        In the end, also after an exception, the evaluations in flight are ended. Results that still come are told,
        and the other candidates are released.
        """
        calling_back = False
        try:
            reason = self._work()
            self._metric_check.conclude()
            calling_back = True
            return reason
        except KeyboardInterrupt:
            calling_back = True
            raise
        finally:
            self._end(calling_back)

    def _work(self) -> str:
        while True:
            self._refresh()
            finished = not self._stop.due() and self._fill()
            if self._stop.due():
                return self._stop.reason
            if not self._pool:
                self._metric_check.conclude()
            if not self._pool and (finished or self._stop.remaining(self._started) <= 0):
                return "finished" if finished else "max_evaluations"
            self._take(self._stop.wait(_TICK))

    def _fill(self) -> bool:
        """Start evaluations as long as there are slots and candidates; return whether the study is finished."""
        while (room := int(min(self._limit - len(self._pool), self._stop.remaining(self._started)))) > 0:
            patience = 0.0 if self._pool else self._stop.wait(_TICK)
            try:
                with self._interrupts.waiting():
                    candidates = self._study.ask(
                        min(room, _ASK_AT_ONCE), owner=self._beat.owner, lease=self._beat.lease, timeout=patience
                    )
            except AskTimeoutError:
                return False
            for candidate in candidates:
                self._submit(candidate["id"], candidate["params"])
            if not candidates:
                return True
            if len(self._pool) < self._limit:
                self._take(0.0)
        return False

    def _submit(self, identity: str, params: dict[str, Any]) -> None:
        params = self._held[identity] = self.evaluator.given(params)
        self._started += 1
        mailbox = None if self._mailbox is None else self._pool.mailbox(identity)
        seed, stored = self.evaluator.seed, self.evaluator.function.stored
        asked = None if seed is None else Asked(identity, seed, self._study)
        self._pool.submit(identity, params, stored, asked, mailbox, retries=self.evaluator.retries)

    def _take(self, timeout: float) -> None:
        """Wait for evaluations to end, and tell their results."""
        ended = self._pool.take(timeout)
        interrupted = [identity for identity, result in ended if _is_given_back(result)]
        self._tell([row for row in ended if not _is_given_back(row[1])])
        if interrupted:
            self._started -= len(interrupted)
            for identity in interrupted:
                del self._held[identity]
            self._study.release(interrupted)
        lost = [(identity, result) for identity, result in ended if isinstance(result, Died) and _is_given_back(result)]
        if lost:
            identity, death = lost[0]
            raise NodesLostError(
                f"{death.losses} nodes were lost one after another under candidate {identity} ({death.reason}). It "
                "was released and the run ends: find out why the cluster loses nodes, then repeat the call to continue"
            )

    def _tell(self, ended: Sequence[tuple[str, Any]], calling_back: bool = True) -> None:
        if not ended:
            return
        rows = [row for identity, result in ended for row in self._admit(identity, self._outcome(result))]
        if not rows:
            return
        self._study.tell([{"id": identity, **outcome.evaluation.told()} for identity, _, outcome in rows])
        self.evaluations += len(rows)
        for identity, params, outcome in rows:
            if outcome.error is not None:
                self._fail(identity, params, outcome)
            self._count(outcome)
            if calling_back:
                self._call_back(identity, params, outcome)
        self._show()

    def _admit(self, identity: str, outcome: Outcome) -> list[tuple[str, dict[str, Any], Outcome]]:
        row = identity, self._held.pop(identity), outcome
        return self._metric_check.admit(
            row, outcome.value is not None, int(outcome.metric_missing), outcome.error or ""
        )

    def _outcome(self, result: Outcome | Died) -> Outcome:
        return outcome_of_death(result, self.evaluator.limit) if isinstance(result, Died) else result

    def _fail(self, identity: str, params: dict[str, Any], outcome: Outcome) -> None:
        trace = outcome.trace if len(self.failures) < _TRACES else None
        kind, error = outcome.kind or RAISED, outcome.error or ""
        self.failures.append(Failure(identity, params, error, trace, outcome.evaluation.attempt, kind))
        if len(self.failures) <= _SHOWN_FAILURES:
            self._progress.note(f"evaluation {identity} failed: {error}")

    def _count(self, outcome: Outcome) -> None:
        self._warn_once.warn(outcome.notes)
        self._stop.add(outcome.value)
        self._fail_fast.add(outcome.kind, outcome.error, outcome.trace)
        if self._fail_fast.reached and not self._stop.reason:
            self._stop.reason = FAIL_FAST

    def _call_back(self, identity: str, params: dict[str, Any], outcome: Outcome) -> None:
        evaluation = replace(outcome.evaluation, id=identity, number=int(identity), params=params)
        for callback in self._callbacks:
            if callback(evaluation.to_dict()) is True and not self._stop.reason:
                self._stop.reason = "callback"

    def _refresh(self) -> None:
        """From time to time, read the size of the cluster and what other drivers of the study have told."""
        now = time.monotonic()
        if now - self._looked < _REFRESH:
            return
        self._looked = now
        self._limit = self.evaluator.max_concurrency or slots(self.evaluator.options)
        status = self._study.status()
        if status["state"] == "refused":
            raise StudyRefusedError(status["reason"])
        counts, best = status["counts"], status["best"]
        self._by_others = counts["told"] - self.evaluations, counts["failed"] - len(self.failures)
        self._progress.total = status["budget"]
        if best is not None and best["value"] is not None:
            self._stop.observe(best["value"], best.get("step"), best.get("status") == "stopped")
        self._show()

    def _show(self) -> None:
        done, failed = self._by_others
        stop = self._stop
        self._progress.update(done + self.evaluations, failed + len(self.failures), stop.best, stop.best_step)

    def _end(self, calling_back: bool) -> None:
        kept = self._pool.wind_down()
        try:
            self._tell(kept, calling_back)
        except (ArqonError, RayError) as error:
            # The study is gone, or its storage fails. The exception that ended the run matters more.
            _log.warning("%d results were not told: %s", len(kept), error)
        finally:
            self._give_back()
        if self._pool.interrupted:
            raise KeyboardInterrupt

    def _give_back(self) -> None:
        self._beat.stop()
        try:
            # By owner and not by id: an interrupted ask may have leased candidates that never arrived here.
            self._study.release(owner=self._beat.owner)
        except (ArqonError, RayError) as error:
            # Not serious: the leases expire.
            _log.warning("the candidates of %s were not released: %s", self._beat.owner, error)


def _is_given_back(result: Outcome | Died | Interrupted) -> bool:
    """Return whether a task ended for a reason that says nothing about its candidate."""
    return isinstance(result, Interrupted) or (isinstance(result, Died) and result.kind == NODE_LOST)

"""The loop of one driver: ask the study, evaluate by remote tasks, tell what comes back."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError

from arqon_ray.errors import ArqonError, AskTimeoutError, StudyRefusedError
from arqon_ray.fanout.evaluate import Outcome, died, evaluate_point
from arqon_ray.fanout.parcel import Parcel, unpack
from arqon_ray.fanout.pool import Died, TaskPool
from arqon_ray.fanout.progress import Progress
from arqon_ray.fanout.resources import slots
from arqon_ray.fanout.results import Failure
from arqon_ray.fanout.stop import StopRule
from arqon_ray.service import Heartbeat, SolverClient

Callback = Callable[[dict[str, Any]], Any]
"""Called in the driver after each evaluation: ``{"id", "params", "value", "error", "seconds"}``; True stops the run."""

_ASK_AT_ONCE = 16  # so that a large cluster begins to work while the rest of its candidates are computed
_TICK = 1.0  # seconds after which stop conditions and other drivers' releases are looked at while nothing happens
_REFRESH = 10.0  # seconds between two looks at the cluster's size and at what other drivers did
_SHOWN_FAILURES = 3
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluator:
    """How one evaluation is run.

    Attributes:
        parcel: the user's function.
        metric: which entry counts when it returns a dict.
        options: Ray's options of the task.
        retries: how often a candidate whose process dies is started again.
        max_concurrency: evaluations at once; None for what the cluster has resources for.
    """

    parcel: Parcel
    metric: str | None
    options: dict[str, Any]
    retries: int
    max_concurrency: int | None

    def pool(self) -> TaskPool[str]:
        """Make the tasks' pool; what is captured here reaches every worker once."""
        fn, metric = self.parcel.fn, self.metric

        @ray.remote
        def evaluate(params: dict[str, Any], stored: list[Any]) -> Outcome:
            return evaluate_point(unpack(fn, stored), params, metric)

        return TaskPool(evaluate, self.options)


class Loop:
    """One call of ``optimize`` on a study.

    Attributes:
        evaluations: how many ended, failed ones too.
        failures: those that gave no value.
    """

    def __init__(
        self,
        study: SolverClient,
        beat: Heartbeat,
        evaluator: Evaluator,
        stop: StopRule,
        callbacks: Sequence[Callback],
        shown: Progress,
    ) -> None:
        """Prepare the first ask.

        Args:
            study: what is asked and told.
            beat: keeps what this driver holds.
            evaluator: how an evaluation is run.
            stop: when to end before the budget does.
            callbacks: called after each evaluation.
            shown: the progress.
        """
        self._study, self._beat, self._evaluator = study, beat, evaluator
        self._stop, self._callbacks, self._shown = stop, callbacks, shown
        self._pool = evaluator.pool()
        self._held: dict[str, dict[str, Any]] = {}
        self._started = 0
        self.evaluations = 0
        self.failures: list[Failure] = []
        self._best: float | None = None
        self._elsewhere = (0, 0)  # evaluations, and failed ones, that are not this call's
        self._limit = 1
        self._looked = float("-inf")

    def run(self) -> str:
        """Work until the study is finished or a stop condition holds; return which.

        What is in flight when it is left, by an exception too, is cancelled and released.
        """
        try:
            while True:
                self._refresh()
                finished = not self._stop.look() and self._fill()
                if self._stop.look():
                    return self._stop.reason
                if not self._pool and (finished or self._stop.remaining(self._started) <= 0):
                    return "finished" if finished else "max_evaluations"
                self._take(self._stop.wait(_TICK))
        except KeyboardInterrupt:
            self._take(0.0)  # what came in meanwhile is worth keeping
            raise
        finally:
            self._give_back()

    def _fill(self) -> bool:
        """Start evaluations while there are slots and candidates; return whether the study is finished."""
        while (room := int(min(self._limit - len(self._pool), self._stop.remaining(self._started)))) > 0:
            patience = 0.0 if self._pool else self._stop.wait(_TICK)
            try:
                candidates = self._study.ask(
                    min(room, _ASK_AT_ONCE), owner=self._beat.owner, lease=self._beat.lease, timeout=patience
                )
            except AskTimeoutError:
                return False
            for candidate in candidates:
                self._held[candidate["id"]] = candidate["params"]
                self._started += 1
                stored = self._evaluator.parcel.stored
                self._pool.submit(candidate["id"], candidate["params"], stored, retries=self._evaluator.retries)
            if not candidates:
                return True
            if len(self._pool) < self._limit:
                self._take(0.0)
        return False

    def _take(self, timeout: float) -> None:
        """Tell what has ended."""
        rows = []
        for identity, result in self._pool.take(timeout):
            params = self._held.pop(identity)
            attempts = result.attempts if isinstance(result, Died) else 1
            outcome = died(result.reason, attempts) if isinstance(result, Died) else result
            rows.append((identity, params, outcome))
            if outcome.error is not None:
                self._fail(Failure(identity, params, outcome.error, outcome.trace, attempts))
        if not rows:
            return
        self._study.tell([_told(identity, outcome) for identity, _, outcome in rows])
        self.evaluations += len(rows)
        for identity, params, outcome in rows:
            self._note(outcome.value)
            self._call_back(identity, params, outcome)
        self._show()

    def _fail(self, failure: Failure) -> None:
        self.failures.append(failure)
        if len(self.failures) <= _SHOWN_FAILURES:
            self._shown.note(f"evaluation {failure.id} failed: {failure.error}")

    def _note(self, value: float | None) -> None:
        self._stop.see(value)
        if value is not None:
            better = max if self._stop.mode == "max" else min
            self._best = value if self._best is None else better(self._best, value)

    def _call_back(self, identity: str, params: dict[str, Any], outcome: Outcome) -> None:
        row = {"id": identity, "params": dict(params), "value": outcome.value, "error": outcome.error}
        for callback in self._callbacks:
            if callback({**row, "seconds": outcome.seconds}) is True and not self._stop.reason:
                self._stop.reason = "callback"

    def _refresh(self) -> None:
        """Look, now and then, how large the cluster is and what others on the study did."""
        now = time.monotonic()
        if now - self._looked < _REFRESH:
            return
        self._looked = now
        self._limit = self._evaluator.max_concurrency or slots(self._evaluator.options)
        status = self._study.status()
        if status["state"] == "refused":
            raise StudyRefusedError(status["reason"])
        counts, best = status["counts"], status["best"]
        self._elsewhere = counts["told"] - self.evaluations, counts["failed"] - len(self.failures)
        self._shown.total = status["budget"]
        if best is not None:
            self._note(best["value"])
        self._show()

    def _show(self) -> None:
        done, failed = self._elsewhere
        self._shown.update(done + self.evaluations, failed + len(self.failures), self._best)

    def _give_back(self) -> None:
        self._pool.cancel()
        self._beat.stop()
        try:
            # By the owner's name, not by the ids: an ask that was interrupted may hold some that never arrived here.
            self._study.release(owner=self._beat.owner)
        except (ArqonError, RayError) as error:
            # The study is gone, or storage fails. What ended the run is the better error, and leases run out.
            _log.warning("what %s held was not released: %s", self._beat.owner, error)


def _told(identity: str, outcome: Outcome) -> dict[str, Any]:
    if outcome.value is None:
        return {"id": identity, "value": None, "status": "failed", "reason": outcome.error}
    return {"id": identity, "value": outcome.value}

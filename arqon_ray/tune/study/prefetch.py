"""The next candidate, computed by a thread while Tune handles its trials.

Tune's loop only looks whether it is ready. What was computed is used only if nothing changed since: no result, no
report, no ask. So each candidate is the one that the solver itself would give at the ask, and the same events give the
same candidates, restored or not. One exception keeps a run going that reports without a pause: an ask that has waited
for :data:`_FRESH` seconds is given what was begun for it, though reports came meanwhile.
"""

from __future__ import annotations

import logging
import math
import time
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, NamedTuple

from arqon_ray.core.ledger.view import Candidate
from arqon_ray.core.propose.proposer import Proposer
from arqon_ray.core.solver import ArqonSolver
from arqon_ray.errors import ArqonError
from arqon_ray.service.background import Background, short

logger = logging.getLogger(__name__)

_FRESH = 0.25
_ATTEMPTS = 3
_SHORT = 0.01
"""Seconds: for no longer than this nobody waits for a model, which takes longer; it would only hold up who waits."""


class _Job(NamedTuple):
    """A candidate that is computed, or was.

    Attributes:
        basis: what it rests on.
        future: has it.
        proposer: computes it.
        asked: when it was first asked for, on the monotonic clock; infinity when nobody has.
    """

    basis: tuple[Any, ...]
    future: Future[Candidate | None]
    proposer: Proposer
    asked: float


class Ahead:
    """Computes on a proposer; the solver itself is touched by the caller's thread alone.

    Args:
        solver: whose candidates they are.
    """

    def __init__(self, solver: ArqonSolver) -> None:
        self._solver = solver
        self._job: _Job | None = None
        self._background = Background("computing the next candidate", self._step, failed=self._failed)

    def take(self, patience: float) -> Candidate | None:
        """Hand out the next candidate; None when there is no fresh one.

        Args:
            patience: seconds to wait for it.

        Raises:
            TimeoutError: it is not ready yet.
            ArqonError: it cannot be computed: not even the probe can, and not for want of one more attempt.
        """
        proposer = self._solver.proposer()
        if proposer.covering:  # it takes no model, and next to no time
            return self._adopted(proposer.propose())
        job = self._current(asked=True)
        try:
            candidate = job.future.result(0.0 if patience <= _SHORT else patience)
        except TimeoutError:
            raise
        except Exception as error:
            self._job = None  # the next ask tries anew
            raise ArqonError(f"the next candidate cannot be computed: {short(error)}") from error
        return self._adopted(candidate)

    def _adopted(self, candidate: Candidate | None) -> Candidate | None:
        self._job = None
        if candidate is not None:
            self._solver.adopt(candidate)
        return candidate

    def begin(self) -> Future[Candidate | None]:
        """Begin to compute on what is known now, unless that was begun already."""
        return self._current(asked=False).future

    def _current(self, asked: bool) -> _Job:
        """Return the job for what is known now, begun at this moment if there is none."""
        job, now = self._job, time.monotonic()
        basis = (self._solver.version, self._solver.config.budget)
        since = math.inf if job is None else job.asked
        if job is None or (job.basis != basis and not self._fresh_enough(job, now)):
            job = self._job = _Job(basis, Future(), self._solver.proposer(), since)
            self._background.wake()
        if asked and job.asked == math.inf:
            job = self._job = job._replace(asked=now)
        return job

    def _fresh_enough(self, job: _Job, now: float) -> bool:
        """Tell whether an ask has waited for so long that it does not wait for still newer evidence."""
        same_place = job.proposer.first == self._solver.handed_out and job.basis[1] == self._solver.config.budget
        return same_place and now - job.asked >= _FRESH

    def _step(self) -> float:
        """Compute what is asked for now, in the thread; a result that is out of date by then is nobody's."""
        job = self._job
        if job is None or job.future.done():
            return math.inf
        job.future.set_result(_proposed(job.proposer))
        return 0.0

    def _failed(self, error: BaseException) -> None:
        """Tell who waits, once it has been tried again in vain."""
        job, trouble = self._job, self._background.trouble
        if job is not None and not job.future.done() and trouble is not None and trouble.failures >= _ATTEMPTS:
            job.future.set_exception(error if isinstance(error, Exception) else RuntimeError(short(error)))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the thread and its work, which are begun again when needed."""
        return (type(self), (self._solver,))


def _proposed(proposer: Proposer) -> Candidate | None:
    """Return the proposer's candidate; the probe's when a strategy fails, which is not worth the trials of a run."""
    try:
        return proposer.propose()
    except BaseException as error:  # also SystemExit, which would end this thread alone
        logger.warning("the probe stands in for a strategy that failed: %s", short(error))
        candidate = proposer.propose(probe=True)
        if candidate is None:
            return None
        trouble = {"strategy": "the next candidate", "candidate": candidate.number, "error": short(error)}
        return replace(candidate, memory={**candidate.memory, "trouble": trouble})

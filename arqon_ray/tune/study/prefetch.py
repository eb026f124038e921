"""The next candidate, computed by a thread while Tune handles its trials.

Tune's loop only checks whether it is ready. A computed candidate is used only if nothing changed since: no result, no
report, no ask. So each candidate is the one that the solver itself would propose at the ask, and the same events give
the same candidates, restored or not. One exception keeps a run going whose trials report all the time: an ask that has
waited for :data:`_FRESH` seconds gets the candidate that was started for it, even if reports came meanwhile.
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
"""Seconds: a shorter patience is treated as none, since a model takes longer and waiting would only block Tune."""


class _Job(NamedTuple):
    """The computation of one candidate.

    Attributes:
        basis: the solver's version and budget when it was started.
        future: the candidate.
        proposer: computes it.
        asked: when it was first asked for, on the monotonic clock; infinity if it was not.
    """

    basis: tuple[Any, ...]
    future: Future[Candidate | None]
    proposer: Proposer
    asked: float


class Prefetcher:
    """Computes the next candidate in a thread, on a proposer; only the caller's thread uses the solver itself.

    Args:
        solver: the solver.
    """

    def __init__(self, solver: ArqonSolver) -> None:
        self._solver = solver
        self._job: _Job | None = None
        self._background = Background("computing the next candidate", self._step, failed=self._failed)

    def take(self, patience: float) -> Candidate | None:
        """Hand out the next candidate; None if there is no fresh one.

        Args:
            patience: seconds to wait for it.

        Raises:
            TimeoutError: if it is not ready yet.
            ArqonError: if it could not be computed in several attempts, not even by the probe.
        """
        proposer = self._solver.proposer()
        if proposer.covering:  # no model is needed, so it takes almost no time
            return self._adopted(proposer.propose())
        job = self._current(asked=True)
        try:
            candidate = job.future.result(0.0 if patience <= _SHORT else patience)
        except TimeoutError:
            raise
        except Exception as error:
            self._job = None  # the next ask tries again
            raise ArqonError(f"the next candidate cannot be computed: {short(error)}") from error
        return self._adopted(candidate)

    def _adopted(self, candidate: Candidate | None) -> Candidate | None:
        self._job = None
        if candidate is not None:
            self._solver.adopt(candidate)
        return candidate

    def begin(self) -> Future[Candidate | None]:
        """Start computing on what is known now, unless that was started already."""
        return self._current(asked=False).future

    def _current(self, asked: bool) -> _Job:
        """Return the job for what is known now; start it if there is none."""
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
        """Tell whether an ask has waited so long that the job is used although newer results have come."""
        same_candidate = job.proposer.first == self._solver.handed_out and job.basis[1] == self._solver.config.budget
        return same_candidate and now - job.asked >= _FRESH

    def _step(self) -> float:
        """Compute the current job, in the thread; if it is replaced meanwhile its result is dropped."""
        job = self._job
        if job is None or job.future.done():
            return math.inf
        job.future.set_result(_proposed(job.proposer))
        return 0.0

    def _failed(self, error: BaseException) -> None:
        """Fail the job when all attempts have failed."""
        job, trouble = self._job, self._background.trouble
        if job is not None and not job.future.done() and trouble is not None and trouble.failures >= _ATTEMPTS:
            job.future.set_exception(error if isinstance(error, Exception) else RuntimeError(short(error)))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the thread and its job, which are started again when needed."""
        return (type(self), (self._solver,))


def _proposed(proposer: Proposer) -> Candidate | None:
    """Return the proposer's candidate; the probe's if a strategy fails, so that the run goes on."""
    try:
        return proposer.propose()
    except BaseException as error:  # also SystemExit, which would end this thread only
        logger.warning("a strategy failed, so the probe proposes the next candidate: %s", short(error))
        candidate = proposer.propose(probe=True)
        if candidate is None:
            return None
        trouble = {"strategy": "the next candidate", "candidate": candidate.number, "error": short(error)}
        return replace(candidate, memory={**candidate.memory, "trouble": trouble})

"""The next candidate, computed by a thread while Tune handles its trials.

What was computed is used only if nothing was told, asked or taken back since: each candidate rests on all that was
known at its ask, as without a thread, and the same events give the same candidates.
"""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from arqon_ray.core.ledger import Candidate
from arqon_ray.core.solver import ArqonSolver

logger = logging.getLogger(__name__)


class Ahead:
    """Computes on a draft; the solver itself is touched by the caller's thread alone.

    Args:
        solver: whose candidates they are.
    """

    def __init__(self, solver: ArqonSolver) -> None:
        self._solver = solver
        self._thread: ThreadPoolExecutor | None = None
        self._job: tuple[Any, Future[Candidate | None]] | None = None

    def take(self, patience: float) -> Candidate | None:
        """Hand out the next candidate; None when there is no fresh one.

        Args:
            patience: seconds to wait for it. Those of the probe take no time and are always waited for.

        Raises:
            TimeoutError: it is not ready yet.
        """
        if self._solver.draft().covering:
            return self._solver.propose()
        future = self.begin()
        try:
            candidate = future.result(patience)
        except TimeoutError:
            raise
        except Exception as error:  # no fault of a model is worth the trials of a run
            logger.warning("the probe stands in for a strategy that failed: %r", error)
            candidate = self._solver.draft().propose(probe=True)
        self._job = None
        if candidate is not None:
            self._solver.adopt(candidate)
        return candidate

    def begin(self) -> Future[Candidate | None]:
        """Begin to compute on what is known now, unless that was begun already."""
        known = self._known()
        if self._job is not None:
            basis, future = self._job
            if basis == known:
                return future
            future.cancel()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "arqon-ahead")
        future = self._thread.submit(self._solver.draft().propose)
        self._job = known, future
        return future

    def _known(self) -> Any:
        solver = self._solver
        return solver.handed_out, solver.get_history_len(), tuple(solver.pending), solver.config.budget

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the thread and its work, which are begun again when needed."""
        return (type(self), (self._solver,))

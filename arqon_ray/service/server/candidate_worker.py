"""One thread that computes candidates while the study serves other calls.

It asks a proposer, whose view of the data is named by the number of the log's last record. Whoever asks waits in the
queue for its candidates. If asks come faster than candidates are computed, one proposer serves more of them, so that
one fit of the model serves many asks, and the next candidates are computed before anybody asks. If few come, nothing
is computed ahead, and every candidate rests on everything that was told before its ask.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from arqon_ray.core import ArqonSolver
from arqon_ray.core.ledger.view import Candidate
from arqon_ray.core.propose.proposer import Proposer
from arqon_ray.service.background import Background, short
from arqon_ray.service.failpoints import failpoint
from arqon_ray.service.server.crash_guard import CrashGuard
from arqon_ray.service.server.wait_queue import WaitQueue

PROBE_AHEAD = 64
"""Candidates of a pure probe that are kept ready: they do not depend on what is told."""

AHEAD = 64
MAX_SHARED = 64
"""The most candidates of any other kind that are kept ready, and that are computed on one view."""

_BURST = 1.0
"""Seconds for which a burst (several asks waiting at once) is remembered, and candidates are computed ahead."""

_MANY = 500
"""From this many observations on, twice as many candidates are computed ahead: missing a few dozen observations costs
nothing then, and one fit of the model serves more asks."""

_STALE = 4
"""A ready candidate is used as long as it missed at most this many observations per candidate of the burst."""

_SHARE = 0.005
"""Seconds after which computed candidates are made available."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A candidate that is ready to be handed out, and what it was computed from.

    Attributes:
        candidate: the candidate.
        evidence: the number of the last record that its proposer knew.
        first: the number of the first candidate that the proposer proposed.
        observed: how many observations the proposer knew.
        forced: whether the probe had to stand in for a strategy that kills the process.
    """

    candidate: Candidate
    evidence: int
    first: int
    observed: int
    forced: bool

    def plain(self) -> dict[str, Any]:
        """Return it as the record of an ask holds it."""
        candidate = self.candidate
        plain = {
            "number": candidate.number,
            "params": candidate.params,
            "origin": candidate.origin,
            "memory": candidate.memory,
            "evidence": self.evidence,
            "first": self.first,
        }
        if self.forced:
            plain["forced"] = True
        return plain


class CandidateWorker:
    """The candidates that are ready, and the thread that computes more; call every method under the study's lock.

    Args:
        lock: the study's.
        solver: the study's.
        guard: knows which proposals killed the process.
        position: returns the number of the log's last record.
        queue: the asks that wait.

    Attributes:
        told: the number of the newest failure that an ask has raised.
    """

    def __init__(
        self,
        lock: threading.Lock,
        solver: ArqonSolver,
        guard: CrashGuard,
        position: Callable[[], int],
        queue: WaitQueue,
    ) -> None:
        self._lock = lock
        self._solver = solver
        self._guard = guard
        self._position = position
        self._queue = queue
        self._ready: deque[Prepared] = deque()
        self._generation = 0
        self._dry: int | None = None
        self._error: Exception | None = None
        self._failures = 0
        self.told = 0
        self._burst = (0, 0.0)
        self._background = Background("computing candidates", self._step, self._failed)
        self._closed = False
        self._probing = solver.config.strategy == "probe"

    @property
    def works(self) -> tuple[Background, ...]:
        """The background work, for its troubles."""
        return (self._background,)

    def ready(self, wanted: int, begin: bool = True, since: int | None = None) -> int | None:
        """Return how many candidates are ready; None if they are fewer than ``wanted`` and more can be computed.

        Args:
            wanted: how many an ask wants.
            begin: whether to start computing them in that case.
            since: ``told`` as it was when the ask began to wait; None for an ask that does not wait.

        Raises:
            Exception: computing failed since then and nothing is ready. It is tried again after a pause, or at once
                for an ask that has not met the failure yet.
        """
        if self._stale():
            self.discard()
        if len(self._ready) >= wanted or self._exhausted():
            return len(self._ready)
        problem: Exception | None = self._background.wake(hurry=self._failures == since) if begin else None
        if problem is None and since is not None and self._failures > since:
            problem = self._error
        if problem is None:
            return None
        if not self._ready:
            self.told = self._failures
            raise problem
        return len(self._ready)

    def first(self, count: int) -> list[Prepared]:
        """Return up to ``count`` ready candidates, lowest number first, and leave them."""
        return list(islice(self._ready, count))

    def take(self, count: int) -> list[Prepared]:
        """Remove up to ``count`` ready candidates that were handed out, lowest number first."""
        taken = [self._ready.popleft() for _ in range(min(count, len(self._ready)))]
        # Not for every candidate: waking a thread costs more than computing a point of the probe.
        if self._target() >= 2 * len(self._ready) + 1 and not self._exhausted():
            self._background.wake()
        return taken

    def discard(self) -> None:
        """Drop the candidates that are ready or being computed, because their numbers or their view are outdated."""
        self._ready.clear()
        self._generation += 1

    def note_burst(self) -> None:
        """Record how many candidates are wanted if several asks wait."""
        if len(self._queue) > 1:
            now = time.monotonic()
            size, since = self._burst
            wanted = self._queue.wanted
            if wanted >= size or now - since > _BURST:
                self._burst = (wanted, now)

    def close(self) -> None:
        """Stop computing."""
        self._closed = True
        self._background.close()

    def _ahead(self) -> int:
        if self._probing:
            return PROBE_AHEAD
        size, since = self._burst
        if time.monotonic() - since > _BURST:
            return 0
        return min(2 * size if self._solver.get_history_len() >= _MANY else size, AHEAD)

    def _target(self) -> int:
        return self._queue.wanted + self._ahead()

    def _stale(self) -> bool:
        if self._probing or not self._ready:
            return False
        missed = self._solver.get_history_len() - self._ready[0].observed
        return missed > _STALE * self._ahead()

    def _exhausted(self) -> bool:
        """Tell whether no further candidate can be proposed at present."""
        budget = self._solver.config.budget
        spent = budget is not None and self._solver.handed_out + len(self._ready) >= budget
        return spent or self._dry == self._position()

    # The thread

    def _step(self) -> float:
        with self._lock:
            if self._closed or self._target() <= len(self._ready) or self._exhausted():
                return math.inf
            self._prepare()
            return 0.0

    def _failed(self, error: BaseException) -> None:
        with self._lock:
            # An ask that raised SystemExit or the like would end its process.
            self._error = error if isinstance(error, Exception) else RuntimeError(f"a candidate failed: {short(error)}")
            self._failures += 1
            self._queue.call()  # each ask that waits raises it in its turn

    def _prepare(self) -> None:
        """Compute one proposer's candidates and add them to the ready ones; the lock is held on entry and exit."""
        proposer = self._solver.proposer()
        for prepared in self._ready:
            proposer.add_pending(prepared.candidate)
        view = self._position(), proposer.first, self._solver.get_history_len()
        generation = self._generation
        while proposer.number - proposer.first < MAX_SHARED:
            wanted = self._target() - len(self._ready)
            if self._closed or wanted <= 0 or self._generation != generation:
                return
            self._lock.release()
            try:
                fresh, error = self._propose(proposer, view, wanted)
            finally:
                self._lock.acquire()
            if self._generation != generation:
                return
            self._ready.extend(fresh)
            if error is not None:
                raise error
            self._error = None
            if not fresh:
                self._dry = view[0]
            self._queue.call()
            if not fresh:
                return

    def _propose(
        self, proposer: Proposer, view: tuple[int, int, int], wanted: int
    ) -> tuple[list[Prepared], BaseException | None]:
        """Compute up to ``wanted`` candidates, at least one and then for a few milliseconds, without the lock."""
        evidence, first, observed = view
        fresh: list[Prepared] = []
        until = time.monotonic() + _SHARE
        while len(fresh) < wanted and proposer.number - first < MAX_SHARED:
            forced = self._forced(proposer.number)
            try:
                self._guard.label(f"propose:{proposer.number}")
                with self._guard.running():
                    failpoint("propose")
                    candidate = proposer.propose(probe=forced)
            except BaseException as error:
                # Those before it are handed out; the asks that wait for more raise the error.
                return fresh, error
            if candidate is None:
                break
            fresh.append(Prepared(candidate, evidence, first, observed, forced))
            if time.monotonic() >= until:
                break
        return fresh, None

    def _forced(self, number: int) -> bool:
        """Tell whether the probe must stand in: proposing this candidate, or one shortly before, was fatal 3 times."""
        fatal = sorted(int(text) for text in self._guard.poisoned("propose:"))
        return any(at <= number < at + 8 * 2**k for k, at in enumerate(fatal))

"""Handing out candidates: fresh ones, released ones, and the same ones again to whoever repeats an ask."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arqon_ray.core.ledger.view import USER, Candidate
from arqon_ray.core.space.points import restricted
from arqon_ray.errors import AskTimeoutError
from arqon_ray.service.answers import AskedCandidate
from arqon_ray.service.log.records import comfortable
from arqon_ray.service.server.changes import Ask, Enqueue
from arqon_ray.service.server.durable import DurableState
from arqon_ray.service.server.idempotency import differs, digest_of, reused
from arqon_ray.service.server.wait_queue import Waiter
from arqon_ray.service.validation import check_batch, check_count, check_seconds, check_text

COMPUTING = 60.0
"""Seconds beyond its timeout for which an ask waits for a candidate that is being computed for it."""

_PATIENCE = 0.5
"""Seconds for which an ask of many waits until all of them are computed; then it takes what there is."""


@dataclass(frozen=True, slots=True)
class _Hold:
    """Under which key, for whom and for how many seconds candidates are asked for; and the digest of what is asked."""

    key: str | None
    owner: str | None
    lease: float | None
    digest: bytes | None


class Asking(DurableState):
    """The asks of a study."""

    def ask_one(
        self,
        key: str | None = None,
        owner: str | None = None,
        lease: float | None = None,
        timeout: float | None = 30.0,
        params: Mapping[str, Any] | None = None,
    ) -> AskedCandidate | None:
        """Hand out one candidate: ``{"id", "params"}``, or None when the study is finished; see ``ask``.

        With ``params`` it is that point, which the asker brings, and None means that the budget is spent.
        """
        if params is not None:
            return self._ask_for(params, key, owner, lease)
        answer = self.ask(1, key, owner, lease, timeout)
        return answer[0] if answer else None

    def ask(
        self,
        n: int,
        key: str | None = None,
        owner: str | None = None,
        lease: float | None = None,
        timeout: float | None = 30.0,
    ) -> list[AskedCandidate]:
        """Hand out up to ``n`` candidates, at least one; none only when the study is finished.

        Args:
            n: 1 to 4096.
            key: the operation id; the same key is given the same candidates, always.
            owner: who holds them; ``renew(owner)`` keeps them.
            lease: seconds until they run out; by default 60 with an owner, 24 h without.
            timeout: seconds to wait while every candidate is held; None waits for ever. One that is being computed
                is waited for up to ``COMPUTING`` seconds longer.

        Raises:
            AskTimeoutError: every candidate is held by somebody and none came free in time, or none was computed.
            ResultsError: an argument is malformed.
        """
        n = check_count(n)
        hold = _hold(key, owner, lease, None if key is None else digest_of("ask", n))
        limit = check_seconds("timeout", timeout, zero=True)
        deadline = None if limit is None else self._clock() + limit

        def body() -> list[AskedCandidate]:
            answer = self._work(lambda: self._at_once(n, hold))
            return self._wait_in_turn(n, hold, deadline, timeout) if answer is None else answer

        return self._in_turn(body)

    def _ask_for(
        self, params: Mapping[str, Any], key: str | None, owner: str | None, lease: float | None
    ) -> AskedCandidate | None:
        """Hand out a point of the asker's own as the next candidate; None when the budget is spent.

        It counts in the budget, and the model sees it in flight, as any other. Arguments as for ``ask``.

        Raises:
            ResultsError: it does not fit the space, or an argument is malformed.
        """
        space = self._state.solver.space
        space.encode(params)
        plain = space.native(params)
        hold = _hold(key, owner, lease, None if key is None else digest_of("place", plain))
        answer = self._durably(lambda: self._place(plain, hold))
        return answer[0] if answer else None

    def enqueue(self, params: Any, key: str | None = None) -> list[dict[str, Any]]:
        """Put a point, or a list of them, before the solver's own: the next asks are given them, each once.

        Args:
            params: some or all parameters of a point, or a list of such dicts; see ``ArqonSolver.enqueue``.
            key: the operation id.

        Returns:
            The whole points.

        Raises:
            ResultsError: one does not fit the space; nothing was enqueued.
        """
        points = [params] if isinstance(params, Mapping) else params
        check_batch("points", points)
        key = check_text("key", key)

        def work() -> list[dict[str, Any]]:
            solver = self._state.solver
            whole = solver.complete(points)
            given = [restricted(*each, solver.config) for each in zip(whole, points, strict=True)]
            digest = None if key is None else digest_of(Enqueue.OP, given)
            done = self._state.done.get(Enqueue.OP, key, digest)
            if done is not None or not whole:
                return done or []
            self._make(Enqueue(whole, key, digest))
            # Whatever lies ready would come before them.
            self._worker.discard()
            self._queue.call()
            return whole

        return self._durably(work)

    def _place(self, params: dict[str, Any], hold: _Hold) -> list[AskedCandidate]:
        again = self._again(hold, params)
        solver = self._state.solver
        if again is not None or solver.spent:
            return again or []
        candidate = Candidate(solver.handed_out, params, USER)
        plain = {"number": candidate.number, "params": params, "origin": USER, "memory": {}}
        self._hand_out([candidate], [plain], [], hold)
        self._worker.discard()
        self._queue.call()
        return [{"id": candidate.id, "params": dict(params)}]

    def _at_once(self, n: int, hold: _Hold) -> list[AskedCandidate] | None:
        """AskedCandidate an ask that was answered before, or whose candidates lie ready while nobody waits."""
        again = self._again(hold)
        if again is not None or len(self._queue) or (self._worker.ready(n, begin=False) or 0) < n:
            return again
        self._expire()
        return self._answer(n, [], hold)

    def _wait_in_turn(self, n: int, hold: _Hold, deadline: float | None, timeout: float | None) -> list[AskedCandidate]:
        with self._queue.join(n, self._worker.told) as waiter:
            self._worker.note_burst()
            while True:
                if self._queue.is_first(waiter):
                    answer = self._work(lambda: self._serve(waiter, hold))
                    if answer is not None:
                        return answer
                self._wait(waiter, deadline, timeout)

    def _serve(self, waiter: Waiter, hold: _Hold) -> list[AskedCandidate] | None:
        """Hand out what the first in the queue waits for; None when it must wait on."""
        # Another call under the same key may have been answered meanwhile.
        answered = self._again(hold)
        if answered is not None:
            return answered
        self._expire()
        computing = self._worker.ready(waiter.count, since=waiter.told) is None
        if computing and self._clock() - waiter.since < _PATIENCE:
            return None
        ready = len(self._worker.first(waiter.count))
        # Released ones, lowest number first, only when nothing fresh is left.
        again = [] if computing else sorted(self._state.pool)[: waiter.count - ready]
        if ready or again:
            return self._answer(ready, again, hold)
        return [] if self._state.finished else None

    def _answer(self, count: int, again: list[int], hold: _Hold) -> list[AskedCandidate]:
        """Hand out ``count`` of what lies ready, fewer where they are too large for one record, and some again."""
        fresh = self._worker.first(count)
        plain = [each.plain() for each in fresh]
        few = comfortable(plain)
        if few < count:
            again = []  # they come when nothing fresh is left
        candidates = [each.candidate for each in fresh[:few]]
        self._hand_out(candidates, plain[:few], again, hold)
        self._worker.take(few)
        new: list[AskedCandidate] = [{"id": each.id, "params": dict(each.params)} for each in candidates]
        return new + [self._state.item(number, hold.key) for number in again]

    def _hand_out(
        self, fresh: Sequence[Candidate], plain: Sequence[dict[str, Any]], again: Sequence[int], hold: _Hold
    ) -> None:
        self._make(Ask(fresh, plain, again, hold.key, hold.owner, hold.lease, hold.digest))

    def _again(self, hold: _Hold, params: Mapping[str, Any] | None = None) -> list[AskedCandidate] | None:
        """AskedCandidate a repeated ask: the same candidates, leased to the asker again where nobody else has them.

        Args:
            hold: whose ask it is.
            params: the asker's own point, where there is one.
        """
        state, key = self._state, hold.key
        done = state.done.find("ask", key)
        if key is None or done is None:
            return None
        numbers: list[int] = done[2]
        if differs(hold.digest, done) and not self._is_same(numbers, hold, params):
            raise reused(key)
        self._expire()
        own = [n for n in numbers if n in state.leases and state.asker.get(n) == key]
        again = [n for n in own if state.leases.owner(n) != hold.owner] + [n for n in numbers if n in state.pool]
        if again:
            self._hand_out([], [], again, hold)
        for number in own:
            state.leases.touch(number)
        return [state.item(number, key) for number in numbers]

    def _is_same(self, numbers: list[int], hold: _Hold, params: Mapping[str, Any] | None) -> bool:
        """Tell whether an ask means the one candidate of its key although it asks otherwise than before.

        Whoever comes back for a trial's candidate need not know whether it was the solver's point or its own.
        """
        if len(numbers) != 1:
            return False
        candidate = self._state.solver.candidate(numbers[0])
        if params is not None:
            return candidate.params == params
        return candidate.origin == USER and hold.digest == digest_of("ask", 1)

    def _wait(self, waiter: Waiter, deadline: float | None, timeout: float | None) -> None:
        """Wait until there may be something for this one; ``COMPUTING`` longer for what is being computed."""
        self._journal.commits.withdraw()
        now = self._clock()
        first = self._queue.is_first(waiter)
        if first:
            coming = self._worker.ready(waiter.count, since=waiter.told) is None
        else:  # what the others before it will be given moves the queue
            coming = self._state.finished or bool(self._state.pool) or self._worker.ready(1, begin=False) != 0
        if deadline is not None and coming and now >= deadline + COMPUTING:
            raise AskTimeoutError(
                f"no candidate was computed within {timeout} s and {COMPUTING:.0f} s more: the strategy "
                f"{self._state.solver.config.strategy!r} takes longer, or hangs; status() tells for how long"
            )
        if deadline is not None and now >= deadline and not coming:
            raise AskTimeoutError(
                f"every candidate is held by somebody ({len(self._state.leases)} pending) and none came free within "
                f"{timeout} s: ask again, with the same key or a longer timeout"
            )
        ends = []
        if coming and first:
            ends.append(max(now + 0.05, waiter.since + _PATIENCE))
        elif deadline is not None:
            ends.append(max(now + 0.05, deadline) if coming else deadline)
        if first and (lease := self._state.leases.next_deadline()) is not None:
            ends.append(lease)
        waiter.called.wait(min(max(0.0, min(ends) - now), threading.TIMEOUT_MAX) if ends else None)
        self._journal.check_open()


def _hold(key: object, owner: object, lease: object, digest: bytes | None) -> _Hold:
    return _Hold(check_text("key", key), check_text("owner", owner), check_seconds("lease", lease), digest)

"""Handing out candidates: fresh ones, released ones, and the same ones again when an ask is repeated."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arqon_ray.core.ledger.view import USER, Candidate
from arqon_ray.core.points import restricted
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
"""Seconds for which an ask of several candidates waits until all are computed; then it takes those that are ready."""


@dataclass(frozen=True, slots=True)
class _Request:
    """The arguments of one ask.

    Attributes:
        key: the operation id.
        owner: who is to hold the candidates.
        lease: in seconds.
        digest: of what is asked for; None without a key.
    """

    key: str | None
    owner: str | None
    lease: float | None
    digest: bytes | None

    @classmethod
    def checked(cls, key: object, owner: object, lease: object, *asked: Any) -> _Request:
        """Check the arguments; ``asked`` is what a repetition under the same key must ask for too."""
        digest = None if key is None else digest_of(*asked)
        return cls(check_text("key", key), check_text("owner", owner), check_seconds("lease", lease), digest)

    def change(self, fresh: Sequence[Candidate], plain: Sequence[dict[str, Any]], again: Sequence[int]) -> Ask:
        """Return the change that hands out candidates to this asker; arguments as :class:`.Ask`."""
        return Ask(fresh, plain, again, self.key, self.owner, self.lease, self.digest)


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
        n = check_count(n)
        request = _Request.checked(key, owner, lease, "ask", n)
        limit = check_seconds("timeout", timeout, zero=True)
        deadline = None if limit is None else self._clock() + limit
        with self._durably():
            with self._working():
                answer = self._answer_at_once(n, request)
            return self._wait_in_turn(n, request, deadline, timeout) if answer is None else answer

    def _ask_for(
        self, params: Mapping[str, Any], key: str | None, owner: str | None, lease: float | None
    ) -> AskedCandidate | None:
        """Hand out a point of the asker's own as the next candidate; None when the budget is spent."""
        space = self._state.solver.space
        space.encode(params)
        point = space.native(params)
        request = _Request.checked(key, owner, lease, "place", point)
        with self._durably(), self._working():
            again = self._repeated(request, point)
            solver = self._state.solver
            if again is not None or solver.spent:
                return again[0] if again else None
            candidate = Candidate(solver.handed_out, point, USER)
            plain = {"number": candidate.number, "params": point, "origin": USER, "memory": {}}
            self._commit(request.change([candidate], [plain], []))
            self._worker.discard()
            self._queue.call()
            return {"id": candidate.id, "params": dict(point)}

    def enqueue(self, params: Any, key: str | None = None) -> list[dict[str, Any]]:
        points = [params] if isinstance(params, Mapping) else params
        check_batch("points", points)
        key = check_text("key", key)
        with self._durably(), self._working():
            solver = self._state.solver
            whole = solver.complete(points)
            given = [restricted(*each, solver.config) for each in zip(whole, points, strict=True)]
            digest = None if key is None else digest_of(Enqueue.OP, given)
            done = self._state.done.get(Enqueue.OP, key, digest)
            if done is not None or not whole:
                return done or []
            self._commit(Enqueue(whole, key, digest))
            # Candidates that are ready would be handed out before these points.
            self._worker.discard()
            self._queue.call()
            return whole

    def _answer_at_once(self, n: int, request: _Request) -> list[AskedCandidate] | None:
        """Answer a repeated ask, or one whose candidates are ready while nobody waits; None if it has to wait."""
        again = self._repeated(request)
        if again is not None or len(self._queue) or (self._worker.ready(n, begin=False) or 0) < n:
            return again
        self._expire()
        return self._hand_out(n, [], request)

    def _wait_in_turn(
        self, n: int, request: _Request, deadline: float | None, timeout: float | None
    ) -> list[AskedCandidate]:
        """Wait in the queue until there are candidates for this ask, and hand them out."""
        with self._queue.join(n, self._worker.told) as waiter:
            self._worker.note_burst()
            while True:
                if self._queue.is_first(waiter):
                    with self._working():
                        answer = self._answer_first(waiter, request)
                    if answer is not None:
                        return answer
                self._wait(waiter, deadline, timeout)

    def _answer_first(self, waiter: Waiter, request: _Request) -> list[AskedCandidate] | None:
        """Answer the first ask in the queue; None if it has to wait on."""
        # Another call under the same key may have been answered meanwhile.
        answered = self._repeated(request)
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
            return self._hand_out(ready, again, request)
        return [] if self._state.finished else None

    def _hand_out(self, count: int, again: list[int], request: _Request) -> list[AskedCandidate]:
        """Hand out ready candidates, and some that were handed out before.

        Args:
            count: how many ready ones; fewer are taken if they are too large for one record.
            again: the numbers of the others.
            request: whose ask it is.
        """
        fresh = self._worker.first(count)
        plain = [each.plain() for each in fresh]
        few = comfortable(plain)
        if few < count:
            again = []  # they come when nothing fresh is left
        candidates = [each.candidate for each in fresh[:few]]
        self._commit(request.change(candidates, plain[:few], again))
        self._worker.take(few)
        new: list[AskedCandidate] = [{"id": each.id, "params": dict(each.params)} for each in candidates]
        return new + [self._state.item(number, request.key) for number in again]

    def _repeated(self, request: _Request, params: Mapping[str, Any] | None = None) -> list[AskedCandidate] | None:
        """Answer a repeated ask with the same candidates, and lease them to the asker again unless others hold them.

        Args:
            request: the ask.
            params: the asker's own point, if it brought one.

        Returns:
            None if no ask was made under this key before.
        """
        state, key = self._state, request.key
        done = state.done.find("ask", key)
        if key is None or done is None:
            return None
        numbers: list[int] = done[2]
        if differs(request.digest, done) and not self._is_same(numbers, request, params):
            raise reused(key)
        self._expire()
        own = [n for n in numbers if n in state.leases and state.asker.get(n) == key]
        again = [n for n in own if state.leases.owner(n) != request.owner] + [n for n in numbers if n in state.pool]
        if again:
            self._commit(request.change([], [], again))
        for number in own:
            state.leases.touch(number)
        return [state.item(number, key) for number in numbers]

    def _is_same(self, numbers: list[int], request: _Request, params: Mapping[str, Any] | None) -> bool:
        """Tell whether an ask means the one candidate of its key although its arguments differ.

        Whoever comes back for a trial's candidate need not know whether the point was the solver's or its own.
        """
        if len(numbers) != 1:
            return False
        candidate = self._state.solver.candidate(numbers[0])
        if params is not None:
            return candidate.params == params
        return candidate.origin == USER and request.digest == digest_of("ask", 1)

    def _wait(self, waiter: Waiter, deadline: float | None, timeout: float | None) -> None:
        """Wait until there may be something for this ask; ``COMPUTING`` longer for what is being computed.

        Raises:
            AskTimeoutError: the time is up.
        """
        self._journal.commits.withdraw()
        now = self._clock()
        first = self._queue.is_first(waiter)
        if first:
            coming = self._worker.ready(waiter.count, since=waiter.told) is None
        else:  # whatever is handed out to those before it moves the queue on
            coming = self._state.finished or bool(self._state.pool) or self._worker.ready(1, begin=False) != 0
        if deadline is not None and coming and now >= deadline + COMPUTING:
            raise AskTimeoutError(
                f"no candidate was computed within {timeout:g} s and {COMPUTING:.0f} s more: the strategy "
                f"{self._state.solver.config.strategy!r} takes longer, or hangs; status() tells for how long"
            )
        if deadline is not None and now >= deadline and not coming:
            raise AskTimeoutError(
                f"every candidate is held by somebody ({len(self._state.leases)} pending) and none came free within "
                f"{timeout:g} s: ask again, with the same key or a longer timeout"
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

"""Handing out candidates: fresh ones, released ones, and the same ones again to whoever repeats an ask."""

from __future__ import annotations

import threading
from typing import Any

from arqon_ray.core.ledger import Candidate
from arqon_ray.errors import AskTimeoutError
from arqon_ray.service import checks
from arqon_ray.service.durable import DurableState
from arqon_ray.service.state import Answer


class Asking(DurableState):
    """The asks of a study."""

    def ask_one(
        self,
        key: str | None = None,
        owner: str | None = None,
        lease: float | None = None,
        timeout: float | None = 30.0,
    ) -> Answer | None:
        """Hand out one candidate: ``{"id", "params"}``, or None when the study is finished; see ``ask``."""
        answer = self.ask(1, key, owner, lease, timeout)
        return answer[0] if answer else None

    def ask(
        self,
        n: int,
        key: str | None = None,
        owner: str | None = None,
        lease: float | None = None,
        timeout: float | None = 30.0,
    ) -> list[Answer]:
        """Hand out up to ``n`` candidates, at least one; none only when the study is finished.

        Args:
            n: 1 to 4096.
            key: the operation id; the same key is given the same candidates, always.
            owner: who holds them; ``renew(owner)`` keeps them.
            lease: seconds until they run out; by default 60 with an owner, 24 h without.
            timeout: seconds to wait while every candidate is held; None waits for ever.

        Raises:
            AskTimeoutError: every candidate is held by somebody and none came free in time.
            ResultsError: an argument is malformed.
        """
        checks.check_count(n)
        hold = {"key": checks.check_text("key", key), "owner": checks.check_text("owner", owner)}
        hold["lease"] = checks.check_seconds("lease", lease)  # type: ignore[assignment]
        limit = checks.check_seconds("timeout", timeout, zero=True)
        deadline = None if limit is None else self._clock() + limit

        def work() -> list[Answer]:
            while True:
                self._expire()
                numbers = self._hold_again(hold) if key in self._state.asked else self._hand_out(n, hold)
                if numbers or self._state.finished:
                    return [self._state.item(number, key) for number in numbers]
                self._wait(deadline, timeout)

        return self._durably(work)

    def _hand_out(self, n: int, hold: dict[str, Any]) -> list[int]:
        """Give out fresh candidates, and released ones, lowest number first, when there are no fresh ones."""
        evidence = self._journal.last_seq
        fresh = self._propose(n)
        again = sorted(self._state.pool)[: n - len(fresh)]
        if not fresh and not again:
            return []
        plain = [{"number": c.number, "params": c.params, "origin": c.origin, "memory": c.memory} for c in fresh]
        self._record({"op": "ask", **hold, "fresh": plain, "again": again, "evidence": evidence}, [])
        return [c.number for c in fresh] + again

    def _propose(self, n: int) -> list[Candidate]:
        fresh: list[Candidate] = []
        while len(fresh) < n:
            try:
                candidate = self._state.solver.propose()
            except Exception:
                # What was proposed before is handed out and logged; the next ask meets the error by itself.
                if fresh:
                    break
                raise
            if candidate is None:
                break
            fresh.append(candidate)
        return fresh

    def _hold_again(self, hold: dict[str, Any]) -> list[int]:
        """Answer a repeated ask: the same candidates, leased to the asker again where nobody else has them."""
        state = self._state
        numbers = state.asked[hold["key"]]
        own = [n for n in numbers if n in state.leases and state.asker.get(n) == hold["key"]]
        again = [n for n in own if state.leases.owner(n) != hold["owner"]] + [n for n in numbers if n in state.pool]
        if again:
            self._record({"op": "ask", **hold, "fresh": [], "again": again, "evidence": self._journal.last_seq}, [])
        for number in own:
            state.leases.touch(number)
        return numbers

    def _wait(self, deadline: float | None, timeout: float | None) -> None:
        now = self._clock()
        if deadline is not None and now >= deadline:
            raise AskTimeoutError(
                f"every candidate is held by somebody ({len(self._state.leases)} pending) and none came free within "
                f"{timeout} s: ask again, with the same key or a longer timeout"
            )
        ends = [t for t in (deadline, self._state.leases.next_deadline()) if t is not None]
        self._changed.wait(min(max(0.0, min(ends) - now), threading.TIMEOUT_MAX) if ends else None)
        self._journal.check_open()

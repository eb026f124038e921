"""Leases: who holds which candidate, and until when.

All candidates of one owner share a deadline, which a heartbeat renews. A candidate without an owner has a deadline of
its own. The clock is injected and monotonic. Deadlines are not stored: after a restart every lease has its full length
again.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

_SPARE = 64
"""How many alarms of ended leases are left in the heap before it is rebuilt."""

OWNER_TERM = 60.0
LONE_TERM = 24 * 3600.0


@dataclass(slots=True)
class _Holding:
    """Candidates whose leases expire together: all of one owner, or a single one without an owner."""

    term: float
    deadline: float
    numbers: dict[int, None] = field(default_factory=dict)


class Leases:
    """The live leases of one study.

    Args:
        clock: returns seconds, never going back (``time.monotonic``).
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._holdings: dict[str | int, _Holding] = {}
        self._holder: dict[int, str | int] = {}
        # A lower bound of each holding's deadline: renewals leave it alone, so the deadline is checked when it comes.
        self._alarms: list[tuple[float, int, _Holding]] = []
        self._order = itertools.count()

    def __contains__(self, number: object) -> bool:
        return number in self._holder

    def __len__(self) -> int:
        return len(self._holder)

    def grant(self, number: int, owner: str | None = None, term: float | None = None) -> float:
        """Lease a candidate; an earlier lease of it ends.

        Args:
            number: the candidate.
            owner: who holds it, which also renews everything else that the owner holds; None for an anonymous holder.
            term: seconds until the lease expires; by default 60 with an owner (and then of all that the owner holds),
                24 h without.

        Returns:
            The term in force, in seconds.
        """
        self.drop(number)
        holder: str | int = number if owner is None else owner
        holding = self._holdings.get(holder)
        if holding is None:
            length = term if term is not None else (LONE_TERM if owner is None else OWNER_TERM)
            holding = self._holdings[holder] = _Holding(length, 0.0)
        elif term is not None:
            holding.term = term
        sooner = self._clock() + holding.term
        earlier = not holding.numbers or sooner < holding.deadline
        holding.deadline = sooner
        holding.numbers[number] = None
        self._holder[number] = holder
        if earlier:
            self._alarm(holding, sooner)
        return holding.term

    def _alarm(self, holding: _Holding, deadline: float) -> None:
        heapq.heappush(self._alarms, (deadline, next(self._order), holding))
        # Most leases end long before they expire: their alarms must not pile up until then.
        if len(self._alarms) > 2 * len(self._holdings) + _SPARE:
            self._alarms = [(held.deadline, next(self._order), held) for held in self._holdings.values()]
            heapq.heapify(self._alarms)

    def renew(self, owner: str) -> int:
        """Renew all leases of an owner for their full term; returns how many there are."""
        holding = self._holdings.get(owner)
        if holding is None:
            return 0
        holding.deadline = self._clock() + holding.term
        return len(holding.numbers)

    def touch(self, number: int) -> None:
        """Renew the lease of a candidate, and of all that its owner holds; without a lease nothing happens."""
        holder = self._holder.get(number)
        if holder is not None:
            holding = self._holdings[holder]
            holding.deadline = self._clock() + holding.term

    def drop(self, number: int) -> None:
        """End the lease of a candidate, if it has one."""
        holder = self._holder.pop(number, None)
        if holder is not None:
            holding = self._holdings[holder]
            del holding.numbers[number]
            if not holding.numbers:
                del self._holdings[holder]

    def expired(self) -> list[int]:
        """Return the candidates whose lease has expired, lowest number first; they are held until they are dropped."""
        now = self._clock()
        over: list[_Holding] = []
        while self._alarms and self._alarms[0][0] <= now:
            _, _, holding = heapq.heappop(self._alarms)
            if not holding.numbers:
                continue
            if holding.deadline <= now:
                over.append(holding)
            else:
                self._alarm(holding, holding.deadline)
        for holding in over:
            self._alarm(holding, holding.deadline)
        return sorted({number for holding in over for number in holding.numbers})

    def next_deadline(self) -> float | None:
        """Return a reading of the clock before which no lease expires; None if nothing is held."""
        while self._alarms and not self._alarms[0][2].numbers:
            heapq.heappop(self._alarms)
        return self._alarms[0][0] if self._alarms else None

    def owner(self, number: int) -> str | None:
        """Return the owner of a candidate; None if it has none or is not held."""
        holder = self._holder.get(number)
        return holder if isinstance(holder, str) else None

    def held_by(self, owner: str) -> list[int]:
        """Return the candidates that an owner holds, lowest number first."""
        holding = self._holdings.get(owner)
        return sorted(holding.numbers) if holding is not None else []

    def held(self) -> Iterator[tuple[int, str | None, float]]:
        """Yield number, owner and term of every lease, in an order in which ``grant`` restores them."""
        for holder, holding in self._holdings.items():
            for number in holding.numbers:
                yield number, holder if isinstance(holder, str) else None, holding.term

    def restart(self) -> None:
        """Renew every lease for its full term."""
        now = self._clock()
        self._alarms.clear()
        for holding in self._holdings.values():
            holding.deadline = now + holding.term
            self._alarm(holding, holding.deadline)

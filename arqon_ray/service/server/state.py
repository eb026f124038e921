"""A study's state in memory: its solver, leases and idempotency, as the records of its log build them.

What can change it is in ``changes`` and ``outcomes``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, repeat
from typing import Any

from arqon_ray.core import ArqonSolver
from arqon_ray.core.ledger.verdicts import Verdict
from arqon_ray.core.record.evaluation import Evaluation, Step
from arqon_ray.core.record.running import Running
from arqon_ray.errors import StateError
from arqon_ray.service.answers import AskedCandidate
from arqon_ray.service.server.idempotency import Done, Operations
from arqon_ray.service.server.leases import Leases

_PART = 5000


class LoggedState:
    """The state of one study; not thread-safe.

    Args:
        solver: a fresh solver of the study's config.
        clock: returns seconds, never going back.

    Attributes:
        solver: every candidate is pending, withdrawn, told or retracted in it.
        leases: every pending candidate has one.
        pool: candidates that were released or whose lease expired; withdrawn in the solver.
        asker: the key under which each candidate without a result was handed out last.
        done: the answers of the operations that had a key.
        seq: the number of the last record that was applied.
        hosts: who opened the study, in the order of the epochs.
        imported: uuid and log position of the study that this one continues; None if it continues none.
    """

    def __init__(self, solver: ArqonSolver, clock: Callable[[], float]) -> None:
        self.solver = solver
        self.leases = Leases(clock)
        self.pool: set[int] = set()
        self.asker: dict[int, str | None] = {}
        self.done = Operations()
        self.seq = 0
        self.hosts: list[dict[str, Any]] = []
        self.imported: dict[str, Any] | None = None
        self._counts = dict.fromkeys(("asked", "told", "failed", "seeded", "retracted"), 0)

    # Changing: each method is part of a change, see ``changes``, whose ``resolve`` has made sure that it cannot fail.

    def hand_out(
        self, fresh: Sequence[int], again: Sequence[int], key: str | None, owner: str | None, lease: float | None
    ) -> None:
        """Lease candidates: fresh ones, which the solver has adopted, and ones that were handed out before."""
        self._counts["asked"] += len(fresh)
        for number in again:
            if number in self.pool:
                self.pool.discard(number)
                self.solver.reissue(number)
        for number in (*fresh, *again):
            self.leases.grant(number, owner, lease)
            self.asker[number] = key

    def take(self, verdicts: Sequence[Verdict]) -> None:
        """Count results that the solver has taken, and end the leases of their candidates."""
        for verdict in verdicts:
            if verdict.evaluation is None:
                continue
            if verdict.number is None:
                self._counts["seeded"] += 1
                continue
            self._forget(verdict.number)
            self._counts["told"] += 1
            self._counts["failed"] += verdict.evaluation.value is None

    def uncount(self, evaluation: Evaluation) -> None:
        """Count a result that the solver has taken back."""
        self._counts["told"] -= 1
        self._counts["failed"] -= evaluation.value is None
        self._counts["retracted"] += 1

    def _forget(self, number: int) -> None:
        self.leases.drop(number)
        self.pool.discard(number)
        self.asker.pop(number, None)

    def put_back(self, numbers: Sequence[int]) -> None:
        """Put candidates without a result into the pool."""
        for number in numbers:
            self.leases.drop(number)
            self.solver.withdraw(number)
            self.pool.add(number)

    def begin_from(self, solver: ArqonSolver, uuid: str, seq: int) -> None:
        """Begin with another study's solver; its candidates without a result go into the pool."""
        self.solver = solver
        self.pool = set(solver.withdrawn)
        rows = solver.evaluations()
        told = [row for row in rows if row.number is not None]
        self._counts = {
            "asked": solver.handed_out,
            "told": len(told),
            "failed": sum(row.value is None for row in told),
            "seeded": len(rows) - len(told),
            "retracted": len(solver.retracted),
        }
        self.imported = {"uuid": uuid, "seq": seq}

    def remember(self, kind: str, key: str | None, answer: list[Any], digest: bytes | None) -> None:
        """Remember an operation's answer for its repetitions, if it has a key."""
        if key is not None:
            self.done.put(kind, key, answer, digest)

    # Reading

    def item(self, number: int, key: str | None) -> AskedCandidate:
        """Return the answer to an ask for a candidate, with a note if the asker does not hold it.

        Args:
            number: the candidate.
            key: that of the ask.
        """
        item: AskedCandidate = {"id": str(number), "params": dict(self.solver.candidate(number).params)}
        if number not in self.leases:
            item["note"] = f"it was {self.ended(number)}"
        elif self.asker.get(number) != key:
            item["note"] = "its lease ran out and somebody else holds it now"
        return item

    def is_open(self, number: int) -> bool:
        """Tell whether a candidate that was handed out still has no result."""
        return number in self.leases or number in self.pool

    def ended(self, number: int) -> str:
        """Return what became of a candidate that is not open any more: "told already" or "retracted"."""
        return "told already" if self.solver.is_told(number) else "retracted"

    @property
    def finished(self) -> bool:
        """Whether every candidate of the budget has been told."""
        return self.solver.spent and not len(self.leases) and not self.pool

    @property
    def counts(self) -> dict[str, int]:
        """How many candidates and results there are, see :class:`.StudyCounts`."""
        here = self._counts
        waiting = {"pending": len(self.leases), "released": len(self.pool)}
        return {
            **{k: here[k] for k in ("asked", "told", "failed")},
            **waiting,
            **{k: here[k] for k in ("seeded", "retracted")},
            "enqueued": len(self.solver.queue),
        }

    @property
    def restarts(self) -> int:
        """How often the process of the present actor was restarted."""
        last = self.hosts[-1]
        return len({host.get("pid") for host in self.hosts if host.get("actor") == last.get("actor")}) - 1

    # Snapshots

    def freeze(self) -> Iterator[dict[str, Any]]:
        """Return the state in parts for ``thaw``, as it is at the call.

        The call copies only the candidates in flight and the answers of the last operations; the rest is converted
        while the parts are consumed, and may be so without the study's lock.
        """
        frozen = self.solver.freeze()
        head = {
            "leases": [list(held) for held in self.leases.held()],
            "pool": sorted(self.pool),
            "asker": list(self.asker.items()),
            "hosts": list(self.hosts),
            "counts": dict(self._counts),
            **({} if self.imported is None else {"imported": self.imported}),
        }
        done = self.done.items()

        def parts() -> Iterator[dict[str, Any]]:
            yield head
            while rows := list(islice(done, _PART)):
                # The digests apart from the rows, so that 0.1.0 reads the rows.
                yield {"done": [row[:3] for row in rows], "digests": [row[3] for row in rows]}
            yield from frozen.parts()

        return parts()

    @classmethod
    def thaw(cls, parts: Iterable[dict[str, Any]], clock: Callable[[], float], seq: int) -> LoggedState:
        """Return the state that ``freeze`` wrote.

        Args:
            parts: those of the state.
            clock: returns seconds, never going back.
            seq: the number of the last record that the state contains.

        Raises:
            StateError: the parts are malformed.
        """
        rest = iter(parts)
        try:
            head = next(rest)
            done: list[Done] = []
            while "done" in (part := next(rest)):
                done += _done(part)
            solver = ArqonSolver.thaw(_with_reports(part, rest, head.get("reports", ())), seq)
            state = cls(solver, clock)
            state.seq = seq
            state._restore(head, done)
        except (LookupError, StopIteration, TypeError, ValueError) as error:
            raise StateError(f"the parts of a study's state are malformed: {error!r}") from None
        return state

    def _restore(self, head: dict[str, Any], done: list[Done]) -> None:
        for number, owner, term in head["leases"]:
            self.leases.grant(number, owner, term)
        self.pool = set(head["pool"])
        self.asker = dict(head["asker"])
        self.hosts = head["hosts"]
        self._counts |= head["counts"]
        self.imported = head.get("imported")
        for row in done:
            self.done.put(*row)


def _done(part: dict[str, Any]) -> Iterator[Done]:
    for (kind, key, answer), digest in zip(part["done"], part.get("digests") or repeat(None), strict=False):
        yield kind, key, answer, digest


def _with_reports(
    head: dict[str, Any], rest: Iterator[dict[str, Any]], reports: Iterable[Any]
) -> Iterator[dict[str, Any]]:
    """Yield a solver's parts, with the intermediate results that snapshots of format 2 keep outside of them.

    Those of 0.1.0 also have the ones of candidates that were told, which are dropped.
    """
    waiting = {candidate[0] for candidate in (*head["pending"], *head["withdrawn"])}
    running = []
    for number, steps in reports:
        if number in waiting:
            kept = Running()
            for step in steps:
                kept.add(Step(*step))
            running.append([number, kept.to_plain()])
    yield {**head, "running": [*head.get("running", ()), *running]}
    yield from rest

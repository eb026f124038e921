"""What a study knows: the solver, the leases and the operations that were done, as its log makes them.

What can change it, and how, is in ``changes``.
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


class StudyState:
    """The memory of one study; not safe for several threads.

    Args:
        solver: a fresh solver of the study's config.
        clock: returns seconds, never going back.

    Attributes:
        solver: every candidate is pending or withdrawn in it, or told.
        leases: every pending candidate has one.
        pool: candidates that were released or ran out; withdrawn in the solver.
        asker: the key under which a candidate without a result was handed out last.
        done: what the asks (their numbers), and the tells and releases (their answers) of each key gave.
        seq: the number of the last record that was applied.
        hosts: who opened the study, in the order of the epochs.
        imported: the uuid and the log's position of the study that this one goes on from; None for one of its own.
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

    # Changing: each is a part of a change, see ``changes``, which has made sure that it cannot fail.

    def hand_out(
        self, fresh: Sequence[int], again: Sequence[int], key: str | None, owner: str | None, lease: float | None
    ) -> None:
        """Lease candidates: fresh ones, which the solver has adopted, and such as were handed out before."""
        self._counts["asked"] += len(fresh)
        for number in again:
            if number in self.pool:
                self.pool.discard(number)
                self.solver.reissue(number)
        for number in (*fresh, *again):
            self.leases.grant(number, owner, lease)
            self.asker[number] = key

    def take(self, verdicts: Sequence[Verdict]) -> None:
        """Count results that the solver has taken, and forget what was kept for their candidates."""
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
        """End the leases of candidates without a result."""
        for number in numbers:
            self.leases.drop(number)
            self.solver.withdraw(number)
            self.pool.add(number)

    def begin_from(self, solver: ArqonSolver, uuid: str, seq: int) -> None:
        """Begin with another study's solver: all without a result are in the pool here."""
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
        """Keep what an operation was answered, so that its repetition is answered the same."""
        if key is not None:
            self.done.put(kind, key, answer, digest)

    # Looking

    def item(self, number: int, key: str | None) -> AskedCandidate:
        """Return a candidate as an ask under ``key`` answers it, with a note when the asker does not hold it."""
        item: AskedCandidate = {"id": str(number), "params": dict(self.solver.candidate(number).params)}
        if number not in self.leases:
            item["note"] = f"it was {self.ended(number)}"
        elif self.asker.get(number) != key:
            item["note"] = "its lease ran out and somebody else holds it now"
        return item

    def is_open(self, number: int) -> bool:
        """Tell whether a known candidate still waits for its result."""
        return number in self.leases or number in self.pool

    def ended(self, number: int) -> str:
        """Say what became of a candidate that waits for no result."""
        return "told already" if self.solver.is_told(number) else "retracted"

    @property
    def finished(self) -> bool:
        """Whether every candidate of the budget has been told."""
        return self.solver.spent and not len(self.leases) and not self.pool

    @property
    def counts(self) -> dict[str, int]:
        """How many candidates were handed out, and what became of them.

        ``asked`` is told + pending + released, and those whose result was retracted and not told again. ``failed`` are
        among the told; ``seeded`` are points from outside; ``retracted`` says how often a result was taken back;
        ``enqueued`` are points that wait to be handed out.
        """
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
        """How often the present actor's process began anew."""
        last = self.hosts[-1]
        return len({host.get("pid") for host in self.hosts if host.get("actor") == last.get("actor")}) - 1

    # Snapshots

    def freeze(self) -> Iterator[dict[str, Any]]:
        """Return the state in parts for ``thaw``: copied at the call, written down as they are taken.

        What is copied at the call is what is in flight, and the answers of the last operations.
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
                # Apart, so that 0.1.0 reads the rest.
                yield {"done": [row[:3] for row in rows], "digests": [row[3] for row in rows]}
            yield from frozen.parts()

        return parts()

    @classmethod
    def thaw(cls, parts: Iterable[dict[str, Any]], clock: Callable[[], float], seq: int) -> StudyState:
        """Return the state that ``freeze`` wrote.

        Args:
            parts: the state.
            clock: returns seconds, never going back.
            seq: the number of the record after which it was taken.

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
    """Yield a solver's parts with the intermediate results that a snapshot of format 2 has beside them.

    One of 0.1.0 has those of candidates that were told, too.
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

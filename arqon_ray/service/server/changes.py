"""The changes of a study: one class for each kind of record in its log.

A change is made in three steps, which are the same live and in a replay::

    resolved = change.resolve(state)   # check that it can be made, and what it means; nothing is changed
    body = change.body()               # live only: encode the record and append it to the log
    change.apply(state, resolved)      # change the state; this cannot fail

So a study's state is never ahead of its log, and always equals what a replay of the log builds. Changes that hand
out candidates and take them back are here, those by results in ``outcomes``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

from arqon_ray.core import ArqonSolver
from arqon_ray.core.config import StudyConfig
from arqon_ray.core.ledger.view import Candidate
from arqon_ray.errors import StateError
from arqon_ray.service.answers import Told
from arqon_ray.service.log.records import Record
from arqon_ray.service.server.idempotency import from_record, to_record
from arqon_ray.service.server.outcomes import Body, Report, Retract, Tell
from arqon_ray.service.server.state import LoggedState


class Change(Protocol):
    """One change of a study; its attributes are the contents of its record."""

    OP: ClassVar[str]
    """The name of this kind of change in records."""

    @classmethod
    def of(cls, body: Body) -> Self:
        """Return the change that a record holds."""
        ...

    def body(self) -> Body:
        """Return the record's body, plain Python."""
        ...

    def resolve(self, state: LoggedState) -> Any:
        """Check the change and return what ``apply`` needs; nothing is changed.

        Raises:
            ArqonError: the change cannot be made.
        """
        ...

    def apply(self, state: LoggedState, resolved: Any) -> None:
        """Change the state; this cannot fail."""
        ...


@dataclass(frozen=True, slots=True)
class Ask:
    """Candidates were handed out: fresh ones, and ones that were handed out before.

    Attributes:
        fresh: the new candidates.
        plain: the same ones as the record holds them, each with what it was computed from.
        again: the numbers of those that were handed out before.
        key: the operation id.
        owner: who holds them.
        lease: in seconds.
        digest: of the operation's arguments; None in records of 0.1.0.
    """

    OP: ClassVar[str] = "ask"
    fresh: Sequence[Candidate]
    plain: Sequence[dict[str, Any]]
    again: Sequence[int]
    key: str | None
    owner: str | None
    lease: float | None
    digest: bytes | None = None

    @classmethod
    def of(cls, body: Body) -> Ask:
        """Return the change that a record holds; formats 1 and 2 list the candidates one by one."""
        plain = body["fresh"] if "fresh" in body else _rows(body)
        key, digest = from_record(body)
        fresh = [candidate_of(each) for each in plain]
        return cls(fresh, plain, body.get("again", []), key, body.get("owner"), body.get("lease"), digest)

    def body(self) -> Body:
        """Return the record: the candidates as columns, and the number of the first."""
        body: Body = {"op": self.OP, **to_record(self.key, self.digest)}
        body |= {name: each for name, each in (("owner", self.owner), ("lease", self.lease)) if each is not None}
        if self.again:
            body["again"] = list(self.again)
        if self.plain:
            body["number"] = self.plain[0]["number"]
        for name, default in _COLUMNS.items():
            column = [each.get(name, default) for each in self.plain]
            if column.count(default) != len(column):
                body[name] = column
        return body

    def resolve(self, state: LoggedState) -> list[Candidate]:
        """Return the fresh candidates with their points."""
        return state.solver.locate(self.fresh)

    def apply(self, state: LoggedState, resolved: list[Candidate]) -> None:
        """Lease the candidates."""
        for candidate in resolved:
            state.solver.adopt(candidate)
        numbers = [candidate.number for candidate in resolved]
        state.hand_out(numbers, self.again, self.key, self.owner, self.lease)
        state.remember(self.OP, self.key, [*numbers, *self.again], self.digest)


@dataclass(frozen=True, slots=True)
class Enqueue:
    """Points were enqueued, to be handed out before the solver's own.

    Attributes:
        points: with all their parameters.
        key: the operation id.
        digest: of the operation's arguments.
    """

    OP: ClassVar[str] = "enqueue"
    points: Sequence[dict[str, Any]]
    key: str | None = None
    digest: bytes | None = None

    @classmethod
    def of(cls, body: Body) -> Enqueue:
        return cls(body["points"], *from_record(body))

    def body(self) -> Body:
        return {"op": self.OP, **to_record(self.key, self.digest), "points": self.points}

    def resolve(self, state: LoggedState) -> list[dict[str, Any]]:
        """Check that the points fit the space."""
        return state.solver.complete(self.points)

    def apply(self, state: LoggedState, resolved: list[dict[str, Any]]) -> None:
        """Put the points into the solver's queue."""
        state.solver.put(resolved)
        state.remember(self.OP, self.key, resolved, self.digest)


@dataclass(frozen=True, slots=True)
class Release:
    """Candidates went back to the pool.

    Attributes:
        numbers: those of the candidates.
        why: ``released`` or ``expired``.
        key: the operation id.
        answers: those of the call that released them.
        digest: of the operation's arguments; None in records of 0.1.0.
    """

    OP: ClassVar[str] = "release"
    numbers: Sequence[int]
    why: str
    key: str | None = None
    answers: Sequence[Told] = ()
    digest: bytes | None = None

    @classmethod
    def of(cls, body: Body) -> Release:
        key, digest = from_record(body)
        return cls(body["numbers"], body["why"], key, body.get("answers", ()), digest)

    def body(self) -> Body:
        call = {**to_record(self.key, self.digest), "answers": self.answers} if self.answers else {}
        return {"op": self.OP, "numbers": self.numbers, "why": self.why, **call}

    def resolve(self, state: LoggedState) -> None:
        """Check that the candidates are held."""
        free = [number for number in self.numbers if number not in state.leases]
        if free:
            raise StateError(f"candidates {free} are released and nobody holds them")

    def apply(self, state: LoggedState, resolved: None) -> None:
        """Put the candidates into the pool."""
        state.put_back(self.numbers)
        if self.answers:
            state.remember(self.OP, self.key, list(self.answers), self.digest)


@dataclass(frozen=True, slots=True)
class Budget:
    """The budget was extended; None lifts the limit."""

    OP: ClassVar[str] = "budget"
    budget: int | None

    @classmethod
    def of(cls, body: Body) -> Budget:
        return cls(body["budget"])

    def body(self) -> Body:
        return {"op": self.OP, "budget": self.budget}

    def resolve(self, state: LoggedState) -> StudyConfig:
        """Check that the budget is larger than the present one."""
        return state.solver.with_budget(self.budget)

    def apply(self, state: LoggedState, resolved: StudyConfig) -> None:
        """Set the budget."""
        state.solver.extend_budget(resolved.budget)


@dataclass(frozen=True, slots=True)
class Epoch:
    """The study was opened; ``Journal.open`` writes this record, so this change is only replayed."""

    OP: ClassVar[str] = "epoch"
    record: Body

    @classmethod
    def of(cls, body: Body) -> Epoch:
        return cls(body)

    def body(self) -> Body:
        return self.record

    def resolve(self, state: LoggedState) -> dict[str, Any]:
        """Return who opened it."""
        host: dict[str, Any] = self.record["host"]
        return host

    def apply(self, state: LoggedState, resolved: dict[str, Any]) -> None:
        """Remember who opened it."""
        state.hosts.append(resolved)


@dataclass(frozen=True, slots=True)
class Import:
    """The study, which was empty, continues another one's snapshot.

    Attributes:
        uuid: that of the other study.
        seq: the number of the last record of its log that the snapshot contains.
        export: its solver's state.
        keys: the candidates that were handed out and are being evaluated, by the key of their ask.
    """

    OP: ClassVar[str] = "import"
    uuid: str
    seq: int
    export: str
    keys: dict[str, int]

    @classmethod
    def of(cls, body: Body) -> Import:
        return cls(body["uuid"], body["seq"], body["export"], body["keys"])

    def body(self) -> Body:
        return {"op": self.OP, "uuid": self.uuid, "seq": self.seq, "export": self.export, "keys": self.keys}

    def resolve(self, state: LoggedState) -> ArqonSolver:
        """Return the other study's solver, with all candidates without a result withdrawn."""
        solver = ArqonSolver.from_state(self.export)
        for number in solver.pending:
            solver.withdraw(number)
        return solver

    def apply(self, state: LoggedState, resolved: ArqonSolver) -> None:
        """Begin with that solver; as seen from this log, all of its results came with this record."""
        resolved.rebase(state.seq)
        state.begin_from(resolved, self.uuid, self.seq)
        for key, number in self.keys.items():
            state.remember(Ask.OP, key, [number], None)
            state.asker[number] = key


_ALL: tuple[type[Change], ...] = (Ask, Enqueue, Tell, Release, Report, Retract, Budget, Epoch, Import)
_KINDS = {kind.OP: kind for kind in _ALL}


def replay(state: LoggedState, record: Record) -> None:
    """Apply the change that a record holds.

    Raises:
        StateError: the record's kind is unknown to this version.
        ArqonError, LookupError, TypeError, ValueError: the record cannot be applied.
    """
    op = record.body["op"]
    kind = _KINDS.get(op)
    if kind is None:
        raise StateError(f"the operation {op!r} is not known: install the arqon_ray that wrote it")
    change = kind.of(record.body)
    state.seq = record.seq
    change.apply(state, change.resolve(state))


_COLUMNS: dict[str, Any] = {
    "params": None,
    "origin": None,
    "memory": {},
    "evidence": None,
    "first": None,
    "forced": False,
}
"""The columns of an ask's record, with the default of each; a column of defaults only is left out."""


def _rows(body: Body) -> list[dict[str, Any]]:
    """Return the fresh candidates of an ask one by one."""
    count, first = len(body.get("params", ())), body.get("number", 0)
    columns = {name: body.get(name) or [default] * count for name, default in _COLUMNS.items()}
    rows = enumerate(zip(*columns.values(), strict=True), first)
    return [{"number": number, **dict(filter(_is_given, zip(columns, row, strict=True)))} for number, row in rows]


def _is_given(entry: tuple[str, Any]) -> bool:
    name, value = entry
    return name == "memory" or value is not _COLUMNS[name]


def candidate_of(plain: dict[str, Any]) -> Candidate:
    """Return the candidate that the record of an ask holds."""
    return Candidate(plain["number"], plain["params"], plain["origin"], plain["memory"])

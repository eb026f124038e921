"""What can happen to a study: one class for each kind of record in its log.

A change is made in three steps, the same ones live and in a replay::

    resolved = change.resolve(state)   # whether it can be made, and what it means; nothing is changed
    body = change.body()               # its record; live, it is encoded and appended here
    change.apply(state, resolved)      # the study's memory changes; nothing of it fails

so that a study's memory is never ahead of its log, and never other than what its log makes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

from arqon_ray.core import ArqonSolver
from arqon_ray.core.config import StudyConfig
from arqon_ray.core.evaluation import Error, Evaluation
from arqon_ray.core.kinds import RAISED
from arqon_ray.core.ledger import Candidate
from arqon_ray.core.results import Entry, parse_results
from arqon_ray.core.verdicts import Verdict
from arqon_ray.errors import StateError
from arqon_ray.service.state import Answer, StudyState

Body = dict[str, Any]


class Change(Protocol):
    """One change of a study; the attributes are what its record holds."""

    OP: ClassVar[str]
    """How records name this kind."""

    @classmethod
    def of(cls, body: Body) -> Self:
        """Return the change that a record holds."""
        ...

    def body(self) -> Body:
        """Return the record, plain Python."""
        ...

    def resolve(self, state: StudyState) -> Any:
        """Return what ``apply`` needs to know; nothing is changed.

        Raises:
            ArqonError: the change cannot be made.
        """
        ...

    def apply(self, state: StudyState, resolved: Any) -> None:
        """Change the memory."""
        ...


@dataclass(frozen=True, slots=True)
class Ask:
    """Candidates were handed out: fresh ones, and such as were handed out before.

    Attributes:
        fresh: the new candidates.
        plain: the same as the record holds them, each with what it was computed from.
        again: the numbers of those that were handed out before.
        key: the operation id.
        owner: who holds them.
        lease: in seconds.
        digest: what the operation's arguments are known by; None in records of 0.1.0.
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
        """Return the change that a record holds."""
        plain = body["fresh"]
        hold = (body["key"], body["owner"], body["lease"], body.get("digest"))
        return cls([candidate_of(each) for each in plain], plain, body["again"], *hold)

    def body(self) -> Body:
        """Return the record."""
        hold = {"key": self.key, "owner": self.owner, "lease": self.lease}
        return {"op": self.OP, **hold, "fresh": self.plain, "again": self.again, **_optional(digest=self.digest)}

    def resolve(self, state: StudyState) -> list[Candidate]:
        """Return the fresh candidates with their points."""
        return state.solver.locate(self.fresh)

    def apply(self, state: StudyState, resolved: list[Candidate]) -> None:
        """Lease them."""
        for candidate in resolved:
            state.solver.adopt(candidate)
        numbers = [candidate.number for candidate in resolved]
        state.hand_out(numbers, self.again, self.key, self.owner, self.lease)
        state.remember(self.OP, self.key, [*numbers, *self.again], self.digest)


@dataclass(frozen=True, slots=True)
class Tell:
    """Results came in: of candidates, or of points from outside.

    Attributes:
        entries: the results.
        rows: the same as the record holds them.
        key: the operation id.
        digest: what the operation's arguments are known by; None in records of 0.1.0.
    """

    OP: ClassVar[str] = "tell"
    entries: Sequence[Entry]
    rows: Sequence[list[Any]]
    key: str | None
    digest: bytes | None = None

    @classmethod
    def of(cls, body: Body) -> Tell:
        """Return the change that a record holds; in format 1 its results are a list of dicts."""
        if "results" in body:
            entries = parse_results(body["results"])
            return cls(entries, [row_of(entry) for entry in entries], body.get("key"))
        return cls([_entry(row) for row in body["rows"]], body["rows"], body.get("key"), body.get("digest"))

    def body(self) -> Body:
        """Return the record."""
        return {"op": self.OP, "key": self.key, "rows": self.rows, **_optional(digest=self.digest)}

    def resolve(self, state: StudyState) -> list[Verdict]:
        """Return which results count, and whose they are."""
        return state.solver.resolve(self.entries)

    def apply(self, state: StudyState, resolved: list[Verdict]) -> None:
        """Take those that count."""
        state.solver.apply(resolved)
        state.take(resolved)
        state.remember(self.OP, self.key, [verdict.answer for verdict in resolved], self.digest)


@dataclass(frozen=True, slots=True)
class Release:
    """Candidates went back to the pool.

    Attributes:
        numbers: theirs.
        why: ``released`` or ``expired``.
        key: the operation id.
        answers: what whoever released them was answered.
        digest: what the operation's arguments are known by; None in records of 0.1.0.
    """

    OP: ClassVar[str] = "release"
    numbers: Sequence[int]
    why: str
    key: str | None = None
    answers: Sequence[Answer] = ()
    digest: bytes | None = None

    @classmethod
    def of(cls, body: Body) -> Release:
        """Return the change that a record holds."""
        told = body.get("key"), body.get("answers", ()), body.get("digest")
        return cls(body["numbers"], body["why"], *told)

    def body(self) -> Body:
        """Return the record."""
        told = {"key": self.key, "answers": self.answers, **_optional(digest=self.digest)} if self.answers else {}
        return {"op": self.OP, "numbers": self.numbers, "why": self.why, **told}

    def resolve(self, state: StudyState) -> None:
        """Check that they are held."""
        free = [number for number in self.numbers if number not in state.leases]
        if free:
            raise StateError(f"candidates {free} are released and nobody holds them")

    def apply(self, state: StudyState, resolved: None) -> None:
        """Put them into the pool."""
        state.put_back(self.numbers)
        if self.answers:
            state.remember(self.OP, self.key, list(self.answers), self.digest)


@dataclass(frozen=True, slots=True)
class Report:
    """An intermediate value of a candidate's evaluation came in; None is one that was not finite."""

    OP: ClassVar[str] = "report"
    number: int
    step: int
    value: float | None

    @classmethod
    def of(cls, body: Body) -> Report:
        """Return the change that a record holds."""
        return cls(body["number"], body["step"], body["value"])

    def body(self) -> Body:
        """Return the record."""
        return {"op": self.OP, "number": self.number, "step": self.step, "value": self.value}

    def resolve(self, state: StudyState) -> None:
        """Check that the candidate has no result yet."""
        state.solver.candidate(self.number)
        if not state.is_open(self.number):
            raise StateError(f"candidate {self.number} was told before: it has no intermediate results any more")

    def apply(self, state: StudyState, resolved: None) -> None:
        """Keep it."""
        state.solver.report(self.number, self.step, self.value)
        state.reports.setdefault(self.number, {})[self.step] = self.value


@dataclass(frozen=True, slots=True)
class Budget:
    """The budget was extended; None lifts the limit."""

    OP: ClassVar[str] = "budget"
    budget: int | None

    @classmethod
    def of(cls, body: Body) -> Budget:
        """Return the change that a record holds."""
        return cls(body["budget"])

    def body(self) -> Body:
        """Return the record."""
        return {"op": self.OP, "budget": self.budget}

    def resolve(self, state: StudyState) -> StudyConfig:
        """Check that it is larger than the present one."""
        return state.solver.with_budget(self.budget)

    def apply(self, state: StudyState, resolved: StudyConfig) -> None:
        """Set it."""
        state.solver.extend_budget(resolved.budget)


@dataclass(frozen=True, slots=True)
class Epoch:
    """The study was opened; ``Journal.open`` writes this record, and it is replayed alone."""

    OP: ClassVar[str] = "epoch"
    record: Body

    @classmethod
    def of(cls, body: Body) -> Epoch:
        """Return the change that a record holds."""
        return cls(body)

    def body(self) -> Body:
        """Return the record."""
        return self.record

    def resolve(self, state: StudyState) -> dict[str, Any]:
        """Return who opened it."""
        host: dict[str, Any] = self.record["host"]
        return host

    def apply(self, state: StudyState, resolved: dict[str, Any]) -> None:
        """Remember who."""
        state.hosts.append(resolved)


@dataclass(frozen=True, slots=True)
class Import:
    """The study, which had nothing yet, goes on from another one's snapshot.

    Attributes:
        uuid: the other study's.
        seq: the number of the last record of its log that the snapshot knows.
        export: its solver's state.
        keys: the candidates of the asks that are under way, by the keys of these.
    """

    OP: ClassVar[str] = "import"
    uuid: str
    seq: int
    export: str
    keys: dict[str, int]

    @classmethod
    def of(cls, body: Body) -> Import:
        """Return the change that a record holds."""
        return cls(body["uuid"], body["seq"], body["export"], body["keys"])

    def body(self) -> Body:
        """Return the record."""
        return {"op": self.OP, "uuid": self.uuid, "seq": self.seq, "export": self.export, "keys": self.keys}

    def resolve(self, state: StudyState) -> ArqonSolver:
        """Return the other study's solver, in which the candidates without a result are held by nobody."""
        solver = ArqonSolver.from_state(self.export)
        for number in solver.pending:
            solver.withdraw(number)
        return solver

    def apply(self, state: StudyState, resolved: ArqonSolver) -> None:
        """Begin with it."""
        state.begin_from(resolved, self.uuid, self.seq)
        for key, number in self.keys.items():
            state.remember(Ask.OP, key, [number], None)
            state.asker[number] = key


_KINDS: dict[str, type[Change]] = {kind.OP: kind for kind in (Ask, Tell, Release, Report, Budget, Epoch, Import)}


def replay(state: StudyState, body: Body) -> None:
    """Make the change that a record holds.

    Raises:
        StateError: the record's operation is not known here.
        ArqonError, LookupError, TypeError, ValueError: the record cannot be applied.
    """
    kind = _KINDS.get(body["op"])
    if kind is None:
        raise StateError(f"the operation {body['op']!r} is not known: install the arqon_ray that wrote it")
    change = kind.of(body)
    change.apply(state, change.resolve(state))


def candidate_of(plain: dict[str, Any]) -> Candidate:
    """Return the candidate that the record of an ask holds."""
    return Candidate(plain["number"], plain["params"], plain["origin"], plain["memory"])


def row_of(entry: Entry) -> list[Any]:
    """Return one result as the record of a tell holds it."""
    params = None if entry.params is None else dict(entry.params)
    told = entry.told
    values = [] if told.values is None else [list(told.values)]
    reason = None if told.error is None else told.error.message
    return [params, entry.number, told.value, told.cost, told.status, told.step, reason, *values]


def _entry(row: list[Any]) -> Entry:
    params, number, value, cost, status, step, reason, *values = row
    error = None if value is not None else Error(RAISED, reason or "failed")
    every = tuple(values[0]) if values else None
    told = Evaluation(None, {}, value, status, values=every, step=step, cost=cost, error=error)
    return Entry(params, number, told, unsaid=True)


def _optional(**keys: Any) -> dict[str, Any]:
    """Return those keys that have a value: records of 0.1.0 are without them."""
    return {name: value for name, value in keys.items() if value is not None}

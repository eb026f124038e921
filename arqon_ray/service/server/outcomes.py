"""Changes by the outcomes of evaluations: results, intermediate results and retractions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from arqon_ray.core.ledger.results import Entry, parse_results
from arqon_ray.core.ledger.verdicts import Verdict
from arqon_ray.core.record import columns
from arqon_ray.core.record.error_kinds import BAD_VALUE, RAISED
from arqon_ray.core.record.evaluation import Error, Evaluation, Metric
from arqon_ray.errors import StateError
from arqon_ray.service.server.idempotency import digest_of, from_record, to_record
from arqon_ray.service.server.state import LoggedState

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Tell:
    """Results came in: of candidates, or of points from outside.

    The record holds them as columns, with the candidates' numbers or, for points from outside, their params.

    Attributes:
        entries: the results.
        key: the operation id.
        digest: of the operation's arguments; None in records of 0.1.0.
    """

    OP: ClassVar[str] = "tell"
    entries: Sequence[Entry]
    key: str | None
    digest: bytes | None = None

    @classmethod
    def of(cls, body: Body) -> Tell:
        """Return the change that a record holds; in formats 1 and 2 the results are dicts or rows."""
        if "results" in body:
            return cls([replace(entry, unsaid=True) for entry in parse_results(body["results"])], body.get("key"))
        if "rows" in body:
            return cls([_entry(row) for row in body["rows"]], *from_record(body))
        numbers = body["number"]
        params = body.get("params") or [None] * len(numbers)
        told = columns.unpack({**body, "number": None, "params": None}, len(numbers))
        entries = [Entry(*entry) for entry in zip(params, numbers, told, strict=True)]
        return cls(entries, *from_record(body))

    def body(self) -> Body:
        body: Body = {"op": self.OP, **to_record(self.key, self.digest)}
        body["number"] = [entry.number for entry in self.entries]
        if any(entry.params is not None for entry in self.entries):
            body["params"] = [None if entry.params is None else dict(entry.params) for entry in self.entries]
        return {**body, **columns.pack([entry.told for entry in self.entries])}

    def resolve(self, state: LoggedState) -> list[Verdict]:
        """Return which results are accepted, and whose they are."""
        return state.solver.resolve(self.entries)

    def apply(self, state: LoggedState, resolved: list[Verdict]) -> None:
        """Take the accepted results."""
        state.solver.apply(resolved, state.seq)
        state.take(resolved)
        state.remember(self.OP, self.key, [verdict.answer for verdict in resolved], self.digest)


@dataclass(frozen=True, slots=True)
class Reported:
    """One intermediate result.

    Attributes:
        number: that of the candidate.
        step: how far its evaluation has come.
        value: the objective's value; None if it was not finite.
        metrics: what else was reported, by name; None if nothing was.
        time: when it was reported, in seconds since 1970.
    """

    number: int
    step: int
    value: float | None
    metrics: Mapping[str, Metric] | None = None
    time: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Intermediate results came in, of one candidate or of many."""

    OP: ClassVar[str] = "report"
    reports: Sequence[Reported]

    @classmethod
    def of(cls, body: Body) -> Report:
        """Return the change that a record holds; in formats 1 and 2 that is a single report."""
        numbers = body["number"]
        if isinstance(numbers, int):
            return cls([Reported(numbers, body["step"], body["value"])])
        nothing = [None] * len(numbers)
        rows = zip(
            numbers, body["step"], body["value"], body.get("metrics", nothing), body.get("time", nothing), strict=True
        )
        return cls([Reported(*row) for row in rows])

    def body(self) -> Body:
        body: Body = {"op": self.OP}
        for name in ("number", "step", "value"):
            body[name] = [getattr(report, name) for report in self.reports]
        if any(report.metrics for report in self.reports):
            body["metrics"] = [report.metrics and dict(report.metrics) for report in self.reports]
        if any(report.time is not None for report in self.reports):
            body["time"] = [report.time for report in self.reports]
        return body

    def resolve(self, state: LoggedState) -> None:
        """Check that no candidate has a result yet."""
        for number in dict.fromkeys(report.number for report in self.reports):
            state.solver.candidate(number)
            if not state.is_open(number):
                raise StateError(f"candidate {number} was told before: it has no intermediate results any more")

    def apply(self, state: LoggedState, resolved: None) -> None:
        """Keep the reports."""
        for each in self.reports:
            state.solver.report(each.number, each.step, each.value, each.metrics, each.time)


@dataclass(frozen=True, slots=True)
class Retract:
    """The result of a candidate was retracted because it was wrong.

    Attributes:
        number: that of the candidate.
        reason: why; only the log keeps it.
        key: the operation id.
        digest: of the operation's arguments.
    """

    OP: ClassVar[str] = "retract"
    number: int
    reason: str | None = None
    key: str | None = None
    digest: bytes | None = None

    @classmethod
    def of(cls, body: Body) -> Retract:
        return cls(body["number"], body.get("reason"), *from_record(body))

    def body(self) -> Body:
        why = {} if self.reason is None else {"reason": self.reason}
        return {"op": self.OP, "number": self.number, **why, **to_record(self.key, self.digest)}

    def resolve(self, state: LoggedState) -> Evaluation:
        """Return the evaluation that is retracted."""
        return state.solver.check_retraction(self.number)

    def apply(self, state: LoggedState, resolved: Evaluation) -> None:
        """Forget the result."""
        state.solver.retract(self.number)
        state.uncount(resolved)
        state.remember(self.OP, self.key, [{"id": str(self.number), "accepted": True}], self.digest)


def digest_of_results(method: str, entries: Sequence[Entry]) -> bytes:
    """Return the digest of results; for results that earlier releases knew, the same one as theirs."""
    return digest_of(method, [_row(entry) + _rest(entry.told) for entry in entries])


def _row(entry: Entry) -> list[Any]:
    """Return the fields of a result that formats 1 and 2 have."""
    params = None if entry.params is None else dict(entry.params)
    told = entry.told
    values = [] if told.values is None else [list(told.values)]
    reason = None if told.error is None else told.error.message
    return [params, entry.number, told.value, told.cost, told.status, told.step, reason, *values]


def _rest(told: Evaluation) -> list[Any]:
    """Return the other fields of an evaluation; nothing if it has only those of earlier releases."""
    error = told.error
    times = (told.started, told.ended, told.seconds)
    where = (told.node, told.pid, told.attempt)
    # Earlier releases did not distinguish an exception from a value that is no number.
    why = None if error is None or error[::2] in ((RAISED, None), (BAD_VALUE, None)) else error[::2]
    if not (told.metrics or told.steps or why) and times == (None, None, None) and where == (None, None, 1):
        return []
    return [[dict(told.metrics), [list(step) for step in told.steps], times, where, why]]


def _entry(row: list[Any]) -> Entry:
    params, number, value, cost, status, step, reason, *values = row
    error = None if value is not None else Error(RAISED, reason or "failed")
    every = tuple(values[0]) if values else None
    told = Evaluation(None, {}, value, status, values=every, step=step, cost=cost, error=error)
    return Entry(params, number, told, unsaid=True)

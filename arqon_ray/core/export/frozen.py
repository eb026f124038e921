"""A solver's state at one time: taken quickly, and written later, possibly by another thread."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from arqon_ray.core.config import StudyConfig, load_config
from arqon_ray.core.export import state
from arqon_ray.core.export.recall import check_memories
from arqon_ray.core.ledger.ledger import Ledger, Report
from arqon_ray.core.ledger.view import Candidate, DataView
from arqon_ray.core.objectives.base import Objective
from arqon_ray.core.objectives.choose import objective_of
from arqon_ray.core.record import columns
from arqon_ray.core.record.error_kinds import RAISED
from arqon_ray.core.record.evaluation import Error, Evaluation, Step
from arqon_ray.core.record.running import Running
from arqon_ray.core.space.space import Space
from arqon_ray.core.strategies.memories import MemoryContext
from arqon_ray.errors import ArqonError, StateError

_PART = 1000
"""Observations per part: few enough that writing a part does not block other threads for long."""


@dataclass(frozen=True)
class Frozen:
    """A snapshot: copies of what changes, references to what does not.

    Attributes:
        config: the study's.
        objective: what its results are.
        view: what was known.
        log: the ledger's list of observations, which may grow after this was taken.
        seqs: the numbers of the changes that brought them; it may grow too.
        told: how many observations there were.
        withdrawn: candidates that wait to be handed out again.
        retracted: candidates whose result was retracted.
        unsaid: see :class:`.Ledger`.
        running: what the candidates without a result have reported, by number.
        enqueued: how many points were ever put into the queue.
        memory: what the strategies remember.
        phases: the phases so far.
    """

    config: StudyConfig
    objective: Objective
    view: DataView
    log: list[Evaluation]
    seqs: list[int]
    told: int
    withdrawn: list[Candidate]
    retracted: list[Candidate]
    unsaid: frozenset[int]
    running: dict[int, Running]
    enqueued: int
    memory: dict[str, Any]
    phases: list[list[Any]]

    @property
    def observations(self) -> list[Evaluation]:
        """The observations in the order in which they were told, unchanged."""
        return self.log[: self.told]

    def evaluations(self, first: int = 0) -> list[Evaluation]:
        """Return the observations from an index on, with a status for those that did not say if they were stopped.

        In results of 0.1.0 a step says how far an evaluation came; it counts as stopped if another
        one went further.
        """
        there = self.log[first : self.told]
        if not self.unsaid:
            return there
        furthest = max((e.step for e in self.observations if e.step is not None), default=0)
        return [
            replace(e, status="stopped") if e.number in self.unsaid and (e.step or 0) < furthest else e for e in there
        ]

    def underway(self) -> list[Evaluation]:
        """Return the pending candidates, with what they have reported, in the order in which they were asked for."""
        return [running_of(candidate, self.running.get(candidate.number)) for candidate in self.view.pending]

    def reports(self) -> list[Report]:
        """Return the intermediate results as :meth:`.Ledger.report` takes them."""
        sign = self.objective.sign
        rows = self.view.reports
        slices = (rows[start : start + _PART].tolist() for start in range(0, len(rows), _PART))
        return [
            (int(number), int(step), sign * value, int(observed))
            for each in slices
            for number, step, value, observed in each
        ]

    def history(self, since: int | None = None) -> list[dict[str, Any]]:
        """Return the observations as :meth:`.ArqonSolver.history` does."""
        first = 0 if since is None else bisect_right(self.seqs, since, 0, self.told)
        evaluations = zip(self.evaluations(first), self.seqs[first : self.told], strict=True)
        return [{**evaluation.to_dict(), "seq": seq} for evaluation, seq in evaluations]

    def pareto(self) -> list[dict[str, Any]]:
        """Return the observations that no other one beats in all objectives, as :meth:`history` has them.

        Raises:
            ConfigError: when the config has no ``objectives``.
        """
        return self.objective.pareto(self.history())

    def export(self) -> str:
        """Return the state as JSON; see :mod:`.state`."""
        return state.export(
            self.config,
            self.observations,
            self.view.number,
            {"pending": self.view.pending, "withdrawn": self.withdrawn, "retracted": self.retracted},
            self.reports(),
            self.unsaid,
            self.running,
            (self.view.queue, self.enqueued),
            self.memory,
            self.phases,
        )

    def parts(self) -> Iterator[dict[str, Any]]:
        """Yield the state as parts of plain Python and bytes, for :func:`thaw`."""
        reports, observations = self.reports(), self.observations
        yield {
            "config": self.config.to_dict(),
            "handed_out": self.view.number,
            "pending": [_row(candidate) for candidate in self.view.pending],
            "withdrawn": [_row(candidate) for candidate in self.withdrawn],
            "retracted": [_row(candidate) for candidate in self.retracted],
            "unsaid": sorted(self.unsaid),
            "queue": list(self.view.queue),
            "enqueued": self.enqueued,
            "running": [[number, running.to_plain()] for number, running in self.running.items()],
            "memory": self.memory,
            "phases": self.phases,
            **({"reports": reports} if reports else {}),
        }
        points = np.empty((len(observations), self.view.X.shape[1]))
        complete = np.zeros(len(points), dtype=bool)
        complete[self.view.indices] = True
        points[complete], points[~complete] = self.view.X, self.view.failed
        for i in range(0, len(points), _PART):
            there = observations[i : i + _PART]
            yield {
                "count": len(there),
                "evaluations": columns.pack(there),
                "seqs": self.seqs[i : i + len(there)],
                "points": points[i : i + _PART].astype("<f8").tobytes(),
            }


def running_of(candidate: Candidate, running: Running | None) -> Evaluation:
    """Return the evaluation of a candidate that has no result yet, with what it has reported."""
    steps, metrics = ((), {}) if running is None else (running.sorted(), running.metrics)
    return Evaluation(
        id=candidate.id,
        params=candidate.params,
        status="running",
        number=candidate.number,
        metrics=metrics,
        steps=steps,
        origin=candidate.origin,
    )


def _row(candidate: Candidate) -> list[Any]:
    return [candidate.number, candidate.params, candidate.origin]


def _of_tuple(row: list[Any]) -> Evaluation:
    """Return an observation of a snapshot of 0.1.0."""
    number, params, value, origin, cost, status, step, reason, *values = row
    return Evaluation(
        id=None if number < 0 else str(number),
        params=params,
        value=value,
        status=status,
        number=None if number < 0 else number,
        values=tuple(values[0]) if values else None,
        step=step,
        steps=() if step is None or value is None else (Step(step, value),),
        cost=cost,
        error=None if value is not None else Error(RAISED, reason or "failed"),
        origin=origin,
    )


def _observations(part: dict[str, Any]) -> list[Evaluation]:
    if "evaluations" in part:
        return columns.unpack(part["evaluations"], part["count"])
    return [_of_tuple(row) for row in part["observations"]]


def thaw(parts: Iterable[dict[str, Any]], seq: int = 0) -> tuple[StudyConfig, Ledger, dict[str, Any], list[list[Any]]]:
    """Return config, ledger, memory and phases of a state that :meth:`Frozen.parts` wrote.

    The content of the parts is not checked: whoever stored them has verified that they are intact.

    Args:
        parts: the state.
        seq: the number of the last change, for states of 0.1.0, which do not number each observation.

    Raises:
        StateError: the parts have another form.
    """
    rest = iter(parts)
    try:
        head = next(rest)
        config = load_config(head["config"])
        space = Space(config.bounds)
        objective = objective_of(config)
        ledger = Ledger(space, objective.sign, objective.signs)
        for part in rest:
            observations = _observations(part)
            points = np.frombuffer(part["points"], dtype="<f8").reshape(len(observations), space.d)
            ledger.restore(observations, points, part.get("seqs") or [seq] * len(observations))
            if "evaluations" not in part:
                ledger.unsaid |= {e.number for e in observations if e.number is not None and e.step is not None}
        ledger.handed_out = head["handed_out"]
        ledger.unsaid |= set(head.get("unsaid", ()))
        for state_of, rows in (("pending", head["pending"]), ("withdrawn", head["withdrawn"])):
            for number, params, origin in rows:
                ledger.readmit(Candidate(number, params, origin), space.encode(params))
                if state_of == "withdrawn":
                    ledger.withdraw(number)
        for number, params, origin in head.get("retracted", ()):
            ledger.keep_retracted(Candidate(number, params, origin), space.encode(params))
        for report in head.get("reports", ()):
            ledger.weigh(*report)
        ledger.queue, ledger.enqueued = list(head.get("queue", ())), head.get("enqueued", 0)
        if "running" not in head:
            ledger.recall(tuple(report) for report in head.get("reports", ()))
        for number, plain in head.get("running", ()):
            ledger.running[number] = Running.from_plain(plain)
        check_memories(head["memory"], MemoryContext(space, ledger.handed_out))
        return config, ledger, head["memory"], head["phases"]
    except (ArqonError, ArithmeticError, LookupError, StopIteration, TypeError, ValueError) as error:
        raise StateError(f"the parts of a state are malformed: {error!r}") from None

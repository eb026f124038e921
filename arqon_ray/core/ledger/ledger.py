"""The candidates of a study, their results, and the arrays that strategies read."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arqon_ray.core.ledger.view import ENQUEUED, Array, Candidate, DataView
from arqon_ray.core.record.evaluation import Evaluation, Metric, Step
from arqon_ray.core.record.running import Running
from arqon_ray.core.space.space import Params, Space
from arqon_ray.errors import UnknownCandidateError

_SPACING = 1.03
"""A further intermediate result is kept for the model if its step is larger by this factor; long curves stay short."""

Report = tuple[int, int, float, int]
"""Candidate, step, native value, and how many observations there were before it."""


class _Rows:
    """Arrays that grow together; what :meth:`view` returned does not change, is read-only, and is never copied."""

    def __init__(self, *columns: tuple[int | None, type]) -> None:
        """Begin with no rows; a column has a width (None for one number a row) and a type."""
        self._data: list[NDArray[Any]] = [
            np.empty((16,) if width is None else (16, width), dtype) for width, dtype in columns
        ]
        self._count = 0

    def append(self, *row: Any) -> None:
        count = self._count
        if count == len(self._data[0]):
            self._data = [np.concatenate([data, np.empty_like(data)]) for data in self._data]
        for data, value in zip(self._data, row, strict=True):
            data[count] = value
        self._count = count + 1

    def keep(self, rows: NDArray[np.bool_]) -> None:
        """Drop all other rows."""
        self._data = [np.concatenate([data[: self._count][rows], np.empty_like(data[:1])]) for data in self._data]
        self._count = int(np.count_nonzero(rows))

    def replace(self, column: int, values: NDArray[Any]) -> None:
        """Replace the values of a column."""
        self._data[column] = np.concatenate([values, self._data[column][self._count :]])

    def view(self, column: int = 0) -> NDArray[Any]:
        view = self._data[column][: self._count]
        view.setflags(write=False)
        return view


class Ledger:
    """All candidates and observations; each candidate is pending, withdrawn (held by nobody), told or retracted.

    Attributes:
        handed_out: how many candidates there are.
        pending: candidates that are being evaluated, in the order in which they were asked for.
        withdrawn: candidates whose lease ended without a result.
        retracted: candidates whose result was taken back; each may be told again.
        observations: the evaluations in the order in which they were told. The list only grows; a retraction makes a
            new list.
        seqs: for each observation the number of the change that brought it, ascending.
        unsaid: candidates whose result did not say whether they were stopped, see :class:`.results.Entry`.
        running: what candidates without a result have reported, by number.
        queue: whole points that are handed out before all others.
        enqueued: how many points were ever put into the queue.
        version: grows with every change that a proposal may depend on.
    """

    def __init__(self, space: Space, sign: float, signs: Array) -> None:
        """Begin an empty ledger.

        Args:
            space: the search space.
            sign: 1 or -1, which makes a value one to minimise.
            signs: ``(m,)`` the same for each entry of a list of values; empty if results have no list.
        """
        self._space = space
        self._sign = sign
        self.handed_out = self.version = 0
        self.pending: dict[int, Candidate] = {}
        self.withdrawn: dict[int, Candidate] = {}
        self.retracted: dict[int, Candidate] = {}
        self.observations: list[Evaluation] = []
        self.seqs: list[int] = []
        self._last_seq = 0
        self.unsaid: set[int] = set()
        self.running: dict[int, Running] = {}
        self.queue: list[Params] = []
        self.enqueued = 0
        self.told: dict[int, int] = {}
        self._points: dict[int, Array] = {}
        self._open_at: dict[bytes, list[int]] = {}
        # Point, value, candidate, step and index of each observation with a value.
        self._complete = _Rows(
            (space.d, np.float64), (None, np.float64), (None, np.int64), (None, np.float64), (None, np.int64)
        )
        self._failed = _Rows((space.d, np.float64))
        self._signs = signs
        self._vectors = _Rows((len(signs), np.float64))
        self._reports = _Rows((4, np.float64))
        self._reported: dict[int, int] = {}
        # In the order in which they became known: a view knows those before it. None is ever forgotten.
        self._known: dict[bytes, int] = {}
        self._outside = 0

    def hand_out(self, candidate: Candidate, point: Array) -> None:
        """Register the next candidate at its canonical ``(d,)`` point."""
        self.readmit(candidate, point)
        self.handed_out += 1
        if candidate.origin == ENQUEUED and self.queue:
            del self.queue[0]

    def enqueue(self, points: Sequence[Params]) -> None:
        """Put whole points at the end of the queue."""
        self.queue.extend(points)
        self.enqueued += len(points)
        self.version += 1

    def readmit(self, candidate: Candidate, point: Array) -> None:
        """Register a candidate that was handed out before, as pending."""
        self.version += 1
        self._points[candidate.number] = point
        self._open_at.setdefault(point.tobytes(), []).append(candidate.number)
        self._known.setdefault(point.tobytes(), len(self._known))
        self.pending[candidate.number] = candidate

    def keep_retracted(self, candidate: Candidate, point: Array) -> None:
        """Register a candidate whose result was retracted before."""
        self._points[candidate.number] = point
        self._known.setdefault(point.tobytes(), len(self._known))
        self.retracted[candidate.number] = candidate

    def restore(self, observations: Sequence[Evaluation], points: Array, seqs: Sequence[int]) -> None:
        """Add observations that were told before, with their ``(n, d)`` points and the numbers of their changes."""
        for observation, point, seq in zip(observations, points, seqs, strict=True):
            self._store(observation, point, seq)

    def candidate(self, number: int) -> Candidate:
        """Return a candidate that was handed out, in whatever state it is."""
        without_result = self.pending.get(number) or self.withdrawn.get(number) or self.retracted.get(number)
        if without_result is not None:
            return without_result
        observation = self.observations[self.told[number]]
        return Candidate(number, dict(observation.params), observation.origin)

    def withdraw(self, number: int) -> None:
        """Withdraw a pending candidate."""
        self.withdrawn[number] = self._open(number, self.pending)

    def reissue(self, number: int) -> Candidate:
        """Make a withdrawn candidate pending again; its evaluation starts from the beginning."""
        self.running.pop(number, None)
        candidate = self.pending[number] = self._open(number, self.withdrawn)
        return candidate

    def _open(self, number: int, where: dict[int, Candidate]) -> Candidate:
        if number not in where:
            raise UnknownCandidateError(f"candidate {number} is {self.state_of(number)}: only another state allows it")
        self.version += 1
        return where.pop(number)

    def state_of(self, number: int) -> str:
        """Return ``pending``, ``withdrawn``, ``told``, ``retracted`` or ``unknown``."""
        open_ones = (("pending", self.pending), ("withdrawn", self.withdrawn))
        for state, numbers in (*open_ones, ("told", self.told), ("retracted", self.retracted)):
            if number in numbers:
                return state
        return "unknown"

    def find(self, point: Array, besides: Container[int] = ()) -> int | None:
        """Return the oldest candidate without a result at this point, a pending one if there is any.

        Args:
            point: the ``(d,)`` point.
            besides: candidates to leave out.
        """
        there = (n for n in self._open_at.get(point.tobytes(), ()) if n not in besides)
        return min(there, key=lambda n: (n not in self.pending, n), default=None)

    def record(
        self, observation: Evaluation, point: Array | None = None, seq: int | None = None, unsaid: bool = False
    ) -> None:
        """Add a result.

        Args:
            observation: the evaluation.
            point: the ``(d,)`` point of an evaluation from outside; not needed for a candidate.
            seq: the number of the change that brings it; None for the one after the last.
            unsaid: whether the result did not say if it was stopped.
        """
        number = observation.number
        if number is not None:
            point = self._points.pop(number)
            if self.retracted.pop(number, None) is None:
                del (self.pending if number in self.pending else self.withdrawn)[number]
                self._forget(number, point)
            self._reported.pop(number, None)
            self.running.pop(number, None)
            if unsaid and observation.step is not None:
                self.unsaid.add(number)
        if point is None:
            raise UnknownCandidateError(f"an observation of {observation.params!r} has neither a candidate nor a point")
        self._store(observation, point, self._last_seq + 1 if seq is None else seq)

    def report(self, number: int, step: Step, metrics: Mapping[str, Metric] | None = None) -> None:
        """Add an intermediate result of a candidate that has no result yet."""
        self.running.setdefault(number, Running()).add(step, metrics)
        if step.value is not None:
            self.weigh(number, step.step, step.value)

    def weigh(self, number: int, step: int, value: float, observed: int | None = None) -> None:
        """Let the model see an intermediate result, unless it is of nearly the same step as the last one.

        Args:
            number: the candidate's.
            step: how far its evaluation has come.
            value: in native units.
            observed: how many observations there were then; None for the present number.
        """
        last = self._reported.get(number, 0)
        if last <= step < _SPACING * last and step != last:
            return
        self._reported[number] = step
        observed = len(self.observations) if observed is None else observed
        self._reports.append((number, step, self._sign * value, observed))
        self.version += 1

    def recall(self, reports: Iterable[Report]) -> None:
        """Add reports from a state of 0.1.0, which kept only those that the model saw."""
        steps: dict[int, dict[int, Step]] = {}
        for number, step, value, _ in reports:
            steps.setdefault(number, {})[step] = Step(step, value)
        for number, known in steps.items():
            if number not in self.told:
                self.running[number] = Running(known.values())
                continue
            told = self.observations[self.told[number]]
            if told.step is not None and told.value is not None:
                known.setdefault(told.step, Step(told.step, told.value))
            self.observations[self.told[number]] = replace(told, steps=told.steps or tuple(sorted(known.values())))

    def retract(self, number: int) -> None:
        """Forget a candidate's result; all that stays known is that its point was tried."""
        index, candidate = self.told[number], self.candidate(number)
        rows = self._complete
        if self.observations[index].value is None:
            # Failed observations have no index of their own: its row is the number of failed ones before it.
            before = sum(observation.value is None for observation in self.observations[:index])
            self._points[number] = self._failed.view()[before].copy()
            self._failed.keep(np.arange(len(self._failed.view())) != before)
        else:
            kept = rows.view(4) != index
            self._points[number] = rows.view(0)[~kept][0].copy()
            rows.keep(kept)
            self._vectors.keep(kept)
        rows.replace(4, rows.view(4) - (rows.view(4) > index))
        reports = self._reports.view()
        self._reports.keep(reports[:, 0] != number)
        reports = self._reports.view().copy()
        reports[:, 3] -= reports[:, 3] > index
        self._reports.replace(0, reports)
        # New lists: whoever holds the old ones still sees them unchanged.
        self.observations = [*self.observations[:index], *self.observations[index + 1 :]]
        self.seqs = [*self.seqs[:index], *self.seqs[index + 1 :]]
        self.told = {n: at - (at > index) for n, at in self.told.items() if n != number}
        self.unsaid.discard(number)
        self.retracted[number] = candidate
        self.version += 1

    def _store(self, observation: Evaluation, point: Array, seq: int) -> None:
        number = -1 if observation.number is None else observation.number
        self.version += 1
        if number >= 0:
            self.told[number] = len(self.observations)
        self._known.setdefault(point.tobytes(), len(self._known))
        self.observations.append(observation)
        self.seqs.append(seq)
        self._last_seq = max(self._last_seq, seq)
        if observation.value is None:
            self._failed.append(point)
            return
        step = np.inf if observation.step is None else observation.step
        self._complete.append(point, self._sign * observation.value, number, step, len(self.observations) - 1)
        self._vectors.append(self._signs * (observation.values or ()))
        self._outside += number < 0

    def _forget(self, number: int, point: Array) -> None:
        numbers = self._open_at[point.tobytes()]
        numbers.remove(number)
        if not numbers:
            del self._open_at[point.tobytes()]

    def view(self) -> DataView:
        """Return an immutable view of what is known now."""
        pending = tuple(self.pending.values())
        return DataView(
            number=self.handed_out,
            X=self._complete.view(0),
            y=self._complete.view(1),
            numbers=self._complete.view(2),
            failed=self._failed.view(),
            outside=self._outside,
            pending=pending,
            points=tuple(self._points[candidate.number] for candidate in pending),
            indices=self._complete.view(4),
            steps=self._complete.view(3),
            reports=self._reports.view(),
            vectors=self._vectors.view(),
            withdrawn=bool(self.withdrawn),
            distinct=len(self._known),
            version=self.version,
            queue=tuple(self.queue),
            _known=self._known,
        )

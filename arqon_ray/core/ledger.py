"""Who was asked and what came back: candidates, observations, and the arrays made of them."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from arqon_ray.core.space import Params, Space
from arqon_ray.errors import UnknownCandidateError

USER = "user"
"""The origin of a candidate that a user brought: it is handed out and counted as any other, and no strategy's."""

_SPACING = 1.03
"""How much farther the next intermediate result of a candidate that is kept must be, so that long curves stay short."""

Array = NDArray[np.float64]
Status = Literal["complete", "failed"]
Report = tuple[int, int, float, int]
"""Candidate, step, native value, and the number of observations before it."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A point that the solver proposed.

    Attributes:
        number: 0-based, in the order in which candidates were handed out.
        params: native values.
        origin: what made it: ``probe``, ``repeat``, the name of a strategy, or :data:`USER`.
        memory: what the strategies and the classifier want to remember and changed with this ask; JSON-able.
        point: ``(d,)`` its canonical point, where it is at hand; the params are the truth.
    """

    number: int
    params: Params
    origin: str
    memory: dict[str, Any] = field(default_factory=dict)
    point: Array | None = field(default=None, compare=False, repr=False)

    @property
    def id(self) -> str:
        """The candidate's name to the outside."""
        return str(self.number)


@dataclass(frozen=True, slots=True)
class Observation:
    """What came back for a point.

    Attributes:
        number: the candidate's; -1 for a point from outside.
        params: native values.
        value: native, as it was told; None when the evaluation failed.
        origin: what made the point, see :class:`Candidate`; ``outside`` for a point from outside.
        cost: in the user's units.
        status: ``complete`` or ``failed``.
        step: how far a multi-step evaluation had come; None for a whole one.
        reason: why it failed.
        values: of all objectives, native, where there are several; ``value`` is the first of them.
    """

    number: int
    params: Params
    value: float | None
    origin: str = "outside"
    cost: float = 1.0
    status: Status = "complete"
    step: int | None = None
    reason: str | None = None
    values: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """What a ledger knew at one moment; it stays as it is while the ledger goes on.

    Attributes:
        number: the number of the next candidate.
        X: ``(n, d)`` points of the observations that have a value.
        y: ``(n,)`` their values, to be minimized.
        numbers: ``(n,)`` their candidates' numbers, -1 for a point from outside.
        failed: ``(f, d)`` points whose evaluation failed.
        outside: how many of the observations with a value are of points from outside.
        pending: candidates in flight, in the order of their asks.
        points: their ``(d,)`` points.
        places: ``(n,)`` where they stand among all observations, failed ones included.
        steps: ``(n,)`` how far they went; infinity for a whole evaluation.
        reports: ``(r, 4)`` the intermediate results in the order in which they came: candidate, step, value, and how
            many observations there were before.
        vectors: ``(n, m)`` values of all objectives, to be minimized; ``m`` is 0 where there is only one.
        withdrawn: whether any candidate waits to be handed out again.
        distinct: how many distinct points are known.
        version: how often the ledger had changed; of one ledger, moments of the same version are the same.
    """

    number: int
    X: Array
    y: Array
    numbers: NDArray[np.int64]
    failed: Array
    outside: int
    pending: tuple[Candidate, ...]
    points: tuple[Array, ...]
    places: NDArray[np.int64]
    steps: Array
    reports: Array
    vectors: Array
    withdrawn: bool
    distinct: int
    version: int
    _known: dict[bytes, int]

    def knows(self, key: bytes) -> bool:
        """Tell whether the point with these bytes was handed out or observed by then."""
        return self._known.get(key, self.distinct) < self.distinct


class _Rows:
    """Arrays that grow at their end together; what ``view`` returned stays as it is, read-only and never copied."""

    def __init__(self, *columns: tuple[int | None, type]) -> None:
        """Begin with no rows; a column has a width, None for a single number a row, and a type."""
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

    def view(self, column: int = 0) -> NDArray[Any]:
        view = self._data[column][: self._count]
        view.setflags(write=False)
        return view


class Ledger:
    """Every candidate is pending, withdrawn (held by nobody, may come back) or told, exactly one of them.

    Attributes:
        handed_out: how many candidates there are.
        pending: candidates in flight, in the order of their asks.
        withdrawn: candidates whose lease ended without a result.
        observations: in the order in which they were told; it grows at its end alone.
        version: advances with whatever a proposal may depend on.
    """

    def __init__(self, space: Space, mode: Literal["min", "max"], objectives: Sequence[str] | None = None) -> None:
        """Begin an empty ledger; ``objectives`` are the modes of all, where there are several."""
        self._space = space
        self._sign = 1.0 if mode == "min" else -1.0
        self.handed_out = self.version = 0
        self.pending: dict[int, Candidate] = {}
        self.withdrawn: dict[int, Candidate] = {}
        self.observations: list[Observation] = []
        self.told: dict[int, int] = {}
        self._points: dict[int, Array] = {}
        self._open_at: dict[bytes, list[int]] = {}
        # Point, value, candidate, step and place of each observation with a value.
        self._complete = _Rows(
            (space.d, np.float64), (None, np.float64), (None, np.int64), (None, np.float64), (None, np.int64)
        )
        self._failed = _Rows((space.d, np.float64))
        self._signs = np.array([1.0 if each == "min" else -1.0 for each in objectives or ()])
        self._vectors = _Rows((len(self._signs), np.float64))
        self._reports = _Rows((4, np.float64))
        self._reported: dict[int, int] = {}
        # With the order in which they became known: a moment sees those before it. None is ever forgotten.
        self._known: dict[bytes, int] = {}
        self._outside = 0

    def hand_out(self, candidate: Candidate, point: Array) -> None:
        """Register the next candidate at its canonical ``(d,)`` point."""
        self.readmit(candidate, point)
        self.handed_out += 1

    def readmit(self, candidate: Candidate, point: Array) -> None:
        """Register a candidate that was counted before, as pending."""
        self.version += 1
        self._points[candidate.number] = point
        self._open_at.setdefault(point.tobytes(), []).append(candidate.number)
        self._known.setdefault(point.tobytes(), len(self._known))
        self.pending[candidate.number] = candidate

    def restore(self, observations: list[Observation], points: Array) -> None:
        """Take observations that were told before, with their ``(n, d)`` points, into an empty ledger."""
        for observation, point in zip(observations, points, strict=True):
            self._store(observation, point)

    def candidate(self, number: int) -> Candidate:
        """Return a known candidate, whatever became of it."""
        open_one = self.pending.get(number) or self.withdrawn.get(number)
        if open_one is not None:
            return open_one
        observation = self.observations[self.told[number]]
        return Candidate(number, observation.params, observation.origin)

    def withdraw(self, number: int) -> None:
        """Take a candidate out of the pending ones."""
        self.withdrawn[number] = self._open(number, self.pending)

    def reissue(self, number: int) -> Candidate:
        """Make a withdrawn candidate pending again."""
        candidate = self.pending[number] = self._open(number, self.withdrawn)
        return candidate

    def _open(self, number: int, where: dict[int, Candidate]) -> Candidate:
        if number not in where:
            raise UnknownCandidateError(f"candidate {number} is {self.state_of(number)}: only another state allows it")
        self.version += 1
        return where.pop(number)

    def state_of(self, number: int) -> str:
        """Return ``pending``, ``withdrawn``, ``told`` or ``unknown``."""
        for state, numbers in (("pending", self.pending), ("withdrawn", self.withdrawn), ("told", self.told)):
            if number in numbers:
                return state
        return "unknown"

    def find(self, point: Array, besides: Container[int] = ()) -> int | None:
        """Return the oldest candidate without a result at this point, a pending one if there is any.

        Args:
            point: the ``(d,)`` point.
            besides: candidates that are not meant.
        """
        there = (n for n in self._open_at.get(point.tobytes(), ()) if n not in besides)
        return min(there, key=lambda n: (n not in self.pending, n), default=None)

    def record(self, observation: Observation, point: Array | None = None) -> None:
        """Take a result; ``point`` is needed for one from outside alone."""
        number = observation.number
        if number >= 0:
            del (self.pending if number in self.pending else self.withdrawn)[number]
            point = self._points.pop(number)
            self._forget(number, point)
            self._reported.pop(number, None)
        if point is None:
            raise UnknownCandidateError(f"an observation of {observation.params!r} has neither a candidate nor a point")
        self._store(observation, point)

    def report(self, number: int, step: int, value: float, place: int | None = None) -> None:
        """Take an intermediate result of a candidate without a result; those of neighboring steps say the same.

        Args:
            number: the candidate's.
            step: how far its evaluation has come.
            value: native.
            place: how many observations there were; None for those that there are.
        """
        last = self._reported.get(number, 0)
        if last <= step < _SPACING * last and step != last:
            return
        self._reported[number] = step
        place = len(self.observations) if place is None else place
        self._reports.append((number, step, self._sign * value, place))
        self.version += 1

    def _store(self, observation: Observation, point: Array) -> None:
        number = observation.number
        self.version += 1
        if number >= 0:
            self.told[number] = len(self.observations)
        self._known.setdefault(point.tobytes(), len(self._known))
        self.observations.append(observation)
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

    def moment(self) -> Moment:
        """Return what is known now."""
        pending = tuple(self.pending.values())
        return Moment(
            number=self.handed_out,
            X=self._complete.view(0),
            y=self._complete.view(1),
            numbers=self._complete.view(2),
            failed=self._failed.view(),
            outside=self._outside,
            pending=pending,
            points=tuple(self._points[candidate.number] for candidate in pending),
            places=self._complete.view(4),
            steps=self._complete.view(3),
            reports=self._reports.view(),
            vectors=self._vectors.view(),
            withdrawn=bool(self.withdrawn),
            distinct=len(self._known),
            version=self.version,
            _known=self._known,
        )

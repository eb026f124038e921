"""Candidates, and an immutable view of everything that a ledger knew at one time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arqon_ray.core.space.space import Params

USER = "user"
"""The origin of a candidate that a user asked for by its params; it counts like any other."""

ENQUEUED = "enqueued"
"""The origin of a candidate that a user put into the queue."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A point that the solver proposed.

    Attributes:
        number: 0-based, in the order in which candidates were handed out.
        params: native values.
        origin: what made it: ``probe``, ``repeat``, the name of a strategy, or :data:`USER`.
        memory: what the strategies and the classifier want to remember and changed with this ask; JSON-able.
        point: ``(d,)`` its canonical point, if it was computed already; the params are authoritative.
    """

    number: int
    params: Params
    origin: str
    memory: dict[str, Any] = field(default_factory=dict)
    point: Array | None = field(default=None, compare=False, repr=False)

    @property
    def id(self) -> str:
        """The candidate's id, as users see it."""
        return str(self.number)


@dataclass(frozen=True, slots=True)
class DataView:
    """What a ledger knew at one time; it does not change while the ledger does.

    Attributes:
        number: the number of the next candidate.
        X: ``(n, d)`` points of the observations that have a value.
        y: ``(n,)`` their values, to be minimized.
        numbers: ``(n,)`` their candidates' numbers, -1 for a point from outside.
        failed: ``(f, d)`` points whose evaluation failed.
        outside: how many of the observations with a value are of points from outside.
        pending: candidates that are being evaluated, in the order in which they were asked for.
        points: their ``(d,)`` points.
        indices: ``(n,)`` their indices among all observations, including failed ones.
        steps: ``(n,)`` the step at which each value was taken; infinity for a whole evaluation.
        reports: ``(r, 4)`` the intermediate results in the order in which they came: candidate, step, value, and how
            many observations there were before.
        vectors: ``(n, m)`` values of all objectives, to be minimized; ``m`` is 0 for a single objective.
        withdrawn: whether any candidate waits to be handed out again.
        distinct: how many distinct points are known.
        version: how often the ledger had changed; views of one ledger with the same version are equal.
        queue: the points that are handed out before all others, the next one first.
    """

    number: int
    X: Array
    y: Array
    numbers: NDArray[np.int64]
    failed: Array
    outside: int
    pending: tuple[Candidate, ...]
    points: tuple[Array, ...]
    indices: NDArray[np.int64]
    steps: Array
    reports: Array
    vectors: Array
    withdrawn: bool
    distinct: int
    version: int
    queue: tuple[Params, ...]
    _known: dict[bytes, int]

    def knows(self, key: bytes) -> bool:
        """Tell whether the point with these bytes was handed out or observed by then."""
        return self._known.get(key, self.distinct) < self.distinct

"""The probe of a study: points that cover the space, and the test whether a finite space is exhausted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np

from arqon_ray.core.config import StudyConfig
from arqon_ray.core.probe.sequences import Sobol
from arqon_ray.core.space.space import Params, Space
from arqon_ray.core.strategies.evidence import Array, Evidence

_RUNGS_PROBE = 12
"""Probe points when evaluations may be stopped early, since poor points cost little then. Tuned with ASHA on three
seeds only."""

_BLOCK = 64
_BLOCK_NUMBERS = 2**14
_SEARCH_LIMIT = 4096
_ENUMERATE_LIMIT = 200_000
"""Points computed at once; the most coordinates computed at once; points of the sequence that are searched for a new
one; the most points of a space that is enumerated."""


@dataclass(frozen=True, slots=True)
class Found:
    """A canonical point ``(d,)`` of the probe, and its native values."""

    point: Array
    params: Params


class Coverage:
    """The center of the space, then a scrambled Sobol' sequence; no point is proposed twice."""

    def __init__(self, space: Space, config: StudyConfig, size: int = 1, least: int = 1) -> None:
        """Plan the size of the probe.

        Args:
            space: the study's space.
            config: the study's config.
            size: how many points the strategies ask for; ``probe_ratio`` of the budget is the upper limit.
            least: the fewest observations with which a strategy can propose anything.
        """
        self._space = space
        self._sequence = Sobol(space.d, config.seed)
        self._forever = config.strategy == "probe"
        share = _RUNGS_PROBE if config.budget is None else math.ceil(config.budget * config.probe_ratio)
        self._planned = max(1, min(size, share))
        self._least = least
        self._planned_on_rungs = max(self._planned, min(_RUNGS_PROBE, share))
        self._size = max(1, min(_BLOCK, _BLOCK_NUMBERS // space.d))
        self._block: tuple[int, list[Found]] = (-1, [])

    def remaining(self, number: int, outside: int, observed: int, on_rungs: bool = False) -> int:
        """Return how many probe points are still due; at least one while there are too few observations.

        Args:
            number: the number of the candidate that is asked for.
            outside: the number of points from outside with a value.
            observed: the number of points with a value.
            on_rungs: whether evaluations may be stopped early.
        """
        if self._forever:
            return max(1, self._planned - number)
        due = (self._planned_on_rungs if on_rungs else self._planned) - number - outside
        return max(due, 0 if observed >= self._least else 1)

    def fresh(self, memory: Mapping[str, Any], knows: Callable[[Array], bool]) -> tuple[Found | None, dict[str, Any]]:
        """Return the next new point, or None if there is none, and the memory for the next call.

        When the sequence has brought nothing new for long, the points of a small finite space are enumerated. Known
        points stay known, so none is looked at twice.

        Args:
            memory: ``index``, the next index of the sequence and, once the space is enumerated, ``cell``, the next
                point.
            knows: tells whether a point was proposed or told before.
        """
        index = int(memory.get("index", 0))
        if "cell" not in memory:
            for i in range(index, index + _SEARCH_LIMIT):
                found = self._at(i)
                if not knows(found.point):
                    return found, {"index": i + 1}
            index += _SEARCH_LIMIT
        cells = self._space.points(_ENUMERATE_LIMIT)
        if cells is None:
            return None, {"index": index}
        for cell in range(int(memory.get("cell", 0)), len(cells)):
            if not knows(cells[cell]):
                return self._canonical(cells[cell : cell + 1])[0], {"index": index, "cell": cell + 1}
        return None, {"index": index, "cell": len(cells)}

    def _at(self, index: int) -> Found:
        """Return a canonical point; index 0 is the center of the space."""
        number, offset = divmod(index, self._size)
        if self._block[0] != number:
            # A single assignment, because another thread may read it.
            self._block = (number, self._canonical(self._cube(number * self._size)))
        return self._block[1][offset]

    def _cube(self, start: int) -> Array:
        if start:
            return self._sequence.points(start - 1, self._size)
        center = self._space.snap(np.full((1, self._space.d), 0.5))
        return np.concatenate([center, self._sequence.points(0, self._size - 1)])

    def _canonical(self, U: Array) -> list[Found]:
        rows = self._space.decode_array(U)
        return [Found(*pair) for pair in zip(self._space.encode_many(rows), rows, strict=True)]

    def known_again(self, evidence: Evidence) -> Array | None:
        """Return the best observed point that is not in flight, else a failed one; None if all are in flight."""
        in_flight = {point.tobytes() for point in evidence.pending}
        failed = len(evidence.failed)
        rows = chain(((evidence.X, i) for i in _best_first(evidence.y)), ((evidence.failed, i) for i in range(failed)))
        return next((X[i] for X, i in rows if X[i].tobytes() not in in_flight), None)

    def exhausted(self, distinct: int) -> bool:
        """Tell whether ``distinct`` different points are all that the space has."""
        return self._total is not None and distinct >= self._total

    @cached_property
    def _total(self) -> int | None:
        """The number of points, None if infinite; for large conditional spaces an upper limit."""
        cells = self._space.points(_ENUMERATE_LIMIT) if self._space.conditional else None
        return self._space.cardinality if cells is None else len(cells)


def _best_first(y: Array) -> Iterator[int]:
    """Yield the rows of ``y (n,)`` in the order of their values; sorts lazily, as far as rows are taken."""
    count, done = 16, 0
    while done < len(y):
        limit = np.partition(y, count - 1)[count - 1] if count < len(y) else np.inf
        rows = np.flatnonzero(y <= limit)
        rows = rows[np.argsort(y[rows], kind="stable")]
        yield from rows[done:].tolist()
        count, done = 8 * count, len(rows)

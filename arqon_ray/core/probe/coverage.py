"""Probe: cover the space, and know when there is nothing left to cover."""

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
"""Points of the probe where evaluations are ended early: a poor one costs little then. Chosen under ASHA with three
seeds: a hint, not a proof."""

_BLOCK = 64
_BLOCK_NUMBERS = 2**14
_SEARCH_LIMIT = 4096
_ENUMERATE_LIMIT = 200_000
"""Points that are computed at once, and their coordinates at most; how many are looked through for a new one; which
spaces are enumerated instead."""


@dataclass(frozen=True, slots=True)
class Found:
    """A point of the probe: canonical, ``(d,)``, and its native values."""

    point: Array
    params: Params


class Coverage:
    """The probe of one study: the center of the space, then a scrambled Sobol' sequence, never a point twice."""

    def __init__(self, space: Space, config: StudyConfig, size: int = 1, least: int = 1) -> None:
        """Plan the probe of a config.

        Args:
            space: the study's.
            config: the study's.
            size: how many points the strategies want first; the budget's share for the probe may be less.
            least: observations without which no strategy can propose anything.
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
        """Return how many more probe points are due; at least one as long as too little was observed.

        Args:
            number: of the candidate that is asked for.
            outside: how many points from outside have a value.
            observed: how many points have a value.
            on_rungs: whether evaluations are ended early.
        """
        if self._forever:
            return max(1, self._planned - number)
        due = (self._planned_on_rungs if on_rungs else self._planned) - number - outside
        return max(due, 0 if observed >= self._least else 1)

    def fresh(self, memory: Mapping[str, Any], knows: Callable[[Array], bool]) -> tuple[Found | None, dict[str, Any]]:
        """Return the next point that nobody knows, None if none is left, and the memory for the next call.

        Where the sequence brings nothing new for long, the points of a small finite space are gone through in their
        order. What is known is never forgotten, so each is looked at once.

        Args:
            memory: ``index``, the next one of the sequence, and, once the points are gone through, ``cell``.
            knows: tells whether a point was handed out or told.
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
        number, place = divmod(index, self._size)
        if self._block[0] != number:
            # One assignment: a proposer may read this in another thread.
            self._block = (number, self._canonical(self._cube(number * self._size)))
        return self._block[1][place]

    def _cube(self, start: int) -> Array:
        if start:
            return self._sequence.points(start - 1, self._size)
        center = self._space.snap(np.full((1, self._space.d), 0.5))
        return np.concatenate([center, self._sequence.points(0, self._size - 1)])

    def _canonical(self, U: Array) -> list[Found]:
        rows = self._space.decode_array(U)
        return [Found(*pair) for pair in zip(self._space.encode_many(rows), rows, strict=True)]

    def known_again(self, evidence: Evidence) -> Array | None:
        """Return the best observed point that is not in flight, or else a failed one; None when all are in flight."""
        in_flight = {point.tobytes() for point in evidence.pending}
        failed = len(evidence.failed)
        rows = chain(((evidence.X, i) for i in _best_first(evidence.y)), ((evidence.failed, i) for i in range(failed)))
        return next((X[i] for X, i in rows if X[i].tobytes() not in in_flight), None)

    def exhausted(self, distinct: int) -> bool:
        """Tell whether all points of a finite space were handed out or observed."""
        return self._total is not None and distinct >= self._total

    @cached_property
    def _total(self) -> int | None:
        """The number of points; of a large conditional space that of the combinations, which is more."""
        cells = self._space.points(_ENUMERATE_LIMIT) if self._space.conditional else None
        return self._space.cardinality if cells is None else len(cells)


def _best_first(y: Array) -> Iterator[int]:
    """Yield the rows of ``y (n,)`` from the lowest value on, sorted as far as they are taken."""
    count, done = 16, 0
    while done < len(y):
        limit = np.partition(y, count - 1)[count - 1] if count < len(y) else np.inf
        rows = np.flatnonzero(y <= limit)
        rows = rows[np.argsort(y[rows], kind="stable")]
        yield from rows[done:].tolist()
        count, done = 8 * count, len(rows)

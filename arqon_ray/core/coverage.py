"""Probe: cover the space, and know when there is nothing left to cover."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from arqon_ray.core.config import StudyConfig
from arqon_ray.core.evidence import Array, Evidence
from arqon_ray.core.refine.novelty import grid
from arqon_ray.core.sequences import Sobol
from arqon_ray.core.space import Params, Space

_CONTINUOUS_PROBE = 2
_MIXED_PROBE = 10
"""Points before the model may speak.

Few points pay where a local model is at hand (on shifted smooth functions the regret was .009 after 2 points and
.019 after 10); of discrete parameters the surrogate needs to have seen most values.
"""

_RUNGS_PROBE = 12
"""The same where evaluations are ended early: a poor one costs little then. Chosen under ASHA with three seeds:
a hint, not a proof."""

_BLOCK = 64
_SEARCH_LIMIT = 4096
_ENUMERATE_LIMIT = 200_000
"""Points that are computed at once; how many are looked through for a new one; which spaces are enumerated instead."""


@dataclass(frozen=True, slots=True)
class Found:
    """A point of the probe: canonical, ``(d,)``, and its native values."""

    point: Array
    params: Params


class Coverage:
    """The probe of one study: the center of the space, then a scrambled Sobol' sequence, never a point twice."""

    def __init__(self, space: Space, config: StudyConfig) -> None:
        """Plan the probe of a config."""
        self._space = space
        self._sequence = Sobol(space.d, config.seed)
        self._forever = config.strategy == "probe"
        local = space.continuous and config.strategy in ("auto", "gaussian_process", "trust_region")
        wanted = _CONTINUOUS_PROBE if local else _MIXED_PROBE
        share = _RUNGS_PROBE if config.budget is None else math.ceil(config.budget * config.probe_ratio)
        self._planned = max(1, min(wanted, share))
        self._planned_on_rungs = max(self._planned, min(_RUNGS_PROBE, share))
        self._block: tuple[int, list[Found]] = (-1, [])

    def remaining(self, number: int, outside: int, observed: int, on_rungs: bool = False) -> int:
        """Return how many more probe points are due; at least one as long as nothing was observed.

        Args:
            number: of the candidate that is asked for.
            outside: how many points from outside have a value.
            observed: how many points have a value.
            on_rungs: whether evaluations are ended early.
        """
        if self._forever:
            return max(1, self._planned - number)
        due = (self._planned_on_rungs if on_rungs else self._planned) - number - outside
        return max(due, 0 if observed else 1)

    def fresh(self, index: int, knows: Callable[[Array], bool]) -> tuple[Found | None, int]:
        """Return the first point from ``index`` on that nobody knows, and the index after it; None if none is left."""
        for i in range(index, index + _SEARCH_LIMIT):
            found = self._at(i)
            if not knows(found.point):
                return found, i + 1
        return self._enumerated(knows), index + _SEARCH_LIMIT

    def _at(self, index: int) -> Found:
        """Return a canonical point; index 0 is the center of the space."""
        number, place = divmod(index, _BLOCK)
        if self._block[0] != number:
            # One assignment: a draft may read this in another thread.
            self._block = (number, self._canonical(self._cube(number * _BLOCK)))
        return self._block[1][place]

    def _cube(self, start: int) -> Array:
        if start:
            return self._sequence.points(start - 1, _BLOCK)
        center = self._space.snap(np.full((1, self._space.d), 0.5))
        return np.concatenate([center, self._sequence.points(0, _BLOCK - 1)])

    def _canonical(self, U: Array) -> list[Found]:
        rows = self._space.decode_array(U)
        return [Found(*pair) for pair in zip(self._space.encode_many(rows), rows, strict=True)]

    def _enumerated(self, knows: Callable[[Array], bool]) -> Found | None:
        """Return the first unknown point of a small finite space in the order of its levels."""
        total = self._space.cardinality
        if total is None or total > _ENUMERATE_LIMIT:
            return None
        levels = [parameter.levels or 1 for parameter in self._space.parameters]
        ranks = np.stack(np.unravel_index(np.arange(total), levels), axis=1)
        U = np.stack(
            [p.coordinate(ranks[:, j]) for j, p in enumerate(self._space.parameters) if p.kind != "continuous"], axis=1
        )
        return next((found for found in self._canonical(self._space.snap(U)) if not knows(found.point)), None)

    def known_again(self, evidence: Evidence) -> Array | None:
        """Return the best observed point that is not in flight, or else a failed one; None when all are in flight."""
        in_flight = {point.tobytes() for point in evidence.pending}
        told = np.concatenate([evidence.X[np.argsort(evidence.y, kind="stable")], evidence.failed])
        return next((point for point in told if point.tobytes() not in in_flight), None)

    def exhausted(self, distinct: int) -> bool:
        """Tell whether all points of a finite space were handed out or observed."""
        return self._total is not None and distinct >= self._total

    @cached_property
    def _total(self) -> int | None:
        """The number of points; of a large conditional space that of the combinations, which is more."""
        cells = grid(self._space) if self._space.conditional else None
        return self._space.cardinality if cells is None else len(cells)

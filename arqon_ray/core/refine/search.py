"""The maximum of an acquisition function over a mixed space.

Continuous parameters are climbed by L-BFGS-B in coordinates divided by the length-scales (so that one step means
the same change of the surrogate in every direction); discrete and categorical ones are optimized *on the grid*, one
parameter after another, instead of being rounded afterwards. Where there are many, all single changes, or a sample of
them, are scored together, and those that help are made together as far as that helps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from arqon_ray.core.refine.climb import descend
from arqon_ray.core.refine.features import MANY
from arqon_ray.core.refine.novelty import first_new, known_points, seen, unseen_grid

if TYPE_CHECKING:
    from arqon_ray.core.refine.acquisition import LogExpectedImprovement
    from arqon_ray.core.space.geometry import Geometry
    from arqon_ray.core.strategies.evidence import Array, Evidence

UNIFORM, PERTURBED, STARTS, CLIMB = 384, 120, 3, 40
"""Candidates drawn from the whole box and round the incumbents; starts; L-BFGS-B iterations of each."""
_BETTER = 1e-6
"""A score is better from this difference on; less is a matter of rounding, which must not choose."""
_MOVES, _ROUNDS = 256, 6
"""Single changes of a point with many discrete parameters that are scored at once, and how often."""
_SPREADS = np.array([0.3, 0.1, 0.03, 0.01])


@dataclass(frozen=True, slots=True)
class Box:
    """Where to look: ``low`` and ``high``, ``(d,)`` each; a periodic parameter's may reach beyond the unit interval."""

    low: Array
    high: Array

    def unwrap(self, U: Array, geometry: Geometry) -> Array:
        """Return ``U (p, d)`` clipped to the box, periodic coordinates shifted by whole turns towards it."""
        middle = 0.5 * (self.low + self.high)
        return np.clip(geometry.unwrap(U, middle), self.low, self.high)


class Search:
    """One search for the best new point.

    Args:
        acquisition: what to maximize.
        evidence: the space and all points that are known already.
        box: where the continuous parameters may lie.
        rng: the source of the candidates.

    Attributes:
        pool: ``(q, d)`` the points that a run looked at.
    """

    def __init__(
        self, acquisition: LogExpectedImprovement, evidence: Evidence, box: Box, rng: np.random.Generator
    ) -> None:
        """Prepare the search; nothing is evaluated yet."""
        self._acquisition, self._space, self._box, self._rng = acquisition, evidence.space, box, rng
        self._evidence = evidence
        self._known, self._geometry = known_points(evidence), evidence.space.geometry
        parameters = evidence.space.parameters
        self._changes = np.array([parameter.changes for parameter in parameters], dtype=np.intp)
        self._discrete: list[int] = np.flatnonzero(self._changes).tolist()
        self._climbing = np.array([parameter.climbs for parameter in parameters])
        self._many = len(self._discrete) > MANY
        self.pool = np.empty((0, len(parameters)))
        finite = evidence.space.cardinality is not None
        self._seen = seen(self._known) if finite else set()

    def run(self, incumbents: Array) -> Array | None:
        """Return the best new point ``(d,)`` that was found, or None when every one found is known.

        Args:
            incumbents: ``(t, d)`` good points, to be perturbed; may be empty.
        """
        unseen = unseen_grid(self._evidence)
        if unseen is not None:
            self.pool = unseen
            return np.asarray(unseen[int(np.argmax(self._acquisition(unseen)))]) if len(unseen) else None
        candidates = self._candidates(incumbents)
        scores = self._score(candidates)
        # Rounded, so that of equal scores the first is taken whatever the units.
        order = np.argsort(-np.round(scores, 6), kind="stable")
        climbed = [self._climb(candidates[i], float(scores[i])) for i in order[:STARTS]]
        climbed.sort(key=lambda pair: -round(pair[1], 6))
        reached = np.stack([point for point, _ in climbed])
        self.pool = np.concatenate([reached, candidates])
        ranked = np.concatenate([reached, candidates[order[:100]]])
        return first_new(ranked, self._known, self._geometry)

    def _candidates(self, incumbents: Array) -> Array:
        """Return ``(q, d)`` canonical points: uniform in the box, and perturbed incumbents."""
        low, high = self._box.low, self._box.high
        d = len(low)
        uniform = low + (high - low) * self._rng.random((UNIFORM, d))
        if len(incumbents) == 0:
            return self._space.snap(uniform)
        base = self._box.unwrap(incumbents[np.arange(PERTURBED) % len(incumbents)], self._geometry)
        spread = _SPREADS[(np.arange(PERTURBED) // len(incumbents)) % len(_SPREADS)]
        moved = base + spread[:, None] * (high - low) * self._rng.standard_normal((PERTURBED, d))
        share = 0.2 * MANY / len(self._discrete) if self._many else max(0.2, 1.0 / d)
        fresh, change = self._rng.random((PERTURBED, d)), self._rng.random((PERTURBED, d)) < share
        moved[:, self._discrete] = np.where(change, fresh, base)[:, self._discrete]
        return self._space.snap(np.concatenate([uniform, np.clip(moved, low, high)]))

    def _score(self, U: Array) -> Array:
        """Return the acquisition at ``U (p, d)``; minus infinity at known points of a finite space."""
        scores = self._acquisition(U)
        if self._seen:
            scores[[row.tobytes() in self._seen for row in U + 0.0]] = -np.inf
        return scores

    def _climb(self, point: Array, score: float) -> tuple[Array, float]:
        """Improve one point in turns: the continuous parameters together, each discrete one on its grid."""
        for _ in range(2):
            point, score = self._ascend(point, score)
            point, swept = self._leap(point, score) if self._many else self._sweep(point, score)
            if swept <= score + _BETTER:
                break
            score = swept
        return point, score

    def _ascend(self, point: Array, score: float) -> tuple[Array, float]:
        """Run L-BFGS-B over the parameters with (nearly) continuous values that are active at the point."""
        free = np.flatnonzero(self._climbing & self._space.active(point[None])[0])
        if len(free) == 0:
            return point, score
        scales = np.ones(len(point))
        scales[self._acquisition.model.features.columns] = self._acquisition.model.length_scales
        unit = np.clip(scales[free], 1e-2, 1e2)
        start = self._box.unwrap(point[None], self._geometry)[0]
        rest = self._acquisition.model.features(point[None])[0]

        def negative(v: Array) -> tuple[float, Array]:
            u = start.copy()
            u[free] = v * unit
            value, gradient = self._acquisition.with_gradient(u, rest)
            return -value, -gradient[free] * unit

        low, high = self._box.low[free], self._box.high[free]
        _, v = descend(negative, start[free] / unit, low / unit, high / unit, CLIMB)
        moved = start.copy()
        moved[free] = np.clip(v * unit, low, high)
        moved = self._space.snap(moved[None])
        reached = float(self._score(moved)[0])
        return (moved[0], reached) if reached > score + _BETTER else (point, score)

    def _sweep(self, point: Array, score: float) -> tuple[Array, float]:
        """Give each discrete parameter in turn the value with the best score."""
        active = self._space.active(point[None])[0]
        for j in self._discrete:
            if not active[j]:
                continue
            values = self._space.parameters[j].nearby(point[j], self._rng)
            trials = np.repeat(point[None], len(values), axis=0)
            trials[:, j] = values
            trials = self._space.snap(trials)
            scores = self._score(trials)
            i = int(np.argmax(np.round(scores, 6)))
            if scores[i] > score + _BETTER:
                point, score = trials[i], float(scores[i])
                active = self._space.active(point[None])[0]
        return point, score

    def _leap(self, point: Array, score: float) -> tuple[Array, float]:
        """Change many discrete parameters at once: of single changes those that help, as many as help together."""
        for _ in range(_ROUNDS):
            columns, values = self._moves(point)
            trials = np.repeat(point[None], len(columns), axis=0)
            trials[np.arange(len(columns)), columns] = values
            scores = np.round(self._score(self._space.snap(trials)), 6)
            order = np.argsort(-scores, kind="stable")
            order = order[scores[order] > score + _BETTER]
            # Of each parameter the best change alone.
            order = order[np.sort(np.unique(columns[order], return_index=True)[1])]
            if len(order) == 0:
                break
            counts = np.unique(np.geomspace(1, len(order), 12).round().astype(np.int64))
            trials = np.repeat(point[None], len(counts), axis=0)
            for row, count in enumerate(counts):
                trials[row, columns[order[:count]]] = values[order[:count]]
            trials = self._space.snap(trials)
            reached = self._score(trials)
            best = int(np.argmax(np.round(reached, 6)))
            if reached[best] <= score + _BETTER:
                break
            point, score = trials[best], float(reached[best])
        return point, score

    def _moves(self, point: Array) -> tuple[NDArray[np.intp], Array]:
        """Return the ``(q,)`` columns and new coordinates of single changes, at most :data:`_MOVES` of them."""
        active = self._space.active(point[None])[0]
        discrete = np.array([j for j in self._discrete if active[j]], dtype=np.intp)
        others = self._changes[discrete]
        columns = np.repeat(discrete, others)
        turns = np.arange(len(columns)) - np.repeat(np.cumsum(others) - others, others) + 1
        if len(columns) > _MOVES:
            kept = np.sort(self._rng.choice(len(columns), _MOVES, replace=False))
            columns, turns = columns[kept], turns[kept]
        parameters, changes = self._space.parameters, zip(columns.tolist(), turns.tolist(), strict=True)
        return columns, np.array([parameters[j].changed(point[j], k, self._rng) for j, k in changes])

"""The further points of a batch: the best of what the search for the first one looked at.

They are judged by a model that believes its own mean at the points chosen since. Believing a mean changes no mean; it
lowers the variance round the point (Ginsbourger, Le Riche and Carraro, *Kriging is well-suited to parallelize
optimization*, 2010, section 3.2). So one row of the pool's whitened covariances a point is all that has to be computed:
a batch costs little more than its first point.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from arqon_ray.core.refine.acquisition import LogExpectedImprovement
from arqon_ray.core.refine.linear import solve_lower
from arqon_ray.core.refine.novelty import first_new, known_points
from arqon_ray.core.refine.surrogate import Surrogate, matern, unpack

if TYPE_CHECKING:
    from arqon_ray.core.refine.search import Box
    from arqon_ray.core.strategies.evidence import Array, Evidence

_NEAR = 24
_SPREADS = np.array([0.1, 0.03, 0.01, 0.003])
"""How many points round the best one are looked at, and how far away, in sides of the box."""
_POOL = 256
"""How many points of the first search's pool, the best ones, the batch goes on with."""
_MOVED = 16
"""Only for so many points of a batch: the later ones explore, and a small move makes none of them better."""


class Batch:
    """What the search for the first point of a batch leaves to the later ones.

    Args:
        model: the posterior of that search, points in flight believed.
        best: the value to improve on.
        pool: ``(q, d)`` canonical points that it looked at.
        box: where it looked.
        pending: how many points in flight ``model`` knows.
    """

    def __init__(self, model: Surrogate, best: float, pool: Array, box: Box, pending: int) -> None:
        self._model, self._best, self._pool, self._box, self._pending = model, best, pool, box, pending
        self._covariances: Array | None = None

    def next(self, evidence: Evidence, rng: np.random.Generator) -> Array | None:
        """Return the best new point ``(d,)`` of the pool and round it; None when the pool holds nothing new."""
        if self._covariances is None:
            self._whiten()
        for point in evidence.pending[self._pending :]:
            self._believe(point)
        self._pending = len(evidence.pending)
        sigma = np.sqrt(self._variance)
        scores = LogExpectedImprovement.score(self._best, self._mean, sigma)
        known, geometry = known_points(evidence), evidence.space.geometry
        order = np.argsort(-scores, kind="stable")
        chosen = first_new(self._pool[order[:100]], known, geometry)
        if chosen is None or evidence.batch_index > _MOVED:
            return chosen
        around = self._around(chosen, evidence, rng)
        acquisition = LogExpectedImprovement(self._model, self._best)
        ranked = around[np.argsort(-acquisition(around), kind="stable")]
        return first_new(ranked, known, geometry)

    def _whiten(self) -> None:
        """Compute the pool's means, and its covariances with all that the model knows, once for the whole batch."""
        model = self._model
        x, scale, _ = unpack(model.theta)
        if len(self._pool) > _POOL:
            scores = LogExpectedImprovement(model, self._best)(self._pool)
            self._pool = self._pool[np.sort(np.argsort(-scores, kind="stable")[:_POOL])]
        self._root = np.sqrt(x[model.features.groups])
        self._features = model.features(self._pool) * self._root
        K = matern(model.A, self._features, scale)[0]
        self._covariances = solve_lower(model.L, K)
        self._mean = model.alpha @ K
        self._variance = np.maximum(scale - np.sum(self._covariances**2, axis=0), 1e-12 * scale)
        self._rows: list[Array] = []

    def _believe(self, point: Array) -> None:
        """Condition the model on its own mean at ``point (d,)``, and lower the pool's variances."""
        model = self._model
        _, scale, noise = unpack(model.theta)
        at = model.features(point[None]) * self._root
        w = solve_lower(model.L, matern(model.A, at, scale)[0])[:, 0]
        spread = max(float(scale - w @ w), 1e-12 * scale)
        # The covariance of the pool with the point, given all that is known (Rasmussen and Williams, eq. 2.24).
        assert self._covariances is not None
        n = len(self._covariances)
        covariance = matern(at, self._features, scale)[0][0] - w[:n] @ self._covariances
        for weight, row in zip(w[n:], self._rows, strict=True):
            covariance -= weight * row
        self._rows.append(covariance / np.sqrt(spread + noise))
        self._variance = np.maximum(self._variance - self._rows[-1] ** 2, 1e-12 * scale)
        self._model = model.extend(point, at, w, spread)

    def _around(self, point: Array, evidence: Evidence, rng: np.random.Generator) -> Array:
        """Return ``(r, d)`` canonical points: the point, and it with its continuous parameters moved a little."""
        width = np.minimum(self._box.high - self._box.low, 1.0)
        moves = rng.standard_normal((_NEAR, len(point))) * _SPREADS[np.arange(_NEAR) % len(_SPREADS)][:, None] * width
        moves[:, ~evidence.space.real] = 0.0
        return evidence.space.snap(np.concatenate([point[None], point + moves]))

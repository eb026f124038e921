"""Tree-structured Parzen estimator: where are good points dense and bad ones not?

Bergstra, Bardenet, Bengio and Kegl, *Algorithms for hyper-parameter optimization*, NeurIPS 2011; in the multivariate
form of Falkner, Klein and Hutter, *BOHB* (ICML 2018). The best ``min(ceil(n / 10), 25)`` observations give a density
``l``, all others (with the failures, and the points in flight as constant liars) a density ``g``; of 24 draws
from ``l`` the one with the highest ``l / g`` is proposed.

A density is a mixture over points (and one flat prior) of products over the parameters' kernels
(:mod:`arqon_ray.core.space.kernels`): truncated normals for ordered ones, wrapped normals for periodic ones, smoothed
frequencies for categories. A coordinate that is inactive on either
side counts as 1, i.e. says nothing; so conditional parameters need no tree.
"""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from arqon_ray.core.refine.novelty import first_new, fresh_point, known_points
from arqon_ray.core.strategies.evidence import Proposal
from arqon_ray.core.strategies.memories import require
from arqon_ray.core.strategies.registry import register_strategy
from arqon_ray.core.strategies.strategy import Role, Strategy

if TYPE_CHECKING:
    from arqon_ray.core.space.space import Space
    from arqon_ray.core.strategies.evidence import Array, Evidence, Memory
    from arqon_ray.core.strategies.memories import MemoryContext

_DRAWS = 24
_MOST_GOOD = 25
_STARTUP = 5
_LARGEST_MIXTURE = 1000


@dataclass(frozen=True, slots=True)
class Parzen:
    """A mixture density over the unit cube, one component a point and a flat one.

    Attributes:
        space: the search space.
        points: ``(c, d)`` centers.
        active: ``(c, d)`` which of their coordinates exist.
        widths: ``(d,)`` standard deviations, in units of the cube.
    """

    space: Space
    points: Array
    active: NDArray[np.bool_]
    widths: Array

    @classmethod
    def of(cls, space: Space, points: Array) -> Parzen:
        """Return the density of ``points (c, d)``; Scott's rule for the widths, no narrower than half a cell."""
        width = max(0.2 * (len(points) + 1.0) ** (-1.0 / (len(space.moving) + 4.0)), 1e-3)
        cells = np.array([parameter.kernel.narrowest for parameter in space.parameters])
        return cls(space, points, space.active(points), np.maximum(width, cells))

    def sample(self, count: int, rng: np.random.Generator) -> Array:
        """Return ``(count, d)`` canonical draws."""
        d = self.space.d
        component = rng.integers(len(self.points) + 1, size=count)
        flat, coin = rng.random((count, d)), rng.random((count, d))
        which = np.minimum(component, len(self.points) - 1)
        centers = self.points[which]
        draws = flat.copy()
        components = len(self.points) + 1.0
        for j in self.space.moving.tolist():
            kernel, width = self.space.parameters[j].kernel, float(self.widths[j])
            moved = kernel.draw(centers[:, j], width, components, flat[:, j], coin[:, j])
            here = (component < len(self.points)) & self.active[which, j]
            draws[:, j] = np.where(here, moved, flat[:, j])
        return self.space.snap(draws)

    def log_density(self, U: Array) -> Array:
        """Return the logarithm of the density ``(p,)`` at canonical points ``U (p, d)``."""
        total = np.zeros((len(U), len(self.points)))
        here, components = self.space.active(U), len(self.points) + 1.0
        for j in self.space.moving.tolist():
            both = here[:, j, None] & self.active[:, j]
            kernel, width = self.space.parameters[j].kernel, float(self.widths[j])
            total += np.where(both, kernel.log_density(U[:, j], self.points[:, j], width, components), 0.0)
        total = np.concatenate([total, np.zeros((len(U), 1))], axis=1)
        top = np.max(total, axis=1)
        return np.asarray(top + np.log(np.mean(np.exp(total - top[:, None]), axis=1)))


@register_strategy
class TreeParzen(Strategy):
    """The strategy ``tpe``; it remembers nothing."""

    name = "tpe"
    role = Role.EXPLORATION

    def check_memory(self, memory: Memory, context: MemoryContext) -> None:
        """Refuse any memory but an empty one."""
        require(not memory, f"is {reprlib.repr(memory)}: it must be empty")

    def propose(self, evidence: Evidence, memory: Memory, rng: np.random.Generator) -> Proposal | None:
        """Return the draw with the highest density ratio; a random new point while there are few observations."""
        n = len(evidence.y)
        if n == 0 or n + len(evidence.failed) < _STARTUP:
            point, known = fresh_point(evidence, rng)
            return Proposal(point, {}, repeat=known)
        order = np.argsort(evidence.y, kind="stable")
        good = min(int(np.ceil(0.1 * n)), _MOST_GOOD)
        bad = np.concatenate([_thin(evidence.X[np.sort(order[good:])]), _thin(evidence.failed), evidence.pending])
        better, worse = Parzen.of(evidence.space, evidence.X[order[:good]]), Parzen.of(evidence.space, bad)
        draws = better.sample(_DRAWS, rng)
        ratio = better.log_density(draws) - worse.log_density(draws)
        known_rows = known_points(evidence)
        found = first_new(draws[np.argsort(-ratio, kind="stable")], known_rows, evidence.space.geometry)
        if found is not None:
            return Proposal(found, {})
        point, known = fresh_point(evidence, rng)
        return Proposal(point, {}, repeat=known)


def _thin(X: Array) -> Array:
    """Return at most so many rows of ``X`` that a mixture stays cheap, evenly spaced in time."""
    if len(X) <= _LARGEST_MIXTURE:
        return X
    return X[np.linspace(0, len(X) - 1, _LARGEST_MIXTURE).astype(np.int64)]

"""Tree-structured Parzen estimator: where are good points dense and bad ones not?

Bergstra, Bardenet, Bengio and Kegl, *Algorithms for hyper-parameter optimization*, NeurIPS 2011; in the multivariate
form of Falkner, Klein and Hutter, *BOHB* (ICML 2018). The best ``min(ceil(n / 10), 25)`` observations give a density
``l``, all others (with the failures, and the points in flight as constant liars) a density ``g``; of 24 draws
from ``l`` the one with the highest ``l / g`` is proposed.

A density is a mixture over points (and one flat prior) of products over parameters: truncated normals for ordered
ones, wrapped normals for periodic ones, smoothed frequencies for categories. A coordinate that is inactive on either
side counts as 1, i.e. says nothing; so conditional parameters need no tree.
"""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from arqon_ray.core.refine.novelty import first_new, fresh_point, known_points, periodic_columns
from arqon_ray.core.strategies.evidence import Proposal
from arqon_ray.core.strategies.memories import require
from arqon_ray.core.strategies.registry import register_strategy
from arqon_ray.core.strategies.strategy import Role, Strategy

if TYPE_CHECKING:
    from arqon_ray.core.space.parameters import Categorical, Discrete
    from arqon_ray.core.space.space import Space
    from arqon_ray.core.strategies.evidence import Array, Evidence, Memory
    from arqon_ray.core.strategies.memories import MemoryContext

_DRAWS = 24
_MOST_GOOD = 25
_STARTUP = 5
_CATEGORY_PRIOR = 0.5
"""How many observations of each category the flat part of a component counts for."""
_LARGEST_MIXTURE = 1000
_ROOT_2PI = float(np.sqrt(2.0 * np.pi))


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
        free = sum(p.levels != 1 for p in space.parameters)
        width = max(0.2 * (len(points) + 1.0) ** (-1.0 / (free + 4.0)), 1e-3)
        cells = np.array([0.0 if p.levels is None else 0.5 / p.levels for p in space.parameters])
        return cls(space, points, space.active(points), np.maximum(width, cells))

    def sample(self, count: int, rng: np.random.Generator) -> Array:
        """Return ``(count, d)`` canonical draws."""
        d = self.space.d
        component = rng.integers(len(self.points) + 1, size=count)
        flat, coin = rng.random((count, d)), rng.random((count, d))
        which = np.minimum(component, len(self.points) - 1)
        centers = self.points[which]
        draws = flat.copy()
        for j, parameter in enumerate(self.space.parameters):
            moved = self._truncated(j, centers[:, j], flat[:, j])
            if parameter.kind == "categorical" and not parameter.ordered:
                moved = np.where(coin[:, j] < self._loyalty(parameter.levels or 1), centers[:, j], flat[:, j])
            here = (component < len(self.points)) & self.active[which, j]
            draws[:, j] = np.where(here, moved, flat[:, j])
        return self.space.snap(draws)

    def _truncated(self, j: int, center: Array, quantile: Array) -> Array:
        """Return the quantiles of the kernels of parameter ``j``: normals within the unit interval, or half a turn."""
        low, high = self._reach(j, center)
        width = float(self.widths[j])
        below, above = ndtr(low / width), ndtr(high / width)
        return np.asarray(center + np.clip(width * ndtri(below + quantile * (above - below)), low, high))

    def _reach(self, j: int, center: Array) -> tuple[Array, Array]:
        """Return how far the kernels of parameter ``j`` reach from their ``center``, downwards and upwards."""
        if self.space.parameters[j].periodic:
            return np.full_like(center, -0.5), np.full_like(center, 0.5)
        return -center, 1.0 - center

    def log_density(self, U: Array) -> Array:
        """Return the logarithm of the density ``(p,)`` at canonical points ``U (p, d)``."""
        total = np.zeros((len(U), len(self.points)))
        here = self.space.active(U)
        for j, parameter in enumerate(self.space.parameters):
            if parameter.levels != 1:
                both = here[:, j, None] & self.active[:, j]
                total += np.where(both, self._log_kernel(j, U[:, j]), 0.0)
        total = np.concatenate([total, np.zeros((len(U), 1))], axis=1)
        top = np.max(total, axis=1)
        return np.asarray(top + np.log(np.mean(np.exp(total - top[:, None]), axis=1)))

    def _log_kernel(self, j: int, u: Array) -> Array:
        """Return the ``(p, c)`` logarithms of the kernels of parameter ``j``, relative to the flat density."""
        parameter, center, width = self.space.parameters[j], self.points[:, j], float(self.widths[j])
        gap = u[:, None] - center
        if parameter.kind == "categorical" and not parameter.ordered:
            levels = parameter.levels
            loyal = self._loyalty(levels)
            same, other = np.log(loyal * levels + 1.0 - loyal), np.log(1.0 - loyal)
            return np.asarray(np.where(np.abs(gap) < 0.5 / levels, same, other))
        low, high = self._reach(j, center)
        inside = ndtr(high / width) - ndtr(low / width)
        if parameter.kind != "continuous":
            below, above = _edges(parameter, u)
            mass = self._mass(j, below[:, None] - center, above[:, None] - center)
            return np.asarray(np.log(np.maximum(mass, 1e-300) / (inside * (above - below)[:, None])))
        if parameter.periodic:
            gap = np.mod(gap + 0.5, 1.0) - 0.5
        return np.asarray(-0.5 * (gap / width) ** 2 - np.log(inside * width * _ROOT_2PI))

    def _mass(self, j: int, below: Array, above: Array) -> Array:
        """Return how much of the kernels of parameter ``j`` lies between two ``(p, c)`` distances from the centers."""
        low, high = self._reach(j, self.points[:, j])
        width, mass = float(self.widths[j]), np.zeros(below.shape)
        for turn in (-1.0, 0.0, 1.0) if self.space.parameters[j].periodic else (0.0,):
            a, b = np.clip(below + turn, low, high), np.clip(above + turn, low, high)
            mass += ndtr(b / width) - ndtr(a / width)
        return mass

    def _loyalty(self, levels: int) -> float:
        """Return the probability of a component's own category, beyond its share of the flat rest."""
        count = len(self.points) + 1.0
        return count / (count + _CATEGORY_PRIOR * levels)


def _edges(parameter: Categorical | Discrete, u: Array) -> tuple[Array, Array]:
    """Return where the cells of the canonical coordinates ``u (p,)`` of a parameter with levels begin and end."""
    rank, last = parameter.rank(u), (parameter.levels or 1) - 1
    before = parameter.coordinate(np.maximum(rank - 1, 0))
    after = parameter.coordinate(np.minimum(rank + 1, last))
    return np.where(rank > 0, 0.5 * (before + u), 0.0), np.where(rank < last, 0.5 * (u + after), 1.0)


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
        known_rows, periodic = known_points(evidence), periodic_columns(evidence.space)
        found = first_new(draws[np.argsort(-ratio, kind="stable")], known_rows, periodic)
        if found is not None:
            return Proposal(found, {})
        point, known = fresh_point(evidence, rng)
        return Proposal(point, {}, repeat=known)


def _thin(X: Array) -> Array:
    """Return at most so many rows of ``X`` that a mixture stays cheap, evenly spaced in time."""
    if len(X) <= _LARGEST_MIXTURE:
        return X
    return X[np.linspace(0, len(X) - 1, _LARGEST_MIXTURE).astype(np.int64)]

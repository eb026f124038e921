"""A parameter with finitely many values in an order."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from arqon_ray.core.space.kernels import Cells, Kernel
from arqon_ray.core.space.kinds.base import Array, Parameter

_EXHAUSTIVE = 16
"""Up to so many values a search tries all; with more in an order it follows the gradient too."""
_NEARBY = (-1, 1, -2, 2, -3, 3)


class Finite(Parameter):
    """The values number 0 .. ``levels - 1``; each owns a cell of the unit interval, in which its coordinate lies."""

    @property
    @abstractmethod
    def levels(self) -> int:
        """The number of values."""

    @abstractmethod
    def coordinate(self, k: NDArray[np.int64]) -> Array:
        """Return the coordinates of the ``k``-th values."""

    @abstractmethod
    def rank(self, u: Array) -> NDArray[np.int64]:
        """Return the index of the value in whose cell each coordinate lies."""

    def snap(self, u: Array) -> Array:
        """Return the coordinate of the value in whose cell each coordinate lies."""
        return self.coordinate(self.rank(u))

    @cached_property
    def kernel(self) -> Kernel:
        """A normal distribution over the cells."""
        return Cells(self.levels, self.edges, periodic=self.periodic)

    def edges(self, u: Array) -> tuple[Array, Array]:
        """Return where the cells of the canonical coordinates ``u (p,)`` begin and end."""
        rank, last = self.rank(u), self.levels - 1
        before = self.coordinate(np.maximum(rank - 1, 0))
        after = self.coordinate(np.minimum(rank + 1, last))
        return np.where(rank > 0, 0.5 * (before + u), 0.0), np.where(rank < last, 0.5 * (u + after), 1.0)

    @property
    def climbs(self) -> bool:
        """Whether there are so many values that they are nearly continuous."""
        return self.levels > _EXHAUSTIVE

    @property
    def changes(self) -> int:
        """All other values, or as many of them as are worth a try."""
        return min(self.levels - 1, _EXHAUSTIVE)

    def changed(self, current: float, change: int, rng: np.random.Generator) -> float:
        """Return the coordinate ``change`` values on; of many values the first few near, the rest drawn."""
        rank = int(self.rank(np.array([current]))[0])
        if self.levels <= _EXHAUSTIVE + 1:
            rank += change
        elif change <= len(_NEARBY):
            rank += _NEARBY[change - 1]
        else:
            rank = int(rng.integers(self.levels))
        return float(self.coordinate(np.array(rank % self.levels)))

    def nearby(self, current: float, rng: np.random.Generator) -> Array:
        """Return the coordinates of all values when there are few, else those of neighbors and of a sample."""
        if self.levels <= _EXHAUSTIVE:
            return np.asarray(self.coordinate(np.arange(self.levels)))
        here = int(self.rank(np.array([current]))[0])
        ranks = np.concatenate([here + np.array([-3, -2, -1, 1, 2, 3]), rng.integers(self.levels, size=10)])
        ranks = np.mod(ranks, self.levels) if self.periodic else np.clip(ranks, 0, self.levels - 1)
        return np.asarray(self.coordinate(ranks))

"""The density round one value of one parameter, of which a Parzen estimator makes its mixtures.

Relative to the flat density on the unit interval. Every kind of parameter has one of these, or one of its own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_CATEGORY_PRIOR = 0.5
"""How many observations of each category the flat part of a component counts for."""
_ROOT_2PI = float(np.sqrt(2.0 * np.pi))


class Kernel(ABC):
    """A density round any center; ``width`` is its standard deviation and ``count`` how many the mixture has."""

    narrowest: float = 0.0
    """The width may not be smaller."""

    @abstractmethod
    def draw(self, center: Array, width: float, count: float, quantile: Array, coin: Array) -> Array:
        """Return a draw ``(n,)`` round each center; ``quantile`` and ``coin`` are uniform random numbers ``(n,)``."""

    @abstractmethod
    def log_density(self, u: Array, center: Array, width: float, count: float) -> Array:
        """Return the ``(p, c)`` logarithms of the densities at ``u (p,)`` round ``center (c,)``."""


class Normal(Kernel):
    """A normal distribution, truncated to the unit interval or, on a circle, to half a turn on either side."""

    def __init__(self, *, periodic: bool) -> None:
        """Choose between interval and circle."""
        self._periodic = periodic

    def draw(self, center: Array, width: float, count: float, quantile: Array, coin: Array) -> Array:
        """Return the quantiles."""
        low, high = self._ends(center)
        below, above = _cdf(low / width), _cdf(high / width)
        return np.asarray(center + np.clip(width * _inverse_cdf(below + quantile * (above - below)), low, high))

    def log_density(self, u: Array, center: Array, width: float, count: float) -> Array:
        """Return the density of a real number."""
        gap = u[:, None] - center
        low, high = self._ends(center)
        inside = _cdf(high / width) - _cdf(low / width)
        if self._periodic:
            gap = np.mod(gap + 0.5, 1.0) - 0.5
        return np.asarray(-0.5 * (gap / width) ** 2 - np.log(inside * width * _ROOT_2PI))

    def _ends(self, center: Array) -> tuple[Array, Array]:
        """Return how far the density goes from its center, downwards and upwards."""
        if self._periodic:
            return np.full_like(center, -0.5), np.full_like(center, 0.5)
        return -center, 1.0 - center

    def _mass(self, center: Array, width: float, below: Array, above: Array) -> Array:
        """Return how much of the densities lies between two ``(p, c)`` distances from the centers."""
        low, high = self._ends(center)
        mass = np.zeros(below.shape)
        for turn in (-1.0, 0.0, 1.0) if self._periodic else (0.0,):
            a, b = np.clip(below + turn, low, high), np.clip(above + turn, low, high)
            mass += _cdf(b / width) - _cdf(a / width)
        return mass


class Cells(Normal):
    """A normal distribution over the cells of finitely many values in an order; no narrower than half a cell.

    Args:
        levels: the number of values.
        edges: tells where the cells of canonical coordinates ``(p,)`` begin and end.
        periodic: whether the first value is a neighbor of the last.
    """

    def __init__(self, levels: int, edges: Callable[[Array], tuple[Array, Array]], *, periodic: bool) -> None:
        super().__init__(periodic=periodic)
        self.narrowest = 0.5 / levels
        self._edges = edges

    def log_density(self, u: Array, center: Array, width: float, count: float) -> Array:
        """Return the mean density in the cell of each value."""
        low, high = self._ends(center)
        inside = _cdf(high / width) - _cdf(low / width)
        below, above = self._edges(u)
        mass = self._mass(center, width, below[:, None] - center, above[:, None] - center)
        return np.asarray(np.log(np.maximum(mass, 1e-300) / (inside * (above - below)[:, None])))


class Frequencies(Kernel):
    """The smoothed frequency of one of ``levels`` values without an order."""

    def __init__(self, levels: int) -> None:
        """Note the number of values."""
        self.narrowest = 0.5 / levels
        self._levels = levels

    def draw(self, center: Array, width: float, count: float, quantile: Array, coin: Array) -> Array:
        """Return the center, or now and then any value."""
        return np.where(coin < self._loyalty(count), center, quantile)

    def log_density(self, u: Array, center: Array, width: float, count: float) -> Array:
        """Return one density where the values are the same and one where they differ."""
        gap, loyal = u[:, None] - center, self._loyalty(count)
        same, other = np.log(loyal * self._levels + 1.0 - loyal), np.log(1.0 - loyal)
        return np.asarray(np.where(np.abs(gap) < 0.5 / self._levels, same, other))

    def _loyalty(self, count: float) -> float:
        """Return the probability of the center's own value, beyond its share of the flat rest."""
        return count / (count + _CATEGORY_PRIOR * self._levels)


# SciPy takes a third of a second to import, and a worker that only samples a space needs none of it.
def _cdf(x: Any) -> Any:
    from scipy.special import ndtr

    return ndtr(x)


def _inverse_cdf(p: Any) -> Any:
    from scipy.special import ndtri

    return ndtri(p)

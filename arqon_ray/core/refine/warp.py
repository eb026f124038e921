"""The output transform: standardize, then Yeo-Johnson; failed evaluations below the worst.

A Gaussian process expects values that look normal. Objective values seldom do: a loss has a long upper tail.
Yeo and Johnson, *A new family of power transformations to improve normality or symmetry*, Biometrika 87 (2000)::

    psi(y) = ((1 + y)^l - 1) / l              y >= 0
    psi(y) = -((1 - y)^(2 - l) - 1) / (2 - l)  y < 0        (logarithms at l = 0 and l = 2)

``l`` maximizes the profile likelihood times a N(1, 1) prior, i.e. the identity unless the values speak against it.
Scaling all values by a power of two gives bit-identical output.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from arqon_ray.core.strategies.evidence import Array

_GRID = np.linspace(-2.0, 4.0, 41)
_HOPELESS = 1e12
"""Values this many times farther from the best than the median is are treated like failed ones."""


def yeo_johnson(y: Array, power: float) -> Array:
    """Return ``psi(y)``, same shape; ``power`` is the lambda of the module's formula."""
    size = np.log1p(np.abs(y))
    exponent = np.where(y >= 0.0, power, 2.0 - power)
    safe = np.where(exponent == 0.0, 1.0, exponent)
    return np.sign(y) * np.where(exponent == 0.0, size, np.expm1(exponent * size) / safe)


def inverse_yeo_johnson(z: Array, power: float) -> Array:
    """Return ``y`` with ``psi(y) = z``; beyond the range of ``psi`` its closest value."""
    exponent = np.where(z >= 0.0, power, 2.0 - power)
    safe = np.where(exponent == 0.0, 1.0, exponent)
    inside = np.maximum(safe * np.abs(z), -1.0 + 1e-12)
    size = np.where(exponent == 0.0, np.abs(z), np.log1p(inside) / safe)
    return np.sign(z) * np.expm1(size)


def best_power(y: Array) -> float:
    """Return the power on the grid with the highest posterior, for standardized ``y (n,)``."""
    slope = float(np.sum(np.sign(y) * np.log1p(np.abs(y))))
    scores = np.empty(len(_GRID))
    for i, power in enumerate(_GRID):
        variance = max(float(np.var(yeo_johnson(y, power))), 1e-300)
        scores[i] = -0.5 * len(y) * np.log(variance) + (power - 1.0) * slope - 0.5 * (power - 1.0) ** 2
    return float(_GRID[int(np.argmax(scores))])


@dataclass(frozen=True, slots=True)
class Warp:
    """A fitted transform ``z = (psi((y 2^-e - shift) / spread) - center) / size`` and the value of a failure.

    Attributes:
        exponent: ``e``; a power of two that brings any finite values to order one without rounding.
        shift: mean of the scaled values.
        spread: their standard deviation.
        power: of Yeo-Johnson; 1 is the identity.
        center: mean of the warped values.
        size: their standard deviation.
        limit: the largest scaled value; those above it count as failed.
        failure: ``z`` of a failed evaluation.
    """

    exponent: int
    shift: float
    spread: float
    power: float
    center: float
    size: float
    limit: float
    failure: float

    @classmethod
    def fit(cls, y: Array, *, warp: bool = True) -> Warp:
        """Fit the transform to the values ``y (n,)``, finite; without ``warp`` it only standardizes."""
        if len(y) == 0:
            return cls(0, 0.0, 1.0, 1.0, 0.0, 1.0, np.inf, 1.0)
        largest = int(np.frexp(np.max(np.abs(y)))[1])
        kept = y[np.ldexp(y, -largest) <= _limit(np.ldexp(y, -largest))]
        exponent = int(np.frexp(np.max(np.abs(kept)))[1])
        scaled, limit = np.ldexp(kept, -exponent), float(np.ldexp(np.max(kept), -exponent))
        shift, spread = _moments(scaled)
        standard = (scaled - shift) / spread
        power = best_power(standard) if warp and len(kept) > 2 else 1.0
        warped = yeo_johnson(standard, power)
        center, size = _moments(warped)
        z = (warped - center) / size
        # The rule of Vizier's infeasible warper: half the range below (here: above) the worst.
        failure = float(np.max(z) + 0.5 * (np.max(z) - np.min(z)))
        return cls(exponent, shift, spread, power, center, size, limit, failure)

    def __call__(self, y: Array) -> Array:
        """Return ``z``, same shape as ``y``."""
        with np.errstate(over="ignore"):
            scaled = np.ldexp(y, -self.exponent)
        inside = (np.minimum(scaled, self.limit) - self.shift) / self.spread
        z = (yeo_johnson(inside, self.power) - self.center) / self.size
        return np.where(scaled <= self.limit, z, self.failure)

    def inverse(self, z: Array) -> Array:
        """Return the values ``y`` of ``z``, same shape."""
        inside = inverse_yeo_johnson(z * self.size + self.center, self.power)
        with np.errstate(over="ignore"):
            y = np.ldexp(inside * self.spread + self.shift, self.exponent)
        return np.clip(y, -np.finfo(np.float64).max, np.finfo(np.float64).max)


def _limit(scaled: Array) -> float:
    """Return the value above which nothing can be told from the best beside it in double precision."""
    ordered = np.sort(scaled)
    best, median = ordered[0], ordered[(len(ordered) - 1) // 2]
    return float(best + _HOPELESS * (median - best)) if median > best else np.inf


def _moments(y: Array) -> tuple[float, float]:
    """Return mean and standard deviation of ``y``; 1 for the latter when all values are equal."""
    mean = float(np.mean(y))
    if np.min(y) == np.max(y):
        return float(y[0]), 1.0
    spread = float(np.sqrt(np.mean((y - mean) ** 2)))
    return mean, spread if spread > 0.0 else 1.0

"""A parameter whose values are equidistant: integers, or the steps of a range."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from arqon_ray.core.space.description import Range
from arqon_ray.core.space.embeddings import Circle, Embedding, Straight
from arqon_ray.core.space.kinds.base import Array, OutsideError, finite_number
from arqon_ray.core.space.kinds.finite import Finite
from arqon_ray.core.space.snapping import ColumnSnap, EachAlone, EvenCells

_BELOW_ONE = 1 - 2**-53
"""The largest periodic coordinate: with 2**52 values and more the last one's would round to 1, which is 0."""


@dataclass(frozen=True)
class Grid(Finite):
    """The values ``low + k * step``, ``k = 0 .. count - 1``, of which there are two at least.

    The unit interval is cut into one cell a value: equal cells, with the value at the center, unless the scale
    is logarithmic; then the value lies at its logarithm, and two cells meet at the geometric mean.
    """

    low: float
    high: float
    step: float
    count: int
    scale: Literal["Linear", "Log", "Periodic"]
    integer: bool

    @property
    def levels(self) -> int:
        """The number of values."""
        return self.count

    @property
    def periodic(self) -> bool:
        """Whether the last value is a neighbor of the first."""
        return self.scale == "Periodic"

    @property
    def embedding(self) -> type[Embedding]:
        """The interval, or a circle."""
        return Circle if self.periodic else Straight

    @property
    def column_snap(self) -> type[ColumnSnap]:
        """Even cells on a linear scale; others each alone."""
        return EvenCells if self.scale == "Linear" else EachAlone

    def describe(self) -> Range:
        """Return the first and the last value, and the step; that a periodic one wraps is left out."""
        return Range(self._value(0), self._value(self.count - 1), self.step, self.scale == "Log", self.integer)

    def coordinate(self, k: NDArray[np.int64]) -> Array:
        """Return the coordinates of the ``k``-th values."""
        if self.scale != "Log":
            center = (np.asarray(k) + 0.5) / self.count
            return np.minimum(center, _BELOW_ONE) if self.periodic else center
        bottom, top = self._log_edges
        return np.asarray((np.log(self.low + np.asarray(k) * self.step) - bottom) / (top - bottom))

    def rank(self, u: Array) -> NDArray[np.int64]:
        """Return the index of the value in whose cell each coordinate lies."""
        u = np.mod(u, 1.0) if self.periodic else np.clip(u, 0.0, 1.0)
        if self.scale != "Log":
            return np.minimum((u * self.count).astype(np.int64), self.count - 1)
        bottom, top = self._log_edges
        t = np.exp(bottom + u * (top - bottom))
        k = np.clip(np.floor((t - self.low) / self.step), 0, self.count - 1).astype(np.int64)
        with np.errstate(over="ignore"):  # above the last value, where nothing lies
            below, above = self.low + k * self.step, self.low + (k + 1) * self.step
        ranks: NDArray[np.int64] = np.minimum(k + (t > np.sqrt(below) * np.sqrt(above)), self.count - 1)
        return ranks

    @property
    def _log_edges(self) -> tuple[float, float]:
        """The logarithms where the first cell begins and the last one ends."""
        first, second = self.low, self.low + self.step
        last, before = self.low + (self.count - 1) * self.step, self.low + (self.count - 2) * self.step
        return 1.5 * math.log(first) - 0.5 * math.log(second), 1.5 * math.log(last) - 0.5 * math.log(before)

    def decode(self, u: Array) -> list[Any]:
        """Return native values, as Python ints or floats."""
        return [self._value(k) for k in self.rank(u).tolist()]

    def _value(self, k: int) -> int | float:
        if self.integer:
            return int(self.low) + k * int(self.step)
        return min(max(round(self.low + k * self.step, self._digits), self.low), self.high)

    @cached_property
    def _digits(self) -> int:
        """How many decimals the bounds have: 0.1 + 2 * 0.1 is meant to be 0.3."""
        exponents = [Decimal(repr(number)).as_tuple().exponent for number in (self.low, self.step)]
        return max(0, *(-exponent for exponent in exponents if isinstance(exponent, int)))

    def to_native(self, u: Array) -> Array:
        """Return native values at ``(n,)`` coordinates."""
        return np.array(self.decode(u), dtype=np.float64)

    def native(self, value: Any) -> int | float:
        """Return the value of the grid that a number stands for."""
        return self._value(self._rank_of(value))

    def encode(self, value: Any) -> float:
        """Return the coordinate of the value that a number stands for."""
        return float(self.coordinate(np.array(self._rank_of(value))))

    def _steps_to(self, number: float) -> float:
        if self.integer and number.is_integer():  # 2**53 - (-1) is no float
            whole, rest = divmod(int(number) - int(self.low), int(self.step))
            return whole if rest == 0 else whole + rest / self.step
        return (number - self.low) / self.step

    def _rank_of(self, value: Any) -> int:
        number = finite_number(value)
        steps = self._steps_to(number)
        tolerance = _grid_tolerance(self.low, self.high, self.step)
        k = round(steps) if math.isfinite(steps) else -1
        if self.periodic:
            k %= self.count
        if not 0 <= k < self.count or abs(steps - round(steps)) > tolerance:
            first, second, last = (self._value(rank) for rank in (0, 1, self.count - 1))
            raise OutsideError(f"it must be one of {first!r}, {second!r} .. {last!r}")
        return k


def count_values(low: float, high: float, step: float, *, integer: bool, periodic: bool) -> int:
    """Return how many values a grid has; without ``high`` itself when it is periodic, since that is ``low`` again."""
    steps = _steps(low, high, step, integer)
    return max(1, math.ceil(steps)) if periodic else math.floor(steps) + 1


def _steps(low: float, high: float, step: float, integer: bool) -> Fraction | float:
    """Return how many steps lie between two bounds; 0.9 / 0.1 is 8.999... and means 9."""
    if integer:
        return Fraction(int(high) - int(low), int(step))
    steps = (high - low) / step
    whole = round(steps)
    return float(whole) if abs(steps - whole) <= min(1e-12 * steps, _grid_tolerance(low, high, step)) else steps


def _grid_tolerance(low: float, high: float, step: float) -> float:
    """Return by how many steps a value may miss the grid: what a long sum loses, or half a dozen roundings."""
    return max(1e-6, 8 * 2**-53 * max(abs(low), abs(high)) / step)

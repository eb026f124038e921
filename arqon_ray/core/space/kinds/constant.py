"""A parameter with one value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arqon_ray.core.space.description import Range
from arqon_ray.core.space.kinds.base import INACTIVE, TOLERANCE, Array, OutsideError, finite_number
from arqon_ray.core.space.kinds.finite import Finite
from arqon_ray.core.space.snapping import ColumnSnap, EvenCells


@dataclass(frozen=True)
class Constant(Finite):
    """A number that does not change. Strategies pass it over."""

    value: int | float

    @property
    def levels(self) -> int:
        """One."""
        return 1

    @property
    def column_snap(self) -> type[ColumnSnap]:
        """The middle of the one cell."""
        return EvenCells

    def coordinate(self, k: NDArray[np.int64]) -> Array:
        """Return the middle of the unit interval."""
        return np.full(np.shape(k), INACTIVE)

    def rank(self, u: Array) -> NDArray[np.int64]:
        """Return 0."""
        return np.zeros(np.shape(u), dtype=np.int64)

    def decode(self, u: Array) -> list[int | float]:
        """Return the value at each coordinate."""
        return [self.value] * len(u)

    def to_native(self, u: Array) -> Array:
        """Return the value at each coordinate."""
        return np.full(np.shape(u), float(self.value))

    def native(self, value: Any) -> int | float:
        """Return the value, when that is what was given."""
        if not math.isclose(finite_number(value), self.value, rel_tol=TOLERANCE):
            raise OutsideError(f"it must be {self.value!r}")
        return self.value

    def encode(self, value: Any) -> float:
        """Return the middle of the unit interval, when the value was given."""
        self.native(value)
        return INACTIVE

    def describe(self) -> Range:
        """Return a range of one value."""
        return Range(self.value, self.value, 1.0, integer=isinstance(self.value, int))

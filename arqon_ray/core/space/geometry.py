"""Displacements and neighborhoods in the unit cube, of which some axes are circles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Columns = NDArray[np.intp]


class Geometry:
    """The cube of a space.

    Args:
        periodic: for each column whether its coordinates 0 and 1 are the same.
    """

    def __init__(self, periodic: Sequence[bool]) -> None:
        self._wraps = list(periodic)
        self._periodic = np.array(self._wraps, dtype=bool)

    def shortest(self, shift: Array, columns: Columns) -> Array:
        """Return displacements ``(n, k)`` along some columns, the shorter way round on circles."""
        return np.asarray(np.where(self._periodic[columns], np.mod(shift + 0.5, 1.0) - 0.5, shift))

    def unwrap(self, U: Array, around: Array) -> Array:
        """Return ``U (n, d)`` with coordinates on circles shifted by whole turns to within half a turn of a point."""
        turned = around + np.mod(U - around + 0.5, 1.0) - 0.5
        return np.where(self._periodic, turned, U)

    def reach(self, center: Array) -> tuple[Array, Array]:
        """Return how far a point ``(d,)`` can move along each axis, down and up: to the bounds, or half a turn."""
        return np.where(self._periodic, -0.5, -center), np.where(self._periodic, 0.5, 1.0 - center)

    def inside(self, point: Array) -> NDArray[np.bool_]:
        """Tell for each coordinate of a point ``(d,)`` whether it lies within the bounds; on a circle any does."""
        return self._periodic | ((point >= 0.0) & (point <= 1.0))

    def near(self, point: Array, points: Array, within: float) -> bool:
        """Tell whether one of ``points (q, d)`` differs from ``point (d,)`` by at most ``within`` in every column."""
        # Each column leaves fewer points to be looked at.
        rows: slice | NDArray[np.intp] = slice(None)
        for j, wraps in enumerate(self._wraps):
            gap = np.abs(points[rows, j] - point[j])
            close = np.flatnonzero((np.minimum(gap, 1.0 - gap) if wraps else gap) <= within)
            rows = close if isinstance(rows, slice) else rows[close]
            if len(rows) == 0:
                return False
        return len(points) > 0

"""The canonical coordinates of many points at once: one operation for all columns that snap alike.

A kind of parameter names the class that does for many columns what its ``snap`` does for one, bit for bit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Snaps(Protocol):
    """What snapping knows of a parameter."""

    @property
    def levels(self) -> int | None:
        """The number of values; None when there are infinitely many."""
        ...

    def snap(self, u: Array) -> Array:
        """Return the canonical coordinates of ``(n,)`` coordinates."""
        ...


class ColumnSnap(ABC):
    """What ``Parameter.snap`` does, for all columns whose parameters name this class."""

    @abstractmethod
    def __init__(self, parameters: Sequence[Snaps]) -> None:
        """Prepare the columns with these parameters."""

    @abstractmethod
    def __call__(self, U: Array) -> Array:
        """Return the canonical coordinates ``(n, k)`` of any coordinates ``U (n, k)``."""


class EachAlone(ColumnSnap):
    """Any parameters, one after another."""

    def __init__(self, parameters: Sequence[Snaps]) -> None:
        """Keep the parameters."""
        self._parameters = tuple(parameters)

    def __call__(self, U: Array) -> Array:
        """Ask each parameter."""
        return np.stack([parameter.snap(U[:, j]) for j, parameter in enumerate(self._parameters)], axis=1)


class Clipped(ColumnSnap):
    """Real numbers between two bounds."""

    def __init__(self, parameters: Sequence[Snaps]) -> None:
        """Nothing has to be known of the parameters."""

    def __call__(self, U: Array) -> Array:
        """Clip to the unit interval."""
        return np.clip(U, 0.0, 1.0)


class EvenCells(ColumnSnap):
    """Finitely many values, each with an equal share of the unit interval and its coordinate in the middle of it."""

    def __init__(self, parameters: Sequence[Snaps]) -> None:
        """Note the numbers of values."""
        self._levels = np.array([parameter.levels for parameter in parameters], dtype=np.int64)

    def __call__(self, U: Array) -> Array:
        """Return the middle of the cell in which each coordinate lies."""
        scaled = np.clip(U, 0.0, 1.0) * self._levels
        return np.asarray((np.minimum(scaled.astype(np.int64), self._levels - 1) + 0.5) / self._levels)


class Snapping:
    """The canonical form of ``(n, d)`` points, without regard to conditions."""

    def __init__(self, parameters: Sequence[Snaps], classes: Sequence[type[ColumnSnap]]) -> None:
        """Group the columns.

        Args:
            parameters: in the order of the columns.
            classes: for each the class that snaps it.
        """
        self._groups = [
            (np.array([j for j, each in enumerate(classes) if each is one], dtype=np.intp), one)
            for one in dict.fromkeys(classes)
        ]
        self._snaps = [(columns, one([parameters[j] for j in columns])) for columns, one in self._groups]

    def __call__(self, U: Array) -> Array:
        """Return the canonical coordinates ``(n, d)`` of any coordinates ``U (n, d)``."""
        snapped = np.empty(np.shape(U))
        for columns, snap in self._snaps:
            snapped[:, columns] = snap(U[:, columns])
        return snapped

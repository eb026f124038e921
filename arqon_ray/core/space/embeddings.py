"""Coordinates in which the surrogate's distance is Euclidean: one or more features for each column.

A kind of parameter names its class; all columns of the space with the same class share one object, so that features of
many points are computed in a few operations.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_FULL_TURN = 2.0 * math.pi
_HAMMING = math.sqrt(0.5)


class HasLevels(Protocol):
    """What an embedding knows of a parameter."""

    @property
    def levels(self) -> int | None:
        """The number of values; None when there are infinitely many."""
        ...


class Embedding(ABC):
    """The features of ``k`` columns.

    Attributes:
        smooth: whether the features have a derivative with respect to the coordinate. Those that have none need no
            :meth:`move` and :meth:`pull_back`.
        m: the number of features.
        owners: ``(m,)`` for each feature the position of its column among the ``k``.
    """

    smooth: ClassVar[bool] = True
    m: int
    owners: NDArray[np.intp]

    @abstractmethod
    def __init__(self, parameters: Sequence[HasLevels]) -> None:
        """Prepare the features of the columns with these parameters."""

    @abstractmethod
    def __call__(self, U: Array) -> Array:
        """Return the ``(n, m)`` features of canonical coordinates ``U (n, k)``."""

    def move(self, u: Array, unit: float) -> Array:
        """Return the ``(m,)`` features of one point ``u (k,)``, divided by ``unit``."""
        return np.asarray(self(u[None])[0] / unit)

    def pull_back(self, u: Array, gradient: Array) -> Array:
        """Turn derivatives ``(m,)`` with respect to the features of ``u (k,)`` into those with respect to ``u``."""
        return np.zeros(len(u))


class Straight(Embedding):
    """The coordinate itself: ``D = (u - v)^2``."""

    def __init__(self, parameters: Sequence[HasLevels]) -> None:
        """Count the columns."""
        self.m = len(parameters)
        self.owners = np.arange(self.m)

    def __call__(self, U: Array) -> Array:
        """Return the coordinates."""
        return U

    def move(self, u: Array, unit: float) -> Array:
        """Return the coordinates, divided by ``unit``."""
        return u / unit

    def pull_back(self, u: Array, gradient: Array) -> Array:
        """Return the gradient as it is."""
        return gradient


class Circle(Embedding):
    """A point on a circle of diameter 1: ``D = sin^2(pi (u - v))``, the squared chord."""

    def __init__(self, parameters: Sequence[HasLevels]) -> None:
        """Give each column two features: all cosines, then all sines."""
        self._k = len(parameters)
        self.m = 2 * self._k
        self.owners = np.tile(np.arange(self._k), 2)

    def __call__(self, U: Array) -> Array:
        """Return cosines and sines."""
        angles = _FULL_TURN * U
        return np.concatenate([0.5 * np.cos(angles), 0.5 * np.sin(angles)], axis=1)

    def move(self, u: Array, unit: float) -> Array:
        """Return cosines and sines, divided by ``unit``."""
        angles = _FULL_TURN * u
        return np.concatenate([0.5 / unit * np.cos(angles), 0.5 / unit * np.sin(angles)])

    def pull_back(self, u: Array, gradient: Array) -> Array:
        """Return the derivatives along the circle."""
        angles = _FULL_TURN * u
        return np.asarray(math.pi * (np.cos(angles) * gradient[self._k :] - np.sin(angles) * gradient[: self._k]))


class OneHot(Embedding):
    """One feature for each value: ``D = [u != v]`` (Hamming)."""

    smooth = False

    def __init__(self, parameters: Sequence[HasLevels]) -> None:
        """Give each column as many features as it has values."""
        self._levels = np.array([parameter.levels for parameter in parameters], dtype=np.intp)
        self._first = np.cumsum(self._levels) - self._levels
        self.m = int(np.sum(self._levels))
        self.owners = np.repeat(np.arange(len(self._levels)), self._levels)

    def __call__(self, U: Array) -> Array:
        """Return zeros, and a constant at each column's value."""
        one_hot = np.zeros((len(U), self.m))
        rank = np.minimum((U * self._levels).astype(np.intp), self._levels - 1)
        one_hot[np.arange(len(U))[:, None], self._first + rank] = _HAMMING
        return one_hot


FIRST: tuple[type[Embedding], ...] = (Straight, Circle, OneHot)
"""The order of these in the features; others follow. Sums over features are rounded in this order."""

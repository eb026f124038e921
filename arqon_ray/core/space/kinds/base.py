"""What every kind of parameter answers: the interface between the search and a parameter."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arqon_ray.core.inputs.plain import Scalar
from arqon_ray.core.inputs.values import as_number, is_missing
from arqon_ray.core.space.description import Description
from arqon_ray.core.space.embeddings import Embedding, Straight
from arqon_ray.core.space.kernels import Kernel
from arqon_ray.core.space.snapping import ColumnSnap, EachAlone

Array = NDArray[np.float64]

INACTIVE = 0.5
"""The coordinate of a parameter that does not exist at a point, and of a constant."""

TOLERANCE = 1e-9
"""How far outside a value may lie and still be taken as the bound: relative to the range, on its scale."""


class OutsideError(ValueError):
    """A value of the right type that the parameter cannot have."""


class Parameter(ABC):
    """One parameter: the map between native values and the unit interval, and what strategies need to know of it.

    The abstract methods are the map. The rest has defaults, those of a real number between two bounds.
    """

    @abstractmethod
    def snap(self, u: Array) -> Array:
        """Return the canonical coordinates ``(n,)`` of any coordinates: those of values that the parameter can have."""

    @abstractmethod
    def decode(self, u: Array) -> Sequence[Scalar]:
        """Return the native values at ``(n,)`` coordinates, as plain Python values."""

    @abstractmethod
    def to_native(self, u: Array) -> Array:
        """Return the native values at ``(n,)`` coordinates as numbers; a category is its index."""

    @abstractmethod
    def native(self, value: Any) -> Scalar:
        """Return a value that a user gave as the plain Python value that it stands for.

        Raises:
            ValueError: when its type is wrong; an :class:`OutsideError`, when it lies outside or is an empty cell.
        """

    @abstractmethod
    def encode(self, value: Any) -> float:
        """Return the canonical coordinate of a value that a user gave; raises as :meth:`native`."""

    @abstractmethod
    def describe(self) -> Description:
        """Return the parameter in neutral terms, for other packages and for figures."""

    @property
    @abstractmethod
    def kernel(self) -> Kernel:
        """The density round a value, of which the strategy ``tpe`` makes its mixtures."""

    @property
    def embedding(self) -> type[Embedding]:
        """How the surrogate measures distances; all columns with the same class share one object of it."""
        return Straight

    @property
    def column_snap(self) -> type[ColumnSnap]:
        """What snaps the coordinates of many points; all columns with the same class share one object of it."""
        return EachAlone

    @property
    def levels(self) -> int | None:
        """The number of values; None when there are infinitely many."""
        return None

    @property
    def periodic(self) -> bool:
        """Whether the coordinates 0 and 1 are the same."""
        return False

    @property
    def climbs(self) -> bool:
        """Whether a search may follow the gradient: the values are (nearly) continuous."""
        return True

    @property
    def changes(self) -> int:
        """How many single changes of a value a search tries; 0 when it follows the gradient only."""
        return 0

    def changed(self, current: float, change: int, rng: np.random.Generator) -> float:
        """Return the coordinate after one of the single changes, numbered from 1 to :attr:`changes`."""
        return current

    def nearby(self, current: float, rng: np.random.Generator) -> Array:
        """Return the coordinates to try in place of the current one: all when there are few, else a sample."""
        return np.array([current])

    @property
    def has_members(self) -> bool:
        """Whether users see other objects than the native values, as members of an enumeration."""
        return False

    def member(self, value: Scalar) -> Any:
        """Return a native value as users see it."""
        return value


def finite_number(value: Any) -> float:
    """Return a value as a finite float.

    Raises:
        ValueError: when it is no number; an :class:`OutsideError`, when it is an empty cell or not finite.
    """
    try:
        number = as_number(value)
    except TypeError:
        raise (OutsideError if is_missing(value) else ValueError)("it must be a number") from None
    if not math.isfinite(number):
        raise OutsideError("it must be a finite number")
    return number

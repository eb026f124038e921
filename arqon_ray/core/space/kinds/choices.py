"""Parameters that are one of some given values: with an order among them, or without."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arqon_ray.core.inputs.plain import Scalar, kind_and_value, value_of
from arqon_ray.core.inputs.values import element, is_missing, shown
from arqon_ray.core.space.description import Options
from arqon_ray.core.space.embeddings import Embedding, OneHot
from arqon_ray.core.space.kernels import Frequencies, Kernel
from arqon_ray.core.space.kinds.base import Array, OutsideError
from arqon_ray.core.space.kinds.finite import Finite
from arqon_ray.core.space.snapping import ColumnSnap, EvenCells


@dataclass(frozen=True)
class Ordinal(Finite):
    """One of the ``choices``, plain values, whose order is one that the search may use.

    Attributes:
        choices: the values.
        members: the choices as they were given, members of enumerations among them.
    """

    choices: tuple[Scalar, ...]
    members: tuple[Any, ...]

    @property
    def levels(self) -> int:
        """The number of choices."""
        return len(self.choices)

    @property
    def column_snap(self) -> type[ColumnSnap]:
        """Even cells."""
        return EvenCells

    def coordinate(self, k: NDArray[np.int64]) -> Array:
        """Return the coordinates of the ``k``-th choices."""
        return (np.asarray(k) + 0.5) / len(self.choices)

    def rank(self, u: Array) -> NDArray[np.int64]:
        """Return the index of the choice in whose cell each coordinate lies."""
        return np.minimum((np.clip(u, 0.0, 1.0) * len(self.choices)).astype(np.int64), len(self.choices) - 1)

    def decode(self, u: Array) -> list[Scalar]:
        """Return the choices at ``(n,)`` coordinates."""
        return [self.choices[k] for k in self.rank(u).tolist()]

    def to_native(self, u: Array) -> Array:
        """Return the indices of the choices."""
        return self.rank(u).astype(np.float64)

    def native(self, value: Any) -> Scalar:
        """Return the choice that a value stands for."""
        return self.choices[self._rank_of(value)]

    @property
    def has_members(self) -> bool:
        """Whether any choice was given as a member of an enumeration."""
        return any(m is not c for m, c in zip(self.members, self.choices, strict=True))

    def member(self, value: Scalar) -> Any:
        """Return a choice as it was given in the config: the member of an enumeration where it was one."""
        return self.members[self._ranks[kind_and_value(value)]]

    def describe(self) -> Options:
        """Return the choices."""
        return Options(self.choices)

    def encode(self, value: Any) -> float:
        """Return the coordinate of the choice that a value stands for."""
        return (self._rank_of(value) + 0.5) / len(self.choices)

    @cached_property
    def _ranks(self) -> dict[tuple[str, Any], int]:
        return {kind_and_value(choice): k for k, choice in enumerate(self.choices)}

    def _rank_of(self, value: Any) -> int:
        # A table has NaN where a choice is None; NaN itself is never one.
        scalar = None if is_missing(value) else element(value_of(value))
        rank = self._ranks.get(kind_and_value(scalar)) if isinstance(scalar, Scalar) else None
        if rank is None:
            raise OutsideError(f"it must be one of {shown(list(self.choices))}")
        return rank


@dataclass(frozen=True)
class Categorical(Ordinal):
    """One of the ``choices``, in no order."""

    @property
    def embedding(self) -> type[Embedding]:
        """A feature for each choice: any two are equally far apart."""
        return OneHot

    @cached_property
    def kernel(self) -> Kernel:
        """Smoothed frequencies."""
        return Frequencies(self.levels)

    @property
    def climbs(self) -> bool:
        """There is no gradient."""
        return False

"""A real parameter."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from arqon_ray.core.space.description import Range
from arqon_ray.core.space.embeddings import Circle, Embedding, Straight
from arqon_ray.core.space.kernels import Kernel, Normal
from arqon_ray.core.space.kinds.base import TOLERANCE, Array, OutsideError, Parameter, finite_number
from arqon_ray.core.space.snapping import Clipped, ColumnSnap, EachAlone


@dataclass(frozen=True)
class Continuous(Parameter):
    """A real parameter between ``low`` and ``high``; linear, logarithmic or periodic."""

    low: float
    high: float
    scale: Literal["Linear", "Log", "Periodic"]

    @property
    def periodic(self) -> bool:
        """Whether ``high`` is ``low`` again."""
        return self.scale == "Periodic"

    @property
    def embedding(self) -> type[Embedding]:
        """The interval, or a circle."""
        return Circle if self.periodic else Straight

    @property
    def column_snap(self) -> type[ColumnSnap]:
        """Clipping; periodic ones wrap, each alone."""
        return EachAlone if self.periodic else Clipped

    @cached_property
    def kernel(self) -> Kernel:
        """A normal distribution within the interval, or round the circle."""
        return Normal(periodic=self.periodic)

    def describe(self) -> Range:
        """Return the range; that ``high`` is ``low`` again is left out."""
        return Range(self.low, self.high, log=self.scale == "Log")

    def snap(self, u: Array) -> Array:
        """Wrap a periodic coordinate, clip any other."""
        # A tiny negative number modulo 1 rounds to 1.0, hence twice.
        return np.mod(np.mod(u, 1.0), 1.0) if self.periodic else np.clip(u, 0.0, 1.0)

    def to_native(self, u: Array) -> Array:
        """Return native values at ``(n,)`` coordinates."""
        u = self.snap(u)
        if self.scale == "Log":
            span = math.log(self.high) - math.log(self.low)
            return np.clip(np.exp(math.log(self.low) + u * span), self.low, self.high)
        native = self.low + u * (self.high - self.low)
        if not self.periodic:
            return np.minimum(native, self.high)
        return np.where(native >= self.high, self.low, native)

    def decode(self, u: Array) -> list[float]:
        """Return native values at ``(n,)`` coordinates, as Python floats."""
        values: list[float] = self.to_native(u).tolist()
        return values

    def native(self, value: Any) -> float:
        """Return a number within the bounds; on a circle any number stands for one."""
        number = finite_number(value)
        if self.low <= number < self.high or (number == self.high and not self.periodic):
            return number
        span = self.high - self.low
        if self.periodic:
            turned = math.fmod(math.fmod(number, span) - math.fmod(self.low, span), span)
            wrapped = self.low + (turned + span if turned < 0.0 else turned)
            return wrapped if self.low <= wrapped < self.high else self.low
        bound = self.low if number < self.low else self.high
        if self.scale == "Log":
            near = number > 0.0 and abs(math.log(number) - math.log(bound)) <= TOLERANCE * self._log_span
        else:
            near = abs(number - bound) <= TOLERANCE * span
        if not near:
            raise OutsideError(f"it must lie in [{self.low!r}, {self.high!r}]")
        return bound

    @cached_property
    def _log_span(self) -> float:
        return math.log(self.high) - math.log(self.low)

    def encode(self, value: Any) -> float:
        """Return the coordinate of a number; on a circle any number has one."""
        value = self.native(value)
        if self.scale == "Log":
            u = (math.log(value) - math.log(self.low)) / self._log_span
        else:
            u = (value - self.low) / (self.high - self.low)
        return 0.0 if u >= 1.0 and self.periodic else min(max(u, 0.0), 1.0)

"""One parameter and its map between native values and the unit interval.

Three kinds: :class:`Continuous`, :class:`Discrete` (equidistant values: integers, steps) and
:class:`Categorical`. Each offers ``encode`` (a native value), ``decode``, ``to_native`` and ``snap`` (arrays).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from arqon_ray.core.config import ParameterConfig, Scalar
from arqon_ray.core.values import as_number

Array = NDArray[np.float64]

INACTIVE = 0.5
"""The coordinate of a parameter that does not exist at a point, and of a constant."""

_TOLERANCE = 1e-9
"""How far, relative to the range, a value may lie outside and still be taken as the bound."""


@dataclass(frozen=True)
class Continuous:
    """A real parameter between ``low`` and ``high``; linear, logarithmic or periodic."""

    low: float
    high: float
    scale: Literal["Linear", "Log", "Periodic"]
    kind: Literal["continuous"] = field(default="continuous", init=False)
    levels: None = field(default=None, init=False)
    ordered: bool = field(default=True, init=False)

    @property
    def periodic(self) -> bool:
        """Whether ``high`` is ``low`` again."""
        return self.scale == "Periodic"

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
        """Return an encodable value as the plain Python value that it is."""
        return float(value)

    def encode(self, value: Any) -> float:
        """Return the coordinate of a native value; a periodic one is wrapped.

        Raises:
            ValueError: when the value is no finite number or lies outside the bounds.
        """
        value = _number(value)
        span = self.high - self.low
        if self.periodic:
            u = math.fmod(value - self.low, span) / span
            u = u + 1.0 if u < 0.0 else u
            return 0.0 if u >= 1.0 else u
        if not self.low - _TOLERANCE * span <= value <= self.high + _TOLERANCE * span:
            raise ValueError(f"it must lie in [{self.low!r}, {self.high!r}]")
        value = min(max(value, self.low), self.high)
        if self.scale == "Log":
            u = (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        else:
            u = (value - self.low) / span
        return min(max(u, 0.0), 1.0)


@dataclass(frozen=True)
class Discrete:
    """The values ``low + k * step``, ``k = 0 .. levels - 1``; a constant is one of them.

    The unit interval is cut into one cell a value: equal cells, with the value at the center, unless the scale
    is logarithmic; then the value lies at its logarithm, and two cells meet at the geometric mean.
    """

    low: float
    step: float
    levels: int
    scale: Literal["Linear", "Log", "Periodic"]
    integer: bool
    kind: Literal["discrete"] = field(default="discrete", init=False)
    ordered: bool = field(default=True, init=False)

    @property
    def periodic(self) -> bool:
        """Whether the last value is a neighbor of the first."""
        return self.scale == "Periodic"

    def coordinate(self, k: NDArray[np.int64]) -> Array:
        """Return the coordinates of the ``k``-th values."""
        if self.scale != "Log" or self.levels == 1:
            return (np.asarray(k) + 0.5) / self.levels
        bottom, top = self._log_edges
        return np.asarray((np.log(self.low + np.asarray(k) * self.step) - bottom) / (top - bottom))

    def rank(self, u: Array) -> NDArray[np.int64]:
        """Return the index of the value in whose cell each coordinate lies."""
        u = np.mod(u, 1.0) if self.periodic else np.clip(u, 0.0, 1.0)
        if self.scale != "Log" or self.levels == 1:
            return np.minimum((u * self.levels).astype(np.int64), self.levels - 1)
        bottom, top = self._log_edges
        t = np.exp(bottom + u * (top - bottom))
        k = np.clip(np.floor((t - self.low) / self.step), 0, self.levels - 1).astype(np.int64)
        below, above = self.low + k * self.step, self.low + (k + 1) * self.step
        return np.minimum(k + (t > np.sqrt(below * above)), self.levels - 1)

    @property
    def _log_edges(self) -> tuple[float, float]:
        """The logarithms where the first cell begins and the last one ends."""
        first, second = self.low, self.low + self.step
        last, before = self.low + (self.levels - 1) * self.step, self.low + (self.levels - 2) * self.step
        return 1.5 * math.log(first) - 0.5 * math.log(second), 1.5 * math.log(last) - 0.5 * math.log(before)

    def snap(self, u: Array) -> Array:
        """Return the coordinate of the value in whose cell each coordinate lies."""
        return self.coordinate(self.rank(u))

    def decode(self, u: Array) -> list[Any]:
        """Return native values, as Python ints or floats."""
        digits = self._digits
        if self.integer:
            return [int(self.low) + k * int(self.step) for k in self.rank(u).tolist()]
        return [round(self.low + k * self.step, digits) for k in self.rank(u).tolist()]

    @property
    def _digits(self) -> int:
        """How many decimals the bounds have: 0.1 + 2 * 0.1 is meant to be 0.3."""
        exponents = [Decimal(repr(number)).as_tuple().exponent for number in (self.low, self.step)]
        return max(0, *(-exponent for exponent in exponents if isinstance(exponent, int)))

    def to_native(self, u: Array) -> Array:
        """Return native values at ``(n,)`` coordinates."""
        return np.array(self.decode(u), dtype=np.float64)

    def native(self, value: Any) -> int | float:
        """Return an encodable value as the plain Python value that it is."""
        plain: int | float = self.decode(np.array([self.encode(value)]))[0]
        return plain

    def encode(self, value: Any) -> float:
        """Return the coordinate of a native value.

        Raises:
            ValueError: when it is not one of the values.
        """
        steps = (_number(value) - self.low) / self.step
        k = round(steps)
        if self.periodic:
            k %= self.levels
        if not 0 <= k < self.levels or abs(steps - round(steps)) > 1e-6:
            last = self.low + (self.levels - 1) * self.step
            raise ValueError(f"it must be one of {self.low:g}, {self.low + self.step:g} .. {last:g}")
        return float(self.coordinate(np.array(k)))


@dataclass(frozen=True)
class Categorical:
    """One of the ``choices``; with ``ordered`` their order is one that the search may use."""

    choices: tuple[Scalar, ...]
    ordered: bool
    kind: Literal["categorical"] = field(default="categorical", init=False)
    periodic: bool = field(default=False, init=False)

    @property
    def levels(self) -> int:
        """The number of choices."""
        return len(self.choices)

    def coordinate(self, k: NDArray[np.int64]) -> Array:
        """Return the coordinates of the ``k``-th choices."""
        return (np.asarray(k) + 0.5) / self.levels

    def rank(self, u: Array) -> NDArray[np.int64]:
        """Return the index of the choice in whose cell each coordinate lies."""
        return np.minimum((np.clip(u, 0.0, 1.0) * self.levels).astype(np.int64), self.levels - 1)

    def snap(self, u: Array) -> Array:
        """Return the center of the cell in which each coordinate lies."""
        return self.coordinate(self.rank(u))

    def decode(self, u: Array) -> list[Scalar]:
        """Return the choices at ``(n,)`` coordinates."""
        return [self.choices[k] for k in self.rank(u).tolist()]

    def to_native(self, u: Array) -> Array:
        """Return the indices of the choices."""
        return self.rank(u).astype(np.float64)

    def native(self, value: Any) -> Scalar:
        """Return an encodable value as the choice that it is."""
        return self.decode(np.array([self.encode(value)]))[0]

    def encode(self, value: Any) -> float:
        """Return the coordinate of a choice.

        Raises:
            ValueError: when it is not one of the choices.
        """
        value = value.item() if isinstance(value, np.generic) else value
        for k, choice in enumerate(self.choices):
            if isinstance(choice, bool) == isinstance(value, bool) and choice == value:
                return (k + 0.5) / self.levels
        raise ValueError(f"it must be one of {list(self.choices)!r}")


Parameter = Continuous | Discrete | Categorical


def make_parameter(config: ParameterConfig) -> Parameter:
    """Build the parameter that a checked config describes."""
    if config.choices is not None:
        return Categorical(tuple(config.choices), config.ordered)
    assert config.min is not None
    assert config.max is not None
    integer = config.type == "int"
    if config.min == config.max:
        return Discrete(config.min, 1.0, 1, "Linear", integer)
    if config.grid_step is None:
        return Continuous(config.min, config.max, config.scale)
    # A hair more than the quotient: 0.9 / 0.1 is 8.999... and means 9 steps.
    steps = (config.max - config.min) / config.grid_step * (1 + 1e-12)
    levels = math.ceil(steps * (1 - 2e-12)) if config.scale == "Periodic" else math.floor(steps) + 1
    return Discrete(config.min, config.grid_step, levels, config.scale if levels > 1 else "Linear", integer)


def _number(value: Any) -> float:
    try:
        number = as_number(value)
    except TypeError:
        raise ValueError("it must be a number") from None
    if not math.isfinite(number):
        raise ValueError("it must be a finite number")
    return number

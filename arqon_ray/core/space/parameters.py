"""One parameter and its map between native values and the unit interval.

Three kinds: :class:`Continuous`, :class:`Discrete` (equidistant values: integers, steps) and
:class:`Categorical`. Each offers ``encode`` (a native value), ``decode``, ``to_native`` and ``snap`` (arrays).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from arqon_ray.core.config import ParameterConfig
from arqon_ray.core.inputs.plain import Scalar, kind_and_value, value_of
from arqon_ray.core.inputs.values import as_number, element, is_missing, shown

Array = NDArray[np.float64]

INACTIVE = 0.5
"""The coordinate of a parameter that does not exist at a point, and of a constant."""

_TOLERANCE = 1e-9
"""How far outside a value may lie and still be taken as the bound: relative to the range, on its scale."""

_STRAIGHT = 1e-3
"""A logarithmic range no wider than this, relative to its lower end, is straight to 1e-4 and taken as linear."""


_BELOW_ONE = 1 - 2**-53
"""The largest periodic coordinate: with 2**52 values and more the last one's would round to 1, which is 0."""


class OutsideError(ValueError):
    """A value of the right type that the parameter cannot have."""


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
        """Return an encodable value as the plain Python value that it is, within the bounds.

        Raises:
            ValueError: when the value is no number; an :class:`OutsideError`, when it lies elsewhere or is empty.
        """
        number = _number(value)
        if self.low <= number < self.high or (number == self.high and not self.periodic):
            return number
        span = self.high - self.low
        if self.periodic:
            turned = math.fmod(math.fmod(number, span) - math.fmod(self.low, span), span)
            wrapped = self.low + (turned + span if turned < 0.0 else turned)
            return wrapped if self.low <= wrapped < self.high else self.low
        bound = self.low if number < self.low else self.high
        if self.scale == "Log":
            near = number > 0.0 and abs(math.log(number) - math.log(bound)) <= _TOLERANCE * self._log_span
        else:
            near = abs(number - bound) <= _TOLERANCE * span
        if not near:
            raise OutsideError(f"it must lie in [{self.low!r}, {self.high!r}]")
        return bound

    @cached_property
    def _log_span(self) -> float:
        return math.log(self.high) - math.log(self.low)

    def encode(self, value: Any) -> float:
        """Return the coordinate of a native value; a periodic one is wrapped.

        Raises:
            ValueError: when the value is no number; an :class:`OutsideError`, when it lies elsewhere or is empty.
        """
        value = self.native(value)
        if self.scale == "Log":
            u = (math.log(value) - math.log(self.low)) / self._log_span
        else:
            u = (value - self.low) / (self.high - self.low)
        return 0.0 if u >= 1.0 and self.periodic else min(max(u, 0.0), 1.0)


@dataclass(frozen=True)
class Discrete:
    """The values ``low + k * step``, ``k = 0 .. levels - 1``; a constant is one of them.

    The unit interval is cut into one cell a value: equal cells, with the value at the center, unless the scale
    is logarithmic; then the value lies at its logarithm, and two cells meet at the geometric mean.
    """

    low: float
    high: float
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

    @property
    def ends(self) -> tuple[int | float, int | float]:
        """The first and the last value."""
        return self._value(0), self._value(self.levels - 1)

    def coordinate(self, k: NDArray[np.int64]) -> Array:
        """Return the coordinates of the ``k``-th values."""
        if self.scale != "Log" or self.levels == 1:
            center = (np.asarray(k) + 0.5) / self.levels
            return np.minimum(center, _BELOW_ONE) if self.periodic else center
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
        with np.errstate(over="ignore"):  # above the last value, where nothing lies
            below, above = self.low + k * self.step, self.low + (k + 1) * self.step
        ranks: NDArray[np.int64] = np.minimum(k + (t > np.sqrt(below) * np.sqrt(above)), self.levels - 1)
        return ranks

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
        """Return an encodable value as the plain Python value that it is."""
        return self._value(self._rank_of(value))

    def encode(self, value: Any) -> float:
        """Return the coordinate of a native value.

        Raises:
            ValueError: when the value is no number; an :class:`OutsideError`, when it lies elsewhere or is empty.
        """
        return float(self.coordinate(np.array(self._rank_of(value))))

    def _steps_to(self, number: float) -> float:
        if self.integer and number.is_integer():  # 2**53 - (-1) is no float
            whole, rest = divmod(int(number) - int(self.low), int(self.step))
            return whole if rest == 0 else whole + rest / self.step
        return (number - self.low) / self.step

    def _rank_of(self, value: Any) -> int:
        number = _number(value)
        if self.levels == 1:
            if not math.isclose(number, self.low, rel_tol=_TOLERANCE):
                raise OutsideError(f"it must be {self._value(0)!r}")
            return 0
        steps = self._steps_to(number)
        tolerance = _grid_tolerance(self.low, self.high, self.step)
        k = round(steps) if math.isfinite(steps) else -1
        if self.periodic:
            k %= self.levels
        if not 0 <= k < self.levels or abs(steps - round(steps)) > tolerance:
            first, second, last = (self._value(rank) for rank in (0, 1, self.levels - 1))
            raise OutsideError(f"it must be one of {first!r}, {second!r} .. {last!r}")
        return k


@dataclass(frozen=True)
class Categorical:
    """One of the ``choices``, plain values; with ``ordered`` their order is one that the search may use.

    Attributes:
        members: the choices as they were given, members of enumerations among them.
    """

    choices: tuple[Scalar, ...]
    ordered: bool
    members: tuple[Any, ...] = ()
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
        return self.choices[self._rank_of(value)]

    def member(self, choice: Scalar) -> Any:
        """Return a choice as it was given in the config: the member of an enumeration where it was one."""
        return self.members[self._ranks[kind_and_value(choice)]]

    def encode(self, value: Any) -> float:
        """Return the coordinate of a choice.

        Raises:
            ValueError: an :class:`OutsideError`, when it is not one of the choices.
        """
        return (self._rank_of(value) + 0.5) / self.levels

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


Parameter = Continuous | Discrete | Categorical


def make_parameter(config: ParameterConfig) -> Parameter:
    """Build the parameter that a checked config describes."""
    if config.choices is not None:
        members = tuple(config.choices)
        return Categorical(tuple(map(value_of, members)), config.ordered, members)
    assert config.min is not None
    assert config.max is not None
    integer = config.type == "int"
    if config.min == config.max:
        return Discrete(config.min, config.max, 1.0, 1, "Linear", integer)
    straight = config.scale == "Log" and config.max - config.min <= _STRAIGHT * config.min
    scale = "Linear" if straight else config.scale
    if config.grid_step is None:
        return Continuous(config.min, config.max, scale)
    steps = _steps(config.min, config.max, config.grid_step, integer)
    levels = max(1, math.ceil(steps)) if config.scale == "Periodic" else math.floor(steps) + 1
    return Discrete(config.min, config.max, config.grid_step, levels, scale if levels > 1 else "Linear", integer)


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


def _number(value: Any) -> float:
    try:
        number = as_number(value)
    except TypeError:
        raise (OutsideError if is_missing(value) else ValueError)("it must be a number") from None
    if not math.isfinite(number):
        raise OutsideError("it must be a finite number")
    return number

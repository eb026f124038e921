"""The part of the configuration schema that describes one parameter."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, field_validator, model_validator

from arqon_ray.core.inputs.plain import Scalar, kind_and_value, same, value_of
from arqon_ray.core.inputs.values import as_number, is_writable, shown
from arqon_ray.core.space.description import Description, Options, Range

_MAX_LEVELS = 2**53  # above this, float64 does not have every integer
_FINEST = 2**-48  # of the larger bound; multiples of a finer step are lost in rounding


def _fold_scale(value: Any) -> Any:
    return value.capitalize() if isinstance(value, str) else value


def _read_number(value: Any) -> Any:
    """Return any kind of number as a float, and None as it is."""
    if value is None:
        return None
    try:
        return as_number(value)
    except TypeError:
        raise ValueError(f"is {shown(value)}: it must be a number") from None


Number = Annotated[float | None, BeforeValidator(_read_number)]


class ParameterConfig(BaseModel):
    """One parameter: a range (``min``, ``max``) or a list of ``choices``.

    Attributes:
        min: the smallest value, in native units.
        max: the largest value, included; equal to ``min`` for a constant. Excluded if ``scale`` is ``Periodic``.
        scale: ``Linear``, ``Log`` (needs ``min > 0``) or ``Periodic``; in upper or lower case.
        type: ``float`` or ``int`` (from -2**53 to 2**53).
        step: the values are ``min + k * step``, up to ``max``; at most 2**53 values.
        choices: the values of a categorical parameter, JSON scalars, in a list, tuple, range or array. Members of an
            enumeration, or the enumeration itself, stand for their values, which must be JSON scalars. A solver and
            ``optimize`` return the members themselves; the service, sweeps, Tune and a restored state, whose configs
            went through JSON, return the values.
        ordered: whether the choices have a meaningful order.
        when: ``{earlier parameter: value or list of values}``; the parameter exists only where this holds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    min: Number = None
    max: Number = None
    scale: Annotated[Literal["Linear", "Log", "Periodic"], BeforeValidator(_fold_scale)] = "Linear"
    type: Literal["float", "int"] = "float"
    step: Number = None
    choices: list[Any] | None = None
    ordered: bool = False
    when: dict[str, list[Any]] | None = None

    @field_validator("when", mode="before")
    @classmethod
    def _one_value_is_a_list(cls, when: Any) -> Any:
        if not isinstance(when, Mapping):
            return when
        return {name: value if isinstance(value, list) else [value] for name, value in when.items()}

    @model_validator(mode="before")
    @classmethod
    def _whole_bounds_are_exact(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and given.get("type") == "int":
            for key in ("min", "max", "step"):
                bound = given.get(key)
                if isinstance(bound, int) and abs(bound) > _MAX_LEVELS:
                    raise ValueError(f"{key} is {shown(bound)}: type int allows -2**53 to 2**53")
        return given

    @model_validator(mode="after")
    def _check(self) -> ParameterConfig:
        if self.choices is not None:
            self._check_choices(self.choices)
        elif self.min is None or self.max is None:
            missing = "min" if self.min is None else "max"
            raise ValueError(f"{missing} is required: give min and max, or choices")
        else:
            self._check_range(self.min, self.max)
        if self.when is not None and (not self.when or not all(self.when.values())):
            raise ValueError(f"when is {shown(self.when)}: it must have at least one parameter with at least one value")
        return self

    def _check_choices(self, choices: list[Any]) -> None:
        for key in ("min", "max", "step"):
            if getattr(self, key) is not None:
                raise ValueError(f"{key} is {getattr(self, key)!r}: a parameter has either choices or a range")
        if self.scale != "Linear" or self.type != "float":
            raise ValueError(f"scale is {self.scale!r} and type {self.type!r}: choices have neither")
        if not choices:
            raise ValueError("choices is []: give at least one")
        seen = set()
        for choice in choices:
            value = value_of(choice)
            if not isinstance(value, Scalar):
                raise ValueError(
                    f"choices contains {shown(choice)}: a choice must be a string, a number, true, false or null, or a "
                    "member of an enumeration with such a value"
                )
            if not is_writable(value):
                raise ValueError(
                    f"choices contains {shown(choice)}: numbers must be finite, and integers must fit into 64 bits"
                )
            if kind_and_value(value) in seen:
                raise ValueError(f"choices contains {shown(choice)} twice: choices must be different")
            seen.add(kind_and_value(value))

    def _check_range(self, low: float, high: float) -> None:
        for key, value in (("min", low), ("max", high), ("step", self.step)):
            if value is not None and not math.isfinite(value):
                raise ValueError(f"{key} is {value!r}: it must be a finite number")
        if low > high:
            raise ValueError(f"min is {low!r} and max {high!r}: min must not be above max")
        if not math.isfinite(high - low):
            raise ValueError(f"min is {low!r} and max {high!r}: max - min must be finite in float64")
        if self.scale == "Log" and low <= 0:
            raise ValueError(f"min is {low!r}: scale Log needs min > 0")
        if self.ordered:
            raise ValueError("ordered is True: only choices can be ordered")
        if self.step is not None and self.step <= 0:
            raise ValueError(f"step is {self.step!r}: it must be above 0")
        if self.type == "int":
            for key, value in (("min", low), ("max", high), ("step", self.step)):
                if value is not None and value != int(value):
                    raise ValueError(f"{key} is {value!r}: type int needs integers")
            if max(abs(low), abs(high)) > _MAX_LEVELS:
                raise ValueError(f"min is {low!r} and max {high!r}: type int allows -2**53 to 2**53")
        if self.grid_step is not None and (high - low) / self.grid_step > _MAX_LEVELS:
            what = f"step is {self.step!r}" if self.step is not None else f"min is {low!r} and max {high!r}"
            raise ValueError(f"{what}: more than 2**53 values between min and max")
        if self.type == "float" and self.step is not None and self.step < _FINEST * max(abs(low), abs(high)):
            raise ValueError(f"step is {self.step!r}: it must be at least 2**-48 of the larger bound")

    @property
    def grid_step(self) -> float | None:
        """The distance of neighboring values of a range; None if it is continuous, and for choices."""
        if self.choices is not None:
            return None
        return self.step if self.step is not None else (1.0 if self.type == "int" else None)

    @property
    def finite(self) -> bool:
        """Whether the parameter has finitely many values, so that others can depend on one of them."""
        return self.choices is not None or self.grid_step is not None or self.min == self.max

    def allows(self, value: Scalar) -> bool:
        """Tell whether a parameter of finitely many values can have this one."""
        if self.choices is not None:
            return any(same(value, value_of(choice)) for choice in self.choices)
        if isinstance(value, bool) or not isinstance(value, int | float) or self.min is None or self.max is None:
            return False
        steps = (value - self.min) / (self.grid_step or 1.0)
        return self.min <= value <= self.max and abs(steps - round(steps)) < 1e-9

    def describe(self) -> Description:
        """Return the parameter in neutral terms, with the bounds as they were given."""
        if self.choices is not None:
            return Options(tuple(map(value_of, self.choices)))
        return Range(self.min or 0.0, self.max or 0.0, self.grid_step, self.scale == "Log", self.type == "int")

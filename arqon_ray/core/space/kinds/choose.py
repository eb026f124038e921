"""Which kind of parameter a config describes."""

from __future__ import annotations

from arqon_ray.core.inputs.plain import value_of
from arqon_ray.core.space.config import ParameterConfig
from arqon_ray.core.space.kinds.base import Parameter
from arqon_ray.core.space.kinds.choices import Categorical, Ordinal
from arqon_ray.core.space.kinds.constant import Constant
from arqon_ray.core.space.kinds.continuous import Continuous
from arqon_ray.core.space.kinds.grid import Grid, count_values

_STRAIGHT = 1e-3
"""A logarithmic range no wider than this, relative to its lower end, is straight to 1e-4 and taken as linear."""


def make_parameter(config: ParameterConfig) -> Parameter:
    """Build the parameter that a checked config describes."""
    if config.choices is not None:
        members = tuple(config.choices)
        return (Ordinal if config.ordered else Categorical)(tuple(map(value_of, members)), members)
    assert config.min is not None
    assert config.max is not None
    low, high, step, integer = config.min, config.max, config.grid_step, config.type == "int"
    if low == high:
        return _constant(low, integer)
    scale = "Linear" if config.scale == "Log" and high - low <= _STRAIGHT * low else config.scale
    if step is None:
        return Continuous(low, high, scale)
    count = count_values(low, high, step, integer=integer, periodic=scale == "Periodic")
    return _constant(low, integer) if count == 1 else Grid(low, high, step, count, scale, integer)


def _constant(value: float, integer: bool) -> Constant:
    return Constant(int(value) if integer else value + 0.0)  # no negative zero

"""A parameter in neutral terms, for other packages and for figures: a range of numbers, or a list of options."""

from __future__ import annotations

from dataclasses import dataclass

from arqon_ray.core.inputs.plain import Scalar


@dataclass(frozen=True)
class Range:
    """A parameter in neutral terms: the numbers from ``low`` to ``high``, both included.

    Attributes:
        low: the first value.
        high: the last value.
        step: the distance of neighboring values; None for real numbers.
        log: whether equal ratios count alike, and not equal differences.
        integer: whether the values are integers.
    """

    low: float
    high: float
    step: float | None = None
    log: bool = False
    integer: bool = False


@dataclass(frozen=True)
class Options:
    """A parameter in neutral terms: one of some values."""

    choices: tuple[Scalar, ...]


Description = Range | Options

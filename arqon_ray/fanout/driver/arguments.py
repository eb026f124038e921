"""Checks of the arguments that ``optimize`` and ``sweep`` have in common."""

from __future__ import annotations

from typing import Any

from arqon_ray.core.inputs import values
from arqon_ray.errors import ConfigError

_LONGEST_METRIC = 1000  # characters


def check_whole(name: str, number: Any, least: int) -> int:
    """Return a whole number of at least ``least`` as an int; numpy's are accepted.

    Raises:
        ConfigError: it is not one; the message names it.
    """
    return values.whole(name, number, least, error=ConfigError)


def check_most(name: str, number: Any) -> int | None:
    """Return a limit: None, or a whole number of at least 1.

    Raises:
        ConfigError: it is neither; the message names it.
    """
    return None if number is None else check_whole(name, number, 1)


def check_metric(name: Any) -> str | None:
    """Return the name of the metric that counts: None, or a string.

    Raises:
        ConfigError: it is neither.
    """
    return None if name is None else values.text("metric", name, _LONGEST_METRIC, error=ConfigError)


def check_seconds(name: str, number: Any) -> float | None:
    """Return a duration in seconds: None, or a finite number above 0.

    Raises:
        ConfigError: it is neither; the message names it.
    """
    return values.seconds(name, number, error=ConfigError)


def check_limits(time_budget_s: Any, target: Any) -> tuple[float | None, float | None]:
    """Return time limit and target as plain numbers.

    Raises:
        ConfigError: one is not a finite number, or the time is not above 0.
    """
    seconds = check_seconds("time_budget_s", time_budget_s)
    return seconds, None if target is None else values.number("target", target, ConfigError)

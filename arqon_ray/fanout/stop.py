"""When a run ends before its study's budget does."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

from arqon_ray.errors import ConfigError


@dataclass(slots=True)
class StopRule:
    """The stop conditions of one call of ``optimize``.

    Attributes:
        mode: ``min`` or ``max``.
        max_evaluations: evaluations of this call; None for no limit.
        deadline: on the monotonic clock; infinity for none.
        target: a value that is good enough; None for none.
        reason: which condition held; empty while none did.
    """

    mode: str
    max_evaluations: int | None
    deadline: float
    target: float | None
    reason: str = ""

    def look(self) -> bool:
        """Return whether to stop now; the clock is read here."""
        if not self.reason and time.monotonic() >= self.deadline:
            self.reason = "time_budget_s"
        return bool(self.reason)

    def see(self, value: float | None) -> None:
        """Note a value."""
        if value is None or self.target is None or self.reason:
            return
        if (value >= self.target) if self.mode == "max" else (value <= self.target):
            self.reason = "target"

    def remaining(self, started: int) -> float:
        """Return how many evaluations may still be started."""
        return math.inf if self.max_evaluations is None else self.max_evaluations - started

    def wait(self, longest: float) -> float:
        """Return how long to wait at most, in seconds."""
        return max(0.0, min(longest, self.deadline - time.monotonic()))


def make_stop_rule(
    began: float, mode: str, max_evaluations: int | None, time_budget_s: float | None, target: float | None
) -> StopRule:
    """Return the rule; the arguments are those of ``optimize``, ``began`` is on the monotonic clock."""
    deadline = math.inf if time_budget_s is None else began + time_budget_s
    return StopRule(mode, max_evaluations, deadline, target)


def check_whole(name: str, number: Any, least: int) -> None:
    """Refuse what is no whole number of at least ``least``.

    Raises:
        ConfigError: naming it.
    """
    if isinstance(number, bool) or not isinstance(number, int) or number < least:
        raise ConfigError(f"{name} is {number!r}: it must be a whole number, {least} or more")


def check_limits(time_budget_s: Any, target: Any) -> None:
    """Refuse limits that are no numbers.

    Raises:
        ConfigError: naming it.
    """
    for name, number in (("time_budget_s", time_budget_s), ("target", target)):
        if number is None:
            continue
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            raise ConfigError(f"{name} is {number!r}: it must be a finite number")
    if time_budget_s is not None and time_budget_s <= 0:
        raise ConfigError(f"time_budget_s is {time_budget_s!r}: it must be above 0")

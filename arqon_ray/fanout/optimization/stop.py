"""The conditions that end a run before the budget of its study is spent."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass


@dataclass(slots=True)
class StopRule:
    """The stop conditions of one call of ``optimize``.

    Attributes:
        mode: ``min`` or ``max``.
        max_evaluations: evaluations of this call; None for no limit.
        deadline: on the monotonic clock; infinity for none.
        target: a value that is good enough; None for none.
        patience: evaluations in a row without an improvement; None for no limit.
        reason: the condition that held; empty as long as none did.
        best: the best value so far; None before the first. Values of stopped evaluations count only if there is no
            complete one, and then those of the furthest step.
        best_step: the step at which it was taken; None for that of a complete evaluation.
    """

    mode: str
    max_evaluations: int | None
    deadline: float
    target: float | None
    patience: int | None = None
    reason: str = ""
    best: float | None = None
    best_step: int | None = None
    _progress: tuple[bool, int] = (False, 0)  # how far the evaluation of the best went
    _idle: int = 0  # evaluations since the last improvement

    def due(self) -> bool:
        """Return whether to stop now. Checks the deadline."""
        if not self.reason and time.monotonic() >= self.deadline:
            self.reason = "time_budget_s"
        return bool(self.reason)

    def observe(self, value: float, step: int | None = None, stopped: bool = False) -> None:
        """Consider a value, of this or another driver.

        Args:
            value: the value.
            step: the step at which it was taken; None for that of a complete evaluation.
            stopped: whether the evaluation was stopped there.
        """
        progress = (not stopped, (step or 0) if stopped else 0)
        if self.best is None or progress > self._progress or (progress == self._progress and self._is_better(value)):
            self.best, self.best_step, self._progress, self._idle = value, step, progress, 0
        if self.target is None or self.reason:
            return
        if (value >= self.target) if self.mode == "max" else (value <= self.target):
            self.reason = "target"

    def _is_better(self, value: float) -> bool:
        assert self.best is not None
        return value > self.best if self.mode == "max" else value < self.best

    def add(self, value: float | None) -> None:
        """Count an evaluation of this call; ``value`` is None if it failed."""
        self._idle += 1
        if value is not None:
            self.observe(value)
        if self.patience is not None and self._idle >= self.patience and not self.reason:
            self.reason = "patience"

    def remaining(self, started: int) -> float:
        """Return how many evaluations may still be started; infinity for no limit."""
        return math.inf if self.max_evaluations is None else self.max_evaluations - started

    def wait(self, longest: float) -> float:
        """Return how long to wait at most, in seconds."""
        return max(0.0, min(longest, self.deadline - time.monotonic()))


def make_stop_rule(
    began: float,
    mode: str,
    max_evaluations: int | None,
    time_budget_s: float | None,
    target: float | None,
    patience: int | None,
) -> StopRule:
    """Return the rule; the arguments are those of ``optimize``, ``began`` is on the monotonic clock."""
    deadline = math.inf if time_budget_s is None else began + time_budget_s
    return StopRule(mode, max_evaluations, deadline, target, patience)

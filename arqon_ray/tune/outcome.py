"""What the end of a trial means for the study."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from arqon_ray.core.values import as_number, shown

STEP = "training_iteration"


@dataclass(frozen=True)
class Ticket:
    """A candidate in the hands of a trial; ``id`` is None for a user's own point that the study did not hand out."""

    id: str | None
    params: dict[str, Any]


@dataclass
class Trial:
    """A trial that was suggested and has not ended.

    Attributes:
        ticket: what it evaluates.
        config: what Tune was given for it.
        curve: the intermediate values by step; after a restart from scratch the later report of a step counts.
        latest: the step that was reported last.
        paused: True while the scheduler holds it back.
        last: of several objectives the values that were reported last; None otherwise.
    """

    ticket: Ticket
    config: dict[str, Any]
    curve: dict[int, float] = field(default_factory=dict)
    latest: int | None = None
    paused: bool = False
    last: dict[str, Any] | None = None

    def record(self, result: Mapping[str, Any], metric: str) -> tuple[int, float] | None:
        """Remember an intermediate result; return its step and value, or None when it has no usable value."""
        value = number(result.get(metric))
        if value is None or not math.isfinite(value):
            return None
        step = step_of(result)
        step = len(self.curve) + 1 if step is None else step
        self.curve[step] = value
        self.latest = step
        return step, value


@dataclass(frozen=True)
class Outcome:
    """The result of a trial: a value, a failure, or nothing at all (``released``)."""

    status: Literal["complete", "failed", "released"]
    value: float | None = None
    step: int | None = None
    reason: str | None = None
    values: list[float] | None = None

    def told(self) -> dict[str, Any]:
        """Return it as a study takes it, beside an id or params."""
        rest = {"status": self.status, "step": self.step, "reason": self.reason, "values": self.values}
        return {"value": self.value, **{key: value for key, value in rest.items() if value is not None}}


def outside(ticket: Ticket, outcome: Outcome) -> dict[str, Any]:
    """Return the result of a point that is no candidate, as a study's ``seed`` takes it."""
    return {"params": ticket.params, **outcome.told()}


def outcome_of(trial: Trial, result: Mapping[str, Any] | None, error: bool, metric: str) -> Outcome:
    """Decide what a completed trial was worth.

    An error, and a final value that is no finite number, is a failed evaluation. A trial that a scheduler
    stopped while it was paused ends without a result (HyperBand), and a final result may lack the metric:
    then the value reported last counts, at its step. With no value at all the candidate goes back.
    """
    if error:
        return Outcome("failed", reason="the trial ended with an error")
    if result is not None and metric in result:
        value = number(result[metric])
        if value is None or not math.isfinite(value):
            return Outcome("failed", step=step_of(result), reason=f"{metric} is {shown(result[metric])}")
        return Outcome("complete", value, step_of(result))
    if trial.latest is not None:
        return Outcome("complete", trial.curve[trial.latest], trial.latest)
    if result is None:
        return Outcome("released", reason="the trial ended before its first result")
    return Outcome("failed", reason=f"the trial ended without a value of {metric}")


def with_all(outcome: Outcome, trial: Trial, result: Mapping[str, Any] | None, metrics: Sequence[str]) -> Outcome:
    """Return the outcome of a trial with several objectives, whose first value is known; each has to be finite."""
    if outcome.status != "complete":
        return outcome
    source = result if result is not None and metrics[0] in result else trial.last or {}
    values = []
    for metric in metrics:
        value = number(source.get(metric))
        if value is None or not math.isfinite(value):
            return Outcome("failed", step=outcome.step, reason=f"{metric} is {shown(source.get(metric))}")
        values.append(value)
    return replace(outcome, values=values)


def number(value: Any) -> float | None:
    """Return a metric as a float, whatever number type it has; None when it is none."""
    try:
        return as_number(value)
    except TypeError:
        return None


def step_of(result: Mapping[str, Any]) -> int | None:
    """Return the step of a result; None when it has none."""
    step = number(result.get(STEP))
    return int(step) if step is not None and math.isfinite(step) else None

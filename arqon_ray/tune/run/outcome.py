"""A trial, from its candidate to the record of its evaluation."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from arqon_ray.core.inputs.values import shown
from arqon_ray.core.record.error_kinds import BAD_VALUE, NOT_THE_POINTS_FAULT, RAISED
from arqon_ray.core.record.evaluation import Error, Evaluation, Step
from arqon_ray.core.record.running import Running
from arqon_ray.tune.kept import kept_as
from arqon_ray.tune.results import finite, metrics_of, node_and_pid_of, number, reduced, seconds_of, step_of, time_of
from arqon_ray.tune.run.ending import Ending
from arqon_ray.tune.study.ticket import Ticket

_UNKNOWN_ERROR = Error(RAISED, "the trial ended with an error")


@kept_as("trial")
@dataclass
class Trial:
    """A trial that was suggested and has not ended.

    Attributes:
        ticket: its candidate.
        config: the config that Tune got.
        paused: whether the scheduler has paused it.
        last: its last result, as Tune passed it; a result is parsed only when it is needed, which is rare.
        latest: its last report with a finite value.
        values: of all objectives in that report.
        count: how many values it reported.
        untold: reports that the study does not get: those of several objectives, and of points that are not candidates.
    """

    ticket: Ticket
    config: dict[str, Any]
    paused: bool = False
    last: Mapping[str, Any] | None = None
    latest: Step | None = None
    values: tuple[Any, ...] = ()
    count: int = 0
    untold: Running = field(default_factory=Running)

    def record(self, result: Mapping[str, Any], metrics: Sequence[str]) -> Step | None:
        """Record an intermediate result.

        Args:
            result: the result.
            metrics: the names of the objectives.

        Returns:
            The report in it, whose value is None if it is not finite; None if it lacks the first objective.
        """
        self.last = result
        value = number(result.get(metrics[0]))
        if value is None:
            return None
        self.count += 1
        step = step_of(result)
        report = Step(self.count if step is None else step, finite(value), time_of(result, time.time()))
        if report.value is not None:
            self.latest = report
            if len(metrics) > 1:
                self.values = tuple(result.get(name) for name in metrics)
        return report

    def copy(self) -> Trial:
        """Return a copy that does not change when this one does."""
        return replace(self, untold=self.untold.copy())

    def __getstate__(self) -> dict[str, Any]:
        last = None if self.last is None else reduced(self.last)
        latest = None if self.latest is None else tuple(self.latest)
        return {**vars(self), "last": last, "latest": latest, "untold": self.untold.to_plain()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a pickle; those of 0.1.0 have a curve, and their ``last`` is the last values."""
        given = dict(state)
        curve, last = given.pop("curve", None), given.get("last")
        if curve is not None:
            step = given["latest"]
            latest = None if step is None else Step(step, curve[step])
            given |= {"latest": latest, "count": len(curve), "values": tuple((last or {}).values())}
        running = given.pop("untold", None)
        vars(self).update(vars(Trial(given["ticket"], given["config"])))
        vars(self).update(given)
        if self.latest is not None:
            self.latest = Step(*self.latest)
        if running is not None:
            self.untold = Running.from_plain(running)


def evaluation_of(
    trial: Trial, result: Mapping[str, Any] | None, metrics: Sequence[str], ending: Ending
) -> Evaluation | None:
    """Return the evaluation of a trial that has ended.

    An error or a final value that is not a finite number makes it a failed evaluation. A trial that a scheduler
    stopped while it was paused ends without a result (HyperBand), and a final result may lack the metric:
    then the last reported value counts, at its step.

    Args:
        trial: the trial.
        result: its last result, if Tune has one.
        metrics: the names of the objectives.
        ending: how it ended.

    Returns:
        None if the candidate goes back to the study: there never was a value, or its node was lost.
    """
    told = {**(trial.last or {}), **(result or {})}
    given = {name: told[name] for name in metrics if name in told}
    if ending.failed:
        error = ending.error or _UNKNOWN_ERROR
        if error.kind in NOT_THE_POINTS_FAULT:
            return None
        return _evaluation(trial, told, given, ending, status="failed", error=error, **_length(ending))
    if result is not None and metrics[0] in result:
        values: Sequence[Any] = [result.get(name) for name in metrics]
        step, ended = step_of(result), time_of(result, time.time())
        if trial.latest is not None and trial.latest.step == step:
            ended = trial.latest.time
    elif trial.latest is not None:
        values = trial.values if len(metrics) > 1 else (trial.latest.value,)
        step, ended = trial.latest.step, trial.latest.time
    elif result is None:
        return None
    else:
        missing = Error(BAD_VALUE, f"the trial ended without a value of {metrics[0]}")
        return _evaluation(trial, told, given, ending, status="failed", error=missing)
    numbers = tuple(number for number in map(finite, values) if number is not None)
    rest: dict[str, Any] = {"step": step, "ended": ended}
    if len(numbers) < len(metrics):
        name, value = next((name, value) for name, value in zip(metrics, values, strict=True) if finite(value) is None)
        bad = Error(BAD_VALUE, f"{name} is {shown(value)}")
        return _evaluation(trial, told, given, ending, status="failed", error=bad, **rest)
    rest |= {"value": numbers[0], "values": numbers if len(metrics) > 1 else None}
    rest |= {"status": "stopped" if ending.stopped else "complete"}
    return _evaluation(trial, told, dict(zip(metrics, numbers, strict=True)), ending, **rest)


def _length(ending: Ending) -> dict[str, Any]:
    """Return how long a trial took that ended with an error; Tune's last result does not say."""
    if ending.started is None or ending.ended is None:
        return {}
    return {"ended": ending.ended, "seconds": max(0.0, ending.ended - ending.started)}


def _evaluation(
    trial: Trial, told: Mapping[str, Any], objectives: Mapping[str, Any], ending: Ending, **rest: Any
) -> Evaluation:
    """Return the record, with the measurements and metrics beside the value."""
    node, pid = node_and_pid_of(told)
    measured = {"seconds": seconds_of(told), "started": ending.started, "attempt": ending.attempt}
    metrics, steps = metrics_of(told, objectives), trial.untold.sorted()
    ticket = trial.ticket
    return Evaluation(ticket.id, ticket.params, metrics=metrics, steps=steps, node=node, pid=pid, **(measured | rest))

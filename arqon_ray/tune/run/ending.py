"""How a trial ended: what Tune knows but does not tell a searcher.

``on_trial_complete`` says neither that a scheduler ended a trial (its last result looks like any other, even ``done``)
nor which exception it raised. Both are on the stack: ``TuneController`` calls the searcher where it handles the end.
A scheduler's STOP is noted when it is decided, since the result on which it was based is gone by then.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Any

from ray.air.constants import TRAINING_ITERATION
from ray.exceptions import OutOfMemoryError, RayActorError, RayTaskError
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial as RayTrial
from ray.tune.result import DONE
from ray.tune.schedulers import TrialScheduler

from arqon_ray.core.ledger.results import printable
from arqon_ray.core.record.error_kinds import DIED, NODE_LOST, OUT_OF_MEMORY, RAISED
from arqon_ray.core.record.evaluation import Error
from arqon_ray.service.background import short
from arqon_ray.tune import tune_call

_ENDS = frozenset({TuneController.stop_trial.__code__, TuneController._process_trial_failure.__code__})
_LOST = "its node has died"
"""Ray's message about an actor whose node was lost; the exception has no other sign of it."""
_COLOR = re.compile(r"\x1b\[[0-9;]*m")
_TRACE_LINES = 12


@dataclass(frozen=True)
class Ending:
    """How a trial ended; None for what is unknown.

    Attributes:
        failed: whether it ended with an error.
        stopped: whether a scheduler ended it before it came as far as the scheduler lets any trial come.
        error: the error.
        started: when Tune started it, in seconds since 1970.
        ended: when its error was noticed, likewise.
        attempt: how often Tune started it.
    """

    failed: bool = False
    stopped: bool = False
    error: Error | None = None
    started: float | None = None
    ended: float | None = None
    attempt: int = 1


def ending(trial_id: str, result: Mapping[str, Any] | None, failed: bool) -> Ending:
    """Return how the trial ended about which Tune is calling the searcher.

    Args:
        trial_id: Tune's name of the trial.
        result: its last result, as Tune passed it to the searcher.
        failed: whether it ended with an error, likewise.
    """
    frame = next((each for each in tune_call.frames() if each.f_code in _ENDS), None)
    if frame is None or frame.f_locals["trial"].trial_id != trial_id:
        # Not called by Tune: a Repeater for several trials, or a restored searcher for a trial that ended meanwhile.
        short_of_it = result is None or _came_all_the_way(tune_call.scheduler(), result) is False
        return Ending(failed, short_of_it and not failed)
    return _ending(frame, result, failed)


def _ending(frame: FrameType, result: Mapping[str, Any] | None, failed: bool) -> Ending:
    controller, trial = frame.f_locals["self"], frame.f_locals["trial"]
    started, failures = trial.run_metadata.start_time, trial.run_metadata.num_failures
    if failed:
        raised = frame.f_locals.get("exception")
        error = None if raised is None else error_of(raised)
        return Ending(True, False, error, started, time.time(), max(1, failures))
    scheduler = controller.scheduler_alg
    by_scheduler = result is None or not result.get(DONE) or trial.trial_id in _stopped_by(scheduler)
    stopped = by_scheduler and not _came_all_the_way(scheduler, trial.last_result or {})
    return Ending(False, stopped, None, started, None, failures + 1)


def _came_all_the_way(scheduler: Any, result: Mapping[str, Any]) -> bool | None:
    """Tell whether a trial came as far as its scheduler lets any trial come; None if it sets no such limit."""
    scheduler = getattr(scheduler, "_base_scheduler", scheduler)
    limit = getattr(scheduler, "_max_t", None) or getattr(scheduler, "_max_t_attr", None)
    reached = result.get(getattr(scheduler, "_time_attr", TRAINING_ITERATION))
    return None if limit is None or reached is None else bool(reached >= limit)


# Schedulers


class _StopWatcher:
    """Wraps a scheduler's ``on_trial_result`` and notes which trials it stopped."""

    def __init__(self, decide: Callable[..., str]) -> None:
        self._decide = decide
        self.stopped: set[str] = set()

    def __call__(self, controller: Any, trial: RayTrial, result: dict[str, Any]) -> str:
        decision = self._decide(controller, trial, result)
        if decision == TrialScheduler.STOP:
            self.stopped.add(trial.trial_id)
        return decision


def watch(scheduler: Any) -> None:
    """Start noting which trials a scheduler stops; it may be None."""
    if scheduler is not None and not isinstance(scheduler.on_trial_result, _StopWatcher):
        scheduler.on_trial_result = _StopWatcher(scheduler.on_trial_result)


def _stopped_by(scheduler: Any) -> set[str]:
    return getattr(scheduler.on_trial_result, "stopped", set())


# Errors


def error_of(raised: BaseException) -> Error:
    """Return the error of a trial from the exception that Tune has."""
    cause = getattr(raised, "cause", None) if isinstance(raised, RayTaskError) else raised
    message = printable(" ".join(short(cause if isinstance(cause, BaseException) else raised).split()))
    if isinstance(raised, RayActorError):
        return Error(NODE_LOST if raised.preempted or _LOST in str(raised) else DIED, message)
    kind = OUT_OF_MEMORY if isinstance(raised, OutOfMemoryError) else RAISED
    lines = _COLOR.sub("", str(raised)).strip().splitlines()[-_TRACE_LINES:]
    return Error(kind, message, printable("\n".join(lines)) if kind == RAISED else None)

"""The trials of a run: which hold a candidate, and how they are reconciled with Tune's after a restore."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from arqon_ray.errors import ConfigError
from arqon_ray.tune.run.outcome import Trial
from arqon_ray.tune.run.reconcile import Seen
from arqon_ray.tune.space.points import Point
from arqon_ray.tune.study.study import Study
from arqon_ray.tune.study.ticket import Ticket

logger = logging.getLogger(__name__)

Complete = Callable[[str, dict[str, Any], bool], None]
"""Handles the end of a trial: its id, its last result, and whether it failed."""


class Trials:
    """The table of trials.

    Attributes:
        held: trials that were suggested and have not ended, by Tune's name.
        ended: the names of trials that have ended.
        failed: trials that ended with an error; Tune may resume them.
        missed: trials of Tune's checkpoint that a restored searcher has not matched with a candidate yet.
    """

    def __init__(self) -> None:
        """Begin with no trial."""
        self.held: dict[str, Trial] = {}
        self.ended: set[str] = set()
        self.failed: dict[str, Trial] = {}
        self.missed: dict[str, Seen] = {}

    @property
    def running(self) -> int:
        """Number of trials that hold a candidate and are not paused."""
        return sum(not trial.paused for trial in self.held.values())

    def pause(self, trial_id: str, paused: bool) -> None:
        """Note that a scheduler paused or continued a trial; unknown trials are ignored."""
        if trial_id in self.held:
            self.held[trial_id].paused = paused

    def end(self, trial_id: str, error: bool) -> Trial | None:
        """Remove a trial that has ended, and return it; None if it is unknown."""
        again = self.failed.pop(trial_id, None)
        if again is not None and trial_id not in self.held:
            # Tune resumed a trial whose error was told: that candidate has its result, so this is a new evaluation.
            self.held[trial_id] = Trial(Ticket(None, again.ticket.params), again.config)
        trial = self.held.pop(trial_id, None)
        if trial is None:
            return None
        if error:
            self.failed[trial_id] = trial
        self.ended.add(trial_id)
        return trial

    def release(self, trial_ids: Iterable[str], study: Study) -> None:
        """Release the candidates of trials that Tune ended or dropped without calling the searcher."""
        for trial_id in trial_ids:
            study.release(self.held.pop(trial_id).ticket)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore a pickle; 0.1.0 had other names."""
        vars(self).update({name.removeprefix("_"): value for name, value in state.items()})

    # After a restore

    def reconcile(self, seen: Mapping[str, Seen], study: Study, complete: Complete) -> None:
        """Bring the trials in line with Tune's checkpoint, which may be older or newer than ours."""
        for trial_id in list(self.held):
            trial = seen.get(trial_id)
            if trial is None or trial.state == "stopped":  # Tune does not continue it, and does not say so
                self.release([trial_id], study)
            elif trial.state != "open":
                complete(trial_id, trial.result, trial.state == "error")
        unknown = seen.keys() - self.held.keys() - self.ended
        self.missed = {trial_id: seen[trial_id] for trial_id in seen if trial_id in unknown}

    def note_missed(self, trial_id: str, result: dict[str, Any] | None, error: bool) -> None:
        """Note how a missed trial ended; unknown trials are ignored."""
        if trial_id in self.missed:
            state = "error" if error else "stopped" if result is None else "done"
            self.missed[trial_id] = replace(self.missed[trial_id], state=state, result=result or {})

    def match_missed(
        self,
        study: Study,
        patience: float,
        point_of: Callable[[str, dict[str, Any]], Point],
        config_of: Callable[[Point], dict[str, Any]],
        complete: Complete,
    ) -> bool:
        """Match the missed trials with their candidates.

        Args:
            study: has their candidates.
            patience: seconds to wait for each.
            point_of: parses a trial's params; it raises ConfigError if they do not fit the space.
            config_of: builds the trial's config from a point.
            complete: called for trials that have ended.

        Returns:
            False if the study has not answered for all of them yet.
        """
        while self.missed:
            trial_id, seen = next(iter(self.missed.items()))
            if seen.state == "stopped":
                study.forget(trial_id)
                del self.missed[trial_id]
                continue
            try:
                point = point_of(trial_id, seen.params)
            except ConfigError as error:
                logger.error("a trial of the restored run is ignored: %s", error)
                del self.missed[trial_id]
                continue
            ticket = study.match(trial_id, point.params, patience)
            if ticket is None:
                return False
            del self.missed[trial_id]
            self.held[trial_id] = Trial(ticket, config_of(point))
            if seen.state != "open":
                complete(trial_id, seen.result, seen.state == "error")
        return True

    # Keeping

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps, as of now: what still changes is copied."""
        held = {trial_id: trial.copy() for trial_id, trial in self.held.items()}
        return {"trials": held, "ended": set(self.ended), "failed": dict(self.failed)}

    def take(self, state: Mapping[str, Any]) -> None:
        """Continue from what a checkpoint kept; files of earlier releases lack some of it."""
        self.held = state["trials"]
        self.ended, self.failed = state.get("ended", self.ended), state.get("failed", self.failed)

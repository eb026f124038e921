"""What Tune's own checkpoint says of its trials, beside the searcher's.

Tune writes the trials first and the searcher a moment later, and copies both to the storage in no order. A driver that
is killed in between leaves a searcher that is older than the trials, or newer.
"""

from __future__ import annotations

import glob
import json
import os
from dataclasses import dataclass
from typing import Any

from ray.tune.experiment import Trial as RayTrial

from arqon_ray.tune.kept import kept_as

_FILES = "experiment_state-*.json"


@kept_as("seen")
@dataclass(frozen=True)
class Seen:
    """A trial as Tune has it.

    Attributes:
        params: what the searcher suggested, flat.
        result: its last result.
        state: ``open`` while Tune goes on with it; ``done``, ``error``, or ``stopped`` when it ended without being
            complete (a time budget), which Tune tells no searcher.
    """

    params: dict[str, Any]
    result: dict[str, Any]
    state: str


def trials_beside(path: str) -> dict[str, Seen] | None:
    """Return the trials in the newest state of the experiment that a searcher's file lies beside; None without one."""
    files = glob.glob(os.path.join(glob.escape(os.path.dirname(path)), _FILES))
    if not files:
        return None
    with open(max(files)) as file:
        rows = json.load(file)["trial_data"]
    trials = {}
    for state, metadata in rows:
        trial = RayTrial.from_json_state(state, stub=True)
        trial.restore_run_metadata(metadata)
        trials[trial.trial_id] = Seen(dict(trial.evaluated_params or {}), dict(trial.last_result or {}), _state(trial))
    return trials


def _state(trial: Any) -> str:
    if trial.status == RayTrial.ERROR:
        return "error"
    if trial.status != RayTrial.TERMINATED:
        return "open"
    return "done" if (trial.last_result or {}).get("done") else "stopped"

"""The trials in Tune's own checkpoint, which lies beside the searcher's.

Tune writes the trials first and the searcher a moment later, and copies both to the storage in any order. If the driver
is killed in between, the searcher's file is older than the trials, or newer.
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
    """A trial in Tune's checkpoint.

    Attributes:
        params: the searcher's suggestion, flat.
        result: its last result.
        state: ``open`` if Tune continues it; ``done``, ``error``, or ``stopped`` if it ended without being complete
            (a time budget), about which Tune does not call a searcher.
    """

    params: dict[str, Any]
    result: dict[str, Any]
    state: str


def trials_beside(path: str) -> dict[str, Seen] | None:
    """Return the trials in the newest checkpoint of the experiment beside a searcher's file; None if there is none."""
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

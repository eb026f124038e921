"""What the progress line says while Tune runs the trials of a job."""

from __future__ import annotations

from typing import Any

import pytest

from arqon_ray import ArqonSolver
from arqon_ray.cli.tune_run import show_status
from arqon_ray.fanout import Progress

CONFIG = {"budget": 10, "bounds": {"x": {"min": 0.0, "max": 1.0}}}


@pytest.mark.parametrize("early", [0.1, 0.9])
def test_the_best_is_that_of_the_trial_that_went_furthest(early: float) -> None:
    """0.1 at step 1 is lower than 0.5 at step 9, and says nothing of what it would be worth at step 9."""
    solver = ArqonSolver(CONFIG)
    for value, step in ((early, 1), (0.5, 9)):
        (params,) = solver.ask(1)
        solver.tell([{"params": params, "value": value, "step": step, "status": "stopped"}])
    best = solver.best()
    assert best is not None
    status: Any = {"counts": {"told": 2, "failed": 1}, "best": best}
    progress = Progress("job", 10)
    show_status(status, progress)
    assert "2/10  best 0.5 (step 9)  1 failed" in progress.stats()


def test_there_is_no_best_before_the_first_result() -> None:
    status: Any = {"counts": {"told": 0, "failed": 0}, "best": None}
    progress = Progress("job", 10)
    show_status(status, progress)
    assert "0/10  best -" in progress.stats()

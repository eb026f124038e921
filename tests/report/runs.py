"""Runs that the tests of the reports share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from arqon_ray import ArqonSolver
from arqon_ray.core.record.evaluation import Error, Evaluation, Step
from arqon_ray.core.record.run import Run

ASSETS = Path(__file__).parent / "assets"
BOUNDS: dict[str, Any] = {"x": {"min": 0.0, "max": 1.0}}
STUDY: dict[str, Any] = {"seed": 1, "budget": 9, "mode": "min", "bounds": BOUNDS}
T = 1_700_000_000.5


def trial(number: int, status: Any, steps: list[float], **more: Any) -> Evaluation:
    """Return an evaluation that reported at each step, as a trial of Tune does."""
    value = None if status == "failed" else steps[-1]
    return Evaluation(
        str(number),
        {"x": number / 10},
        value,
        status,
        number,
        step=len(steps) if steps else None,
        steps=tuple(Step(k, each, T + 10 * number + k) for k, each in enumerate(steps, start=1)),
        origin="probe",
        **more,
    )


def halving() -> Run:
    """Return a run in which poor trials were stopped: the early values of some are better than any late one."""
    failure = Error("out_of_memory", "the node's memory was short", "Traceback <most> recent")
    evaluations = (
        trial(0, "stopped", [0.1], metrics={"loss": 0.1, "note": "<i>early</i>"}),
        trial(1, "complete", [0.9, 0.8, 0.7], metrics={"loss": 0.7, "note": "late", "flag": True}),
        trial(2, "stopped", [0.95, 0.2], metrics={"loss": 0.2}),
        trial(3, "complete", [0.9, 0.8, 0.6], metrics={"loss": 0.6, "only here": [1.0, 2.0]}),
        trial(4, "failed", [], error=failure, started=T, ended=T + 2.0, seconds=2.0),
        trial(5, "stopped", [0.05]),
        trial(6, "complete", [0.9, 0.8, 0.65]),
    )
    running = (trial(7, "running", [0.5, 0.45]),)
    return Run("halving", "loss", STUDY, evaluations, state="running", running=running)


def told(count: int = 8, **config: Any) -> ArqonSolver:
    """Return a solver that was told some values, and has one candidate in flight."""
    solver = ArqonSolver({"seed": 3, "budget": count + 2, "bounds": BOUNDS, "metric": "loss", **config})
    for number in range(count):
        candidate = solver.propose()
        assert candidate is not None
        solver.tell([{"eval_id": number, "metrics": {"loss": candidate.params["x"], "n": number}}])
    solver.propose()
    return solver

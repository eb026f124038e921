"""From a searcher's checkpoint to its study: whether it fits this searcher, and the study that continues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arqon_ray.core.inputs.values import shown
from arqon_ray.core.solver import ArqonSolver
from arqon_ray.errors import StateError
from arqon_ray.service import SolverClient
from arqon_ray.tune.objective import Objective
from arqon_ray.tune.plan import Plan, same_bounds
from arqon_ray.tune.run.outcome import Trial
from arqon_ray.tune.study.shared import SharedStudy
from arqon_ray.tune.study.study import OwnStudy, Study


def check_same_run(state: Mapping[str, Any], objective: Objective, plan: Plan, path: str) -> None:
    """Refuse the checkpoint of a run with another metric, mode or search space than this searcher's.

    Raises:
        StateError: if it is one; the message names what differs, and both values.
    """
    for name in ("metric", "mode"):
        here, there = getattr(objective, name), getattr(state["objective"], name)
        if None not in (here, there) and here != there:
            raise StateError(f"{path} is of a run with {name} {there!r}, this searcher has {here!r}")
    ours, kept = plan.space, state["plan"].space
    if ours is not None and kept is not None and not same_bounds(ours, kept):
        raise StateError(f"{path} is of another search space: {shown(kept.bounds)}, not {shown(ours.bounds)}")


def restored_study(state: Mapping[str, Any], actor: str | SolverClient | None, budget: int | None) -> Study | None:
    """Return the study of a checkpoint; None if it had none yet.

    Args:
        state: the checkpoint.
        actor: the searcher's.
        budget: the searcher's; replaces the study's if it is larger.

    Raises:
        StateError: if the checkpoint is of another actor, or its solver's state is damaged.
    """
    kept = state["study"]
    if kept is None:
        return None
    name = actor.name if isinstance(actor, SolverClient) else actor
    if kept.get("name") != name:
        raise StateError(f"it is of a searcher with actor={kept.get('name')!r}, this one has actor={name!r}")
    if name is not None:
        return SharedStudy.restored(kept)
    return OwnStudy.restored(kept["export"], held(state["trials"]), budget)


def unpickled_study(kept: Mapping[str, Any] | None) -> Study | None:
    """Return the study of a pickled searcher, with every candidate still in flight."""
    if kept is None:
        return None
    return SharedStudy.restored(kept) if "name" in kept else OwnStudy(ArqonSolver.from_state(kept["export"]))


def held(trials: Mapping[str, Trial]) -> set[str]:
    """Return the ids of the candidates that trials hold."""
    return {trial.ticket.id for trial in trials.values() if trial.ticket.id is not None}

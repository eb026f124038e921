"""A candidate that a trial holds, and the trial's evaluation as ``tell`` takes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from arqon_ray.core.record.evaluation import Evaluation
from arqon_ray.tune.kept import kept_as

_MEASURED = (*("values", "metrics", "step", "steps", "started", "ended", "seconds", "node", "pid", "error", "attempt"),)
_ABSENT: tuple[Any, ...] = (None, {}, [])


@kept_as("ticket")
@dataclass(frozen=True)
class Ticket:
    """A candidate that a trial holds; ``id`` is None for a user's point that the study did not hand out."""

    id: str | None
    params: dict[str, Any]


def entry(evaluation: Evaluation) -> dict[str, Any]:
    """Return an evaluation as ``tell`` takes it, or as ``seed`` does if it has no candidate; without empty fields."""
    plain = evaluation.to_dict()
    whose = ("params",) if evaluation.id is None else ("id",)
    keys = (*whose, "status", *_MEASURED)
    return {"value": evaluation.value, **{key: plain[key] for key in keys if plain[key] not in _ABSENT}}

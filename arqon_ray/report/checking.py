"""Whether a run that was read from a file has the form of one; whether its numbers are true, nobody can tell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import NoneType
from typing import Any, get_args

from arqon_ray.core.config import load_config
from arqon_ray.core.inputs.values import shown
from arqon_ray.core.record.evaluation import Evaluation, Status
from arqon_ray.core.record.run import Run, State

_TYPES: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "metric": (str,),
    "study": (Mapping,),
    "objective": (str,),
    "explain": (Mapping,),
    "recommended": (str, NoneType),
    "wall_seconds": (float, int, NoneType),
    "sessions": (int,),
    "versions": (Mapping,),
}


def check_run(run: Run) -> None:
    """Refuse a run in which an entry is of another type than a run has, or an evaluation contradicts itself.

    Raises:
        ConfigError: the study's config breaks a rule.
        ValueError: anything else does; the message names the entry and its value.
    """
    for name, value in vars(run).items():
        types = _TYPES.get(name)
        if types is not None and not isinstance(value, types):
            raise ValueError(f"{name} is {shown(value)}: it must be {' or '.join(map(_name, types))}")
    if run.state not in get_args(State):
        raise ValueError(f"state is {shown(run.state)}: it must be one of {', '.join(get_args(State))}")
    parameters = load_config(run.study).bounds
    for evaluation in (*run.running, *run.evaluations):
        if wrong := _what_is_wrong(evaluation, parameters):
            raise ValueError(f"in evaluation {shown(evaluation.id)}, {wrong}")


def _what_is_wrong(evaluation: Evaluation, parameters: Mapping[str, Any]) -> str:
    """Return why no study could have recorded an evaluation; empty if one could."""
    status: Any = evaluation.status  # read from a file, these may be of any type
    value: Any = evaluation.value
    params: Any = evaluation.params
    if not isinstance(params, Mapping):
        return f"params is {shown(params)}: it must be a dict"
    if unknown := [name for name in params if name not in parameters]:
        return f"params has {shown(unknown[0])}, which is no parameter of the study"
    if status not in get_args(Status):
        return f"status is {shown(status)}: it must be one of {', '.join(get_args(Status))}"
    if status == "failed":
        return "" if value is None else f"value is {shown(value)}, and the status failed: then there is no value"
    if status == "running" and value is None:  # otherwise it is that of the last report
        return ""
    if type(value) not in (float, int) or not math.isfinite(value):
        return f"value is {shown(value)}: it must be a finite number, as the status is {status}"
    return ""


def _name(kind: type) -> str:
    return {NoneType: "null", Mapping: "a dict"}.get(kind, kind.__name__)

"""The user's points: those to evaluate first, and those that were evaluated already."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arqon_ray.core.config import StudyConfig
from arqon_ray.core.inputs.values import shown
from arqon_ray.core.points import complete_params
from arqon_ray.core.space.space import Space
from arqon_ray.errors import ConfigError, ResultsError
from arqon_ray.tune.kept import kept_as
from arqon_ray.tune.results import number
from arqon_ray.tune.space.convert import SearchSpace
from arqon_ray.tune.space.nodes import Values


@kept_as("point")
@dataclass(frozen=True)
class Point:
    """A whole point: the study's params, and Tune's values exactly as the user gave them."""

    params: dict[str, Any]
    values: Values


def check_lists(points: Any, rewards: Any) -> tuple[list[dict[str, Any]], list[Any]]:
    """Check the types and lengths of ``points_to_evaluate`` and ``evaluated_rewards``, before any space is known.

    Raises:
        ConfigError: if one is not a list, an entry is not a dict, or the lengths differ.
    """
    for name, given in (("points_to_evaluate", points), ("evaluated_rewards", rewards)):
        if given is not None and (isinstance(given, str | Mapping) or not isinstance(given, Sequence)):
            raise ConfigError(f"{name} is {shown(given)}: it must be a list")
    points, rewards = list(points or ()), list(rewards or ())
    for i, point in enumerate(points):
        if not isinstance(point, Mapping):
            raise ConfigError(f"points_to_evaluate[{i}] is {shown(point)}: it must be a dict, as the trial gets it")
    if rewards and len(rewards) != len(points):
        raise ConfigError(
            f"evaluated_rewards has {len(rewards)} values for {len(points)} points_to_evaluate: give one for each, "
            "or none"
        )
    return [dict(point) for point in points], rewards


def whole_point(given: Mapping[str, Any], space: SearchSpace, config: StudyConfig, name: str, strict: bool) -> Point:
    """Return a user's point with every parameter; those that it leaves out are taken from the probe.

    Args:
        given: the trial's config or a part of it, nested or with flat keys; or a row of a study's ``history()``,
            ``best()`` or ``pareto()``.
        space: the search space.
        config: the study's.
        name: the point's name in messages.
        strict: False for a whole ``trial.config``, which has keys that are not searched.

    Raises:
        ConfigError: if it does not fit the space; the message names the key.
    """
    row = _params_of_row(given, space) if strict else None
    if row is not None:
        return _point_of_row(row, space, config, name)
    try:
        values = space.read(given, strict)
        params = complete_params(space.encode(values), config, Space(config.bounds))
    except (ConfigError, ResultsError) as error:
        raise ConfigError(f"{name}: {error}") from None
    decoded = space.decode(params)
    return Point(params, {key: values.get(key, value) for key, value in decoded.items()})


def _params_of_row(given: Mapping[str, Any], space: SearchSpace) -> Mapping[str, Any] | None:
    """Return the params of a row of a study's history; None for a trial's config."""
    params = given.get("params")
    searched = any(name == "params" or name.startswith("params/") for name in space.bounds)
    return params if isinstance(params, Mapping) and "value" in given and not searched else None


def _point_of_row(row: Mapping[str, Any], space: SearchSpace, config: StudyConfig, name: str) -> Point:
    study = Space(config.bounds)
    try:
        study.encode(row)
    except ResultsError as error:
        raise ConfigError(f"{name}.{error}") from None
    params = study.native(row)
    return Point(params, dict(space.decode(params)))


def observation(point: Point, reward: Any) -> dict[str, Any]:
    """Return a point and its reward as ``seed`` takes them; a reward that is not a finite number is a failure.

    With several objectives the reward is a list.
    """
    if isinstance(reward, list | tuple):
        return {"params": point.params, "values": [number(each) for each in reward]}
    value = number(reward)
    if value is None or not math.isfinite(value):
        return {"params": point.params, "value": None, "reason": f"the value is {shown(reward)}"}
    return {"params": point.params, "value": value}


def evaluated(point: Point, value: Any, error: bool, pruned: bool, reports: Sequence[Any]) -> dict[str, Any] | None:
    """Return a point that was evaluated elsewhere as ``seed`` takes it; None if it was pruned before any report.

    Args:
        point: the point.
        value: its reward, see :func:`observation`; if it is None and the point was pruned, its last report counts.
        error: whether the evaluation failed.
        pruned: whether it was stopped early.
        reports: its intermediate values, one per step.
    """
    if pruned and value is None:
        if not reports:
            return None
        value = reports[-1]
    steps = [[step, each, None] for step, each in enumerate(reports, 1)]
    if error:
        return {"params": point.params, "value": None, "status": "failed", "steps": steps}
    told = {**observation(point, value), "steps": steps}
    return {**told, "step": len(steps), "status": "stopped"} if pruned and steps else told

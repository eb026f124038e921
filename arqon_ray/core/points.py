"""Points that the user wants evaluated: checked, and completed when parameters are left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from arqon_ray.core.config import StudyConfig
from arqon_ray.core.inputs.plain import same, value_of
from arqon_ray.core.inputs.spelling import did_you_mean
from arqon_ray.core.inputs.values import broken, is_missing, shown
from arqon_ray.core.probe.probe import ArqonProbe
from arqon_ray.core.space.space import Params, Space
from arqon_ray.errors import ConfigError, ResultsError


def complete_params(given: Mapping[str, Any], config: StudyConfig, space: Space, index: int = 0) -> Params:
    """Check a point, and give a value to every parameter that it leaves out.

    Args:
        given: the values of all or some parameters, or a row of ``history()``. A parent that is left out gets a value
            for which its given children exist.
        config: the study's config.
        space: the study's space.
        index: parameters that are left out get the values of the probe's point of this index.

    Returns:
        The native values of all parameters that exist at the point.

    Raises:
        ResultsError: the point does not fit the space; the message names the parameter.
    """
    if not isinstance(given, Mapping):
        raise ResultsError(broken("params", given, "a dict of the parameters' values, or some of them"))
    given = given_params(given, config)
    for name in given:
        if name not in config.bounds:
            near = did_you_mean(name, config.bounds)
            raise ResultsError(f"params has {shown(name)}{near}: this study has no such parameter")
    full = _filled(given, config, index)
    space.encode(full)
    return space.native(full)


def given_params(given: Mapping[str, Any], config: StudyConfig) -> Mapping[str, Any]:
    """Return the params of a row of ``history()``; anything else is a point and returned as it is."""
    params = given.get("params")
    return params if isinstance(params, Mapping) and "value" in given and "params" not in config.bounds else given


def _filled(given: Mapping[str, Any], config: StudyConfig, index: int) -> dict[str, Any]:
    filler: Mapping[str, Any] | None = None
    needed = _needed(given, config)
    full: dict[str, Any] = {}
    for name, parameter in config.bounds.items():  # parents come first
        conditions = (parameter.when or {}).items()
        if not all(parent in full and _is_one_of(full[parent], values) for parent, values in conditions):
            if not is_missing(given.get(name)):
                raise ResultsError(
                    f"params.{name} is {shown(given[name])}: its condition does not hold at this point, so leave it out"
                )
            continue
        if name not in given and filler is None:
            filler = _unconditional_sample(config, index)
        full[name] = given[name] if name in given else _allowed((filler or {})[name], needed.get(name, []))
    return full


def _needed(given: Mapping[str, Any], config: StudyConfig) -> dict[str, list[Sequence[Any]]]:
    """Return, for each parent that is left out, the lists of values that its given children need it to have."""
    exist = {name for name, value in given.items() if not is_missing(value)}
    needed: dict[str, list[Sequence[Any]]] = {}
    for name, parameter in reversed(config.bounds.items()):  # children come first
        for parent, values in (parameter.when or {}).items() if name in exist else ():
            if parent not in given:
                exist.add(parent)
                needed.setdefault(parent, []).append(values)
    return needed


def _allowed(value: Any, lists: Sequence[Sequence[Any]]) -> Any:
    """Return the value if all lists contain it, else the first value that all contain, else the value."""
    if not lists or all(_is_one_of(value, each) for each in lists):
        return value
    return next((one for one in lists[0] if all(_is_one_of(one, each) for each in lists[1:])), value)


def _is_one_of(value: Any, values: Sequence[Any]) -> bool:
    return any(same(value_of(value), value_of(each)) for each in values)


def _unconditional_sample(config: StudyConfig, index: int) -> Mapping[str, Any]:
    """Return a value for every parameter, as if there were no conditions."""
    bounds = config.to_dict()["bounds"]
    free = {name: {key: value for key, value in p.items() if key != "when"} for name, p in bounds.items()}
    return ArqonProbe({"bounds": free}, seed=config.seed).sample_at(index)


def complete_points(
    params: Mapping[str, Any] | Sequence[Mapping[str, Any]], config: StudyConfig, space: Space, first: int = 0
) -> list[Params]:
    """Complete one point or a list of points; see :func:`complete_params`.

    Raises:
        ResultsError: a point does not fit the space; the message names its index in the list.
    """
    if isinstance(params, Mapping):
        return [complete_params(params, config, space, first)]
    if not isinstance(params, list | tuple):
        raise ResultsError(broken("params", params, "a dict of the parameters' values, or a list of such dicts"))
    completed = []
    for index, point in enumerate(params):
        try:
            completed.append(complete_params(point, config, space, first + index))
        except ResultsError as error:
            raise type(error)(f"points[{index}]: {error}") from None
    return completed


def check_points(points: Any, config: StudyConfig) -> list[dict[str, Any]]:
    """Check ``points_to_evaluate`` before there is a study, and return the native values that each point gives.

    Raises:
        ConfigError: it is not a list, or a point does not fit the space; the message names index and parameter.
    """
    if points is None:
        return []
    if isinstance(points, str | bytes | Mapping) or not isinstance(points, Sequence):
        raise ConfigError(broken("points_to_evaluate", points, "a list of points, each a dict of parameters"))
    space = Space(config.bounds)
    native = []
    for index, point in enumerate(points):
        try:
            native.append(restricted(complete_params(point, config, space), point, config))
        except ResultsError as error:
            raise ConfigError(f"points_to_evaluate[{index}]: {error}") from None
    return native


def restricted(whole: Mapping[str, Any], point: Mapping[str, Any], config: StudyConfig) -> dict[str, Any]:
    """Return the part of a completed point that the user gave: points are identified by it."""
    given = given_params(point, config)
    return {name: value for name, value in whole.items() if name in given}

"""Points that the user brings to be evaluated: completed where they leave something out, and checked."""

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
    """Return a point with every parameter that exists there, as native values.

    Args:
        given: the point, or a part of it; conditions may leave parameters out. Or a row of a ``history()``. A parent
            that is left out is completed so that the children that are given exist.
        config: the study's.
        space: the study's.
        index: what is left out is taken from the probe's point of this index.

    Raises:
        ResultsError: it does not fit the space; the message names the parameter.
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
    """Return the params of a row that a study handed out; a point is returned as it is."""
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
                    f"params.{name} is {shown(given[name])}: it does not exist here, its condition does not hold"
                )
            continue
        if name not in given and filler is None:
            filler = _unconditional_sample(config, index)
        full[name] = given[name] if name in given else _allowed((filler or {})[name], needed.get(name, []))
    return full


def _needed(given: Mapping[str, Any], config: StudyConfig) -> dict[str, list[Sequence[Any]]]:
    """Return, for each parent that is left out, lists of values: it must be in each for what is given to exist."""
    exist = {name for name, value in given.items() if not is_missing(value)}
    needed: dict[str, list[Sequence[Any]]] = {}
    for name, parameter in reversed(config.bounds.items()):  # children come first
        for parent, values in (parameter.when or {}).items() if name in exist else ():
            if parent not in given:
                exist.add(parent)
                needed.setdefault(parent, []).append(values)
    return needed


def _allowed(value: Any, lists: Sequence[Sequence[Any]]) -> Any:
    """Return the value if all lists have it, else the first one that all have; the value where there is none."""
    if not lists or all(_is_one_of(value, each) for each in lists):
        return value
    return next((one for one in lists[0] if all(_is_one_of(one, each) for each in lists[1:])), value)


def _is_one_of(value: Any, values: Sequence[Any]) -> bool:
    return any(same(value_of(value), value_of(each)) for each in values)


def _unconditional_sample(config: StudyConfig, index: int) -> Mapping[str, Any]:
    """Return a value for every parameter, whether or not it exists."""
    bounds = config.to_dict()["bounds"]
    free = {name: {key: value for key, value in p.items() if key != "when"} for name, p in bounds.items()}
    return ArqonProbe({"bounds": free}, seed=config.seed).sample_at(index)


def complete_points(
    params: Mapping[str, Any] | Sequence[Mapping[str, Any]], config: StudyConfig, space: Space, first: int = 0
) -> list[Params]:
    """Return one point, or a list of them, as a list of whole ones; see :func:`complete_params`.

    Raises:
        ResultsError: it is neither, or one does not fit the space; the message names its place in a list.
    """
    if isinstance(params, Mapping):
        return [complete_params(params, config, space, first)]
    if not isinstance(params, list | tuple):
        raise ResultsError(broken("params", params, "a dict of the parameters' values, or a list of such dicts"))
    whole = []
    for place, point in enumerate(params):
        try:
            whole.append(complete_params(point, config, space, first + place))
        except ResultsError as error:
            raise type(error)(f"points[{place}]: {error}") from None
    return whole


def check_points(points: Any, config: StudyConfig) -> list[dict[str, Any]]:
    """Return ``points_to_evaluate`` as dicts of the native values that they give, if all fit; before there is a study.

    Raises:
        ConfigError: it is no list, or a point does not fit; the message names the place and the parameter.
    """
    if points is None:
        return []
    if isinstance(points, str | bytes | Mapping) or not isinstance(points, Sequence):
        raise ConfigError(broken("points_to_evaluate", points, "a list of points, each a dict of parameters"))
    space = Space(config.bounds)
    native = []
    for place, point in enumerate(points):
        try:
            native.append(restricted(complete_params(point, config, space), point, config))
        except ResultsError as error:
            raise ConfigError(f"points_to_evaluate[{place}]: {error}") from None
    return native


def restricted(whole: Mapping[str, Any], point: Mapping[str, Any], config: StudyConfig) -> dict[str, Any]:
    """Return of a whole point what the user gave: what completes a point is not what it is known by."""
    given = given_params(point, config)
    return {name: value for name, value in whole.items() if name in given}

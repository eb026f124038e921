"""Points that the user brings to be evaluated: completed where they leave something out, and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from arqon_ray.core.config import StudyConfig
from arqon_ray.core.plain import same, value_of
from arqon_ray.core.probe import ArqonProbe
from arqon_ray.core.space import Params, Space
from arqon_ray.core.spelling import did_you_mean
from arqon_ray.core.values import broken, is_missing, shown
from arqon_ray.errors import ConfigError, ResultsError


def whole_params(given: Mapping[str, Any], config: StudyConfig, space: Space, index: int = 0) -> Params:
    """Return a point with every parameter that exists there, as native values.

    Args:
        given: the point, or a part of it; conditions may leave parameters out. Or a row of a ``history()``.
        config: the study's.
        space: the study's.
        index: what is left out is taken from the probe's point of this index.

    Raises:
        ResultsError: it does not fit the space; the message names the parameter.
    """
    if not isinstance(given, Mapping):
        raise ResultsError(broken("params", given, "a dict of the parameters' values, or some of them"))
    given = _params_in(given, config)
    for name in given:
        if name not in config.bounds:
            near = did_you_mean(name, config.bounds)
            raise ResultsError(f"params has {shown(name)}{near}: this study has no such parameter")
    full = _filled(given, config, index)
    space.encode(full)
    return space.native(full)


def _params_in(given: Mapping[str, Any], config: StudyConfig) -> Mapping[str, Any]:
    """Return the params of a row that a study handed out; a point is returned as it is."""
    params = given.get("params")
    return params if isinstance(params, Mapping) and "value" in given and "params" not in config.bounds else given


def _filled(given: Mapping[str, Any], config: StudyConfig, index: int) -> dict[str, Any]:
    filler: Mapping[str, Any] | None = None
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
        full[name] = given[name] if name in given else (filler or {})[name]
    return full


def _is_one_of(value: Any, values: Sequence[Any]) -> bool:
    return any(same(value_of(value), value_of(each)) for each in values)


def _unconditional_sample(config: StudyConfig, index: int) -> Mapping[str, Any]:
    """Return a value for every parameter, whether or not it exists."""
    bounds = config.to_dict()["bounds"]
    free = {name: {key: value for key, value in p.items() if key != "when"} for name, p in bounds.items()}
    return ArqonProbe({"bounds": free}, seed=config.seed).sample_at(index)


def whole_points(
    params: Mapping[str, Any] | Sequence[Mapping[str, Any]], config: StudyConfig, space: Space, first: int = 0
) -> list[Params]:
    """Return one point, or a list of them, as a list of whole ones; see :func:`whole_params`.

    Raises:
        ResultsError: it is neither, or one does not fit the space; the message names its place in a list.
    """
    if isinstance(params, Mapping):
        return [whole_params(params, config, space, first)]
    if not isinstance(params, list | tuple):
        raise ResultsError(broken("params", params, "a dict of the parameters' values, or a list of such dicts"))
    whole = []
    for place, point in enumerate(params):
        try:
            whole.append(whole_params(point, config, space, first + place))
        except ResultsError as error:
            raise type(error)(f"points[{place}]: {error}") from None
    return whole


def check_points(points: Any, config: StudyConfig) -> list[dict[str, Any]]:
    """Return ``points_to_evaluate`` as plain dicts, if all of them fit a study; before there is any.

    Raises:
        ConfigError: it is no list, or a point does not fit; the message names the place and the parameter.
    """
    if points is None:
        return []
    if isinstance(points, str | bytes | Mapping) or not isinstance(points, Sequence):
        raise ConfigError(broken("points_to_evaluate", points, "a list of points, each a dict of parameters"))
    space = Space(config.bounds)
    for place, point in enumerate(points):
        try:
            whole_params(point, config, space)
        except ResultsError as error:
            raise ConfigError(f"points_to_evaluate[{place}]: {error}") from None
    return [{n: value_of(value) for n, value in _params_in(point, config).items()} for point in points]

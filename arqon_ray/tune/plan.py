"""What the user asked for: space, options and points, as far as they are known before the study exists."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ray.tune.search.variant_generator import parse_spec_vars

from arqon_ray.core.config import StudyConfig, is_arqon_config, load_config
from arqon_ray.tune.kept import kept_as
from arqon_ray.tune.space.config_space import ConfigurationSpaceOf, is_config_space
from arqon_ray.tune.space.convert import ArqonSpace, SearchSpace, TuneSpace
from arqon_ray.tune.space.points import Point, check_lists, observation, whole_point
from arqon_ray.tune.space.sameness import fingerprint
from arqon_ray.tune.tune_call import placeholder_objects


@kept_as("plan")
class Plan:
    """The user's space, options and points.

    Attributes:
        space: None until the constructor, the run or the shared study gives one.
        constants: whether a trial's config includes the space's constants; those of ``param_space`` are left to Tune.
        options: the keys of the arqon config that the user gave, without ``bounds``, ``mode`` and ``metric``.
        config_mode: the arqon config's mode.
        config_metric: the arqon config's metric.
    """

    def __init__(
        self,
        space: Mapping[str, Any] | str | None,
        options: Mapping[str, Any],
        points: Sequence[Mapping[str, Any]] | None,
        rewards: Sequence[float | Sequence[float]] | None,
    ) -> None:
        """Check the constructor's arguments.

        Raises:
            ConfigError: if one is invalid; the message names the key.
        """
        self.space: SearchSpace | None = None
        self.constants = True
        self.options = {key: value for key, value in options.items() if value is not None}
        self.config_mode: str | None = None
        self.config_metric: str | None = None
        self._points, self._rewards = check_lists(points, rewards)
        if is_config_space(space):
            self.adopt(ConfigurationSpaceOf(space))
        elif isinstance(space, str) or is_arqon_config(space):
            self._read_config(space or "")
        elif space is not None:
            self.adopt(TuneSpace(space))

    def _read_config(self, source: Mapping[str, Any] | str) -> None:
        checked = load_config(source).to_dict()
        given = {key: checked[key] for key in _plain(source) if key in checked}
        self.config_mode, self.config_metric = given.pop("mode", None), given.pop("metric", None)
        space = ArqonSpace(given.pop("bounds"))
        self.options = {**given, **self.options}
        self.adopt(space)

    def adopt(self, space: SearchSpace) -> None:
        """Set the space, after checking that options and points fit it.

        Raises:
            ConfigError: if one does not.
        """
        self.complete_points(space, self.config(space))
        self.space = space

    def use_live_space(self, own: Plan) -> None:
        """Use the space of the searcher that restores a checkpoint: it is equal, and holds the live objects."""
        self.space, self.constants = own.space, own.constants

    def take_param_space(self, param_space: Mapping[str, Any]) -> bool:
        """Use the ``param_space`` of the run, unless there is a space already.

        Returns:
            False if it has domains that would not be searched.

        Raises:
            ConfigError: if the space is invalid, or a point does not fit it.
        """
        _, domains, grids = parse_spec_vars(dict(param_space))
        if not domains and not grids:
            return True
        space = TuneSpace(param_space, placeholder_objects())
        if self.space is not None and (self.constants or not same_bounds(self.space, space)):
            return False
        self.adopt(space)
        self.constants = False
        return True

    def wanted(self, space: SearchSpace, mode: str | None, metric: str | None) -> dict[str, Any]:
        """Return the arqon config with the keys that the user gave."""
        named = {"mode": mode, "metric": metric}
        return {
            **self.options,
            **{key: name for key, name in named.items() if name is not None},
            "bounds": space.bounds,
        }

    def config(self, space: SearchSpace, mode: str | None = None, metric: str | None = None) -> StudyConfig:
        """Return the validated config, with defaults for the other keys."""
        return load_config(self.wanted(space, mode, metric))

    def complete_points(self, space: SearchSpace, config: StudyConfig) -> list[Point]:
        """Return ``points_to_evaluate``, each with every parameter.

        Raises:
            ConfigError: if one does not fit the space; the message names its index and the key.
        """
        name = "points_to_evaluate[{}]"
        return [whole_point(p, space, config, name.format(i), strict=True) for i, p in enumerate(self._points)]

    @property
    def evaluated(self) -> bool:
        """Whether the points have rewards and are told instead of run."""
        return bool(self._rewards)

    def observations(self, points: Sequence[Point]) -> list[dict[str, Any]]:
        """Return the points with their rewards, as ``seed`` takes them."""
        return [observation(point, reward) for point, reward in zip(points, self._rewards, strict=True)]


def same_bounds(one: SearchSpace, other: SearchSpace) -> bool:
    """Tell whether two spaces have the same parameters; choices 0 and 1 differ from False and True."""
    return one.bounds == other.bounds and fingerprint(one.bounds, loose=True) == fingerprint(other.bounds, loose=True)


def _plain(source: Mapping[str, Any] | str) -> Mapping[str, Any]:
    """Return the keys that the user gave."""
    parsed: Mapping[str, Any] = json.loads(source) if isinstance(source, str) else source
    return parsed

"""What is to be searched, as far as it is known before the study is made."""

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
from arqon_ray.tune.tune_call import behind_placeholders


@kept_as("plan")
class Plan:
    """The user's space, options and points.

    Attributes:
        space: None until the constructor, the run or the shared study gives one.
        constants: whether a trial's config has the space's constants too; the run's own ones are left to Tune.
        options: the arqon config without ``bounds``, ``mode`` and ``metric``, as far as the user gave it.
        config_mode: the mode that an arqon config gives.
        config_metric: the metric that it names.
    """

    def __init__(
        self,
        space: Mapping[str, Any] | str | None,
        options: Mapping[str, Any],
        points: Sequence[Mapping[str, Any]] | None,
        rewards: Sequence[float | Sequence[float]] | None,
    ) -> None:
        """Check what the constructor was given.

        Raises:
            ConfigError: when anything breaks a rule; the message names the key.
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
        """Take the space, once options and points are found to fit it.

        Raises:
            ConfigError: when one does not.
        """
        self.complete_points(space, self.config(space))
        self.space = space

    def go_on_with(self, own: Plan) -> None:
        """Take the space of the searcher that a file is read into: it is the same, and its objects are there."""
        self.space, self.constants = own.space, own.constants

    def offer(self, param_space: Mapping[str, Any]) -> bool:
        """Take the ``param_space`` of the run, unless there is a space already.

        Returns:
            False when it has domains that nobody is going to search.

        Raises:
            ConfigError: when the space breaks a rule, or a point does not fit it.
        """
        _, domains, grids = parse_spec_vars(dict(param_space))
        if not domains and not grids:
            return True
        space = TuneSpace(param_space, behind_placeholders())
        if self.space is not None and (self.constants or not same_bounds(self.space, space)):
            return False
        self.adopt(space)
        self.constants = False
        return True

    def wanted(self, space: SearchSpace, mode: str | None, metric: str | None) -> dict[str, Any]:
        """Return the arqon config as far as the user decided it."""
        named = {"mode": mode, "metric": metric}
        return {
            **self.options,
            **{key: name for key, name in named.items() if name is not None},
            "bounds": space.bounds,
        }

    def config(self, space: SearchSpace, mode: str | None = None, metric: str | None = None) -> StudyConfig:
        """Return the checked config, with the defaults where the user decided nothing."""
        return load_config(self.wanted(space, mode, metric))

    def complete_points(self, space: SearchSpace, config: StudyConfig) -> list[Point]:
        """Return ``points_to_evaluate``, each with every parameter.

        Raises:
            ConfigError: when one does not fit the space; the message names its place and the key.
        """
        name = "points_to_evaluate[{}]"
        return [whole_point(p, space, config, name.format(i), strict=True) for i, p in enumerate(self._points)]

    @property
    def evaluated(self) -> bool:
        """Whether the points have rewards and are not to be run."""
        return bool(self._rewards)

    def observations(self, points: Sequence[Point]) -> list[dict[str, Any]]:
        """Return the whole points with their rewards, as a study takes them."""
        return [observation(point, reward) for point, reward in zip(points, self._rewards, strict=True)]


def same_bounds(one: SearchSpace, other: SearchSpace) -> bool:
    """Tell whether two spaces have the same parameters; 0 and 1 are other choices than False and True."""
    return one.bounds == other.bounds and fingerprint(one.bounds, loose=True) == fingerprint(other.bounds, loose=True)


def _plain(source: Mapping[str, Any] | str) -> Mapping[str, Any]:
    """Return the keys that the user gave."""
    parsed: Mapping[str, Any] = json.loads(source) if isinstance(source, str) else source
    return parsed

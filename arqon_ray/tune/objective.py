"""The metric that is optimized and its direction, or several of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ray.tune.result import DEFAULT_METRIC

from arqon_ray.core.config import StudyConfig
from arqon_ray.errors import ConfigError
from arqon_ray.tune.kept import kept_as
from arqon_ray.tune.tune_call import metric_and_mode

LOSS = "loss"
"""The metric if none is named."""


@kept_as("objective")
class Objective:
    """Metric and mode; they come from the constructor, the config, the run or the study, or are the defaults.

    Attributes:
        metric: None until it is known or :meth:`decide` decides it; with several objectives, the first.
        mode: ``min``, ``max``, or None if not given; with several objectives, the first one's.
        metrics: all metrics of several objectives; None if there is one.
        modes: their modes, likewise.
    """

    metrics: list[str] | None = None  # class attributes, since pickles of earlier releases lack them
    modes: list[str] | None = None

    def __init__(self, metric: Any, mode: Any) -> None:
        """Take the constructor's arguments.

        Raises:
            ConfigError: if one of them is malformed.
        """
        if isinstance(metric, list | tuple):
            self.metrics, self.modes = _several(metric, mode)
            metric, mode = self.metrics[0], self.modes[0]
        _check(metric, mode)
        self.metric: str | None = metric
        self.mode: str | None = mode
        self._unnamed = False
        self._mode_alone = mode is not None

    def learn(self, metric: Any, mode: Any) -> None:
        """Fill in what is not known yet from the run.

        A mode for a different metric is ignored; several objectives come from the constructor only.

        Raises:
            ConfigError: if one is malformed, or the run has another mode for the same metric.
        """
        _check(metric, mode)
        if self.metrics is not None:
            return
        if self.metric is not None and metric not in (None, self.metric):
            return
        if self.mode is not None and mode not in (None, self.mode):
            raise ConfigError(f"mode is {self.mode!r} in ArqonSearcher and {mode!r} in the run: give it once")
        self.metric, self.mode = self.metric or metric, self.mode or mode
        self._mode_alone = self._mode_alone or mode is not None

    def learn_from_config(self, mode: Any, metric: Any = None) -> None:
        """Fill in what is not known yet from an arqon config.

        Raises:
            ConfigError: if the constructor was given another value.
        """
        for name, ours, its in (("mode", self.mode, mode), ("metric", self.metric, metric)):
            if ours is not None and its not in (None, ours):
                raise ConfigError(f"{name} is {ours!r} in ArqonSearcher and {its!r} in its config: give it once")
        self.mode, self.metric = self.mode or mode, self.metric or metric

    def learn_from_study(self, config: StudyConfig) -> None:
        """Fill in what is not known yet from a study's config, including the metric's name if none was named here.

        Raises:
            ConfigError: if its mode is different.
        """
        self.learn_from_config(config.mode)
        unnamed = self.metric is None or self._unnamed
        if unnamed and config.metric not in (None, self.metric):
            self.metric, self._unnamed = config.metric, False

    def check_modes(self, modes: Sequence[str] | None) -> None:
        """Refuse a study or config with other objectives.

        Raises:
            ConfigError: if they differ; the message says what to give.
        """
        if modes != self.modes:
            metric, mode = self.metrics or self.metric, self.modes or self.mode
            raise ConfigError(
                f"objectives is {modes!r} and metric {metric!r} with mode {mode!r}: give ArqonSearcher a list of "
                "metrics with these modes"
            )

    @property
    def name(self) -> str | None:
        """The metric's name in a study's config; None for several objectives, and for bare numbers."""
        return None if self.metrics is not None or self.metric == DEFAULT_METRIC else self.metric

    def decide(self) -> str:
        """Decide the metric: if only a mode was given it is, as everywhere in Tune, Tune's name for a bare number."""
        if self.metric is None or self.mode is None:
            self.learn(*metric_and_mode())
        if self.metric is None:
            self._unnamed = True
            self.metric = DEFAULT_METRIC if self._mode_alone else LOSS
        return self.metric

    def names(self, result: Mapping[str, Any] | None) -> Sequence[str]:
        """Return the names of the objectives in a result; if no metric was named, the default that the result has."""
        if self.metrics is not None:
            return self.metrics
        metric = self.decide()
        if self._unnamed and result is not None and metric not in result:
            metric = next((name for name in (LOSS, DEFAULT_METRIC) if name in result), metric)
        return (metric,)


def _several(metric: Any, mode: Any) -> tuple[list[str], list[str]]:
    """Return the checked lists of several objectives."""
    names = list(metric)
    if len(names) < 2 or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise ConfigError(f"metric is {metric!r}: it must be the name of a metric, or a list of different names")
    modes = list(mode) if isinstance(mode, list | tuple) else [mode] * len(names)
    if len(modes) != len(names) or not all(each in ("min", "max") for each in modes):
        raise ConfigError(f"mode is {mode!r}: it must be 'min' or 'max' for each of {names!r}")
    return names, modes


def _check(metric: Any, mode: Any) -> None:
    if metric is not None and not isinstance(metric, str):
        raise ConfigError(f"metric is {metric!r}: it must be the name of a metric")
    if mode not in (None, "min", "max"):
        raise ConfigError(f"mode is {mode!r}: it must be 'min' or 'max'")

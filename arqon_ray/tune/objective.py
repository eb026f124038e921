"""Which result is optimized, and in which direction; or which ones, where there are several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ray.tune.result import DEFAULT_METRIC

from arqon_ray.core.config import StudyConfig
from arqon_ray.errors import ConfigError
from arqon_ray.tune.kept import kept_as
from arqon_ray.tune.tune_call import metric_and_mode

LOSS = "loss"
"""The metric when nobody names one."""


@kept_as("objective")
class Objective:
    """Metric and mode, which may come from the constructor, the run, or nobody.

    Attributes:
        metric: None until it is known or :meth:`settle` decides it; of several objectives the first.
        mode: ``min``, ``max``, or None while nobody said; of several objectives the first one's.
        metrics: all of several objectives; None when there is one.
        modes: likewise.
    """

    metrics: list[str] | None = None  # here too, for what earlier releases have pickled
    modes: list[str] | None = None

    def __init__(self, metric: Any, mode: Any) -> None:
        """Take what the constructor was given.

        Raises:
            ConfigError: when one of them is malformed.
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
        """Fill in what is not known yet from what the run says.

        A mode for another metric than ours says nothing about ours; several objectives are the constructor's alone.

        Raises:
            ConfigError: when one is malformed, or the mode is another for the same metric.
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
        """Take what an arqon config says.

        Raises:
            ConfigError: when the constructor was given another one.
        """
        for name, ours, its in (("mode", self.mode, mode), ("metric", self.metric, metric)):
            if ours is not None and its not in (None, ours):
                raise ConfigError(f"{name} is {ours!r} in ArqonSearcher and {its!r} in its config: give it once")
        self.mode, self.metric = self.mode or mode, self.metric or metric

    def learn_from_study(self, config: StudyConfig) -> None:
        """Take what a study says, whose values are called what it calls them where nobody here named a metric.

        Raises:
            ConfigError: when its mode is another one.
        """
        self.learn_from_config(config.mode)
        unnamed = self.metric is None or self._unnamed
        if unnamed and config.metric not in (None, self.metric):
            self.metric, self._unnamed = config.metric, False

    def check_modes(self, modes: Sequence[str] | None) -> None:
        """Refuse a study or config of other objectives.

        Raises:
            ConfigError: the message says what to give.
        """
        if modes != self.modes:
            metric, mode = self.metrics or self.metric, self.modes or self.mode
            raise ConfigError(
                f"objectives is {modes!r} and metric {metric!r} with mode {mode!r}: give ArqonSearcher a list of "
                "metrics with these modes"
            )

    @property
    def name(self) -> str | None:
        """What a study's config calls the metric; None for several, and for a bare number."""
        return None if self.metrics is not None or self.metric == DEFAULT_METRIC else self.metric

    def settle(self) -> str:
        """Decide the metric for good: a mode alone means, as everywhere in Tune, a bare number's own name."""
        if self.metric is None or self.mode is None:
            self.learn(*metric_and_mode())
        if self.metric is None:
            self._unnamed = True
            self.metric = DEFAULT_METRIC if self._mode_alone else LOSS
        return self.metric

    def names(self, result: Mapping[str, Any] | None) -> Sequence[str]:
        """Return the names of the objectives in a result; where nobody named a metric, the name that is there."""
        if self.metrics is not None:
            return self.metrics
        metric = self.settle()
        if self._unnamed and result is not None and metric not in result:
            metric = next((name for name in (LOSS, DEFAULT_METRIC) if name in result), metric)
        return (metric,)


def _several(metric: Any, mode: Any) -> tuple[list[str], list[str]]:
    """Return the checked lists of several objectives."""
    names = list(metric)
    if len(names) < 2 or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise ConfigError(f"metric is {metric!r}: it must be the name of one result, or a list of different ones")
    modes = list(mode) if isinstance(mode, list | tuple) else [mode] * len(names)
    if len(modes) != len(names) or not all(each in ("min", "max") for each in modes):
        raise ConfigError(f"mode is {mode!r}: it must be 'min' or 'max' for each of {names!r}")
    return names, modes


def _check(metric: Any, mode: Any) -> None:
    if metric is not None and not isinstance(metric, str):
        raise ConfigError(f"metric is {metric!r}: it must be the name of one result")
    if mode not in (None, "min", "max"):
        raise ConfigError(f"mode is {mode!r}: it must be 'min' or 'max'")

"""The strategies of one study: the one that its config names, or all that take part in ``auto``; and their parameters.

Strategies of the same role take turns. So a package that brings one changes what ``auto`` proposes, as a new release
does; it does not push aside what was there.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

import arqon_ray.core.refine  # noqa: F401  (registers our own strategies)
from arqon_ray.core.config import StudyConfig
from arqon_ray.core.inputs.spelling import did_you_mean
from arqon_ray.core.inputs.values import shown
from arqon_ray.core.space.space import Space
from arqon_ray.core.strategies.registry import GROUP, all_strategies, find_strategy, is_built_in, known_names
from arqon_ray.core.strategies.strategy import Role, Strategy, StrategyParams, probe_size_of_model
from arqon_ray.errors import ConfigError, UnreadParameterWarning

logger = logging.getLogger(__name__)

_NO_STRATEGY = ("auto", "probe")
"""Names in a config that are those of no single strategy."""


class Roster:
    """The strategies of one study.

    Args:
        config: the study's; ``strategy_params`` that are not valid are left out with a warning: what a user gives is
            checked before, by :func:`check_strategy`.
        space: the study's.

    Attributes:
        named: the strategy that the config names; None for ``auto`` and ``probe``.
        min_startup: observations with a value without which no strategy is asked.
        probe_size: how many points of the probe come first, as far as the budget's share allows.

    Raises:
        ConfigError: the config names a strategy that this process does not know.
    """

    def __init__(self, config: StudyConfig, space: Space) -> None:
        self.named: Strategy | None = None
        self._by_role: dict[Role, list[Strategy]] = {role: [] for role in Role}
        self._suited = True
        self.min_startup, self.probe_size = 1, probe_size_of_model(space)
        if config.strategy == "auto":
            for cls in all_strategies():
                if cls.role is not None and (strategy := _made(cls, config, space)) is not None:
                    self._by_role[Role(cls.role)].append(strategy)
        elif config.strategy not in _NO_STRATEGY:
            cls = _find(config.strategy)
            self.named = cls(_valid_params(cls, config))
            self._suited = self.named.suits(space)
            self.min_startup, self.probe_size = self.named.min_startup, self.named.probe_size(space)

    @property
    def expects_noise(self) -> bool:
        """Whether the config names a strategy that takes values as noisy."""
        return self.named is not None and self.named.role == Role.NOISY

    def choose(self, roles: Sequence[Role], number: int) -> list[Strategy]:
        """Return the strategies to try for candidate ``number``, in this order.

        Args:
            roles: what the plan asks for, the first choice first; a strategy that the config names takes every role.
            number: the candidate's. Where a role has several strategies it decides whose turn it is, and changes after
                every second candidate, since the plan gives some roles every second one.
        """
        if self.named is not None:
            return [self.named] if self._suited else []
        chosen: list[Strategy] = []
        for strategies in (self._by_role[role] for role in roles):
            turn = number // 2 % len(strategies) if strategies else 0
            chosen += strategies[turn:] + strategies[:turn]
        return chosen

    def count(self, role: Role, origins: Iterable[str]) -> int:
        """Return how many of the origins are strategies of a role."""
        names = {strategy.name for strategy in self._by_role[role]}
        return sum(origin in names for origin in origins)


def check_strategy(config: StudyConfig) -> None:
    """Check the strategy's name and ``strategy_params`` in a config that a user gives.

    With ``auto`` each strategy takes the parameters that it has; those that none has are warned of.

    Raises:
        ConfigError: this process does not know the strategy, or its parameters break a rule.
    """
    _check_params(config, None if config.strategy in _NO_STRATEGY else _find(config.strategy))


def check_strategy_elsewhere(config: StudyConfig) -> None:
    """Check as :func:`check_strategy` does, but pass a strategy that is unknown here: another process may know it."""
    named = config.strategy not in _NO_STRATEGY
    cls = find_strategy(config.strategy) if named else None
    if cls is not None or not named:
        _check_params(config, cls)


def without_unread(config: StudyConfig) -> StudyConfig:
    """Return a config without the ``strategy_params`` that its strategy does not have.

    Release 0.1.0 took and kept any; a user who leaves them out now still means the same study.
    """
    cls = None if config.strategy in _NO_STRATEGY else find_strategy(config.strategy)
    if cls is None:
        return config
    return config.model_copy(update={"strategy_params": _own(cls, config.strategy_params)})


def _find(name: str) -> type[Strategy]:
    cls = find_strategy(name)
    if cls is not None:
        return cls
    known = [*_NO_STRATEGY, *known_names()]
    raise ConfigError(
        f"strategy is {shown(name)}{did_you_mean(name, known)}: it must be one of {', '.join(known)}. A strategy of "
        f"another package must be installed where the study runs, with an entry point in the group {GROUP!r}: pip "
        "install it, or for a study's actor name it in runtime_env"
    )


def _check_params(config: StudyConfig, named: type[Strategy] | None) -> None:
    if not config.strategy_params:
        return
    if named is None:
        classes = all_strategies() if config.strategy == "auto" else []
        has = {name for cls in classes if cls.role is not None for name in cls.params_model.model_fields}
        if unread := [name for name in config.strategy_params if name not in has]:
            text = (
                f"strategy_params has {', '.join(map(repr, unread))}: strategy {config.strategy!r} reads no such name"
            )
            warnings.warn(text, UnreadParameterWarning, stacklevel=4)
        for cls in classes:
            _validate(cls, _own(cls, config.strategy_params))
        return
    fields = named.params_model.model_fields
    for key, value in config.strategy_params.items():
        if key not in fields:
            takes = f"it takes {', '.join(fields)}" if fields else "it takes none"
            near = did_you_mean(key, fields)
            raise ConfigError(
                f"strategy_params.{key} is {shown(value)}{near}: strategy {named.name!r} has no such parameter, {takes}"
            )
    _validate(named, config.strategy_params)


def _own(cls: type[Strategy], given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name in cls.params_model.model_fields}


def _validate(cls: type[Strategy], given: Mapping[str, Any]) -> StrategyParams:
    try:
        return cls.params_model.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, ("strategy_params", *first["loc"])))
        rule = f"{first['msg'][:1].lower()}{first['msg'][1:]}"
        raise ConfigError(f"{where} is {shown(first['input'])}: {rule} (strategy {cls.name!r})") from None


def _valid_params(cls: type[Strategy], config: StudyConfig) -> StrategyParams:
    """Return a strategy's parameters; its defaults where a stored config has some that are not valid."""
    try:
        return _validate(cls, _own(cls, config.strategy_params))
    except ConfigError as error:
        logger.warning("%s: the defaults of the strategy are used", error)
        return cls.params_model()


def _made(cls: type[Strategy], config: StudyConfig, space: Space) -> Strategy | None:
    """Return a strategy for ``auto``; None when it does not suit the space, or belongs to a package and fails."""
    try:
        strategy = cls(_valid_params(cls, config))
        return strategy if strategy.suits(space) else None
    except Exception as error:
        if is_built_in(cls):
            raise
        logger.error("strategy %r fails and takes no part in this study: %r", cls.name, error, exc_info=error)
        return None

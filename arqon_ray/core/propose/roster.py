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
from arqon_ray.core.inputs.callers import stacklevel_of_user
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

    Whatever a stored config says, it can be made: a study can be read where its strategy is not installed.

    Args:
        config: the study's; ``strategy_params`` that are not valid are left out with a warning: what a user gives is
            checked before, by :func:`check_strategy`.
        space: the study's.

    Attributes:
        named: the strategy that the config names; None for ``auto`` and ``probe``, and for one that is not known here.
        problem: why no candidate can be proposed here; None if all is well.
        min_startup: observations with a value without which no strategy is asked.
        probe_size: how many points of the probe come first, as far as the budget's share allows.
    """

    def __init__(self, config: StudyConfig, space: Space) -> None:
        self.named: Strategy | None = None
        self.problem: str | None = None
        self._by_role: dict[Role, list[Strategy]] = {role: [] for role in Role}
        self._suited = True
        self.min_startup, self.probe_size = 1, probe_size_of_model(space)
        if config.strategy == "auto":
            for cls in _of_auto(config):
                if (strategy := _suitable(cls, config, space)) is not None:
                    self._by_role[Role(strategy.role or "")].append(strategy)
        elif config.strategy not in _NO_STRATEGY:
            try:
                cls = _find(config.strategy)
                self.named = cls(_valid_params(cls, config))
                self._suited = self.named.suits(space)
                self.min_startup, self.probe_size = self.named.min_startup, self.named.probe_size(space)
            except Exception as error:
                self.problem = str(error)

    @property
    def expects_noise(self) -> bool:
        """Whether the config names a strategy that takes values as noisy."""
        return self.named is not None and self.named.role == Role.NOISY

    @property
    def reason(self) -> str:
        """Why the named strategy is asked, or is not."""
        said = "the config names the strategy"
        return self.problem or (said if self._suited else f"{said}, which does not suit this space: the probe goes on")

    def require(self) -> None:
        """Refuse to propose where the study's strategy is not known.

        Raises:
            ConfigError: with the strategy's name, and how to install it.
        """
        if self.problem is not None:
            raise ConfigError(self.problem)

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


def check_strategy(config: StudyConfig, *, elsewhere: bool = False) -> None:
    """Check the strategy's name and ``strategy_params`` in a config that a user gives.

    Args:
        config: the config. With ``auto`` each strategy takes the parameters that it has.
        elsewhere: pass a strategy that is not known here: the process that runs the study may know it.

    Raises:
        ConfigError: the strategy is not known, or its parameters break a rule.
    """
    if config.strategy in _NO_STRATEGY:
        for cls in _of_auto(config) if config.strategy_params else ():
            _validate(cls, _own(cls, config.strategy_params))
    elif not elsewhere or find_strategy(config.strategy) is not None:
        cls = _find(config.strategy)
        _refuse_unread(cls, config.strategy_params)
        _validate(cls, config.strategy_params)


def warn_of_unread(config: StudyConfig) -> None:
    """Warn of ``strategy_params`` that are given with ``auto`` or ``probe`` and that no strategy has.

    It is called where a user hands a config over. Python shows the same warning once.
    """
    if config.strategy in _NO_STRATEGY and config.strategy_params:
        has = {name for cls in _of_auto(config) for name in cls.params_model.model_fields}
        if unread := [name for name in config.strategy_params if name not in has]:
            text = f"strategy_params has {', '.join(map(repr, unread))}: {config.strategy!r} reads no such name"
            warnings.warn(text, UnreadParameterWarning, stacklevel=stacklevel_of_user())


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


def _of_auto(config: StudyConfig) -> list[type[Strategy]]:
    """Return the strategies that take part where the config names none."""
    return [cls for cls in all_strategies() if cls.role is not None] if config.strategy == "auto" else []


def _refuse_unread(cls: type[Strategy], given: Mapping[str, Any]) -> None:
    fields = cls.params_model.model_fields
    for key, value in given.items():
        if key not in fields:
            takes = f"it takes {', '.join(fields)}" if fields else "it takes none"
            raise ConfigError(
                f"strategy_params.{key} is {shown(value)}{did_you_mean(key, fields)}: the strategy {cls.name!r} has no "
                f"such parameter, {takes}"
            )


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


def _suitable(cls: type[Strategy], config: StudyConfig, space: Space) -> Strategy | None:
    """Return a strategy for ``auto``; None when it does not suit the space, or belongs to a package and fails."""
    try:
        strategy = cls(_valid_params(cls, config))
        return strategy if strategy.suits(space) else None
    except Exception as error:
        if is_built_in(cls):
            raise
        logger.error("strategy %r fails and takes no part in this study: %r", cls.name, error, exc_info=error)
        return None

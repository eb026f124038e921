"""The strategies that this process knows: registered by a call, or installed by a package.

A package names its strategies in the entry-point group ``arqon_ray.strategies``, under the strategy's own name. They
are looked up once a process, and a module is imported when its strategy is named or ``auto`` collects all of them.
"""

from __future__ import annotations

import logging
import re
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from pydantic import ValidationError

from arqon_ray.core.strategies.strategy import Role, Strategy, StrategyParams
from arqon_ray.errors import ConfigError

GROUP = "arqon_ray.strategies"
"""The entry-point group."""

RESERVED = ("auto", "probe", "repeat", "user", "enqueued", "seed", "classify", "trouble")
"""Names that configs, origins and memories use for something else."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_BUILT_IN = "arqon_ray"

logger = logging.getLogger(__name__)

S = TypeVar("S", bound=type[Strategy])

_registered: dict[str, type[Strategy]] = {}


def register_strategy(cls: S) -> S:
    """Make a strategy known in this process, under its name; usable as a decorator.

    A study's actor is another process: there, strategies are found through the entry-point group
    ``arqon_ray.strategies`` of the packages that its ``runtime_env`` installs.

    Args:
        cls: a subclass of :class:`arqon_ray.strategies.Strategy`. One that was defined again, as a notebook's cell
            does, replaces its former self.

    Returns:
        The class.

    Raises:
        TypeError: it does not declare what a strategy must declare.
        ValueError: its name is taken or malformed.

    Example:
        >>> from arqon_ray import ArqonSolver
        >>> from arqon_ray.strategies import Proposal, Strategy, register_strategy, unregister_strategy
        >>> @register_strategy
        ... class Uniform(Strategy):
        ...     name = "uniform"
        ...
        ...     def propose(self, evidence, memory, rng):
        ...         return Proposal(evidence.space.snap(rng.random((1, evidence.space.d)))[0], memory={})
        >>> solver = ArqonSolver({"bounds": {"x": {"min": 0, "max": 1}}, "strategy": "uniform", "budget": 30})
        >>> len(solver.ask(5))
        5
        >>> unregister_strategy("uniform")
    """
    _check_declaration(cls)
    known = _registered.get(cls.name)
    if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
        raise ValueError(f"{_shown(cls)}.name is {cls.name!r}: {_shown(known)} has this name already")
    _registered[cls.name] = cls
    return cls


def unregister_strategy(name: str) -> None:
    """Forget a strategy that was registered by a call; studies that use it already go on.

    Raises:
        KeyError: there is none of this name.
    """
    del _registered[name]


def registered_strategies() -> tuple[type[Strategy], ...]:
    """Return the strategies that were registered so far, in the order of their registration."""
    return tuple(_registered.values())


def is_built_in(strategy: Strategy | type[Strategy]) -> bool:
    """Tell whether a strategy is one of arqon_ray's own."""
    cls = strategy if isinstance(strategy, type) else type(strategy)
    return cls.__module__.partition(".")[0] == _BUILT_IN


def find_strategy(name: str) -> type[Strategy] | None:
    """Return the strategy of a name; None when this process knows none.

    Raises:
        ConfigError: a package has one of this name, and it cannot be loaded.
    """
    return _registered.get(name) or (_loaded(point) if (point := _installed().get(name)) else None)


def all_strategies() -> list[type[Strategy]]:
    """Return all strategies, arqon_ray's own first, then the others by name.

    One that cannot be loaded is left out; the log says why.
    """
    found = dict(_registered)
    for name, point in _installed().items():
        if name not in found:
            loaded = _load(point)
            if not isinstance(loaded, ConfigError):
                found[name] = loaded
    return sorted(found.values(), key=lambda cls: (not is_built_in(cls), cls.name))


def known_names() -> list[str]:
    """Return the names of all strategies, without loading any."""
    return list(dict.fromkeys([*_registered, *_installed()]))


def is_installed(name: str) -> bool:
    """Tell whether another process of the same environment knows a strategy too: it is ours, or a package's."""
    return name in _installed() or (name in _registered and is_built_in(_registered[name]))


@cache
def _installed() -> dict[str, EntryPoint]:
    """Return the entry points by name; of two with one name the first on the path."""
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        found.setdefault(point.name, point)
    return found


def _loaded(point: EntryPoint) -> type[Strategy]:
    found = _load(point)
    if isinstance(found, ConfigError):
        raise found
    return found


@cache
def _load(point: EntryPoint) -> type[Strategy] | ConfigError:
    """Return the strategy of an entry point, or why it cannot be loaded, which the log says too; tried once."""
    try:
        cls = point.load()
        _check_declaration(cls)
        if cls.name != point.name:
            raise ValueError(f"it calls itself {cls.name!r}: the entry point must have the same name")
        found: type[Strategy] = register_strategy(cls)
        return found
    except Exception as error:
        package = f"the package {point.dist.name}" if point.dist is not None else "a package"
        problem = f"strategy {point.name!r} of {package} ({point.value}) cannot be loaded: {error!r}"
        logger.error(problem, exc_info=error)
        return ConfigError(problem)


def _check_declaration(cls: object) -> None:
    if not isinstance(cls, type) or not issubclass(cls, Strategy):
        raise TypeError(f"{_shown(cls)}: a strategy is a subclass of arqon_ray.strategies.Strategy")
    if missing := sorted(cls.__abstractmethods__):
        raise TypeError(f"{_shown(cls)} has no {', '.join(missing)}: a strategy must define it")
    name = getattr(cls, "name", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in RESERVED:
        raise ValueError(
            f"{_shown(cls)}.name is {name!r}: up to 64 letters, digits, '_', '-' and '.', a letter first, and none of "
            f"{', '.join(RESERVED)}"
        )
    if cls.role is not None and cls.role not in list(Role):
        raise TypeError(f"{_shown(cls)}.role is {cls.role!r}: it must be None or one of {', '.join(Role)}")
    if not isinstance(cls.min_startup, int) or cls.min_startup < 1:
        raise TypeError(f"{_shown(cls)}.min_startup is {cls.min_startup!r}: it must be a whole number of 1 or more")
    model = cls.params_model
    if not isinstance(model, type) or not issubclass(model, StrategyParams):
        raise TypeError(f"{_shown(cls)}.params_model is {model!r}: it must be a subclass of StrategyParams")
    try:
        model()
    except ValidationError:
        raise TypeError(f"{_shown(cls)}.params_model: every field needs a default") from None


def _shown(cls: object) -> str:
    return f"{cls.__module__}.{cls.__qualname__}" if isinstance(cls, type) else repr(cls)

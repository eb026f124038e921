"""Parameters of a strategy that nobody reads: configs of ArqonHPO carry some, and a mistyped one would go unseen."""

from __future__ import annotations

import warnings

from arqon_ray.core.config import StudyConfig
from arqon_ray.errors import UnreadParameterWarning


def warn_of_unread(config: StudyConfig) -> None:
    """Warn of ``strategy_params`` that the config's strategy does not read, by name.

    It is called where a user hands a config over, and not where a stored one is opened again. Python shows the same
    warning once.
    """
    if not config.strategy_params:
        return
    from arqon_ray.core.refine import STRATEGIES

    in_use = STRATEGIES.values() if config.strategy == "auto" else [STRATEGIES.get(config.strategy)]
    read = {name for strategy in in_use if strategy is not None for name in strategy.parameters}
    unread = [name for name in config.strategy_params if name not in read]
    if unread:
        message = f"strategy_params has {', '.join(map(repr, unread))}: strategy {config.strategy!r} reads no such name"
        warnings.warn(message, UnreadParameterWarning, stacklevel=2)

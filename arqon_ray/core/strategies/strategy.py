"""What a refine strategy is: the base class of ours and of those of other packages.

A strategy is a pure function: ``(evidence, memory, rng) -> Proposal``. All that it wants to remember between two asks
(warm starts, a trust region's radius) is the JSON-able ``memory`` that it returns and is given back next time, so that
a restored solver takes the same arithmetic path by construction.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from arqon_ray.core.space.space import Space
from arqon_ray.core.strategies.evidence import Evidence, Memory, Proposal
from arqon_ray.core.strategies.memories import MemoryContext

FEW_PROBES, MANY_PROBES = 2, 10
"""Points of the probe before a strategy is asked.

Few pay where a local model is at hand (on shifted smooth functions the regret was .009 after 2 points and .019 after
10); a model of discrete parameters needs to have seen most of their values.
"""


class Role(StrEnum):
    """What ``strategy: auto`` asks a strategy for; :mod:`arqon_ray.core.strategies.plan` decides when.

    Attributes:
        LOCAL: descends from the best point. Asked early and late in the budget of a continuous space.
        GLOBAL: models all observations and takes their values as exact. Asked in the middle of the budget of a
            continuous space, and first on discrete and conditional ones.
        NOISY: models all observations and expects their values to be noisy. Asked where repeats of a point differ,
            where evaluations end early, and on several objectives.
        EXPLORATION: cheap, and looks beyond what a model believes. Asked every second time where a global model has
            stalled or evaluations end early, and first on discrete spaces with many observations.
        POPULATION: goes on where both the local and the global model have stalled.
    """

    LOCAL = "local"
    GLOBAL = "global"
    NOISY = "noisy"
    EXPLORATION = "exploration"
    POPULATION = "population"


class StrategyParams(BaseModel):
    """The ``strategy_params`` of a strategy that has none; subclass it to declare some, each with a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Strategy(ABC):
    """One way to choose the next point.

    Instances are made once a study, by ``cls(params)``, and hold nothing but ``params``.

    Attributes:
        name: what configs, ``explain()`` and the origins in a history call it.
        role: what ``strategy: auto`` asks it for; None to be used by name only.
        min_startup: observations with a value below which it is not asked: the probe goes on.
        params_model: declares its ``strategy_params``.
        params: their values.
    """

    name: ClassVar[str]
    role: ClassVar[Role | None] = None
    min_startup: ClassVar[int] = 1
    params_model: ClassVar[type[StrategyParams]] = StrategyParams

    def __init__(self, params: StrategyParams | None = None) -> None:
        self.params = self.params_model() if params is None else params

    def suits(self, space: Space) -> bool:
        """Tell whether it can search a space; it is never asked about one that does not suit it."""
        return True

    def probe_size(self, space: Space) -> int:
        """Return how many points of the probe should come first, as far as ``probe_ratio`` and the budget allow."""
        return max(MANY_PROBES, self.min_startup)

    @abstractmethod
    def propose(self, evidence: Evidence, memory: Memory, rng: np.random.Generator) -> Proposal | None:
        """Return the next point, or None to leave this ask to the next strategy, in the end to the probe.

        A point that is being evaluated (in ``evidence.pending``) is not proposed again, unless the proposal says
        ``repeat=True``: look for another one, or return None. A point that was observed before is passed over.

        It may run in any thread, and depends on its arguments and ``params`` alone. An ArithmeticError or a
        ``LinAlgError`` (a matrix that does not factorize) counts as None, and ``explain()`` shows it as ``trouble``.

        Args:
            evidence: what is known; at least ``min_startup`` observations.
            memory: what earlier proposals wanted back, all keys together; empty at first and after a retraction.
            rng: random numbers of this candidate alone.
        """

    def check_memory(self, memory: Memory, context: MemoryContext) -> None:  # noqa: B027
        """Refuse a memory with which :meth:`propose` could not go on; called when a state is read.

        By default any memory is taken.

        Args:
            memory: JSON values, perhaps damaged or edited.
            context: the study whose memory it is.

        Raises:
            ValueError: saying what is wrong with it; see :mod:`arqon_ray.core.strategies.memories`.
        """


def probe_size_of_model(space: Space) -> int:
    """Return the :meth:`Strategy.probe_size` of strategies that model a continuous space from few points."""
    return FEW_PROBES if space.continuous else MANY_PROBES

"""Several objectives, combined with new weights at each ask; see :mod:`.pareto`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arqon_ray.core.ledger.view import Array, DataView
from arqon_ray.core.objectives.base import Goal, Known, furthest
from arqon_ray.core.objectives.pareto import front, weighed
from arqon_ray.core.strategies.classification import Classification
from arqon_ray.core.strategies.strategy import Role
from arqon_ray.errors import ConfigError

_WEIGHED = Classification(
    "several objectives", (Role.NOISY, Role.EXPLORATION), "the objectives are weighed anew at each ask", {}
)
"""Each ask has a value of its own, on which no local model can go on."""


class Several:
    """A study with a list of values a result.

    Args:
        modes: ``min`` or ``max`` for each of them.
        seed: the study's, from which the weights follow.

    Attributes:
        sign: of the first value, which counts where a single one is asked for.
        signs: ``(m,)`` of each.
    """

    def __init__(self, modes: Sequence[str], seed: int) -> None:
        self._modes, self._seed = list(modes), seed
        self.signs: Array = np.array([1.0 if mode == "min" else -1.0 for mode in modes])
        self.sign = float(self.signs[0])

    def has_values(self, view: DataView) -> bool:
        """Tell whether anything was observed."""
        return len(view.y) > 0

    def at(self, view: DataView) -> Goal:
        """Return the weighed values as the goal; intermediate results are not used."""
        return Weighed(view, self._seed)

    def problem(self, values: Sequence[float] | None) -> str | None:
        """Say that a result must have one value for each objective."""
        expected = len(self._modes)
        if values is not None and len(values) == expected:
            return None
        given = "no list of" if values is None else len(values)
        return f"has {given} values: it must have {expected}, as the config's objectives are {self._modes!r}"

    def pareto(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return the rows that no other one beats in all objectives."""
        return front(rows, self._modes)

    def require_one_value(self, who: str) -> None:
        """Raise ConfigError: results have lists of values."""
        raise ConfigError(
            f"objectives is {self._modes!r}: {who} takes one objective; ask and tell, or ArqonSearcher, take several"
        )


@dataclass(frozen=True, slots=True)
class Weighed:
    """A weighed sum of the objectives, another one for each candidate, is the goal.

    Attributes:
        view: the data.
        seed: the study's.
    """

    view: DataView
    seed: int
    ended_early = False
    repeats_tell_noise = False
    reusable = False

    @property
    def observed(self) -> int:
        """How many points have values."""
        return len(self.view.y)

    def known(self, number: int) -> Known:
        """Return the observations with the weighed values of candidate ``number``."""
        view = self.view
        y = weighed(view.vectors, self.seed, number)
        return Known(view.X, y, view.numbers, view.failed, np.array([], dtype=np.int64))

    def classification(self, number: int) -> Classification | None:
        """Return the strategies that need no local model."""
        return _WEIGHED

    def comparable(self) -> NDArray[np.int64]:
        """Return the rows of the evaluations that went furthest."""
        return furthest(self.view)

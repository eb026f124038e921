"""One objective: the value as it is, or by rungs if evaluations were stopped at different steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from arqon_ray.core.ledger.view import Array, DataView
from arqon_ray.core.objectives.base import Goal, Known, furthest
from arqon_ray.core.objectives.rungs import OnRungs, Rungs
from arqon_ray.core.strategies.classification import Classification
from arqon_ray.errors import ConfigError


class Single:
    """A study with one value a result.

    Args:
        mode: whether it is minimised or maximised.

    Attributes:
        sign: 1 or -1, which makes a value one to minimise.
        signs: empty, since results have no list of values.
        rungs: the values of evaluations that were ended early, kept from ask to ask.
    """

    def __init__(self, mode: Literal["min", "max"]) -> None:
        self.sign = 1.0 if mode == "min" else -1.0
        self.signs: Array = np.array([])
        self.rungs = Rungs()

    def has_values(self, view: DataView) -> bool:
        """Tell whether anything was observed."""
        return len(view.y) > 0

    def at(self, view: DataView) -> Goal:
        """Return the value as the goal; if evaluations were stopped at different steps, that at the highest rung."""
        scaled = self.rungs.at(view)
        return Value(view) if scaled is None else OnRungs(view, scaled)

    def problem(self, values: Sequence[float] | None) -> str | None:
        """Say that a result must have no list of values."""
        if values is None:
            return None
        return f"has {len(values)} values: it must have one value, no list, as the config's objectives are None"

    def pareto(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Raise ConfigError: one objective has a best row."""
        raise ConfigError("objectives is None: a study with a single objective has best(), and no Pareto set")

    def require_one_value(self, who: str) -> None:
        """Do nothing: each result has one value."""


@dataclass(frozen=True, slots=True)
class Value:
    """The value of whole evaluations is the goal.

    Attributes:
        view: the data.
    """

    view: DataView
    ended_early = False
    repeats_tell_noise = True
    reusable = True

    @property
    def observed(self) -> int:
        """How many points have a value."""
        return len(self.view.y)

    def known(self, number: int) -> Known:
        """Return the observations as they are."""
        view = self.view
        return Known(view.X, view.y, view.numbers, view.failed, np.array([], dtype=np.int64))

    def classification(self, number: int) -> Classification | None:
        """Return None: the landscape decides."""
        return None

    def comparable(self) -> NDArray[np.int64]:
        """Return the rows of the evaluations that went furthest."""
        return furthest(self.view)

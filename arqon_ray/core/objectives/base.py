"""What a kind of objective decides: the interface that proposer, solver and ledger ask, so that they know no kind.

An :class:`Objective` belongs to a study and says what its results are. A :class:`Goal` belongs to one view of the data
and says what is to be minimised there. A new kind is one file with these two classes, and a line in :mod:`.choose`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from arqon_ray.core.ledger.view import Array, DataView
from arqon_ray.core.strategies.classification import Classification


@dataclass(frozen=True, slots=True)
class Known:
    """The values that strategies see when one candidate is proposed.

    Attributes:
        X: ``(n, d)`` points that have a value.
        y: ``(n,)`` the values to minimise.
        numbers: ``(n,)`` their candidates, -1 for a point from outside.
        failed: ``(f, d)`` points to stay away from.
        reported: candidates in flight that the values already speak of.
    """

    X: Array
    y: Array
    numbers: NDArray[np.int64]
    failed: Array
    reported: NDArray[np.int64]


class Goal(Protocol):
    """What is minimised on one view of the data."""

    @property
    def ended_early(self) -> bool:
        """Whether evaluations are ended before they are complete; the probe is longer then."""
        ...

    @property
    def observed(self) -> int:
        """How many points have a value."""
        ...

    @property
    def repeats_tell_noise(self) -> bool:
        """Whether two evaluations of one point say something about the noise."""
        ...

    @property
    def reusable(self) -> bool:
        """Whether what a strategy computed for one candidate of a proposer serves the next one."""
        ...

    def known(self, number: int) -> Known:
        """Return the values that strategies see for candidate ``number``."""
        ...

    def classification(self, number: int) -> Classification | None:
        """Return how candidate ``number`` is to be found; None if that depends on the landscape."""
        ...

    def comparable(self) -> NDArray[np.int64]:
        """Return the rows of the view's observations among which the one with the least value is the best."""
        ...


class Objective(Protocol):
    """What the results of one study are; any thread may use it."""

    @property
    def sign(self) -> float:
        """1 or -1, which makes a result's value one to minimise."""
        ...

    @property
    def signs(self) -> Array:
        """``(m,)`` the same for each entry of a result's list of values; empty if results have no list."""
        ...

    def has_values(self, view: DataView) -> bool:
        """Tell whether strategies would see any value on a view; it is asked often, so it must be cheap."""
        ...

    def at(self, view: DataView) -> Goal:
        """Return what is minimised on a view of the data."""
        ...

    def problem(self, values: Sequence[float] | None) -> str | None:
        """Say what is wrong with the list of values of a result, None if it has none; None when nothing is."""
        ...

    def pareto(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return the rows of a history that no other one beats.

        Raises:
            ConfigError: there is a single objective, which has a best row instead.
        """
        ...

    def require_one_value(self, who: str) -> None:
        """Do nothing if each result has one value.

        Args:
            who: what can compare nothing else, for the message.

        Raises:
            ConfigError: results have lists of values.
        """
        ...


def furthest(view: DataView) -> NDArray[np.int64]:
    """Return the rows of whole evaluations and, where some were ended early, of those that came as far as any."""
    rows = np.isinf(view.steps)
    if not rows.all():
        rows |= view.steps == np.max(view.steps[~rows])
    return np.flatnonzero(rows)

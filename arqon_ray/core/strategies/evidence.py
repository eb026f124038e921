"""What a refine strategy sees and what it answers.

A strategy is a pure function: ``(evidence, memory, rng) -> Proposal``. All that it wants to remember
between two asks (warm starts, a trust region's radius) is the JSON-able ``memory`` that it returns and
is given back next time, so that a restored solver takes the same arithmetic path by construction.

Notation: ``d`` parameters, ``n`` observations, ``f`` failures, ``p`` candidates in flight. Points live in
the unit cube, in the dimension order of ``Space.names``; values are minimised whatever the mode.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from arqon_ray.core.space.space import Space
    from arqon_ray.core.strategies.memories import Standing

Array = NDArray[np.float64]
Memory = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known when one candidate is asked for. The arrays are read-only views.

    Attributes:
        space: the search space.
        X: ``(n, d)`` unit-cube points of the observations, in the order in which they were told.
        y: ``(n,)`` their values, finite, to be minimised.
        numbers: ``(n,)`` the candidate's number of each row; -1 for a point from outside.
        failed: ``(f, d)`` points whose evaluation failed.
        pending: ``(p, d)`` candidates in flight, in the order in which they were handed out.
        pending_numbers: ``(p,)`` their numbers.
        pending_origins: ``(p,)`` the strategy that made each of them.
        number: the number of the candidate that is asked for (0-based).
        budget: evaluations that may be handed out in all; None for no limit.
        params: the user's ``strategy_params``.
        place: how many candidates were proposed on the same observations just before this one.
        memo: what a strategy computed at an earlier place and may use again; shared by all places. It saves time and
            changes nothing else: whoever computes anew, from place 0 on, gets the same.
        coarse: whether a local search is to leave the last digits for later: on a rugged landscape there may well be a
            better basin, and until that is looked for they are a waste.
    """

    space: Space
    X: Array
    y: Array
    numbers: NDArray[np.int64]
    failed: Array
    pending: Array
    pending_numbers: NDArray[np.int64]
    pending_origins: tuple[str, ...]
    number: int
    budget: int | None
    params: Mapping[str, Any] = field(default_factory=dict)
    place: int = 0
    memo: dict[str, Any] = field(default_factory=dict)
    coarse: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    """A strategy's answer.

    Attributes:
        point: ``(d,)`` the point to evaluate, in the unit cube.
        memory: what the strategy wants back at its next call, as far as it changed: keys that are not there stay as
            they were. JSON-able; it is written down with the candidate, so what is large should change seldom.
        repeat: True when the point is a known one because nothing new is left; the solver then chooses for itself.
    """

    point: Array
    memory: dict[str, Any]
    repeat: bool = False


class Strategy(Protocol):
    """One way to choose the next point; stateless, see the module docstring."""

    @property
    def name(self) -> str:
        """What configs and ``explain()`` call it."""
        ...

    @property
    def parameters(self) -> frozenset[str]:
        """The names of the ``strategy_params`` that it reads."""
        ...

    def propose(self, evidence: Evidence, memory: Memory, rng: np.random.Generator) -> Proposal | None:
        """Return the next point, or None when this strategy has nothing left to try."""
        ...

    def check_memory(self, memory: Memory, standing: Standing) -> None:
        """Refuse a memory with which ``propose`` could not go on; called when a state is read.

        Raises:
            ValueError: saying what is wrong with it; see :mod:`arqon_ray.core.strategies.memories`.
        """
        ...

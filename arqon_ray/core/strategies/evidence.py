"""What a refine strategy sees and what it answers.

Notation: ``d`` parameters, ``n`` observations, ``f`` failures, ``p`` candidates in flight. Points live in
the unit cube, in the dimension order of ``Space.names``; values are minimised whatever the mode.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arqon_ray.core.space.space import Space

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
        batch_index: how many candidates were proposed on the same observations just before this one.
        batch_cache: what strategies computed for earlier candidates of this batch and may use again, by their names. It
            saves time and must not change what is proposed: a batch that is computed anew, from its first candidate on,
            comes out the same.
        coarse: whether a local search should leave the last digits for later: on a rugged landscape there may well be a
            better basin, and until that was looked for they are a waste.
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
    batch_index: int = 0
    batch_cache: dict[str, Any] = field(default_factory=dict)
    coarse: bool = False


@dataclass(frozen=True, slots=True)
class Proposal:
    """A strategy's answer.

    Attributes:
        point: ``(d,)`` the point to evaluate, in the unit cube.
        memory: what the strategy wants back at its next call, as far as it changed: keys that are left out stay as
            they were. JSON values; they are written to the log with the candidate, so large ones should change seldom.
        repeat: True when the point is a known one because nothing new is left; the proposer then takes another.
    """

    point: Array
    memory: dict[str, Any]
    repeat: bool = False

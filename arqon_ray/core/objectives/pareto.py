"""Several objectives: which points no other one beats, and how one search serves them all.

ParEGO (Knowles, *ParEGO: a hybrid algorithm with on-line landscape approximation for expensive multiobjective
optimization problems*, IEEE Trans. Evol. Comp. 10, 2006): each ask combines the objectives with new random weights
by the augmented Chebyshev function, and one model of that one value chooses the point. The weights are a function
of the seed and the candidate's number, so they need not be stored.

All values here are to be minimized.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arqon_ray.core.ledger.view import Array
from arqon_ray.core.random import generator

_AUGMENTED = 0.05
"""The share of the weighted sum in ParEGO's function: it tells points apart that are equal in their worst objective."""


def non_dominated(V: Array) -> NDArray[np.bool_]:
    """Tell which of the values ``V (n, m)`` no other one equals or beats in all objectives and beats in one."""
    kept = np.ones(len(V), dtype=bool)
    for i in range(len(V)):
        if kept[i]:
            kept &= ~(np.all(V[i] <= V, axis=1) & np.any(V[i] < V, axis=1))
    return kept


def front(rows: Sequence[Mapping[str, Any]], modes: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of a history that no other one beats; ``modes`` has ``min`` or ``max`` for each objective."""
    told = [dict(row) for row in rows if row.get("values") is not None]
    signs = np.array([1.0 if mode == "min" else -1.0 for mode in modes])
    V = signs * np.reshape([row["values"] for row in told], (len(told), len(modes)))
    return [told[i] for i in np.flatnonzero(non_dominated(V)).tolist()]


def weighed(V: Array, seed: int, number: int) -> Array:
    """Return the ``(n,)`` values that candidate ``number`` is to improve on, from all objectives' ``V (n, m)``.

    Objectives are scaled by the range of the points that no other one beats, if there are several of them.
    """
    if len(V) == 0:
        return np.empty(0)
    front = V[non_dominated(V)]
    low, high = np.min(front, axis=0), np.max(front, axis=0)
    wide = high > low
    low, high = np.where(wide, low, np.min(V, axis=0)), np.where(wide, high, np.max(V, axis=0))
    scaled = (V - low) / np.where(high > low, high - low, 1.0)
    parts = scaled * weights(seed, number, V.shape[1])
    return np.asarray(np.max(parts, axis=1) + _AUGMENTED * np.sum(parts, axis=1))


def weights(seed: int, number: int, m: int) -> Array:
    """Return candidate ``number``'s ``(m,)`` weights, uniform on the simplex."""
    drawn = generator(seed, "objectives", number).exponential(size=m)
    return np.asarray(drawn / np.sum(drawn))

"""Which observations the surrogate sees when there are too many of them: a bounded, deterministic choice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from arqon_ray.core.strategies.evidence import Array

_POOL = 512


def choose_rows(X: Array, y: Array, limit: int) -> NDArray[np.int64]:
    """Return at most ``limit`` rows, ascending: a third the best, a third the newest, the rest spread out.

    Args:
        X: ``(n, d)`` points.
        y: ``(n,)`` their values.
        limit: the largest number of rows.
    """
    n = len(y)
    if n <= limit:
        return np.arange(n)
    third = limit // 3
    chosen = np.zeros(n, dtype=bool)
    chosen[np.argsort(y, kind="stable")[:third]] = True
    chosen[n - third :] = True
    rest = np.flatnonzero(~chosen)
    pool = rest[np.linspace(0, len(rest) - 1, min(_POOL, len(rest))).astype(np.int64)]
    spread = _farthest(X[pool], X[chosen], limit - int(np.sum(chosen)))
    chosen[pool[spread]] = True
    return np.flatnonzero(chosen)


def _farthest(pool: Array, taken: Array, count: int) -> NDArray[np.int64]:
    """Return the positions of ``count`` points of ``pool (q, d)``, each the farthest from all taken before it."""
    squared = np.sum(pool**2, axis=1)[:, None] + np.sum(taken**2, axis=1)[None] - 2.0 * (pool @ taken.T)
    nearest = np.min(squared, axis=1)
    picks = np.empty(min(count, len(pool)), dtype=np.int64)
    for i in range(len(picks)):
        picks[i] = int(np.argmax(nearest))
        nearest = np.minimum(nearest, np.sum((pool - pool[picks[i]]) ** 2, axis=1))
        nearest[picks[i]] = -1.0
    return picks

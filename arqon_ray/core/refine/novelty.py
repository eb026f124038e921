"""Points that were not tried yet: the duplicate check and the last resort of every strategy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from arqon_ray.core.evidence import Array, Evidence
    from arqon_ray.core.space import Space

Mask = NDArray[np.bool_]

NEAR = 1e-7
"""Two points closer than this in every coordinate count as the same."""
_ENUMERABLE = 4096


def known_points(evidence: Evidence) -> Array:
    """Return all points that were handed out or told, ``(n + f + p, d)``."""
    return np.concatenate([evidence.X, evidence.failed, evidence.pending])


def periodic_columns(space: Space) -> Mask:
    """Return a ``(d,)`` mask of the parameters that wrap around."""
    return np.array([parameter.periodic for parameter in space.parameters], dtype=bool)


def is_new(point: Array, known: Array, periodic: Mask) -> bool:
    """Tell whether ``point (d,)`` differs from all of ``known (q, d)`` by more than :data:`NEAR`."""
    if len(known) == 0:
        return True
    gap = np.abs(known - point)
    gap[:, periodic] = np.minimum(gap[:, periodic], 1.0 - gap[:, periodic])
    return bool(np.min(np.max(gap, axis=1)) > NEAR)


def first_new(points: Array, known: Array, periodic: Mask) -> Array | None:
    """Return the first of ``points (q, d)`` that is new, or None; see :func:`is_new`."""
    for point in points:
        if is_new(point, known, periodic):
            return np.asarray(point)
    return None


def grid(space: Space, limit: int = _ENUMERABLE) -> Array | None:
    """Return all canonical points ``(q, d)`` of a small finite space, in a fixed order; None for any other."""
    if space.cardinality is None or space.cardinality > limit:
        return None
    axes = [p.coordinate(np.arange(p.levels)) for p in space.parameters if p.kind != "continuous"]
    cells = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
    return np.unique(space.snap(cells), axis=0)


def unseen_grid(evidence: Evidence) -> Array | None:
    """Return the points of a small finite space that were never handed out; None for any other space."""
    cells = grid(evidence.space)
    if cells is None:
        return None
    seen = {row.tobytes() for row in known_points(evidence) + 0.0}
    return cells[[row.tobytes() not in seen for row in cells + 0.0]]


def fresh_point(evidence: Evidence, rng: np.random.Generator) -> tuple[Array, bool]:
    """Return a random point ``(d,)``, a new one unless the space is exhausted, and whether it is a known one."""
    space = evidence.space
    draws = space.snap(rng.random((64, space.d)))
    known, periodic = known_points(evidence), periodic_columns(space)
    new = first_new(draws, known, periodic)
    if new is not None:
        return new, False
    unseen = unseen_grid(evidence)
    if unseen is not None and len(unseen):
        return unseen[int(rng.integers(len(unseen)))], False
    idle = first_new(draws, evidence.pending, periodic)
    return (draws[0] if idle is None else idle), True

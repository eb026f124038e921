"""Points that were not tried yet: the duplicate check and the last resort of every strategy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from arqon_ray.core.space.geometry import Geometry
    from arqon_ray.core.strategies.evidence import Array, Evidence

Known = tuple["Array", ...]
"""Known points, in several arrays."""

NEAR = 1e-7
"""Two points closer than this in every coordinate count as the same."""
_ENUMERABLE = 4096


def known_points(evidence: Evidence) -> Known:
    """Return all points that were handed out or told: ``(n, d)``, ``(f, d)`` and ``(p, d)``, none of them copied."""
    return evidence.X, evidence.failed, evidence.pending


def seen(known: Known) -> set[bytes]:
    """Return the bytes of canonical points, for those of a finite space."""
    return {row.tobytes() for points in known for row in points + 0.0}


def is_new(point: Array, known: Known, geometry: Geometry) -> bool:
    """Tell whether ``point (d,)`` differs from all known ones by more than :data:`NEAR` in some coordinate."""
    return not any(geometry.near(point, points, NEAR) for points in known)


def first_new(points: Array, known: Known, geometry: Geometry) -> Array | None:
    """Return the first of ``points (q, d)`` that is new, or None; see :func:`is_new`."""
    for point in points:
        if is_new(point, known, geometry):
            return np.asarray(point)
    return None


def unseen_grid(evidence: Evidence) -> Array | None:
    """Return the points of a small finite space that were never handed out; None for any other space."""
    cells = evidence.space.points(_ENUMERABLE)
    if cells is None:
        return None
    known = seen(known_points(evidence))
    return cells[[row.tobytes() not in known for row in cells + 0.0]]


def fresh_point(evidence: Evidence, rng: np.random.Generator) -> tuple[Array, bool]:
    """Return a random point ``(d,)``, a new one unless the space is exhausted, and whether it is a known one."""
    space = evidence.space
    draws = space.snap(rng.random((64, space.d)))
    known = known_points(evidence)
    new = first_new(draws, known, space.geometry)
    if new is not None:
        return new, False
    unseen = unseen_grid(evidence)
    if unseen is not None and len(unseen):
        return unseen[int(rng.integers(len(unseen)))], False
    idle = first_new(draws, (evidence.pending,), space.geometry)
    return (draws[0] if idle is None else idle), True

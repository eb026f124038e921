"""The part of the evidence that a local model may use, as displacements from the best point.

Discrete parameters stay at the best point's values; periodic ones are unwrapped round it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from arqon_ray.core.strategies.evidence import Array, Evidence


@dataclass(frozen=True, slots=True)
class Neighborhood:
    """The observations that share the best point's discrete values.

    Attributes:
        moving: ``(k,)`` columns of the continuous parameters that exist at the best point.
        row: the best point's row in the evidence.
        center: ``(d,)`` the best point.
        offsets: ``(m, k)`` displacements of the other points from it, the shorter way round for periodic ones.
        values: ``(m,)`` their values.
        busy: ``(p, k)`` displacements of the points in flight, likewise.
        low: ``(k,)`` displacement to the lower bounds; minus 1/2 for periodic parameters.
        high: ``(k,)`` displacement to the upper bounds.
    """

    moving: NDArray[np.intp]
    row: int
    center: Array
    offsets: Array
    values: Array
    busy: Array
    low: Array
    high: Array

    @classmethod
    def of(cls, evidence: Evidence, *, failed: bool = False) -> Neighborhood | None:
        """Return the neighborhood of the best observation; None when too few observations share its values.

        Args:
            evidence: what is known.
            failed: count a failed evaluation as one of median value, so that the search keeps away from there. Close
                to an optimum beside the failures that bends the model.
        """
        space, n = evidence.space, len(evidence.y)
        if n == 0:
            return None
        row = int(np.argmin(evidence.y))
        center = evidence.X[row]
        free = space.real & space.active(center[None])[0]
        moving = np.flatnonzero(free)
        same = np.all(evidence.X[:, ~free] == center[~free], axis=1)
        frozen = np.any(~free[space.moving])
        if len(moving) == 0 or (frozen and np.sum(same) < len(moving) + 1):
            return None
        same[row] = False

        def displacement(U: Array) -> Array:
            return space.geometry.shortest(U[:, moving] - center[moving], moving)

        busy = evidence.pending[np.all(evidence.pending[:, ~free] == center[~free], axis=1)]
        low, high = space.geometry.reach(center)
        X, values = evidence.X[same], evidence.y[same]
        if failed and len(evidence.failed) and len(values):
            beside = evidence.failed[np.all(evidence.failed[:, ~free] == center[~free], axis=1)]
            X = np.concatenate([X, beside])
            values = np.concatenate([values, np.full(len(beside), 2.0 * np.median(0.5 * values))])
        return cls(moving, row, center, displacement(X), values, displacement(busy), low[moving], high[moving])

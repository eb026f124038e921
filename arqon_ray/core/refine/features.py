"""Where the kernel measures distance: each parameter as one or more Euclidean coordinates.

The surrogate's distance between two points is ``r^2 = sum_j x_j D_j(u, v)`` with one inverse squared
length-scale ``x_j`` a parameter, and

* ``D_j`` what the parameter's embedding says (:mod:`arqon_ray.core.space.embeddings`): ``(u_j - v_j)^2`` for numbers
  and ordered choices, a chord for periodic ones, the Hamming distance for categories,
* plus ``[active_j(u) != active_j(v)]`` where the space has conditional parameters; an inactive coordinate is 0.5.

Each ``D_j`` is a squared Euclidean distance of *features* (the coordinate itself, a point on a circle, a
scaled one-hot vector, an indicator), so that the whole kernel needs one matrix product. Constants are left out.

Above :data:`MANY` parameters distances are measured in units of ``sqrt(k / MANY)``: random points are that much farther
apart there, and a model with the same prior on each length-scale would call all of them unrelated (Hvarfner, Hellsten
and Nardi, *Vanilla Bayesian optimization performs great in high dimensions*, ICML 2024).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from arqon_ray.core.space.embeddings import FIRST, Embedding

if TYPE_CHECKING:
    from arqon_ray.core.space.space import Space
    from arqon_ray.core.strategies.evidence import Array

MANY = 32
"""Parameters from which a space counts as one of many: moves are sampled, and features scaled."""


class Features:
    """The map ``(n, d)`` unit cube -> ``(n, m)`` features.

    Attributes:
        columns: ``(k,)`` the parameters that have a length-scale, i.e. all but the constants.
        groups: ``(m,)`` for each feature the position in ``columns`` of its parameter.
        m: the number of features.
    """

    def __init__(self, space: Space) -> None:
        """Let the parameters say how distances between their values are measured."""
        self._space = space
        self.columns = space.moving
        self._conditional = space.conditional
        parts = _grouped(space)
        owners = [columns[part.owners] for columns, part in parts]
        owner = np.concatenate([*owners, self.columns] if self._conditional else owners) if owners else self.columns
        self.groups: NDArray[np.intp] = np.searchsorted(self.columns, owner)
        self.m = len(owner)
        self._parts = parts
        ends = np.cumsum([part.m for _, part in parts], dtype=np.intp)
        self._smooth = [
            (columns, part, slice(end - part.m, end))
            for (columns, part), end in zip(parts, ends.tolist(), strict=True)
            if part.smooth
        ]
        self._unit = math.sqrt(max(len(self.columns) / MANY, 1.0))

    def __call__(self, U: Array) -> Array:
        """Return the ``(n, m)`` features of ``(n, d)`` canonical points."""
        blocks = [part(U[:, columns]) for columns, part in self._parts]
        if self._conditional:
            blocks.append(self._space.active(U)[:, self.columns].astype(np.float64))
        # Row by row in memory, however many parts there are: the sums of BLAS are rounded by layout.
        features = np.ascontiguousarray(np.concatenate(blocks, axis=1))
        return features if self._unit == 1.0 else features / self._unit

    def move(self, rest: Array, u: Array) -> Array:
        """Return the ``(m,)`` features of ``u (d,)``, which has the same categories and activity as another point.

        Args:
            rest: ``(m,)`` the other point's features.
            u: the moved point.
        """
        z = rest.copy()
        for columns, part, at in self._smooth:
            z[at] = part.move(u[columns], self._unit)
        return z

    def pull_back(self, u: Array, gradient: Array) -> Array:
        """Turn the gradient with respect to the features of ``u`` into one with respect to ``u``.

        Args:
            u: ``(d,)`` a point.
            gradient: ``(m,)`` derivatives with respect to its features.

        Returns:
            ``(d,)``; zero for parameters whose features have no derivative, as those of unordered categories.
        """
        result = np.zeros(len(u))
        gradient = gradient / self._unit
        for columns, part, at in self._smooth:
            result[columns] = part.pull_back(u[columns], gradient[at])
        return result


def _grouped(space: Space) -> list[tuple[NDArray[np.intp], Embedding]]:
    """Return the embeddings of the space, each with its columns, in the order of their features."""
    wanted = {j: space.parameters[j].embedding for j in space.moving.tolist()}
    known = [each for each in FIRST if each in wanted.values()]
    groups = []
    for one in [*known, *(each for each in dict.fromkeys(wanted.values()) if each not in FIRST)]:
        columns = [j for j, each in wanted.items() if each is one]
        groups.append((np.array(columns, dtype=np.intp), one([space.parameters[j] for j in columns])))
    return groups

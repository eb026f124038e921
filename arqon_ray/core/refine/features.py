"""Where the kernel measures distance: each parameter as one or more Euclidean coordinates.

The surrogate's distance between two points is ``r^2 = sum_j x_j D_j(u, v)`` with one inverse squared
length-scale ``x_j`` a parameter, and

* ``D_j = (u_j - v_j)^2`` for continuous, discrete and ordered categorical parameters,
* ``D_j = sin^2(pi (u_j - v_j))`` for periodic ones, the squared chord of a circle of diameter 1,
* ``D_j = [u_j != v_j]`` (Hamming) for categorical ones,
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

if TYPE_CHECKING:
    from arqon_ray.core.space.space import Space
    from arqon_ray.core.strategies.evidence import Array

_CIRCLE = 2.0 * math.pi
_HAMMING = math.sqrt(0.5)

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
        """Choose the features of each parameter."""
        self._space = space
        parameters = space.parameters
        self.columns = np.array([j for j in range(space.d) if parameters[j].levels != 1], dtype=np.intp)
        circles = [j for j in self.columns if parameters[j].periodic]
        categories = [j for j in self.columns if parameters[j].kind == "categorical" and not parameters[j].ordered]
        plain = [j for j in self.columns if j not in circles and j not in categories]
        self._plain = np.array(plain, dtype=np.intp)
        self._circles = np.array(circles, dtype=np.intp)
        self._categories = np.array(categories, dtype=np.intp)
        self._levels = np.array([parameters[j].levels for j in categories], dtype=np.intp)
        self._first = np.cumsum(self._levels) - self._levels
        self._conditional = space.conditional
        one_hot = np.repeat(self._categories, self._levels).tolist()
        owners = plain + circles + circles + one_hot + (list(self.columns) if self._conditional else [])
        self.groups: NDArray[np.intp] = np.searchsorted(self.columns, np.array(owners, dtype=np.intp))
        self.m = len(owners)
        self._unit = math.sqrt(max(len(self.columns) / MANY, 1.0))

    def __call__(self, U: Array) -> Array:
        """Return the ``(n, m)`` features of ``(n, d)`` canonical points."""
        angles = _CIRCLE * U[:, self._circles]
        blocks = [U[:, self._plain], 0.5 * np.cos(angles), 0.5 * np.sin(angles)]
        one_hot = np.zeros((len(U), int(np.sum(self._levels))))
        rank = np.minimum((U[:, self._categories] * self._levels).astype(np.intp), self._levels - 1)
        one_hot[np.arange(len(U))[:, None], self._first + rank] = _HAMMING
        blocks.append(one_hot)
        if self._conditional:
            blocks.append(self._space.active(U)[:, self.columns].astype(np.float64))
        features = np.concatenate(blocks, axis=1)
        return features if self._unit == 1.0 else features / self._unit

    def move(self, rest: Array, u: Array) -> Array:
        """Return the ``(m,)`` features of ``u (d,)``, which differs in continuous values only from another point.

        Args:
            rest: ``(m,)`` the other point's features.
            u: the moved point.
        """
        p, q = len(self._plain), len(self._circles)
        angles = _CIRCLE * u[self._circles]
        z = rest.copy()
        z[:p] = u[self._plain] / self._unit
        z[p : p + q] = 0.5 / self._unit * np.cos(angles)
        z[p + q : p + 2 * q] = 0.5 / self._unit * np.sin(angles)
        return z

    def pull_back(self, u: Array, gradient: Array) -> Array:
        """Turn the gradient with respect to the features of ``u`` into one with respect to ``u``.

        Args:
            u: ``(d,)`` a point.
            gradient: ``(m,)`` derivatives with respect to its features.

        Returns:
            ``(d,)``; zero for unordered categorical parameters, which have no derivative.
        """
        result = np.zeros(len(u))
        p, q = len(self._plain), len(self._circles)
        gradient = gradient / self._unit
        result[self._plain] = gradient[:p]
        angles = _CIRCLE * u[self._circles]
        result[self._circles] = math.pi * (
            np.cos(angles) * gradient[p + q : p + 2 * q] - np.sin(angles) * gradient[p : p + q]
        )
        return result

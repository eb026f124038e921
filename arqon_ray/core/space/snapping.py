"""The canonical coordinates of many points at once: one operation for all parameters of a kind, not one for each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from arqon_ray.core.space.parameters import Categorical, Discrete, Parameter

Array = NDArray[np.float64]


class Snapping:
    """What ``Parameter.snap`` does, for all parameters, bit for bit.

    Args:
        parameters: in the order of the columns.
    """

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        clipped = [j for j, p in enumerate(parameters) if p.kind == "continuous" and not p.periodic]
        even = [(j, p.levels) for j, p in enumerate(parameters) if _has_even_cells(p) and p.levels is not None]
        self._clipped = np.array(clipped, dtype=np.intp)
        self._even = np.array([j for j, _ in even], dtype=np.intp)
        self._levels = np.array([levels for _, levels in even], dtype=np.int64)
        self._others = [(j, p) for j, p in enumerate(parameters) if j not in {*clipped, *self._even.tolist()}]

    def __call__(self, U: Array) -> Array:
        """Return ``(n, d)`` points, each coordinate at its canonical place; conditions are no matter of this."""
        snapped = np.empty(np.shape(U))
        snapped[:, self._clipped] = np.clip(U[:, self._clipped], 0.0, 1.0)
        scaled = np.clip(U[:, self._even], 0.0, 1.0) * self._levels
        snapped[:, self._even] = (np.minimum(scaled.astype(np.int64), self._levels - 1) + 0.5) / self._levels
        for j, parameter in self._others:
            snapped[:, j] = parameter.snap(U[:, j])
        return snapped


def _has_even_cells(parameter: Parameter) -> bool:
    linear = isinstance(parameter, Discrete) and parameter.scale == "Linear"
    return linear or isinstance(parameter, Categorical)

"""L-BFGS-B as the refine strategies use it: a box, an objective with its gradient, a limited effort."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import Bounds, minimize

if TYPE_CHECKING:
    from arqon_ray.core.strategies.evidence import Array


def descend(
    objective: Callable[[Array], tuple[float, Array]], start: Array, low: Array, high: Array, iterations: int
) -> tuple[float, Array]:
    """Minimize over a box by L-BFGS-B (Byrd, Lu, Nocedal and Zhu, SIAM J. Sci. Comput. 16, 1995).

    Args:
        objective: returns the value and the gradient ``(k,)`` at a ``(k,)`` point.
        start: ``(k,)`` where to begin; clipped to the box.
        low: ``(k,)`` lower bounds.
        high: ``(k,)`` upper bounds.
        iterations: at most so many.

    Returns:
        The lowest value found (perhaps not finite) and its point, inside the box.
    """
    options: Any = {"maxiter": iterations, "ftol": 1e-7, "gtol": 1e-4}
    result = minimize(
        objective,
        np.clip(start, low, high),
        jac=True,
        method="L-BFGS-B",
        bounds=Bounds(low, high),
        options=options,
    )
    return float(result.fun), np.clip(np.asarray(result.x, dtype=np.float64), low, high)

"""Linear algebra that both models need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg.lapack import dpotrf, dtrtrs

if TYPE_CHECKING:
    from arqon_ray.core.strategies.evidence import Array

_JITTERS = (0.0, 1e-9, 1e-7, 1e-5, 1e-3, 1e-1)


def cholesky(K: Array) -> Array:
    """Return the lower Cholesky factor ``(n, n)`` of ``K``, with as little jitter as makes it positive definite.

    The jitter is relative to the mean of the diagonal; when none helps, the factor is that of the diagonal.
    """
    size = float(np.mean(np.abs(np.diag(K))))
    for jitter in _JITTERS:
        factor, info = dpotrf(K + jitter * size * np.eye(len(K)), lower=1, clean=1)
        if info == 0:
            return np.asarray(factor)
    return np.diag(np.sqrt(np.abs(np.diag(K)) + size))


def solve_lower(L: Array, B: Array, *, transposed: bool = False) -> Array:
    """Return ``L^-1 B`` or ``L^-T B`` for lower triangular ``L (n, n)``; ``B`` is ``(n,)`` or ``(n, m)``."""
    solution = np.asarray(dtrtrs(L, B, lower=1, trans=1 if transposed else 0)[0])
    return solution.reshape(B.shape)

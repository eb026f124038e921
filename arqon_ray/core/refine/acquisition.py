"""The logarithm of the expected improvement, and its gradient, without underflow.

Ament, Daulton, Eriksson, Balandat and Bakshy, *Unexpected improvements to expected improvement for Bayesian
optimization* (2023), arXiv 2310.20708. For minimization, with posterior mean ``mu``, deviation ``sigma`` and
incumbent ``b``::

    EI = sigma h(u),   u = (b - mu) / sigma,   h(u) = phi(u) + u Phi(u)

``h`` underflows at ``u`` about -38 and loses all digits earlier, its logarithm does not: with the Mills ratio
``M(u) = Phi(u) / phi(u) = sqrt(pi / 2) erfcx(-u / sqrt 2)``, ``h = phi (1 + u M)``, and the derivative of ``log h`` is
``M / (1 + u M)``. Far out, where ``1 + u M`` cancels, the asymptotic series ``M = -1/u (1 - u^-2 + 3 u^-4 - ..)``
takes over.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import erfcx, ndtr

if TYPE_CHECKING:
    from arqon_ray.core.refine.surrogate import Surrogate
    from arqon_ray.core.strategies.evidence import Array

_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
_MILLS = math.sqrt(0.5 * math.pi)
_FAR = -1e3
"""Below it the series is exact to 1e-16 and ``1 + u M`` good to no more than 1e-10."""


def log_h(u: Array) -> tuple[Array, Array]:
    """Return ``log h(u)`` and its derivative, same shape as ``u``."""
    density = np.exp(-0.5 * u * u - _HALF_LOG_2PI)
    # erfcx overflows for large positive u, and underflows nowhere else: each branch sees its own range only.
    right = np.maximum(u, -1.0)
    h = np.where(u > -1.0, density, 1.0) + right * ndtr(right)
    negative = np.clip(u, _FAR, -1.0)
    mills = _MILLS * erfcx(-negative / math.sqrt(2.0))
    rest = 1.0 + negative * mills
    far = np.minimum(u, _FAR)
    tail = far**-2
    series = 1.0 - 3.0 * tail + 15.0 * tail**2
    base = -0.5 * u * u - _HALF_LOG_2PI
    value = np.where(
        u > -1.0,
        np.log(np.where(u > -1.0, h, 1.0)),
        np.where(u >= _FAR, base + np.log(rest), base - 2.0 * np.log(-far) + np.log(series)),
    )
    left = np.where(u >= _FAR, mills / rest, -far * (1.0 - tail + 3.0 * tail**2) / series)
    return value, np.where(u > -1.0, ndtr(right) / np.where(u > -1.0, h, 1.0), left)


@dataclass(frozen=True, slots=True)
class LogExpectedImprovement:
    """``log EI`` of a surrogate over the incumbent's value.

    Attributes:
        model: the posterior.
        best: the value to improve on, in the model's (warped) units.
    """

    model: Surrogate
    best: float

    def __call__(self, U: Array) -> Array:
        """Return ``log EI (p,)`` at ``U (p, d)``."""
        mean, variance = self.model.predict(U)
        return self.score(self.best, mean, np.sqrt(variance))

    @staticmethod
    def score(best: float, mean: Array, sigma: Array) -> Array:
        """Return ``log EI (p,)`` where the posterior mean and deviation, ``(p,)`` each, are at hand."""
        return log_h((best - mean) / sigma)[0] + np.log(sigma)

    def with_gradient(self, u: Array, rest: Array) -> tuple[float, Array]:
        """Return ``log EI`` and its gradient ``(d,)`` at one point; see :meth:`Surrogate.predict_gradient`."""
        mean, variance, d_mean, d_variance = self.model.predict_gradient(u, rest)
        sigma = math.sqrt(variance)
        d_sigma = d_variance / (2.0 * sigma)
        z = (self.best - mean) / sigma
        value, slope = log_h(np.array([z]))
        gradient = slope[0] * (-d_mean - z * d_sigma) / sigma + d_sigma / sigma
        return float(value[0]) + math.log(sigma), gradient

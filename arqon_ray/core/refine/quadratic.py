"""A quadratic model of scattered values, and its minimum in a ball with bounds.

The model of values ``f (m,)`` at ``S (m, k)`` is ``q(s) = a + g s + 1/2 s^T H s`` with the smallest Hessian that
explains them, in the weighted norm whose reproducing kernel is ``K(s, t) = 1/4 ((s t)^2 + 3 sum_i s_i^2 t_i^2)``:
``H = sum_j w_j (1/2 t_j t_j^T + 3/2 diag(t_j^2))``, so that diagonal entries are cheaper than the rest (a prior
towards separability). Minimum-norm models: Powell, *Least Frobenius norm updating of quadratic models that satisfy
interpolation conditions* (2004); Ragonneau, *Model-based derivative-free optimization methods and software* (2022).

Interpolation is softened by what a quadratic cannot explain: a point at distance ``r`` carries an error of variance
``(T^2 / 9) delta^2 r^6``, a cubic term. So any number of points may enter, far ones do no harm. This is Gaussian
process regression with kernel ``K``, a linear trend and that noise, and so the data choose ``T``: the one of the
highest restricted likelihood (Rasmussen and Williams, 2006, eq. 2.45). A fixed ``T`` drowns the small curvatures
of ill-conditioned functions, no ``T`` at all is misled by far points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from arqon_ray.core.refine.linear import cholesky, solve_lower

if TYPE_CHECKING:
    from arqon_ray.core.strategies.evidence import Array

_CUBIC = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Candidates for ``T``."""
_SEPARABILITY = 3.0


@dataclass(frozen=True, slots=True)
class Quadratic:
    """``q(s) - q(0) = g s + 1/2 s^T H s``.

    Attributes:
        gradient: ``g (k,)``.
        hessian: ``H (k, k)``, symmetric.
    """

    gradient: Array
    hessian: Array

    def change(self, s: Array) -> float:
        """Return ``q(s) - q(0)`` at a step ``s (k,)``."""
        return float(self.gradient @ s + 0.5 * s @ self.hessian @ s)

    @classmethod
    def fit(cls, S: Array, f: Array, delta: float) -> Quadratic:
        """Fit the model; of the cubic errors the most likely one is assumed.

        Args:
            S: ``(m, k)`` points, the trust region's center at 0 and its radius 1.
            f: ``(m,)`` their values.
            delta: the radius in units of the cube, for the size of the cubic error.
        """
        m, k = S.shape
        squared = np.sum(S * S, axis=1)
        # Rows are scaled to like size: far points have kernel values of r^4.
        scale = 1.0 / np.maximum(1.0, squared)
        kernel = 0.25 * ((S @ S.T) ** 2 + _SEPARABILITY * (S * S) @ (S * S).T) * scale[:, None] * scale
        P, right = scale[:, None] * np.column_stack([np.ones(m), S]), f * scale
        best, weights, slope = np.inf, np.zeros(m), np.zeros(k + 1)
        for cubic in _CUBIC:
            error = (cubic**2 / 9.0) * delta**2 * squared**3 + 1e-10 * (1.0 + squared**2)
            score, w, b = _restricted_likelihood(kernel + np.diag(error * scale**2), P, right)
            if score < best - 1e-6:
                best, weights, slope = score, w, b
        weighted = S * (weights * scale)[:, None]
        hessian = 0.5 * (weighted.T @ S) + 0.5 * _SEPARABILITY * np.diag(np.sum(weighted * S, axis=0))
        return cls(slope[1:], hessian)


def _restricted_likelihood(covariance: Array, P: Array, f: Array) -> tuple[float, Array, Array]:
    """Return minus twice the log restricted likelihood, its variance profiled out, and the two kinds of weights.

    Args:
        covariance: ``(m, m)`` kernel plus error variances.
        P: ``(m, q)`` trend functions; their coefficients have a flat prior.
        f: ``(m,)`` values.

    Returns:
        The score (lower is better), the kernel weights ``(m,)`` and the trend's coefficients ``(q,)``.
    """
    m, q = P.shape
    L = cholesky(covariance)
    A, b = solve_lower(L, P), solve_lower(L, f)
    # The ridge makes the trend unique where the points do not span the space.
    C = cholesky(A.T @ A + 1e-9 * np.eye(q))
    slope = solve_lower(C, solve_lower(C, A.T @ b), transposed=True)
    rest = b - A @ slope
    score = 2.0 * float(np.sum(np.log(np.diag(L))) + np.sum(np.log(np.diag(C))))
    # Where the trend explains all, what is left is rounding and must not choose.
    score += max(m - q, 1) * float(np.log(max(float(rest @ rest), 1e-20 * float(b @ b), 1e-300)))
    return score, solve_lower(L, rest, transposed=True), slope


def ball_minimum(model: Quadratic, radius: float) -> Array:
    """Return the ``(k,)`` minimum of the model over ``|s| <= radius``.

    By an eigendecomposition and the secular equation (Conn, Gould and Toint, *Trust-region methods*, 2000, chapter 7).
    """
    values, vectors = np.linalg.eigh(model.hessian)
    g = vectors.T @ model.gradient
    size = max(float(np.max(np.abs(values))), float(np.linalg.norm(g)) / radius, 1e-300)
    if values[0] > 1e-12 * size:
        newton = -g / values
        if float(np.linalg.norm(newton)) <= radius:
            return np.asarray(vectors @ newton)
    # |s(shift)| falls in the shift: bisect between the pole and where it is surely inside.
    low = max(0.0, -float(values[0]))
    high = low + float(np.linalg.norm(g)) / radius + 1e-12 * size
    for _ in range(60):
        shift = 0.5 * (low + high)
        if float(np.linalg.norm(g / np.maximum(values + shift, 1e-300))) > radius:
            low = shift
        else:
            high = shift
    step = -g / np.maximum(values + high, 1e-300)
    rest = radius**2 - float(step @ step)
    if rest > 1e-6 * radius**2 and values[0] < 0.0:
        # The hard case: the gradient has no part along the most negative curvature.
        step[0] += np.copysign(np.sqrt(rest), step[0])
    return np.asarray(vectors @ step)


def bounded_minimum(model: Quadratic, low: Array, high: Array) -> Array:
    """Return an approximate ``(k,)`` minimum over the unit ball and the bounds, by an active set.

    Args:
        model: the quadratic.
        low: ``(k,)`` lower bounds of the step, at most 0.
        high: ``(k,)`` upper bounds, at least 0.
    """
    k = len(low)
    step, free = np.zeros(k), np.ones(k, dtype=bool)
    for _ in range(k):
        radius = float(np.sqrt(max(1.0 - float(step[~free] @ step[~free]), 0.0)))
        if radius < 1e-9:
            break
        gradient = model.gradient[free] + model.hessian[np.ix_(free, ~free)] @ step[~free]
        trial = ball_minimum(Quadratic(gradient, model.hessian[np.ix_(free, free)]), radius)
        excess = np.maximum(trial - high[free], low[free] - trial)
        step[free] = np.clip(trial, low[free], high[free])
        if np.max(excess) <= 0.0:
            break
        free[np.flatnonzero(free)[excess > 0.0]] = False
        if not np.any(free):
            break
    step /= max(1.0, float(np.linalg.norm(step)))
    return min([step, *_gradient_path(model, low, high)], key=model.change)


def _gradient_path(model: Quadratic, low: Array, high: Array) -> list[Array]:
    """Return steps ``(k,)`` down the gradient, projected on ball and bounds: a decrease that an active set may miss."""
    slope = float(np.linalg.norm(model.gradient))
    if slope == 0.0:
        return []
    lengths = 4.0 ** np.arange(1, -6, -1)
    steps = [np.clip(-length / slope * model.gradient, low, high) for length in lengths]
    return [step / max(1.0, float(np.linalg.norm(step))) for step in steps]

"""Exact Gaussian process regression, Matern-5/2 with one length-scale a parameter, fitted by MAP.

Notation, after Rasmussen and Williams, *Gaussian Processes for Machine Learning* (2006), chapters 2 and 5:
``n`` observations with features ``Z (n, m)`` (see :mod:`.features`) and standardized targets ``z (n,)``;
``k`` parameters with inverse squared length-scales ``x (k,)``; ``s`` the scale (prior variance), ``v`` the noise
variance. With ``t = sqrt(5 r^2)`` the kernel is ``s (1 + t + t^2 / 3) exp(-t)``.

The hyper-parameters travel as one vector ``theta (k + 2,) = log x_1 .. log x_k, log s, log(v - floor)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotri

from arqon_ray.core.refine.climb import descend
from arqon_ray.core.refine.linear import cholesky, solve_lower

if TYPE_CHECKING:
    from arqon_ray.core.refine.features import Features
    from arqon_ray.core.strategies.evidence import Array

Indices = NDArray[np.intp]
NOISE_FLOOR = 1e-6
_CHEAP, _LEAST = 2**22, 8
"""Multiplications of an evaluation (observations squared times features) up to which a fit has all of its iterations,
and the least that it has."""
_BOUNDS = ((-9.0, 9.0), (-9.0, 9.0), (-20.0, 2.0))
"""Of ``log x``, ``log s`` and ``log(v - floor)``."""


def bounds_of(size: int) -> list[tuple[float, float]]:
    """Return lower and upper bound of each entry of a ``theta`` of ``size`` entries."""
    return [_BOUNDS[0]] * (size - 2) + list(_BOUNDS[1:]) if size >= 2 else []


class Hyperparameters(NamedTuple):
    """``theta`` in natural units: ``inverse_squared_lengths (k,)``, ``scale`` and ``noise`` variance."""

    inverse_squared_lengths: Array
    scale: float
    noise: float


def unpack(theta: Array) -> Hyperparameters:
    """Return the hyper-parameters of a vector ``theta (k + 2,)``."""
    values = np.exp(theta)
    return Hyperparameters(values[:-2], float(values[-2]), NOISE_FLOOR + float(values[-1]))


def default_theta(k: int, noise: float = 1e-3) -> Array:
    """Return where a fit starts: unit length-scales, unit scale, the given noise variance."""
    theta = np.zeros(k + 2)
    theta[-1] = np.log(noise)
    return theta


def matern(A: Array, B: Array, scale: float) -> tuple[Array, Array]:
    """Return the kernel matrix and its derivative with respect to the squared distance.

    Args:
        A: ``(n, m)`` features divided by their length-scales.
        B: ``(p, m)`` likewise.
        scale: the prior variance ``s``.

    Returns:
        ``K (n, p)`` and ``dK / d(r^2) (n, p)``; the latter is ``-5/6 s (1 + t) exp(-t)``.
    """
    squared = np.sum(A * A, axis=1)[:, None] + np.sum(B * B, axis=1)[None] - 2.0 * (A @ B.T)
    t = np.sqrt(5.0 * np.maximum(squared, 0.0))
    decay = scale * np.exp(-t)
    return (1.0 + t + t * t / 3.0) * decay, (-5.0 / 6.0) * (1.0 + t) * decay


def log_prior(theta: Array) -> tuple[float, Array]:
    """Return the logarithm of the prior density of ``theta`` (up to a constant) and its gradient ``(k + 2,)``.

    ``-0.1 (x + 1/x)`` keeps length-scales from being very long or very short (the prior of Optuna's GPSampler);
    Gamma(2, 1) on the scale; Gamma(1.1, rate 30) on the noise.
    """
    x, scale, noise = unpack(theta)
    value = -0.1 * float(np.sum(x + 1.0 / x)) + np.log(scale) - scale + 0.1 * np.log(noise) - 30.0 * noise
    d_noise = (0.1 / noise - 30.0) * (noise - NOISE_FLOOR)
    return float(value), np.concatenate([-0.1 * (x - 1.0 / x), [1.0 - scale, d_noise]])


def negative_log_posterior(theta: Array, Z: Array, groups: Indices, z: Array) -> tuple[float, Array]:
    """Return the negative log posterior of ``theta`` and its gradient.

    The likelihood is Rasmussen and Williams eq. 2.30, its gradient eq. 5.9: ``-1/2 tr(W dK)`` with
    ``W = alpha alpha^T - K^-1``. For a length-scale ``dK = K' * D`` elementwise, and with ``G = W * K'``
    ``sum_ab G_ab (z_a - z_b)^2 = 2 (sum_a (G 1)_a z_a^2 - z^T G z)`` for each feature, so that all length-scales
    cost one ``(n, n) x (n, m)`` product and no ``(n, n, m)`` array.

    Args:
        theta: ``(k + 2,)`` see the module.
        Z: ``(n, m)`` features.
        groups: ``(m,)`` the parameter of each feature.
        z: ``(n,)`` targets.
    """
    x, scale, noise = unpack(theta)
    n = len(z)
    A = Z * np.sqrt(x[groups])
    K, slope = matern(A, A, scale)
    L = cholesky(K + noise * np.eye(n))
    inverse = dpotri(L, lower=1)[0]
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    alpha = inverse @ z
    value = 0.5 * float(z @ alpha) + float(np.sum(np.log(np.diag(L))))
    W = np.outer(alpha, alpha) - inverse
    G = W * slope
    per_feature = 2.0 * (np.sum(G, axis=1) @ (A * A) - np.sum(A * (G @ A), axis=0))
    d_lengths = np.bincount(groups, weights=per_feature, minlength=len(x))
    d_noise = float(np.trace(W)) * (noise - NOISE_FLOOR)
    gradient = -0.5 * np.concatenate([d_lengths, [float(np.sum(W * K)), d_noise]])
    prior, d_prior = log_prior(theta)
    return value - prior, gradient - d_prior


def fit(Z: Array, groups: Indices, z: Array, starts: Sequence[Array], iterations: int = 40) -> Array:
    """Return the best ``theta (k + 2,)`` that L-BFGS-B finds from the starts; shapes as in the objective.

    Where one evaluation of the objective is dear there are fewer iterations: the next fit goes on from where this ends.
    """
    iterations = max(_LEAST, min(iterations, iterations * _CHEAP // (len(z) ** 2 * Z.shape[1] + 1)))
    bounds = np.array(bounds_of(len(starts[0])))
    best_value, best = np.inf, starts[0]
    for start in starts:
        value, theta = descend(
            lambda theta: negative_log_posterior(theta, Z, groups, z), start, bounds[:, 0], bounds[:, 1], iterations
        )
        if np.isfinite(value) and value < best_value:
            best_value, best = value, theta
    return best


@dataclass(frozen=True, slots=True)
class Surrogate:
    """The posterior of a Gaussian process given hyper-parameters and observations.

    Attributes:
        features: the map from the unit cube.
        theta: ``(k + 2,)`` hyper-parameters.
        X: ``(n, d)`` canonical points.
        z: ``(n,)`` targets.
        A: ``(n, m)`` the points' features divided by their length-scales.
        L: ``(n, n)`` Cholesky factor of kernel plus noise.
        alpha: ``(n,)`` kernel inverse times targets.
    """

    features: Features
    theta: Array
    X: Array
    z: Array
    A: Array
    L: Array
    alpha: Array

    @classmethod
    def condition(cls, features: Features, theta: Array, X: Array, z: Array) -> Surrogate:
        """Return the posterior after observing ``z (n,)`` at ``X (n, d)``."""
        x, scale, noise = unpack(theta)
        A = features(X) * np.sqrt(x[features.groups])
        L = cholesky(matern(A, A, scale)[0] + noise * np.eye(len(z)))
        alpha = solve_lower(L, solve_lower(L, z), transposed=True)
        return cls(features, theta, X, z, A, L, alpha)

    @property
    def noise(self) -> float:
        """The noise variance."""
        return unpack(self.theta).noise

    @property
    def length_scales(self) -> Array:
        """``(k,)`` length-scales, in units of the cube."""
        return np.exp(-0.5 * self.theta[:-2])

    def predict(self, U: Array) -> tuple[Array, Array]:
        """Return the posterior mean and the variance of the noiseless function, ``(p,)`` each, at ``U (p, d)``."""
        x, scale, _ = unpack(self.theta)
        K, _ = matern(self.A, self.features(U) * np.sqrt(x[self.features.groups]), scale)
        V = solve_lower(self.L, K)
        return self.alpha @ K, np.maximum(scale - np.sum(V * V, axis=0), 1e-12 * scale)

    def predict_gradient(self, u: Array, rest: Array) -> tuple[float, float, Array, Array]:
        """Return mean, variance and their gradients ``(d,)`` at one point.

        Args:
            u: ``(d,)`` the point.
            rest: ``(m,)`` the features of a point with the same categories and activity.
        """
        x, scale, _ = unpack(self.theta)
        root = np.sqrt(x[self.features.groups])
        a = self.features.move(rest, u)[None] * root
        K, slope = matern(self.A, a, scale)
        w = solve_lower(self.L, K)
        beta = solve_lower(self.L, w, transposed=True)
        weights = np.column_stack([self.alpha, -2.0 * beta[:, 0]]) * slope
        # d r_a^2 / d feature = 2 root (a - A_a)
        rows = 2.0 * root * (np.sum(weights, axis=0)[:, None] * a - weights.T @ self.A)
        mean, variance = float(self.alpha @ K[:, 0]), max(float(scale - np.sum(w * w)), 1e-12 * scale)
        pull = self.features.pull_back
        return mean, variance, pull(u, rows[0]), pull(u, rows[1])

    def believe(self, U: Array) -> Surrogate:
        """Return the posterior after also observing its own mean at ``U (p, d)`` (Kriging believer).

        Ginsbourger, Le Riche and Carraro, *Kriging is well-suited to parallelize optimization* (2010), section 3.2.
        """
        if len(U) == 0:
            return self
        mean, _ = self.predict(U)
        X, z = np.concatenate([self.X, U]), np.concatenate([self.z, mean])
        return Surrogate.condition(self.features, self.theta, X, z)

    def extend(self, point: Array, feature: Array, w: Array, spread: float) -> Surrogate:
        """Return the posterior after also observing its own mean at one point: one more row of the factor.

        Args:
            point: ``(d,)`` the point.
            feature: ``(1, m)`` its features divided by their length-scales.
            w: ``(n,)`` ``L^-1 k`` with its covariances ``k`` to the observations.
            spread: its variance.
        """
        n = len(self.z)
        L = np.zeros((n + 1, n + 1), order="F")
        L[:n, :n], L[n, :n], L[n, n] = self.L, w, np.sqrt(spread + self.noise)
        mean = float(matern(self.A, feature, unpack(self.theta).scale)[0][:, 0] @ self.alpha)
        return replace(
            self,
            X=np.concatenate([self.X, point[None]]),
            z=np.append(self.z, mean),
            A=np.concatenate([self.A, feature]),
            L=L,
            alpha=np.append(self.alpha, 0.0),
        )

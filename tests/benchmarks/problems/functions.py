"""The functions behind the problems in boxes: of a centered vector, least at 0, where they are 0."""

from __future__ import annotations

import math

import numpy as np

from tests.benchmarks.problems.problem import Array


def sphere(z: Array) -> float:
    return float(z @ z)


def ellipsoid(z: Array) -> float:
    return float(np.sum(10.0 ** (4.0 * np.linspace(0, 1, len(z))) * z * z)) / 100.0


def rosenbrock(z: Array) -> float:
    w = z + 1.0
    return float(np.sum(100.0 * (w[1:] - w[:-1] ** 2) ** 2 + (1.0 - w[:-1]) ** 2))


def ackley(z: Array) -> float:
    return float(
        20.0
        - 20.0 * math.exp(-0.2 * math.sqrt(float(z @ z) / len(z)))
        + math.e
        - math.exp(np.mean(np.cos(2 * np.pi * z)))
    )


def rastrigin(z: Array) -> float:
    return float(10.0 * len(z) + np.sum(z * z - 10.0 * np.cos(2.0 * np.pi * z)))


def griewank(z: Array) -> float:
    w = 10.0 * z
    return float(1.0 + w @ w / 4000.0 - np.prod(np.cos(w / np.sqrt(np.arange(1, len(w) + 1)))))


def levy(z: Array) -> float:
    w = 1.0 + z / 4.0
    end = (w[-1] - 1.0) ** 2 * (1.0 + np.sin(2 * np.pi * w[-1]) ** 2)
    middle = np.sum((w[:-1] - 1.0) ** 2 * (1.0 + 10.0 * np.sin(np.pi * w[:-1] + 1.0) ** 2))
    return float(np.sin(np.pi * (w[0] - 1.0)) ** 2 + middle + end)


def powers(z: Array) -> float:
    return float(np.sum(np.abs(z) ** (2.0 + 4.0 * np.linspace(0, 1, len(z))))) ** 0.5


def steps(z: Array) -> float:
    return sphere(np.floor(2.0 * z + 0.5) / 2.0)


def ridge(z: Array) -> float:
    return float(z[0] ** 2 + 100.0 * math.sqrt(float(z[1:] @ z[1:])))


def schaffer(z: Array) -> float:
    s = np.sqrt(z[:-1] ** 2 + z[1:] ** 2)
    return float(np.mean(np.sqrt(s) * (1.0 + np.sin(50.0 * s**0.2) ** 2))) ** 2


def weierstrass(z: Array) -> float:
    k = np.arange(8)
    waves = 0.5 ** k[:, None] * (1.0 - np.cos(2.0 * np.pi * 3.0 ** k[:, None] * (z / 5.0)))
    return float(10.0 * np.mean(waves.sum(axis=0)) + 0.02 * (z @ z))


def facets(z: Array) -> float:
    """Return the highest of many planes: convex and nowhere curved."""
    d = len(z)
    slopes = np.concatenate([np.eye(d), -np.eye(d), np.ones((1, d)) / 2, -np.ones((1, d)) / 2])
    return float(np.max(slopes * np.linspace(1.0, 4.0, len(slopes))[:, None] @ z))


def terraces(z: Array) -> float:
    """Return a valley whose height is known to a tenth of its logarithm only."""
    return float(math.floor(10.0 * math.log1p(rosenbrock(z / 2.0) / 10.0)))


def double_funnel(z: Array) -> float:
    """Return two bowls, the wider one not the deeper one, under ripples."""
    near, far = float(z @ z), float((z - 3.0) @ (z - 3.0)) * 0.6 + 1.5 * len(z)
    return min(near, far) + float(np.sum(1.0 - np.cos(2.0 * np.pi * z)))

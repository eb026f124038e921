"""Smooth and rugged functions of real parameters, in a few dimensions and in many."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from tests.benchmarks.problems import functions as f
from tests.benchmarks.problems.problem import Array, Params, Problem, seeded

SMOOTH = (f.sphere, f.ellipsoid, f.rosenbrock, f.powers, f.ridge)
RUGGED = (f.ackley, f.rastrigin, f.griewank, f.levy, f.schaffer, f.steps)
# The others in 20 dimensions and more, and each again under another shift, rotated where it was not.
FRESH = (
    (f.levy, 5, 19),
    (f.rosenbrock, 10, 13),
    (f.ackley, 10, 16),
    (f.ellipsoid, 20, 12),
    (f.powers, 20, 13),
    (f.rastrigin, 20, 17),
    (f.griewank, 20, 18),
    (f.rosenbrock, 30, 13),
    (f.ackley, 30, 16),
)
ODD = (
    (f.weierstrass, 5, 1),
    (f.facets, 10, 1),
    (f.terraces, 5, 1),
    (f.double_funnel, 2, 0),
)


def kind(smooth: bool, d: int) -> str:
    """Return the group of a problem in a box."""
    band = "20d+" if d >= 20 else f"{min((2, 5, 10), key=lambda b: abs(b - d))}d"
    return f"{'smooth' if smooth else 'rugged'} {band}"


def box(
    function: Callable[[Array], float], d: int, instance: int, noise: float = 0.0, scale: float = 1.0, base: float = 0.0
) -> Problem:
    """Return a shifted function on [-5, 5]^d, rotated in odd instances; its optimum lies in 90 % of the box."""
    rng = seeded(function.__name__, d, instance)
    shift = rng.uniform(-4.5, 4.5, d)
    rotation = np.linalg.qr(rng.normal(size=(d, d)))[0] if instance % 2 else np.eye(d)
    names = [f"x{j:02d}" for j in range(d)]

    def true(params: Params) -> float:
        return base + scale * function(rotation @ (np.array([params[name] for name in names]) - shift))

    group = "noisy" if noise else kind(function in SMOOTH, d)
    bounds = {name: {"min": -5.0, "max": 5.0} for name in names}
    suffix = "-noisy" if noise else "-small" if scale < 1 else "-high" if base else ""
    return Problem(f"{function.__name__}-{d}d-{instance}{suffix}", group, bounds, true, base, noise)


def named(
    name: str, function: Callable[[Array], float], ranges: list[tuple[float, float]], optimum: float, smooth: bool
) -> Problem:
    """Return a function of its own on its own box."""
    names = [f"x{j}" for j in range(len(ranges))]

    def true(params: Params) -> float:
        return function(np.array([params[name] for name in names]))

    bounds = {each: {"min": low, "max": high} for each, (low, high) in zip(names, ranges, strict=True)}
    return Problem(f"{name}-{len(ranges)}d", kind(smooth, len(ranges)), bounds, true, optimum)


def problems() -> Iterator[Problem]:
    """Yield them in a fixed order."""
    for d in (2, 5, 10):
        for i, function in enumerate((*SMOOTH, *RUGGED)):
            yield box(function, d, i)
    for i, function in enumerate((f.sphere, f.rosenbrock, f.ackley, f.levy)):
        yield box(function, 20, i)
    for function, d, instance in (*FRESH, *ODD):
        yield box(function, d, instance)
    yield box(f.ackley, 5, 21, base=1e6)
    yield box(f.ellipsoid, 10, 21, scale=1e-9)
    yield named("branin", branin, [(-5.0, 10.0), (0.0, 15.0)], 0.39788735772973816, True)
    yield named("camel", camel, [(-3.0, 3.0), (-2.0, 2.0)], -1.0316284534898774, True)
    yield named("beale", beale, [(-4.5, 4.5)] * 2, 0.0, True)
    yield named("michalewicz", michalewicz, [(0.0, math.pi)] * 5, -4.687658179088148, False)
    yield named("styblinski", styblinski, [(-5.0, 5.0)] * 5, -39.16616570377142 * 5, False)
    yield named("dixon", dixon, [(-10.0, 10.0)] * 5, 0.0, True)
    yield named("hartmann", hartmann, [(0.0, 1.0)] * 6, -3.3223680114155147, True)
    yield named("trid", trid, [(-100.0, 100.0)] * 10, -210.0, True)


def branin(x: Array) -> float:
    bent = x[1] - 5.1 / (4.0 * math.pi**2) * x[0] ** 2 + 5.0 / math.pi * x[0] - 6.0
    return float(bent**2 + 10.0 * (1.0 - 1.0 / (8.0 * math.pi)) * math.cos(x[0]) + 10.0)


def camel(x: Array) -> float:
    a, b = x
    return float((4.0 - 2.1 * a**2 + a**4 / 3.0) * a**2 + a * b + 4.0 * (b**2 - 1.0) * b**2)


def beale(x: Array) -> float:
    return float(sum((c - x[0] * (1.0 - x[1] ** k)) ** 2 for k, c in ((1, 1.5), (2, 2.25), (3, 2.625))))


def michalewicz(x: Array) -> float:
    return float(-np.sum(np.sin(x) * np.sin(np.arange(1, len(x) + 1) * x**2 / np.pi) ** 20))


def styblinski(x: Array) -> float:
    return float(0.5 * np.sum(x**4 - 16.0 * x * x + 5.0 * x))


def dixon(x: Array) -> float:
    return float((x[0] - 1.0) ** 2 + np.sum(np.arange(2, len(x) + 1) * (2.0 * x[1:] ** 2 - x[:-1]) ** 2))


def trid(x: Array) -> float:
    return float(np.sum((x - 1.0) ** 2) - np.sum(x[1:] * x[:-1]))


_HARTMANN_A = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
_HARTMANN_P = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def hartmann(x: Array) -> float:
    return float(-np.array([1.0, 1.2, 3.0, 3.2]) @ np.exp(-np.sum(_HARTMANN_A * (x - _HARTMANN_P) ** 2, axis=1)))

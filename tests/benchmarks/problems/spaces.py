"""Optima on bounds and in corners, and parameters that go round."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.benchmarks.problems.functions import ackley
from tests.benchmarks.problems.problem import Bounds, Params, Problem, seeded


def corner(d: int) -> Problem:
    """Return a bent slope whose optimum is a corner of the box."""
    names = [f"x{j}" for j in range(d)]

    def true(params: Params) -> float:
        u = np.array([params[name] for name in names])
        return float(np.sum(u)) + 3.0 * float(np.prod(u)) - 1000.0

    return Problem(f"corner-{d}d", "bound", {n: {"min": 0.0, "max": 1.0} for n in names}, true, -1000.0)


def edge(d: int) -> Problem:
    """Return a bowl whose least value within the box lies on a bound of every second parameter."""
    center = np.where(np.arange(d) % 2, 0.37, -0.4)
    names = [f"x{j}" for j in range(d)]

    def true(params: Params) -> float:
        return float(np.sum((np.array([params[name] for name in names]) - center) ** 2))

    return Problem(f"edge-{d}d", "bound", {n: {"min": 0.0, "max": 1.0} for n in names}, true, 0.16 * ((d + 1) // 2))


def brink(d: int) -> Problem:
    """Return a rugged funnel whose bottom lies on a bound of every second parameter."""
    bottom = np.where(np.arange(d) % 2, seeded("brink", d).uniform(-4.5, 4.5, d), 5.0)
    names = [f"x{j}" for j in range(d)]

    def true(params: Params) -> float:
        return ackley(np.array([params[name] for name in names]) - bottom)

    return Problem(f"brink-{d}d", "bound", {n: {"min": -5.0, "max": 5.0} for n in names}, true)


def slope(d: int) -> Problem:
    """Return a plane, steeper in some directions by far; its least value is in a corner, as is each log's end."""
    signs = seeded("slope", d).choice([-1.0, 1.0], d)
    weights = 10.0 ** np.linspace(0, 2, d)
    names = [f"x{j}" for j in range(d)]

    def true(params: Params) -> float:
        return float(np.sum(weights * (1.0 + signs * np.array([params[name] for name in names]))))

    return Problem(f"slope-{d}d", "bound", {n: {"min": -1.0, "max": 1.0} for n in names}, true)


def periodic(d: int) -> Problem:
    """Return angles whose optimum lies near the seam."""
    center = seeded("angles", d).uniform(-20.0, 20.0, d)
    names = [f"a{j}" for j in range(d)]

    def true(params: Params) -> float:
        delta = np.radians(np.array([params[name] for name in names]) - center)
        return float(np.sum(np.sin(delta / 2.0) ** 2) + 0.3 * np.sum(np.sin(2.0 * delta) ** 2))

    bounds = {name: {"min": 0.0, "max": 360.0, "scale": "Periodic"} for name in names}
    return Problem(f"angles-{d}d", "periodic", bounds, true)


def torsion(d: int) -> Problem:
    """Return angles of a chain, each with three rests and a pull on its neighbor."""
    center = seeded("torsion", d).uniform(-180.0, 180.0, d)
    names = [f"a{j}" for j in range(d)]

    def true(params: Params) -> float:
        delta = np.radians(np.array([params[name] for name in names]) - center)
        pull = np.sum(np.sin((delta[1:] - delta[:-1]) / 2.0) ** 2)
        return float(np.sum(np.sin(delta / 2.0) ** 2 + 0.5 * np.sin(1.5 * delta) ** 2) + pull)

    bounds = {name: {"min": -180.0, "max": 180.0, "scale": "Periodic"} for name in names}
    return Problem(f"torsion-{d}d", "periodic", bounds, true)


def season() -> Problem:
    """Return the fit of a wave to a curve: two phases that go round, two amplitudes and a period."""
    days = np.linspace(0.0, 100.0, 60)

    def wave(p: Params) -> np.ndarray:
        slow = p["amplitude"] * np.cos(2.0 * np.pi * (days / p["period"] - p["phase"]))
        return slow + p["overtone"] * np.cos(2.0 * np.pi * (2.0 * days / p["period"] - p["second"]))

    target = wave({"amplitude": 1.3, "period": 37.0, "phase": 0.93, "overtone": 0.4, "second": 0.07})

    def true(params: Params) -> float:
        return float(np.mean((wave(params) - target) ** 2))

    bounds: Bounds = {
        "amplitude": {"min": 0.0, "max": 3.0},
        "overtone": {"min": 0.0, "max": 3.0},
        "period": {"min": 10.0, "max": 200.0, "scale": "Log"},
        "phase": {"min": 0.0, "max": 1.0, "scale": "Periodic"},
        "second": {"min": 0.0, "max": 1.0, "scale": "Periodic"},
    }
    return Problem("season-5d", "periodic", bounds, true)


def problems() -> Iterator[Problem]:
    """Yield them in a fixed order."""
    yield from (corner(4), edge(3), edge(8), brink(2), brink(5), slope(10))
    yield from (periodic(2), periodic(5), torsion(4), season())

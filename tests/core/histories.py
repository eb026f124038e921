"""Spaces, objectives on the unit cube and recorded studies, for properties of the whole solver."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from arqon_ray.core import ArqonSolver, Candidate
from arqon_ray.core.strategies.evidence import Array
from tests.core.spaces import EVERY_KIND

SPACES: dict[str, dict[str, Any]] = {
    "plane": {"x": {"min": -1e6, "max": 3e6}, "y": {"min": 100.0, "max": 200.0}},
    "five": {f"x{j}": {"min": -1.0 - j, "max": 3.0 + j} for j in range(5)},
    "torus": {
        "a": {"min": 0.0, "max": 360.0, "scale": "Periodic"},
        "b": {"min": -1.0, "max": 1.0, "scale": "Periodic"},
        "rate": {"min": 1e-8, "max": 1e-3, "scale": "Log"},
    },
    "mixed": {
        "rate": {"min": 1e-4, "max": 0.1, "scale": "Log"},
        "n": {"min": 1, "max": 40, "type": "int"},
        "angle": {"min": -180.0, "max": 180.0, "scale": "Periodic"},
        "kind": {"choices": ["a", "b", "c"]},
    },
    "integers": {f"n{j}": {"min": -20, "max": 400, "type": "int"} for j in range(3)},
    "conditional": EVERY_KIND,
}

Objective = Callable[[Array, int], float]
"""From a point of the unit cube and the candidate's number to the value."""


def target(d: int) -> Array:
    """Return where the objectives have their optimum: somewhere, another place in each direction."""
    return np.asarray(0.2 + 0.6 * np.mod(0.618 * np.arange(1, d + 1), 1.0))


def smooth(u: Array, number: int = 0) -> float:
    return float(np.sum(np.arange(1, len(u) + 1) * (u - target(len(u))) ** 2))


def rugged(u: Array, number: int = 0) -> float:
    return smooth(u) + 0.05 * float(np.sum(np.sin(9.0 * (u - target(len(u)))) ** 2))


def stepped(u: Array, number: int = 0) -> float:
    return math.floor(8.0 * smooth(u)) / 8.0


def noisy(u: Array, number: int = 0) -> float:
    return smooth(u) + 0.1 * math.sin(1e3 * number)


OBJECTIVES: dict[str, Objective] = {f.__name__: f for f in (smooth, rugged, stepped, noisy)}


def fails(number: int) -> bool:
    """Tell which candidates fail in the recorded studies: one of eleven."""
    return number % 11 == 7


def play(solver: ArqonSolver, objective: Objective, count: int, scale: float = 1.0) -> list[Candidate]:
    """Ask and tell so many times, some of them failures; return the candidates."""
    candidates = []
    for _ in range(count):
        candidate = solver.propose()
        assert candidate is not None
        value = scale * objective(solver.space.encode(candidate.params), candidate.number)
        solver.observe(candidate.number, None if fails(candidate.number) else value)
        candidates.append(candidate)
    return candidates

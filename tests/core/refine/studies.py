"""A small ask-and-tell loop round one strategy, and evidence made by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

import arqon_ray.core.refine  # noqa: F401  (registers the strategies)
from arqon_ray.core.config import load_config
from arqon_ray.core.space.space import Space
from arqon_ray.core.strategies.evidence import Array, Evidence
from arqon_ray.core.strategies.registry import is_built_in, registered_strategies
from arqon_ray.core.strategies.strategy import Strategy

STRATEGIES = {cls.name: cls() for cls in registered_strategies() if is_built_in(cls)}
"""Ours, by name, with their default parameters."""


def space_of(bounds: dict[str, Any]) -> Space:
    return Space(load_config({"bounds": bounds}).bounds)


def cube(d: int) -> Space:
    return space_of({f"x{j:02d}": {"min": 0.0, "max": 1.0} for j in range(d)})


def evidence(
    space: Space,
    X: Any = (),
    y: Any = (),
    *,
    failed: Any = (),
    pending: Any = (),
    pending_origins: tuple[str, ...] = (),
    numbers: Any = None,
    number: int | None = None,
) -> Evidence:
    """Return evidence of points in the cube; the observed ones come first in the count of candidates."""
    y = np.array(y, dtype=np.float64)
    failed, pending = (np.array(U, dtype=np.float64).reshape(-1, space.d) for U in (failed, pending))
    told = len(y) + len(failed)
    return Evidence(
        space=space,
        X=np.array(X, dtype=np.float64).reshape(-1, space.d),
        y=y,
        numbers=np.arange(len(y)) if numbers is None else np.array(numbers),
        failed=failed,
        pending=pending,
        pending_numbers=np.arange(told, told + len(pending)),
        pending_origins=pending_origins or ("",) * len(pending),
        number=told + len(pending) if number is None else number,
        budget=100,
    )


def run(
    strategy: Strategy,
    space: Space,
    objective: Callable[[Array], float],
    evaluations: int,
    seed: int = 0,
    start: Array | None = None,
) -> tuple[Array, Array, list[dict[str, Any]]]:
    """Let one strategy spend a budget; return the points, the values and the memories.

    Memory goes through JSON between the asks. A random point fills in when the strategy has none.
    """
    rng = np.random.default_rng(seed)
    X = list(space.snap(np.full((1, space.d), 0.5) if start is None else start))
    y = [objective(x) for x in X]
    memory: dict[str, Any] = {}
    memories = []
    while len(y) < evaluations:
        proposal = strategy.propose(evidence(space, X, y), memory, np.random.default_rng([seed, len(y)]))
        if proposal is None:
            X.append(space.snap(rng.random((1, space.d)))[0])
        else:
            memory = {**memory, **json.loads(json.dumps(proposal.memory, allow_nan=False))}
            X.append(proposal.point)
        memories.append(memory)
        y.append(objective(X[-1]))
    return np.array(X), np.array(y), memories


def random_best(space: Space, objective: Callable[[Array], float], evaluations: int) -> float:
    """Return the median over ten seeds of random search's best value."""
    draws = (space.snap(np.random.default_rng(s).random((evaluations, space.d))) for s in range(10))
    return float(np.median([min(objective(u) for u in U) for U in draws]))

"""Classify tells landscapes apart by evidence, and says which."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from arqon_ray.core import ArqonSolver
from arqon_ray.core.propose.classify import classify

CUBE = {f"x{i}": {"min": -4.0, "max": 4.0} for i in range(3)}
Objective = Callable[[np.ndarray[Any, Any]], float]


def observed(objective: Objective, *, budget: int | None = 100, count: int = 40, **more: Any) -> ArqonSolver:
    solver = ArqonSolver({"seed": 2, "budget": budget, "bounds": {**CUBE, **more}, "strategy": "probe"})
    for params in solver.ask(count) or []:
        x = np.array([params[name] for name in CUBE])
        solver.tell([{"params": params, "value": objective(x)}])
    return solver


def verdict_of(solver: ArqonSolver) -> Any:
    return classify(solver.proposer().evidence(), {}, {}, 0)


def bowl(x: Any) -> float:
    return float(np.sum((x - 1.0) ** 2 * [1, 3, 10]))


def egg_carton(x: Any) -> float:
    return float(np.sum(np.cos(9.0 * x)))


@pytest.mark.parametrize(("objective", "landscape"), [(bowl, "smooth"), (egg_carton, "rugged")])
def test_a_bowl_is_smooth_and_an_egg_carton_is_not(objective: Objective, landscape: str) -> None:
    verdict = verdict_of(observed(objective))
    assert verdict.landscape == landscape
    assert -1.0 <= verdict.findings["quadratic_rank_correlation"] <= 1.0


def test_a_bowl_stays_smooth_when_the_search_has_converged() -> None:
    solver = ArqonSolver({"seed": 2, "budget": 60, "bounds": CUBE})
    while (params := solver.ask_one()) is not None:
        solver.tell([{"params": params, "value": bowl(np.array(list(params.values())))}])
    assert solver.explain()["landscape"] == "smooth"


def test_few_observations_say_nothing() -> None:
    verdict = verdict_of(observed(bowl, count=5))
    assert verdict.landscape == "unknown"
    assert verdict.findings["quadratic_rank_correlation"] is None


def test_the_kinds_of_parameters_decide_first() -> None:
    category: dict[str, Any] = {"choices": ["a", "b"]}
    assert verdict_of(observed(bowl, c=category)).landscape == "mixed"
    conditional = {"c": category, "e": {"min": 0, "max": 1, "when": {"c": "a"}}}
    assert verdict_of(observed(bowl, **conditional)).landscape == "conditional"


def test_the_budget_decides_the_order() -> None:
    firsts = [verdict_of(observed(bowl, count=count)).roles[0] for count in (20, 60, 90)]
    assert firsts == ["local", "global", "local"]
    unlimited = [verdict_of(observed(bowl, budget=None, count=count)).roles[0] for count in (20, 60, 90)]
    assert unlimited == ["local", "global", "local"]


def test_local_steps_in_flight_leave_the_others_to_the_surrogate() -> None:
    solver = ArqonSolver({"seed": 2, "budget": 100, "bounds": CUBE})
    for params in solver.ask(2) or []:
        solver.tell([{"params": params, "value": bowl(np.array(list(params.values())))}])
    origins = [solver.propose().origin for _ in range(12)]  # type: ignore[union-attr]
    assert 2 <= origins.count("trust_region") <= 4
    assert "gaussian_process" in origins


def test_every_reason_is_a_sentence_about_the_evidence() -> None:
    for count in (20, 60, 90):
        assert len(verdict_of(observed(bowl, count=count)).reason) > 20
    assert math.isclose(verdict_of(observed(bowl, count=60)).findings["budget_share"], 0.6)

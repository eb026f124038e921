"""Noise is what is large beside the differences that a search works on, and it takes two repeats to say so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from arqon_ray.core import ArqonSolver
from arqon_ray.core.propose.noise import judge, wanted
from arqon_ray.core.strategies.evidence import Evidence
from tests.core.refine.studies import cube, evidence


def seen(gaps: list[float], spread: float = 1.0, more: int = 0) -> tuple[Evidence, dict[str, Any]]:
    """Return evidence of a bowl whose best point was repeated, and the memory of that."""
    rng = np.random.default_rng(0)
    X = rng.random((20 + more, 2))
    y = 5.0 + spread * np.sum((X - 0.4) ** 2, axis=1)
    row = int(np.argmin(y))
    X = np.concatenate([X, np.repeat(X[row : row + 1], len(gaps), axis=0)])
    y = np.concatenate([y, y[row] + np.array(gaps)])
    numbers = np.arange(len(y))
    first = len(y) - len(gaps)
    memory = {"repeats": [[first + k, float(y[row]), 20] for k in range(len(gaps))]} if gaps else {}
    return evidence(cube(2), X, y, numbers=numbers, number=len(y)), memory


@pytest.mark.parametrize("gap", [0.0, 5e-9, 5e-6, 1e-4])
def test_a_gap_that_is_small_beside_what_is_left_is_no_noise(gap: float) -> None:
    for repeats in (1, 2, 3):
        assert judge(*seen([gap] * repeats)).noisy is False


def test_one_large_gap_asks_for_another_and_two_are_noise() -> None:
    given, memory = seen([0.3])
    found = judge(given, memory)
    assert found.noisy is None
    assert wanted(given, memory, found, {}) == int(np.argmin(given.y))
    assert [number for number, _, _ in memory["repeats"]] == [20, 21]
    assert judge(*seen([0.3, 0.2])).noisy is True


def test_the_verdict_is_drawn_anew_as_values_spread() -> None:
    gaps = [0.3, 0.2]
    assert judge(*seen(gaps)).noisy is True
    assert judge(*seen(gaps, spread=1000.0)).noisy is False


def test_a_repeat_in_flight_is_waited_for() -> None:
    given, memory = seen([0.3])
    memory["repeats"].append([99, 5.0, 21])
    waiting = evidence(cube(2), given.X, given.y, numbers=given.numbers, pending=[given.X[0]], number=100)
    waiting = replace(waiting, pending_numbers=np.array([99]))
    assert wanted(waiting, memory, judge(given, memory), {}) is None


def test_a_function_that_repeats_to_the_last_bit_is_tested_once() -> None:
    given, memory = seen([0.0], more=400)
    memory["noise_share"], memory["noise_at"] = 0.5, len(given.y)
    assert wanted(given, memory, judge(given, memory), {}) is None


def test_four_times_as_much_evidence_is_a_reason_to_look_again() -> None:
    given, memory = seen([1e-9], more=100)
    memory["noise_share"], memory["noise_at"] = 0.5, len(given.y)
    assert wanted(given, memory, judge(given, memory), {}) is not None


def test_the_one_test_of_the_first_release_is_its_first_repeat() -> None:
    given, _ = seen([0.3])
    old = {"repeated": 20, "value": float(np.min(given.y)), "noise_at": 12, "noise_share": 0.1, "noisy": True}
    assert judge(given, old).repeats == 1
    assert judge(given, old).noisy is None


@pytest.mark.parametrize("value", [1.7e308, -1.7e308])
def test_values_of_any_size_are_coped_with(value: float) -> None:
    given, memory = seen([0.3, value])
    assert judge(given, memory).repeats == 2


@pytest.mark.parametrize("jitter", [1e-8, 1e-6])
def test_jitter_in_the_last_digits_makes_no_study_noisy(jitter: float) -> None:
    rng = np.random.default_rng(1)
    solver = ArqonSolver({"seed": 2, "budget": 70, "bounds": {f"x{j}": {"min": -5.0, "max": 5.0} for j in range(3)}})
    while (params := solver.ask_one()) is not None:
        x = np.array(list(params.values())) - 1.3
        value = 10.0 * len(x) + float(np.sum(x * x - 10.0 * np.cos(2.0 * np.pi * x)))
        solver.tell([{"params": params, "value": value * (1.0 + jitter * rng.standard_normal())}])
    assert solver.explain()["landscape"] in ("smooth", "rugged")
    best = solver.best()
    assert best is not None
    assert best["value"] == min(row["value"] for row in solver.history())


def test_the_noisy_strategy_recommends_what_its_model_believes() -> None:
    rng = np.random.default_rng(0)
    bounds = {"x": {"min": -1, "max": 1}, "y": {"min": -1, "max": 1}}
    solver = ArqonSolver({"seed": 0, "budget": 50, "strategy": "noisy_gaussian_process", "bounds": bounds})
    while (params := solver.ask_one()) is not None:
        solver.tell([{"params": params, "value": params["x"] ** 2 + params["y"] ** 2 + 0.3 * rng.normal()}])
    best = solver.best()
    assert best is not None
    assert best["predicted"] is not None
    assert best["value"] > min(row["value"] for row in solver.history())

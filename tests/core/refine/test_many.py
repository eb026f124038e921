"""Spaces of many discrete parameters: what an ask looks at is bounded, and it finds something."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from arqon_ray.core import ArqonSolver
from arqon_ray.core.propose.classify import classify
from arqon_ray.core.refine.acquisition import LogExpectedImprovement
from arqon_ray.core.refine.features import Features
from arqon_ray.core.refine.search import Box, Search
from arqon_ray.core.refine.surrogate import Surrogate, default_theta
from arqon_ray.core.space.kinds.choices import Categorical, Ordinal
from arqon_ray.core.space.kinds.constant import Constant
from arqon_ray.core.space.kinds.continuous import Continuous
from arqon_ray.core.space.kinds.finite import Finite
from arqon_ray.core.space.kinds.grid import Grid
from tests.core.refine.studies import cube, evidence, space_of

SWITCH: dict[str, Any] = {"choices": [False, True]}
THREE: dict[str, Any] = {"choices": ["a", "b", "c"]}
WHOLE: dict[str, Any] = {"min": 1, "max": 100, "type": "int"}


def space(d: int, parameter: dict[str, Any]) -> Any:
    return space_of({f"b{j:04d}": parameter for j in range(d)})


@pytest.mark.parametrize("parameter", [SWITCH, THREE, WHOLE])
def test_what_an_ask_looks_at_does_not_grow_with_the_number_of_parameters(
    parameter: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[int] = []
    plain = LogExpectedImprovement.__call__
    monkeypatch.setattr(LogExpectedImprovement, "__call__", lambda self, U: scored.append(len(U)) or plain(self, U))
    snapped: list[int] = []
    for kind in (Categorical, Constant, Continuous, Finite, Grid, Ordinal):
        snap = kind.snap
        monkeypatch.setattr(kind, "snap", lambda self, u, snap=snap: snapped.append(1) or snap(self, u))
    for d in (50, 400):
        scored.clear()
        snapped.clear()
        solver = ArqonSolver({"seed": 1, "bounds": {f"b{j:04d}": parameter for j in range(d)}})
        rows = solver.space.decode_array(np.random.default_rng(0).random((20, d)))
        solver.seed([{"params": row, "value": float(k % 7)} for k, row in enumerate(rows)])
        candidate = solver.propose()
        assert candidate is not None
        assert candidate.origin == "gaussian_process"
        # The candidates, and for each of three starts two times six rounds of moves and of what is made of them.
        assert len(scored) <= 1 + 3 * 2 * (1 + 2 * 6)
        assert sum(scored) <= 504 + 3 * 2 * (1 + 6 * (256 + 12))
        assert not snapped


class Match:
    """An acquisition: how many coordinates are those of a target."""

    def __init__(self, target: Any) -> None:
        self.target = target

    def __call__(self, U: Any) -> Any:
        return -np.sum((U - self.target) ** 2, axis=1)


@pytest.mark.parametrize(("d", "parameter", "left"), [(200, SWITCH, 0), (100, THREE, 0), (1000, SWITCH, 150)])
def test_moves_that_help_are_made_together(d: int, parameter: dict[str, Any], left: int) -> None:
    there = space(d, parameter)
    target, start = there.snap(np.random.default_rng(0).random((2, d)))
    known = evidence(there, start[None], [0.0])
    search = Search(Match(target), known, Box(np.zeros(d), np.ones(d)), np.random.default_rng(1))
    reached, score = search._leap(start, float(Match(target)(start[None])[0]))
    assert np.sum(start != target) > d / 3
    assert np.sum(reached != target) <= left
    assert score == pytest.approx(float(Match(target)(reached[None])[0]))


def test_a_model_of_many_parameters_does_not_call_all_points_unrelated() -> None:
    for d in (20, 32, 200, 1000):
        there = space(d, SWITCH)
        features = Features(there)
        z = features(there.snap(np.random.default_rng(0).random((2, d))))
        squared = float(np.sum((z[0] - z[1]) ** 2))
        assert squared == pytest.approx(min(d, 32) / 2, rel=0.5)


def test_the_gradient_of_many_parameters_agrees_with_differences() -> None:
    there = cube(60)
    X = np.random.default_rng(0).random((12, 60))
    features = Features(there)
    model = Surrogate.condition(features, default_theta(60), X, np.sin(4.0 * X.sum(axis=1)))
    u = np.random.default_rng(1).random(60)
    rest = features(u[None])[0]
    np.testing.assert_allclose(features.move(rest, u), rest)
    mean, variance, d_mean, d_variance = model.predict_gradient(u, rest)
    np.testing.assert_allclose([mean, variance], [part[0] for part in model.predict(u[None])])
    for j in (0, 17, 59):
        step = 1e-5 * np.eye(60)[j]
        means, variances = model.predict(np.stack([u + step, u - step]))
        assert d_mean[j] == pytest.approx((means[0] - means[1]) / 2e-5, rel=1e-4, abs=1e-7)
        assert d_variance[j] == pytest.approx((variances[0] - variances[1]) / 2e-5, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("d", [60, 150])
def test_it_finds_the_few_switches_that_count(d: int) -> None:
    columns = np.random.default_rng(d).choice(d, 8, replace=False)
    w = np.array([1.0, -2.0, 1.5, -1.0, 2.5, -1.5, 3.0, -1.0])
    solver = ArqonSolver({"seed": 1, "budget": 100, "bounds": {f"b{j:04d}": SWITCH for j in range(d)}})
    values = []
    while (candidate := solver.propose()) is not None:
        values.append(float(w @ np.array(list(candidate.params.values()), dtype=float)[columns]))
        solver.observe(candidate.number, values[-1])
    assert min(values) == -5.5  # those of negative weight alone, one in 256 points


def test_many_switches_under_conditions_are_searched_too() -> None:
    bounds: dict[str, Any] = {"on": {"choices": [True, False]}}
    bounds |= {f"b{j:02d}": {**SWITCH, "when": {"on": True}} for j in range(50)}
    solver = ArqonSolver({"seed": 1, "bounds": bounds})
    values = []
    for _ in range(40):
        candidate = solver.propose()
        assert candidate is not None
        values.append(10.0 - sum(value for name, value in candidate.params.items() if name != "on"))
        solver.observe(candidate.number, values[-1])
    assert min(values) < -22.0


def test_the_distances_of_many_points_in_many_dimensions_are_not_taken_for_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(X: Any) -> Any:
        raise AssertionError(f"{X.shape} distances, and too few points for a quadratic of so many parameters")

    monkeypatch.setattr("arqon_ray.core.propose.classify._spread_out", refuse)
    there = space(300, SWITCH)
    X = there.snap(np.random.default_rng(0).random((400, 300)))
    verdict = classify(evidence(there, X, np.arange(400.0)), {"noise_at": 400}, {}, 0)
    assert verdict.findings["quadratic_rank_correlation"] is None

"""CMA-ES: a distribution that follows the good points, in asks and tells that need not take turns."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from arqon_ray.core.refine.cma_es import CMAES
from arqon_ray.core.space.space import Space
from arqon_ray.core.strategies.evidence import Array, Evidence, Proposal
from tests.core.refine.studies import cube, evidence, random_best, run, space_of

LAM = 7
"""Points a generation for three parameters: 4 + int(3 log 3)."""


class Study:
    """Asks and tells of one CMA-ES in any order; memory goes through JSON."""

    def __init__(self, space: Space, start: Any, memory: dict[str, Any] | None = None) -> None:
        self.space, self.memory = space, dict(memory or {})
        self.X: list[Array] = [np.array(start, dtype=np.float64)]
        self.y, self.numbers = [0.0], [-1]
        self.pending: dict[int, Array] = {}
        self.failed: list[Array] = []
        self.asked = 0

    def evidence(self) -> Evidence:
        given = evidence(
            self.space,
            self.X,
            self.y,
            failed=self.failed,
            pending=list(self.pending.values()),
            numbers=self.numbers,
            number=self.asked,
        )
        return replace(given, pending_numbers=np.array(list(self.pending), dtype=np.int64))

    def ask(self) -> Proposal:
        proposal = CMAES().propose(self.evidence(), self.memory, np.random.default_rng([5, self.asked]))
        assert proposal is not None
        self.changed = json.loads(json.dumps(proposal.memory, allow_nan=False))
        self.memory = {**self.memory, **self.changed}
        self.pending[self.asked] = proposal.point
        self.asked += 1
        return proposal

    def tell(self, number: int, value: float | None) -> None:
        point = self.pending.pop(number)
        if value is None:
            self.failed.append(point)
            return
        self.X.append(point)
        self.y.append(value)
        self.numbers.append(number)


def ellipsoid(u: Array) -> float:
    return float(np.sum(10.0 ** (4.0 * np.arange(len(u)) / (len(u) - 1)) * (u - 0.37) ** 2))


def test_the_mean_moves_to_the_weighted_better_half() -> None:
    study = Study(cube(3), [0.5, 0.5, 0.5])
    drawn = np.array([study.ask().point for _ in range(LAM)])
    assert study.memory["generation"] == 0
    for number in range(LAM):
        study.tell(number, float(drawn[number, 0]))
    study.ask()
    weights = math.log(4.0) - np.log(np.arange(1, 4))
    best = drawn[np.argsort(drawn[:, 0])][:3]
    np.testing.assert_allclose(study.memory["mean"], weights / weights.sum() @ best, atol=1e-12)
    assert study.memory["mean"][0] < 0.5
    assert study.memory["generation"] == 1
    assert study.memory["numbers"] == [LAM]


@pytest.mark.parametrize("seed", [0, 1])
def test_an_ill_conditioned_bowl_is_found_to_many_digits(seed: int) -> None:
    space = cube(5)
    best = float(np.min(run(CMAES(), space, ellipsoid, 1000, seed)[1]))
    assert best < 1e-5 * random_best(space, ellipsoid, 1000)


@pytest.mark.parametrize(("lam", "again"), [(LAM, 2 * LAM), (4 * LAM, 8 * LAM), (8 * LAM, 8 * LAM)])
def test_it_begins_again_elsewhere_with_twice_the_points(lam: int, again: int) -> None:
    study = Study(cube(3), [0.5, 0.5, 0.5])
    study.ask()
    study.memory = {**study.memory, "sigma": 1e-6, "lam": lam, "mean": [0.5, 0.5, 0.5]}
    study.ask()
    assert study.memory["lam"] == again
    assert study.memory["sigma"] == 0.3
    assert study.memory["numbers"] == [1]
    assert np.max(np.abs(np.array(study.memory["mean"]) - 0.5)) > 0.05


def test_it_begins_again_when_nothing_better_comes() -> None:
    study = Study(cube(3), [0.5, 0.5, 0.5])
    for _ in range(60 * LAM):
        study.ask()
        study.tell(study.asked - 1, float(study.asked))
        if study.memory["lam"] == 2 * LAM:
            break
    assert study.memory["lam"] == 2 * LAM
    assert study.memory["best"] is None


def test_asks_go_on_while_a_generation_is_in_flight() -> None:
    study = Study(cube(3), [0.4, 0.5, 0.6])
    points = [study.ask().point for _ in range(3 * LAM)]
    assert study.memory["mean"] == [0.4, 0.5, 0.6]
    assert study.memory["generation"] == 0
    assert len({point.tobytes() for point in points}) == 3 * LAM
    late = range(2 * LAM, 3 * LAM)
    for number in late[:-1]:
        study.tell(number, 1.0)
    study.ask()
    assert study.memory["generation"] == 0
    study.tell(late[-1], 1.0)
    study.ask()
    assert study.memory["generation"] == 1
    assert study.memory["mean"] != [0.4, 0.5, 0.6]


def test_a_generation_of_failures_draws_nearer() -> None:
    study = Study(cube(3), [0.5, 0.5, 0.5])
    for number in range(LAM):
        study.ask()
        study.tell(number, None)
    study.ask()
    assert study.memory["sigma"] == pytest.approx(0.7 * 0.2)
    assert study.memory["mean"] == [0.5, 0.5, 0.5]
    assert study.memory["generation"] == 1


def test_a_few_failures_leave_the_rest_to_be_ranked() -> None:
    study = Study(cube(3), [0.5, 0.5, 0.5])
    drawn = np.array([study.ask().point for _ in range(LAM)])
    good = np.argsort(drawn[:, 0])[: LAM // 2]
    for number in range(LAM):
        study.tell(number, float(drawn[number, 0]) if number in good else None)
    study.ask()
    assert study.memory["mean"][0] == pytest.approx(
        float(np.average(drawn[good, 0], weights=math.log(4.0) - np.log(np.arange(1, 4)))), abs=1e-12
    )


@pytest.mark.parametrize(("k", "entries"), [(40, 820), (41, 41)])
def test_the_covariance_is_diagonal_above_forty_parameters(k: int, entries: int) -> None:
    study = Study(cube(k), np.full(k, 0.5))
    lam = 4 + int(3 * math.log(k))
    for number in range(2 * lam):
        study.tell(number, float(np.sum(study.ask().point)))
    study.ask()
    assert study.memory["generation"] == 2
    assert len(study.memory["C"]) == entries
    assert np.mean(study.memory["mean"]) < 0.5


@pytest.mark.parametrize("generations", [0, 1, 3])
def test_a_memory_from_json_continues_bit_for_bit(generations: int) -> None:
    study = Study(cube(3), [0.5, 0.4, 0.3])
    for number in range(generations * LAM + 2):
        study.tell(number, ellipsoid(study.ask().point))
    through = json.loads(json.dumps(study.memory, allow_nan=False))
    first, second = (CMAES().propose(study.evidence(), m, np.random.default_rng(3)) for m in (study.memory, through))
    assert first is not None
    assert second is not None
    assert first.point.tobytes() == second.point.tobytes()
    assert json.dumps(first.memory) == json.dumps(second.memory)


def test_it_crosses_the_seam_of_a_periodic_parameter() -> None:
    space = space_of({"a": {"min": 0, "max": 360, "scale": "Periodic"}, "b": {"min": 0.0, "max": 1.0}})

    def objective(u: Array) -> float:
        return float(1.0 - np.cos(2 * np.pi * (u[0] - 0.04)) + (u[1] - 0.4) ** 2)

    X, y, _ = run(CMAES(), space, objective, 120, start=np.array([[0.9, 0.5]]))
    assert np.min(y) < 1e-3
    # Not the long way round: nobody looks on the far side.
    assert np.mean((X[:, 0] > 0.35) & (X[:, 0] < 0.7)) < 0.1


def test_a_constant_stays_and_discrete_parameters_are_not_its_business() -> None:
    constant = space_of({"k": {"min": 2.0, "max": 2.0}, "x": {"min": 0.0, "max": 1.0}})
    assert Study(constant, [0.5, 0.2]).ask().point[0] == 0.5
    mixed = space_of({"c": {"choices": ["a", "b"]}, "x": {"min": 0.0, "max": 1.0}})
    assert CMAES().propose(evidence(mixed, [[0.25, 0.5]], [1.0]), {}, np.random.default_rng(0)) is None
    assert CMAES().propose(evidence(cube(2)), {}, np.random.default_rng(0)) is None


def test_the_distribution_is_written_once_a_generation() -> None:
    study = Study(cube(3), [0.4, 0.5, 0.6])
    written = []
    for number in range(3 * LAM):
        study.ask()
        written.append(set(study.changed))
        study.tell(number, float(number % 5))
    assert [names != {"numbers"} for names in written] == [number % LAM == 0 for number in range(3 * LAM)]
    assert "C" in written[LAM]


@pytest.mark.parametrize(
    "broken",
    [
        {"C": [1.0, 0.0, 1e-15, 0.0, 0.0, 1.0]},  # condition number above 1e14
        {"C": [1.0, 1.0, 1.0, 0.0, 0.0, 1.0]},  # singular
        {"C": [1.0, 9.0, 1.0, 0.0, 0.0, 1.0]},  # not positive definite
        {"p_c": [1e9, 0.0, 0.0]},  # becomes absurd with the next generation
        {"mean": [1e9, 0.0, 0.0]},
    ],
)
def test_a_distribution_that_degenerates_begins_again(broken: dict[str, Any]) -> None:
    study = Study(cube(3), [0.4, 0.5, 0.6])
    study.ask()
    study.memory = {**study.memory, **broken}
    for _ in range(2 * LAM):
        study.ask()
        study.tell(study.asked - 1, float(study.asked % 3))
        numbers = [*study.memory["mean"], *study.memory["C"], *study.memory["p_s"], *study.memory["p_c"]]
        assert np.all(np.abs(numbers) <= 1e9)
    assert study.memory["lam"] == 2 * LAM

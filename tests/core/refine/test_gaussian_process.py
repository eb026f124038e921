from __future__ import annotations

import numpy as np
import pytest

from arqon_ray.core.refine.gaussian_process import GaussianProcess, GaussianProcessParams, noise_share, recommend
from arqon_ray.core.refine.subset import choose_rows
from tests.core.refine.studies import cube, evidence, random_best, run, space_of


def levy(u) -> float:
    w = 1.0 + 15.0 * (u - 0.37) / 4.0
    middle = np.sum((w[:-1] - 1) ** 2 * (1 + 10 * np.sin(np.pi * w[:-1] + 1) ** 2))
    return float(np.sin(np.pi * w[0]) ** 2 + middle + (w[-1] - 1) ** 2 * (1 + np.sin(2 * np.pi * w[-1]) ** 2))


def mixed_bounds():
    return {
        "c": {"choices": list("abcde")},
        "n": {"min": 1, "max": 9, "type": "int"},
        "x": {"min": 0.0, "max": 1.0},
        "y": {"min": 0.0, "max": 1.0, "when": {"c": ["b", "c"]}},
    }


def mixed(u) -> float:
    arm = [1.0, 0.0, 0.3, 0.8, 0.5][int(u[0] * 5)]
    return float(arm + (u[1] - 0.7) ** 2 + 3 * (u[2] - 0.2) ** 2 + (u[3] - 0.8) ** 2)


def bowl(u) -> float:
    return float(np.sum((u - 0.31) ** 2))


def test_it_beats_random_search_on_a_rugged_function() -> None:
    """In the geometric mean of five runs: in some it stays in a basin beside the best."""
    space = cube(4)
    random = random_best(space, levy, 50)
    bests = [np.min(run(GaussianProcess(), space, levy, 50, seed)[1]) for seed in range(5)]
    assert np.exp(np.mean(np.log(bests))) < 0.1 * random
    assert max(bests) < random


@pytest.mark.parametrize("seed", [0, 1])
def test_it_beats_random_search_on_a_mixed_space(seed: int) -> None:
    space = space_of(mixed_bounds())
    start = np.random.default_rng(seed).random((8, 4))
    best = np.min(run(GaussianProcess(), space, mixed, 40, seed, start)[1])
    assert best < 0.1 * random_best(space, mixed, 40)


def test_it_finds_the_way_round_a_periodic_parameter() -> None:
    space = space_of({"a": {"min": 0, "max": 360, "scale": "Periodic"}, "b": {"min": 0.0, "max": 1.0}})

    def objective(u) -> float:
        return float(1.0 - np.cos(2 * np.pi * (u[0] - 0.99)) + (u[1] - 0.4) ** 2)

    assert np.min(run(GaussianProcess(), space, objective, 25)[1]) < 1e-3


def test_the_memory_keeps_the_hyper_parameters_between_refits() -> None:
    space = cube(2)
    X = np.random.default_rng(0).random((60, 2))
    y = np.array([levy(x) for x in X])
    memory = GaussianProcess().propose(evidence(space, X[:50], y[:50]), {}, np.random.default_rng(0)).memory
    assert (memory["fitted"], memory["fits"]) == (50, 1)
    once = GaussianProcess().propose(evidence(space, X[:51], y[:51]), memory, np.random.default_rng(0)).memory
    assert once["theta"] == memory["theta"]
    twice = GaussianProcess().propose(evidence(space, X[:52], y[:52]), once, np.random.default_rng(0)).memory
    assert twice["theta"] != memory["theta"]
    assert (twice["fitted"], twice["fits"]) == (52, 2)


def test_the_box_halves_after_failures_and_doubles_after_successes() -> None:
    space, strategy = cube(2), GaussianProcess()
    X = np.random.default_rng(0).random((30, 2))

    def length_after(new_values, length):
        y = np.concatenate([np.linspace(1.0, 2.0, 10), new_values])
        memory = {"length": length, "streak": 0, "told": 10, "best": 1.0}
        return strategy.propose(evidence(space, X[: len(y)], y), memory, np.random.default_rng(0)).memory["length"]

    assert length_after([1.5] * 3, 0.4) == 0.4
    assert length_after([1.5] * 4, 0.4) == 0.2
    assert length_after([0.9, 0.8, 0.7], 0.4) == 0.8
    assert length_after([1.5] * 4, 2.0**-4) == 0.8


def test_a_box_is_for_continuous_spaces_only() -> None:
    space = space_of(mixed_bounds())
    X = space.snap(np.random.default_rng(0).random((10, 4)))
    given = evidence(space, X, [mixed(x) for x in X])
    assert "length" not in GaussianProcess().propose(given, {}, np.random.default_rng(0)).memory
    assert (
        "length"
        not in GaussianProcess(GaussianProcessParams(box=False))
        .propose(evidence(cube(2), X[:, :2], [1.0] * 10), {}, np.random.default_rng(0))
        .memory
    )


def test_points_in_flight_move_the_next_one_away() -> None:
    space = cube(2)
    X = np.random.default_rng(0).random((12, 2))
    y = [bowl(x) for x in X]
    first = GaussianProcess().propose(evidence(space, X, y), {}, np.random.default_rng(0)).point
    second = GaussianProcess().propose(evidence(space, X, y, pending=[first]), {}, np.random.default_rng(0)).point
    assert np.max(np.abs(first - second)) > 1e-3


def test_the_noise_share_tells_noise_from_none() -> None:
    space = cube(2)
    X = np.random.default_rng(0).random((40, 2))
    clean = np.array([bowl(x) for x in X])
    noisy = clean + 0.1 * np.random.default_rng(1).standard_normal(40)
    assert noise_share(evidence(space, X, clean), {}) < 1e-3
    assert 0.05 < noise_share(evidence(space, X, noisy), {}) < 1.0


def test_the_recommendation_on_noisy_values_is_not_the_luckiest_one() -> None:
    space = cube(2)
    regret, luck = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        X = rng.random((60, 2))
        y = np.array([bowl(x) for x in X]) + 0.2 * rng.standard_normal(60)
        row, predicted = recommend(evidence(space, X, y), {})
        assert abs(predicted - bowl(X[row])) < 0.2
        regret.append(bowl(X[row]))
        luck.append(bowl(X[int(np.argmin(y))]))
    assert np.mean(regret) < 0.9 * np.mean(luck)


def test_the_recommendation_without_noise_is_the_best_observation() -> None:
    X = np.random.default_rng(0).random((20, 2))
    y = np.array([bowl(x) for x in X])
    assert recommend(evidence(cube(2), X, y), {}) == (int(np.argmin(y)), float(np.min(y)))
    assert recommend(evidence(space_of({"k": {"min": 1.0, "max": 1.0}}), [[0.5]] * 2, [1.0, 3.0]), {}) == (0, 2.0)


def test_a_subset_holds_the_best_the_newest_and_the_outskirts() -> None:
    rng = np.random.default_rng(0)
    X, y = 0.5 + 0.01 * rng.standard_normal((2000, 3)), rng.random(2000)
    X[700] = 0.0
    rows = choose_rows(X, y, 300)
    assert len(rows) == len(set(rows.tolist())) == 300
    assert np.all(np.diff(rows) > 0)
    assert set(np.argsort(y)[:100].tolist()) <= set(rows.tolist())
    assert set(range(1900, 2000)) <= set(rows.tolist())
    np.testing.assert_array_equal(choose_rows(X[:300], y[:300], 300), np.arange(300))


def test_far_points_are_chosen_into_the_subset() -> None:
    X = np.full((900, 2), 0.5)
    X[::3] = np.random.default_rng(0).random((300, 2))
    rows = choose_rows(X, np.arange(900.0), 300)
    spread = X[rows[(rows >= 100) & (rows < 800)]]
    assert np.mean(np.any(spread != 0.5, axis=1)) > 0.9

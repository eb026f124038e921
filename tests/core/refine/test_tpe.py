from __future__ import annotations

import numpy as np
import pytest

from arqon_ray.core.refine.tpe import Parzen, TreeParzen
from tests.core.refine.studies import cube, evidence, random_best, run, space_of

CONDITIONAL = {
    "c": {"choices": list("abcd")},
    "e": {"choices": list("xyz")},
    "n": {"min": 1, "max": 30, "type": "int"},
    "x": {"min": 0.0, "max": 1.0, "when": {"c": ["a", "b"]}},
    "y": {"min": 1e-4, "max": 1.0, "scale": "Log", "when": {"c": "a"}},
}


def conditional(u) -> float:
    c = int(u[0] * 4)
    inner = (u[3] - 0.2) ** 2 + ((u[4] - 0.7) ** 2 if c == 0 else 0.2)
    return float(
        [0.0, 0.2, 0.6, 0.8][c] + [0.5, 0.0, 0.3][int(u[1] * 3)] + (u[2] - 0.4) ** 2 + (inner if c < 2 else 0.3)
    )


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_beats_random_search_on_a_conditional_space(seed: int) -> None:
    space = space_of(CONDITIONAL)
    start = np.random.default_rng(seed).random((10, 5))
    assert np.min(run(TreeParzen(), space, conditional, 100, seed, start)[1]) < 0.6 * random_best(
        space, conditional, 100
    )


def test_it_beats_random_search_on_categories() -> None:
    space = space_of({f"c{j}": {"choices": list("abcdefgh")} for j in range(6)})
    table = np.random.default_rng(99).random((6, 8))

    def objective(u) -> float:
        return float(sum(table[j, int(u[j] * 8)] for j in range(6)))

    optimum = np.sum(np.min(table, axis=1))
    best = np.mean([np.min(run(TreeParzen(), space, objective, 100, seed)[1]) for seed in range(6)])
    assert best - optimum < 0.4 * (random_best(space, objective, 100) - optimum)


def test_it_beats_random_search_on_a_cube() -> None:
    space = cube(4)

    def bowl(u) -> float:
        return float(np.sum((u - 0.31) ** 2))

    assert np.min(run(TreeParzen(), space, bowl, 80)[1]) < 0.5 * random_best(space, bowl, 80)


@pytest.mark.parametrize("bounds", [{"x": {"min": 0.0, "max": 1.0}}, {"x": {"min": 0, "max": 1, "scale": "Periodic"}}])
def test_a_density_over_a_line_integrates_to_one(bounds) -> None:
    density = Parzen.of(space_of(bounds), np.array([[0.02], [0.5], [0.51]]))
    u = (np.arange(20_000) + 0.5) / 20_000
    assert np.mean(np.exp(density.log_density(u[:, None]))) == pytest.approx(1.0, abs=1e-6)


def test_a_density_over_categories_sums_to_one() -> None:
    space = space_of({"c": {"choices": list("abcde")}})
    cells = space.snap((np.arange(5)[:, None] + 0.5) / 5)
    density = np.exp(Parzen.of(space, cells[[1, 1, 3]]).log_density(cells))
    assert np.mean(density) == pytest.approx(1.0)
    assert np.argmax(density) == 1


LINES = {
    "real": {"min": 0.0, "max": 1.0},
    "log": {"min": 1e-5, "max": 1.0, "scale": "Log"},
    "angle": {"min": 0.0, "max": 360.0, "scale": "Periodic"},
    "few integers": {"min": 1, "max": 5, "type": "int"},
    "many integers": {"min": 1, "max": 300, "type": "int"},
    "log integers": {"min": 1, "max": 64, "type": "int", "scale": "Log"},
    "hours": {"min": 0, "max": 24, "type": "int", "scale": "Periodic"},
    "sizes": {"choices": ["s", "m", "l"], "ordered": True},
    "categories": {"choices": list("abcdef")},
}


@pytest.mark.parametrize("centers", [[0.0], [0.97, 0.4], [0.3, 0.35, 0.36]])
@pytest.mark.parametrize("line", LINES)
def test_draws_have_the_density(line: str, centers: list[float]) -> None:
    space = space_of({"x": LINES[line]})
    density = Parzen.of(space, space.snap(np.array(centers)[:, None]))
    draws = density.sample(100_000, np.random.default_rng(0))[:, 0]
    u = (np.arange(30_000) + 0.5) / 30_000  # of a parameter with levels, every cell as often as it is wide
    weights = np.exp(density.log_density(space.snap(u[:, None]))) / len(u)
    assert np.sum(weights) == pytest.approx(1.0, abs=2e-3)
    for low, high in ((0.0, 0.1), (0.1, 0.34), (0.34, 0.5), (0.5, 0.9), (0.9, 1.0)):
        expected = float(np.sum(weights[(space.snap(u[:, None])[:, 0] >= low) & (space.snap(u[:, None])[:, 0] < high)]))
        assert np.mean((draws >= low) & (draws < high)) == pytest.approx(expected, abs=0.007)


def test_an_inactive_coordinate_says_nothing() -> None:
    space = space_of(CONDITIONAL)
    inactive = space.snap(np.array([[0.9, 0.5, 0.5, 0.1, 0.1], [0.9, 0.5, 0.5, 0.9, 0.9]]))
    density = Parzen.of(space, space.snap(np.array([[0.1, 0.5, 0.5, 0.2, 0.3]])))
    assert len(set(density.log_density(inactive).tolist())) == 1


def test_points_in_flight_repel() -> None:
    space = cube(1)
    X = np.linspace(0.0, 1.0, 21)[:, None]
    y = np.abs(X[:, 0] - 0.5)

    def density_ratio_at_best(pending) -> float:
        proposals = [
            TreeParzen().propose(evidence(space, X, y, pending=pending), {}, np.random.default_rng(seed)).point[0]
            for seed in range(20)
        ]
        return float(np.mean(np.abs(np.array(proposals) - 0.5) < 0.05))

    assert density_ratio_at_best([[0.5 + 0.001 * i] for i in range(-9, 10)]) < density_ratio_at_best([])

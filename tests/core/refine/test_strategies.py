"""What every strategy owes, whatever it does."""

from __future__ import annotations

import json

import numpy as np
import pytest

from arqon_ray.core.refine.novelty import NEAR
from arqon_ray.core.strategies.strategy import Strategy
from tests.core.refine.studies import STRATEGIES, cube, evidence, run, space_of
from tests.core.spaces import EVERY_KIND

SPACES = {
    "line": {"x": {"min": -1.0, "max": 1.0}},
    "cube": {f"x{j}": {"min": 0.0, "max": 1.0} for j in range(3)},
    "torus": {f"x{j}": {"min": 0.0, "max": 1.0, "scale": "Periodic"} for j in range(2)},
    "every kind": EVERY_KIND,
    "categories": {f"c{j}": {"choices": list("abcdef")} for j in range(4)},
    "integers": {f"n{j}": {"min": 0, "max": 50, "type": "int"} for j in range(3)},
    "tiny": {"a": {"choices": ["x", "y"]}, "n": {"min": 0, "max": 2, "type": "int"}},
    "constant": {"k": {"min": 1.0, "max": 1.0}},
}
# The noisy one is the Gaussian process with two of its parts left out.
NAMES = [name for name in STRATEGIES if name != "noisy_gaussian_process"]
CASES = [(name, bounds) for name in NAMES for bounds in SPACES]


def objective(u) -> float:
    return float(np.sum((u - 0.3) ** 2))


def propose(strategy: Strategy, given, memory=None, seed=0):
    """Ask once; check what holds for every proposal."""
    proposal = strategy.propose(given, memory or {}, np.random.default_rng(seed))
    if proposal is not None:
        space = given.space
        assert proposal.point.shape == (space.d,)
        assert np.all((proposal.point >= 0.0) & (proposal.point <= 1.0))
        np.testing.assert_array_equal(space.snap(proposal.point[None])[0], proposal.point)
        json.dumps(proposal.memory, allow_nan=False)
    return proposal


def distinct(points) -> int:
    return len({row.tobytes() for row in np.asarray(points) + 0.0})


@pytest.mark.parametrize(("name", "bounds"), CASES)
def test_a_study_is_the_same_bit_for_bit_when_it_runs_again(name: str, bounds: str) -> None:
    first, second = (run(STRATEGIES[name], space_of(SPACES[bounds]), objective, 14, seed=3) for _ in range(2))
    assert first[0].tobytes() == second[0].tobytes()
    assert json.dumps(first[2]) == json.dumps(second[2])


@pytest.mark.parametrize(("name", "bounds"), CASES)
def test_no_point_comes_twice_until_the_space_is_exhausted(name: str, bounds: str) -> None:
    space = space_of(SPACES[bounds])
    X, _, _ = run(STRATEGIES[name], space, objective, 25, seed=1)
    cells = space.points(4096)
    if cells is None:
        gaps = np.max(np.abs(X[:, None] - X[None]), axis=2) + np.eye(len(X))
        assert np.min(gaps) > NEAR
    elif name != "trust_region":
        assert distinct(X) == min(len(cells), 25)


@pytest.mark.parametrize(("name", "bounds"), CASES)
def test_points_in_flight_are_not_handed_out_again(name: str, bounds: str) -> None:
    space = space_of(SPACES[bounds])
    X = space.snap(np.random.default_rng(0).random((4, space.d)))
    X = X[np.sort(np.unique(X, axis=0, return_index=True)[1])]
    y, pending, memory = [objective(x) for x in X], [], {}
    for seed in range(6):
        proposal = propose(STRATEGIES[name], evidence(space, X, y, pending=pending), memory, seed)
        if proposal is None or proposal.repeat:
            break
        pending.append(proposal.point)
        memory = {**memory, **json.loads(json.dumps(proposal.memory))}
    assert distinct([*X, *pending]) == len(X) + len(pending)


@pytest.mark.parametrize(
    "values", [[0.0] * 8, [1e300, -1e300] * 4, [1.7e308] + [1.0] * 7, list(range(8)), [5e-324] * 8]
)
@pytest.mark.parametrize(("name", "bounds"), CASES)
def test_any_finite_values_are_coped_with(name: str, bounds: str, values) -> None:
    space = space_of(SPACES[bounds])
    X = space.snap(np.random.default_rng(0).random((8, space.d)))
    memory = {}
    for n in range(9):
        proposal = propose(STRATEGIES[name], evidence(space, X[:n], values[:n]), memory, n)
        memory = memory if proposal is None else {**memory, **json.loads(json.dumps(proposal.memory))}


@pytest.mark.parametrize(("name", "bounds"), CASES)
def test_failures_and_duplicates_are_coped_with(name: str, bounds: str) -> None:
    space = space_of(SPACES[bounds])
    X = space.snap(np.random.default_rng(0).random((6, space.d)))
    strategy = STRATEGIES[name]
    propose(strategy, evidence(space, failed=X))
    propose(strategy, evidence(space, X[:1], [1.0], failed=X[1:]))
    propose(strategy, evidence(space, np.repeat(X[:2], 4, axis=0), [1.0, 2.0] * 4, failed=X[2:]))
    propose(strategy, evidence(space, pending=X))


@pytest.mark.parametrize("name", STRATEGIES)
def test_thirty_parameters_and_many_observations(name: str) -> None:
    space = cube(30)
    X = np.random.default_rng(0).random((700, 30))
    proposal = propose(STRATEGIES[name], evidence(space, X, np.sum(X**2, axis=1)))
    assert proposal is not None


@pytest.mark.parametrize(
    ("name", "bounds"), [case for case in CASES if case[1] not in ("constant", "tiny") and case[0] != "trust_region"]
)
def test_failures_repel(name: str, bounds: str) -> None:
    space = space_of(SPACES[bounds])
    X = space.snap(np.random.default_rng(0).random((10, space.d)))
    failed = space.snap(np.random.default_rng(1).random((10, space.d)))
    with_failures = propose(STRATEGIES[name], evidence(space, X, [objective(x) for x in X], failed=failed))
    if with_failures is None:
        assert name == "cma_es"
        assert not space.continuous
        return
    assert not any(np.array_equal(with_failures.point, point) for point in failed)

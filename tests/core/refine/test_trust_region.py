from __future__ import annotations

import numpy as np
import pytest

from arqon_ray.core.refine.quadratic import Quadratic, ball_minimum, bounded_minimum
from arqon_ray.core.refine.trust_region import TrustRegion, TrustRegionParams
from tests.core.refine.studies import cube, evidence, random_best, run, space_of

RNG = np.random.default_rng(0)


def random_quadratic(k: int, seed: int) -> Quadratic:
    rng = np.random.default_rng(seed)
    H = rng.standard_normal((k, k))
    return Quadratic(rng.standard_normal(k), H + H.T)


def rosenbrock(u) -> float:
    x = 4.0 * (u - 0.3) + 0.5
    return float(np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2))


def bowl(u) -> float:
    return float(np.sum((u - 0.31) ** 2 * np.arange(1, len(u) + 1)))


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("seed", range(4))
def test_the_minimum_in_the_ball_is_below_all_samples(k: int, seed: int) -> None:
    model = random_quadratic(k, seed)
    step = ball_minimum(model, 1.0)
    assert np.linalg.norm(step) <= 1.0 + 1e-9
    samples = RNG.standard_normal((4000, k))
    samples *= RNG.random((4000, 1)) ** (1.0 / k) / np.linalg.norm(samples, axis=1, keepdims=True)
    assert model.change(step) <= min(model.change(s) for s in samples) + 1e-9


def test_the_hard_case_reaches_the_boundary() -> None:
    model = Quadratic(np.array([0.0, 1.0]), np.diag([-2.0, 1.0]))
    step = ball_minimum(model, 1.0)
    assert np.linalg.norm(step) == pytest.approx(1.0, abs=1e-6)
    assert model.change(step) == pytest.approx(-1.0 - 1.0 / 6.0, abs=1e-6)


def test_an_interior_minimum_is_the_newton_step() -> None:
    model = Quadratic(np.array([-0.2, 0.1]), np.diag([1.0, 2.0]))
    np.testing.assert_allclose(ball_minimum(model, 1.0), [0.2, -0.05])


@pytest.mark.parametrize("seed", range(6))
def test_bounds_are_kept_and_used(seed: int) -> None:
    model = random_quadratic(3, seed)
    low, high = np.array([-0.1, -2.0, 0.0]), np.array([2.0, 0.3, 2.0])
    step = bounded_minimum(model, low, high)
    assert np.all((step >= low) & (step <= high))
    assert np.linalg.norm(step) <= 1.0 + 1e-9
    assert model.change(step) < 0.0


def test_a_quadratic_is_recovered_from_enough_points() -> None:
    truth = random_quadratic(3, 1)
    S = np.vstack([np.zeros(3), RNG.uniform(-1, 1, (14, 3))])
    fitted = Quadratic.fit(S, np.array([truth.change(s) for s in S]), 0.1)
    np.testing.assert_allclose(fitted.gradient, truth.gradient, atol=1e-3)
    np.testing.assert_allclose(fitted.hessian, truth.hessian, atol=1e-2)


def test_a_separable_quadratic_is_recovered_from_the_first_design() -> None:
    curvatures = np.array([1.0, 100.0, 1e4])
    S = np.vstack([np.zeros(3), np.eye(3), -np.eye(3)])
    fitted = Quadratic.fit(S, S @ np.ones(3) + 0.5 * S**2 @ curvatures, 0.2)
    np.testing.assert_allclose(fitted.gradient, 1.0, rtol=1e-2)
    np.testing.assert_allclose(np.diag(fitted.hessian), curvatures, rtol=0.05)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("objective", [bowl, rosenbrock])
def test_it_beats_random_search_by_far_on_smooth_functions(objective, seed: int) -> None:
    space = cube(5)
    start = np.random.default_rng(seed).uniform(0.2, 0.8, (1, 5))
    best = np.min(run(TrustRegion(), space, objective, 80, seed, start)[1])
    assert best < 0.02 * random_best(space, objective, 80)


def test_it_finishes_a_smooth_function_and_then_says_so() -> None:
    space, memory = cube(2), {}
    X, y = [np.array([0.5, 0.5])], [bowl(np.array([0.5, 0.5]))]
    for number in range(100):
        proposal = TrustRegion().propose(evidence(space, X, y), memory, np.random.default_rng(number))
        if proposal is None:
            break
        memory = proposal.memory
        X.append(proposal.point)
        y.append(bowl(proposal.point))
    assert proposal is None
    assert min(y) < 1e-12


def test_it_finds_the_way_round_a_periodic_parameter() -> None:
    space = space_of({"a": {"min": 0, "max": 360, "scale": "Periodic"}, "b": {"min": 0.0, "max": 1.0}})

    def objective(u) -> float:
        return float(1.0 - np.cos(2 * np.pi * (u[0] - 0.99)) + (u[1] - 0.4) ** 2)

    assert np.min(run(TrustRegion(), space, objective, 30, start=np.array([[0.2, 0.5]]))[1]) < 1e-8


def test_an_optimum_in_the_corner_is_reached() -> None:
    assert np.min(run(TrustRegion(), cube(3), lambda u: float(np.sum(u)), 40)[1]) < 1e-6


def test_discrete_parameters_stay_at_the_best_values() -> None:
    space = space_of({"c": {"choices": ["a", "b"]}, "x": {"min": 0.0, "max": 1.0}, "y": {"min": 0.0, "max": 1.0}})
    X = space.snap(np.array([[0.8, 0.2, 0.5], [0.8, 0.6, 0.4], [0.2, 0.5, 0.5]]))
    few = evidence(space, X, [1.0, 2.0, 3.0])
    assert TrustRegion().propose(few, {}, RNG) is None
    enough = evidence(space, np.vstack([X, [[0.75, 0.3, 0.9]]]), [1.0, 2.0, 3.0, 4.0])
    proposal = TrustRegion().propose(enough, {}, RNG)
    assert proposal is not None
    assert proposal.point[0] == 0.75


def test_a_constant_does_not_hinder_it() -> None:
    space = space_of({"k": {"min": 2.0, "max": 2.0}, "x": {"min": 0.0, "max": 1.0}})
    assert np.min(run(TrustRegion(), space, lambda u: (u[1] - 0.3) ** 2, 12)[1]) < 1e-8


def slope(u) -> float:
    return float(3.0 * u[0] - u[1])


def trust_step(objective=rosenbrock):
    """Return space, points, values and the proposal of a trust step."""
    space = cube(2)
    X = np.array([[0.5, 0.5], [0.7, 0.5], [0.3, 0.5], [0.5, 0.7], [0.5, 0.3]])
    y = np.array([objective(x) for x in X])
    proposal = TrustRegion(TrustRegionParams(radius=0.1)).propose(evidence(space, X, y), {}, RNG)
    assert proposal is not None
    assert proposal.memory["number"] == 5
    assert proposal.memory["predicted"] > 0.0
    return space, X, y, proposal


def test_a_step_in_flight_is_waited_for_with_a_geometry_step() -> None:
    space, X, y, proposal = trust_step()
    given = evidence(space, X, y, pending=[proposal.point])
    while True:
        further = TrustRegion().propose(given, proposal.memory, RNG)
        if further is None:
            break
        assert further.memory["number"] == 5
        assert further.memory["predicted"] == proposal.memory["predicted"]
        assert not any(np.array_equal(further.point, point) for point in given.pending)
        given = evidence(space, X, y, pending=[*given.pending, further.point])
        if len(given.pending) == 6:
            break


@pytest.mark.parametrize(("ratio", "factor"), [(1.0, 2.0), (0.4, 1.0), (0.0, 0.5), (-1.0, 0.5)])
def test_the_radius_follows_the_ratio_of_actual_to_predicted(ratio: float, factor: float) -> None:
    space, X, y, proposal = trust_step(slope)
    value = y.min() - ratio * proposal.memory["predicted"]
    after = TrustRegion().propose(evidence(space, [*X, proposal.point], [*y, value]), proposal.memory, RNG)
    assert after is not None
    assert after.memory["delta"] == pytest.approx(factor * proposal.memory["delta"])


def test_a_failed_step_shrinks_the_radius() -> None:
    space, X, y, proposal = trust_step()
    after = TrustRegion().propose(evidence(space, X, y, failed=[proposal.point]), proposal.memory, RNG)
    assert after is not None
    assert after.memory["delta"] < proposal.memory["delta"]
    assert not np.array_equal(after.point, proposal.point)


def test_it_moves_to_where_somebody_else_found_a_better_point() -> None:
    space, X, y, proposal = trust_step()
    memory = {**proposal.memory, "number": -1, "delta": 1e-3}
    after = TrustRegion().propose(
        evidence(space, np.vstack([X, [[0.9, 0.1]]]), [*y, y.min() - 1.0]), memory, np.random.default_rng(0)
    )
    assert after is not None
    assert after.memory["row"] == 5
    assert after.memory["delta"] == pytest.approx(0.1)
    assert np.linalg.norm(after.point - [0.9, 0.1]) <= 0.1 + 1e-9


def design(objective, start, count: int, radius: float = 0.2, space=None):
    """Return the first points of a trust region, start included, and its memory."""
    space = cube(len(start)) if space is None else space
    X, memory = [np.array(start)], {}
    while len(X) <= count:
        given = evidence(space, X, [objective(x) for x in X])
        proposal = TrustRegion(TrustRegionParams(radius=radius)).propose(given, memory, RNG)
        assert proposal is not None
        memory = proposal.memory
        X.append(proposal.point)
    return np.array(X), memory


@pytest.mark.parametrize(("sign", "second"), [(-1.0, 0.9), (1.0, 0.3)])
def test_the_second_design_point_is_two_radii_on_when_the_first_is_better_else_opposite(
    sign: float, second: float
) -> None:
    X, _ = design(lambda u: sign * u[0], [0.5, 0.5], 2)
    np.testing.assert_allclose(X, [[0.5, 0.5], [0.7, 0.5], [second, 0.5]], atol=1e-12)


def test_the_middle_is_the_middle_however_it_is_rounded() -> None:
    for start in (0.5 - 1e-15, 0.5 + 1e-15):
        assert design(lambda u: u[0], [start, 0.5], 1)[0][1, 0] == pytest.approx(0.7, abs=1e-12)


def test_each_axis_of_the_design_begins_at_the_best_point() -> None:
    target = np.array([0.9, 0.3, 0.7])
    X, memory = design(lambda u: float(np.sum((u - target) ** 2)), [0.5, 0.5, 0.5], 6)
    expected = [
        [0.7, 0.5, 0.5],
        [0.9, 0.5, 0.5],
        [0.9, 0.7, 0.5],
        [0.9, 0.3, 0.5],
        [0.9, 0.3, 0.7],
        [0.9, 0.3, 0.9],
    ]
    np.testing.assert_allclose(X[1:], expected, atol=1e-12)
    assert memory["axis"] == 3


@pytest.mark.parametrize(
    ("start", "radius", "sign", "points"),
    [
        (0.95, 0.2, 1.0, [0.75, 0.55]),
        (0.95, 0.2, -1.0, [0.75, 0.85]),  # no room on the other side
        (0.05, 0.2, 1.0, [0.25, 0.15]),
        (0.5, 0.3, -1.0, [0.8, 0.65]),  # none for two radii
    ],
)
def test_a_design_step_without_room_is_halved(start: float, radius: float, sign: float, points: list[float]) -> None:
    X, _ = design(lambda u: sign * u[0], [start, 0.5], 2, radius)
    np.testing.assert_allclose(X[1:, 0], points, atol=1e-12)


def test_a_periodic_axis_of_the_design_has_room_everywhere() -> None:
    space = space_of({"a": {"min": 0.0, "max": 1.0, "scale": "Periodic"}, "b": {"min": 0.0, "max": 1.0}})
    X, _ = design(lambda u: -np.cos(2 * np.pi * (u[0] - 0.05)), [0.05, 0.5], 2, space=space)
    np.testing.assert_allclose(X[1:, 0], [0.25, 0.85], atol=1e-12)


def test_a_design_point_in_flight_counts_as_not_better() -> None:
    space, start = cube(2), np.array([0.5, 0.5])
    first = TrustRegion().propose(evidence(space, [start], [0.0]), {}, RNG)
    assert first is not None
    flying = evidence(space, [start], [0.0], pending=[first.point])
    second = TrustRegion().propose(flying, first.memory, RNG)
    assert second is not None
    np.testing.assert_allclose([first.point[0], second.point[0]], [0.7, 0.3], atol=1e-12)

from __future__ import annotations

import math

import numpy as np
import pytest

from arqon_ray.core.refine.acquisition import LogExpectedImprovement, log_h
from arqon_ray.core.refine.features import Features
from arqon_ray.core.refine.search import Box, Search
from arqon_ray.core.refine.surrogate import Surrogate, default_theta
from tests.core.refine.studies import cube, evidence, space_of


def model_on(space, n=12, seed=0):
    X = space.snap(np.random.default_rng(seed).random((n, space.d)))
    features = Features(space)
    z = np.sin(5.0 * X.sum(axis=1))
    return Surrogate.condition(features, default_theta(len(features.columns), 1e-6), X, z)


def h_by_quadrature(u: float) -> float:
    """log h(u) = log of the integral of Phi over (-inf, u], with exp(-u^2 / 2) taken out."""
    t = np.linspace(0.0, 40.0 / max(1.0, abs(u)), 400_001)
    # h(u) = int_0^inf t phi(u - t) dt
    integrand = t * np.exp(u * t - 0.5 * t * t)
    return -0.5 * u * u - 0.5 * math.log(2 * math.pi) + math.log(np.trapezoid(integrand, t))


@pytest.mark.parametrize("u", [-30.0, -12.5, -5.0, -1.0001, -1.0, -0.9999, -0.3, 0.0, 1.0])
def test_log_h_agrees_with_quadrature(u: float) -> None:
    assert log_h(np.array([u]))[0][0] == pytest.approx(h_by_quadrature(u), rel=1e-8)


@pytest.mark.parametrize("u", [-30.0, -8.0, -1.1, -0.9, 0.0, 3.0, 20.0])
def test_the_derivative_of_log_h_agrees_with_differences(u: float) -> None:
    step = 1e-5 * max(1.0, abs(u))
    below, above = log_h(np.array([u - step, u + step]))[0]
    assert log_h(np.array([u]))[1][0] == pytest.approx((above - below) / (2 * step), rel=1e-6, abs=1e-12)


def test_log_h_is_smooth_and_rising_however_far_out() -> None:
    u = -np.geomspace(1e8, 1e-3, 4000)
    value, slope = log_h(u)
    assert np.all(np.isfinite(value))
    assert np.all(np.diff(value) > 0.0)
    np.testing.assert_array_less(0.0, slope)
    # Far out log h ~ -u^2 / 2, whose derivative is |u|.
    np.testing.assert_allclose(slope[:1000], -u[:1000], rtol=1e-4)


def test_log_h_is_continuous_where_the_series_begins() -> None:
    value, slope = log_h(np.nextafter(-1000.0, [-2000.0, 0.0]))
    assert value[0] == pytest.approx(value[1], rel=1e-12)
    assert slope[0] == pytest.approx(slope[1], rel=1e-8)


@pytest.mark.parametrize("best", [-1.5, -0.9, 0.5, -30.0])
def test_the_gradient_agrees_with_differences(best: float) -> None:
    space = space_of({"a": {"min": 0.0, "max": 1.0}, "b": {"min": 0, "max": 1, "scale": "Periodic"}})
    acquisition = LogExpectedImprovement(model_on(space), best)
    for u in np.random.default_rng(1).random((4, 2)):
        value, gradient = acquisition.with_gradient(u, acquisition.model.features(u[None])[0])
        assert value == pytest.approx(float(acquisition(u[None])[0]), rel=1e-7)
        for j in range(2):
            step = 1e-6 * np.eye(2)[j]
            low, high = acquisition(np.stack([u - step, u + step]))
            assert gradient[j] == pytest.approx((high - low) / 2e-6, rel=1e-4, abs=1e-4 * np.max(np.abs(gradient)))


def test_the_search_climbs_above_its_candidates() -> None:
    space = cube(3)
    model = model_on(space)
    acquisition = LogExpectedImprovement(model, float(np.min(model.z)))
    found = Search(
        acquisition, evidence(space, model.X, model.z), Box(np.zeros(3), np.ones(3)), np.random.default_rng(0)
    ).run(model.X[:3])
    many = np.random.default_rng(5).random((5000, 3))
    assert found is not None
    assert acquisition(found[None])[0] > np.max(acquisition(many))


def test_the_search_finds_the_best_cell_of_a_mixed_space() -> None:
    space = space_of(
        {"a": {"choices": list("uvwxyz")}, "b": {"min": 1, "max": 40, "type": "int"}, "c": {"min": 0.0, "max": 1.0}}
    )
    model = model_on(space, n=25)
    acquisition = LogExpectedImprovement(model, float(np.min(model.z)))
    found = Search(
        acquisition, evidence(space, model.X, model.z), Box(np.zeros(3), np.ones(3)), np.random.default_rng(0)
    ).run(model.X[:3])
    many = space.snap(np.random.default_rng(5).random((20_000, 3)))
    assert found is not None
    np.testing.assert_array_equal(space.snap(found[None])[0], found)
    assert acquisition(found[None])[0] > np.max(acquisition(many)) - 0.05


def test_a_box_is_kept_also_where_it_wraps_around() -> None:
    space = space_of({"a": {"min": 0, "max": 1, "scale": "Periodic"}, "b": {"min": 0.0, "max": 1.0}})
    model = model_on(space)
    box = Box(np.array([-0.1, 0.2]), np.array([0.1, 0.4]))
    acquisition = LogExpectedImprovement(model, float(np.min(model.z)))
    for seed in range(5):
        found = Search(acquisition, evidence(space, model.X, model.z), box, np.random.default_rng(seed)).run(model.X)
        assert found is not None
        assert found[0] <= 0.1 or found[0] >= 0.9
        assert 0.2 <= found[1] <= 0.4

from __future__ import annotations

import numpy as np
import pytest

from arqon_ray.core.refine.features import Features
from arqon_ray.core.refine.linear import cholesky
from arqon_ray.core.refine.surrogate import (
    Surrogate,
    default_theta,
    fit,
    log_prior,
    negative_log_posterior,
    unpack,
)
from tests.core.refine.studies import cube, space_of
from tests.core.spaces import EVERY_KIND


def observations(space, n=15, seed=0):
    X = space.snap(np.random.default_rng(seed).random((n, space.d)))
    return X, np.sin(4.0 * X.sum(axis=1)) + X[:, 0]


def test_the_features_are_the_distances_of_the_docstring() -> None:
    space = space_of(
        {
            "a": {"min": 0.0, "max": 1.0},
            "b": {"min": 0, "max": 1, "scale": "Periodic"},
            "c": {"choices": ["u", "v", "w"]},
            "d": {"choices": ["s", "m", "l"], "ordered": True},
            "e": {"min": 3.0, "max": 3.0},
            "f": {"min": 0.0, "max": 1.0, "when": {"c": "u"}},
        }
    )
    features = Features(space)
    assert features.columns.tolist() == [0, 1, 2, 3, 5]
    u, v = space.snap(np.array([[0.1, 0.05, 0.1, 0.1, 0.5, 0.7], [0.4, 0.95, 0.9, 0.9, 0.5, 0.5]]))
    squared = (features(u[None]) - features(v[None]))[0] ** 2
    by_parameter = np.bincount(features.groups, weights=squared)
    expected = [0.3**2, np.sin(0.1 * np.pi) ** 2, 1.0, (2 / 3) ** 2, 0.2**2 + 1.0]
    np.testing.assert_allclose(by_parameter, expected, atol=1e-12)


@pytest.mark.parametrize("bounds", [EVERY_KIND, {f"x{j}": {"min": 0.0, "max": 1.0} for j in range(4)}])
def test_the_gradient_of_the_posterior_agrees_with_differences(bounds) -> None:
    space = space_of(bounds)
    features = Features(space)
    X, z = observations(space)
    theta = np.random.default_rng(3).normal(0.0, 0.7, len(features.columns) + 2)
    _, gradient = negative_log_posterior(theta, features(X), features.groups, z)
    for i in range(len(theta)):
        step = 1e-5 * np.eye(len(theta))[i]
        high = negative_log_posterior(theta + step, features(X), features.groups, z)[0]
        low = negative_log_posterior(theta - step, features(X), features.groups, z)[0]
        assert gradient[i] == pytest.approx((high - low) / 2e-5, rel=1e-5, abs=1e-6)


def test_the_prior_is_highest_at_unit_length_scales() -> None:
    value, gradient = log_prior(default_theta(2, 1e-3))
    np.testing.assert_allclose(gradient[:2], 0.0)
    assert gradient[2] == 0.0
    assert log_prior(np.array([2.0, 0.0, 0.0, np.log(1e-3)]))[0] < value


def test_the_posterior_agrees_with_its_definition() -> None:
    space = cube(2)
    X, z = observations(space, 8)
    theta = np.array([0.5, 1.0, 0.3, np.log(0.01)])
    x, scale, noise = unpack(theta)

    def kernel(A, B):
        r = np.sqrt(np.sum(x * (A[:, None] - B[None]) ** 2, axis=2))
        return scale * (1 + np.sqrt(5) * r + 5 * r**2 / 3) * np.exp(-np.sqrt(5) * r)

    U = np.random.default_rng(2).random((5, 2))
    K = kernel(X, X) + noise * np.eye(8)
    mean, variance = Surrogate.condition(Features(space), theta, X, z).predict(U)
    np.testing.assert_allclose(mean, kernel(U, X) @ np.linalg.solve(K, z), rtol=1e-9)
    explained = np.sum(kernel(U, X) * np.linalg.solve(K, kernel(X, U)).T, axis=1)
    np.testing.assert_allclose(variance, scale - explained, rtol=1e-7)


def test_the_gradient_of_the_prediction_agrees_with_differences() -> None:
    space = space_of(EVERY_KIND)
    X, z = observations(space, 20)
    features = Features(space)
    model = Surrogate.condition(features, default_theta(len(features.columns)), X, z)
    moving = [j for j, p in enumerate(space.parameters) if p.levels is None]
    for u in space.snap(np.random.default_rng(4).random((3, space.d))):
        mean, variance, d_mean, d_variance = model.predict_gradient(u, features(u[None])[0])
        assert [mean, variance] == pytest.approx([float(part[0]) for part in model.predict(u[None])], rel=1e-9)
        for j in moving:
            step = 1e-6 * np.eye(space.d)[j]
            means, variances = model.predict(np.stack([u - step, u + step]))
            assert d_mean[j] == pytest.approx((means[1] - means[0]) / 2e-6, rel=1e-4, abs=1e-6)
            assert d_variance[j] == pytest.approx((variances[1] - variances[0]) / 2e-6, rel=1e-4, abs=1e-6)


def test_fitting_finds_the_parameter_that_matters_and_the_noise() -> None:
    space = cube(3)
    X = np.random.default_rng(0).random((60, 3))
    features = Features(space)
    clean = np.sin(7.0 * X[:, 1])
    theta = fit(features(X), features.groups, (clean - clean.mean()) / clean.std(), [default_theta(3)])
    x, _, noise = unpack(theta)
    assert x[1] > 10 * max(x[0], x[2])
    assert noise < 1e-3
    noisy = clean + 0.5 * np.random.default_rng(1).standard_normal(60)
    theta = fit(features(X), features.groups, (noisy - noisy.mean()) / noisy.std(), [default_theta(3)])
    assert 0.1 < unpack(theta).noise < 0.5


def test_believing_removes_the_doubt_and_keeps_the_mean() -> None:
    space = cube(2)
    X, z = observations(space)
    model = Surrogate.condition(Features(space), default_theta(2, 1e-6), X, z)
    U = np.random.default_rng(9).random((3, 2))
    mean, variance = model.predict(U)
    believed_mean, believed_variance = model.believe(U).predict(U)
    np.testing.assert_allclose(believed_mean, mean, atol=1e-4)
    assert np.all(believed_variance < 0.01 * variance + 1e-5)


def test_cholesky_copes_with_what_is_not_positive_definite() -> None:
    K = np.ones((5, 5))
    L = cholesky(K)
    np.testing.assert_allclose(L @ L.T, K, atol=1e-3)
    L = cholesky(-np.eye(3))
    assert np.all(np.isfinite(L))
    assert np.all(np.diag(L) > 0.0)

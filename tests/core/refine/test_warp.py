from __future__ import annotations

import numpy as np
import pytest

from arqon_ray.core.refine.warp import Warp, inverse_yeo_johnson, yeo_johnson

VALUES = np.exp(2.0 * np.random.default_rng(0).standard_normal(40)) - 1.0


@pytest.mark.parametrize("power", [-2.0, -0.5, 0.0, 1.0, 1.3, 2.0, 4.0])
def test_the_transform_rises_and_is_inverted(power: float) -> None:
    y = np.linspace(-5.0, 5.0, 101)
    z = yeo_johnson(y, power)
    assert np.all(np.diff(z) > 0.0)
    np.testing.assert_allclose(inverse_yeo_johnson(z, power), y, atol=1e-8)


def test_power_one_is_the_identity() -> None:
    np.testing.assert_allclose(yeo_johnson(VALUES, 1.0), VALUES, rtol=1e-12)


@pytest.mark.parametrize("scale", [2.0**-900, 0.25, 2.0, 2.0**30, 2.0**900])
def test_a_power_of_two_changes_no_bit(scale: float) -> None:
    assert Warp.fit(VALUES * scale)(VALUES * scale).tobytes() == Warp.fit(VALUES)(VALUES).tobytes()


@pytest.mark.parametrize(("scale", "shift"), [(3.0, 0.0), (0.1, 5.0), (1e6, -1e6), (1.7e-5, 3e-5)])
def test_an_affine_map_changes_nothing(scale: float, shift: float) -> None:
    mapped = scale * VALUES + shift
    np.testing.assert_allclose(Warp.fit(mapped)(mapped), Warp.fit(VALUES)(VALUES), atol=1e-9)


def test_a_long_tail_is_drawn_in() -> None:
    def skewness(z):
        return float(np.mean((z - z.mean()) ** 3) / np.std(z) ** 3)

    z = Warp.fit(VALUES)(VALUES)
    assert abs(skewness(z)) < 1.0 < 2.0 < skewness(VALUES)
    np.testing.assert_array_equal(np.argsort(z), np.argsort(VALUES))
    assert [np.mean(z), np.std(z)] == pytest.approx([0.0, 1.0], abs=1e-9)


def test_the_inverse_leads_back() -> None:
    warp = Warp.fit(VALUES)
    np.testing.assert_allclose(warp.inverse(warp(VALUES)), VALUES, rtol=1e-8)


def test_without_the_warp_values_are_only_standardized() -> None:
    z = Warp.fit(VALUES, warp=False)(VALUES)
    np.testing.assert_allclose(z, (VALUES - VALUES.mean()) / VALUES.std(), rtol=1e-9)


def test_a_failure_lies_above_the_worst() -> None:
    warp = Warp.fit(VALUES)
    z = warp(VALUES)
    assert warp.failure == pytest.approx(z.max() + 0.5 * (z.max() - z.min()))


@pytest.mark.parametrize(
    "y",
    [
        [],
        [3.0],
        [2.0, 2.0, 2.0],
        [0.0, 0.0],
        [1e300, -1e300, 0.0],
        [1.7e308, -1.7e308],
        [5e-324, 0.0, 1e-320],
        [1.0, 2.0, 3.0, 1e300],
    ],
)
def test_any_finite_values_give_finite_ones_in_order(y) -> None:
    y = np.array(y)
    warp = Warp.fit(y)
    z = warp(y)
    assert np.all(np.isfinite(z))
    assert np.isfinite(warp.failure)
    assert np.all(np.diff(z[np.argsort(y)]) >= 0.0)
    assert np.all(np.isfinite(warp.inverse(z)))
    assert np.all(np.isfinite(warp.inverse(np.array([-1e3, 1e3]))))


def test_an_absurd_value_does_not_flatten_the_rest() -> None:
    z = Warp.fit(np.array([1.0, 2.0, 3.0, 1e300]))(np.array([1.0, 2.0, 3.0, 1e300]))
    assert z[1] - z[0] > 0.3
    assert z[3] > z[2] + 0.3

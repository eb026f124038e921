"""The duplicate check against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arqon_ray.core.refine.novelty import NEAR, is_new
from arqon_ray.core.space.geometry import Geometry


@given(seed=st.integers(0, 2**32), d=st.integers(1, 6), n=st.integers(0, 30), gap=st.sampled_from([0.0, 0.5, 1.5, 3.0]))
def test_a_point_is_new_when_no_known_one_is_near_in_every_coordinate(seed: int, d: int, n: int, gap: float) -> None:
    rng = np.random.default_rng(seed)
    periodic = rng.random(d) < 0.3
    known = rng.integers(0, 3, size=(n, d)) / 2.0
    point = np.mod(rng.integers(0, 3, size=d) / 2.0 + gap * NEAR * rng.choice([-1.0, 1.0], size=d), 1.0)
    distance = np.abs(known - point)
    distance[:, periodic] = np.minimum(distance[:, periodic], 1.0 - distance[:, periodic])
    geometry = Geometry(periodic.tolist())
    expected = n == 0 or bool(np.min(np.max(distance, axis=1)) > NEAR)
    assert is_new(point, (known,), geometry) == expected
    assert is_new(point, (known[:2], known[2:], known[:0]), geometry) == expected


@pytest.mark.parametrize("parts", [(), (np.empty((0, 2)),)])
def test_everything_is_new_where_nothing_is_known(parts: tuple[np.ndarray, ...]) -> None:
    assert is_new(np.array([0.5, 0.5]), parts, Geometry([False, True]))

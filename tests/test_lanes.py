"""Each test is in one lane, and the fast lane is without Ray."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import LANES

START = "import ray; ray.init(address='local', include_dashboard=False)"


def test_every_test_is_in_one_lane(request: pytest.FixtureRequest) -> None:
    for item in request.session.items:
        assert sum(item.get_closest_marker(lane) is not None for lane in LANES) == 1, item.nodeid


def test_what_uses_the_cluster_is_not_fast(request: pytest.FixtureRequest) -> None:
    users = [item for item in request.session.items if "cluster" in getattr(item, "fixturenames", ())]
    assert [item.nodeid for item in users if item.get_closest_marker("fast")] == []


def test_the_fast_lane_cannot_start_ray() -> None:
    import ray

    with pytest.raises(NotADirectoryError):
        ray.init(address="local", include_dashboard=False)
    assert not ray.is_initialized()


def test_nor_can_a_process_that_it_starts() -> None:
    done = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "NotADirectoryError" in done.stderr

"""The lanes of the tests, and fixtures that more than one folder uses."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# Shared machines stall: a slow example is no failure. The same examples in each run, so that red means a change.
settings.register_profile("arqon", deadline=None, derandomize=True)
settings.load_profile("arqon")

# Ray joins any cluster that it finds through this variable, and Tune's new output floods the log.
os.environ.pop("RAY_ADDRESS", None)
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# Who starts the tests in the background (``nohup pytest &``) lets every process below ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

LANES = ("fast", "faults", "ray")
FAULTS = Path(__file__).parent / "service" / "faults"
NO_RAY_HERE = "/dev/null/tests of the fast lane start no Ray"


def lane_of(item: pytest.Item) -> str:
    """Return the one lane of a test: what its marks say, else its folder, else whether it uses the cluster."""
    marked = {mark.name for mark in item.iter_markers() if mark.name in LANES}
    if len(marked) > 1:
        raise pytest.UsageError(f"{item.nodeid} is marked for {len(marked)} lanes: {', '.join(sorted(marked))}")
    if marked:
        return marked.pop()
    if FAULTS in item.path.parents:
        return "faults"
    return "ray" if "cluster" in getattr(item, "fixturenames", ()) else "fast"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its lane; the fast ones run first, so before any cluster is up in their process."""
    for item in items:
        item.add_marker(lane_of(item))
    items.sort(key=lambda item: LANES.index(lane_of(item)))


@pytest.fixture(autouse=True)
def without_ray_in_the_fast_lane(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let each start of Ray fail in a test of the fast lane, in the processes that it starts as well."""
    with pytest.MonkeyPatch.context() as patch:
        if request.node.get_closest_marker("fast"):
            patch.setenv("RAY_TMPDIR", NO_RAY_HERE)
        yield


@pytest.fixture(autouse=True)
def ctrl_c_as_before() -> Iterator[None]:
    """Set the handler of SIGINT back: a run of Tune leaves one behind that swallows the next Ctrl-C."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """One local Ray per xdist worker, in the namespace ``arqon``; shut down at the end of the session."""
    import ray

    context = ray.init(
        address="local", namespace="arqon", num_cpus=4, num_gpus=1, include_dashboard=False, log_to_driver=False
    )
    yield context
    ray.shutdown()


@pytest.fixture
def unique_name(request: pytest.FixtureRequest) -> str:
    """A study's name that no other test of the session uses."""
    return "".join(c if c.isalnum() else "-" for c in request.node.name)[:60] + f"-{os.getpid()}"

"""Fixtures that more than one folder of tests uses."""

from __future__ import annotations

import os
from collections.abc import Iterator
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

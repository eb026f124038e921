"""Studies whose actor can be made to fail, and what says that it did."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import ray

import arqon_ray
from arqon_ray.service import SolverClient
from arqon_ray.service.client.reference import NAMESPACE
from tests.service.conftest import CONFIG
from tests.service.faults.audit import Answers

ROOT = Path(__file__).parents[3]
Start = Callable[..., SolverClient]
Drive = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """The directory with the test's studies."""
    return tmp_path / "studies"


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    """The directory in which a failpoint that fires leaves a file."""
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def start(cluster: Any, storage: Path, marks: Path) -> Iterator[Start]:
    """Start studies on names of the test's own; ``failpoints`` are armed in the actor's process. They end with it."""
    started: set[str] = set()

    def starter(
        config: dict[str, Any] = CONFIG,
        name: str | None = None,
        *,
        failpoints: str = "",
        env: dict[str, str] | None = None,
        **options: Any,
    ) -> SolverClient:
        name = name or f"study-{uuid.uuid4().hex[:8]}"
        started.add(name)
        variables = {"ARQON_RAY_FAILPOINTS": f"{marks};{failpoints}" if failpoints else "", **(env or {})}
        options = {"storage_path": str(storage), "runtime_env": {"env_vars": variables}, **options}
        return arqon_ray.start(config, name, **options)

    yield starter
    for name in started:
        with suppress(ValueError):
            ray.kill(ray.get_actor(name, namespace=NAMESPACE), no_restart=True)


@pytest.fixture
def drive(cluster: Any, tmp_path: Path) -> Iterator[Drive]:
    """Start driver processes whose output goes to ``tmp_path/<label>.out`` and ``.err``; they end with the test."""
    processes: list[subprocess.Popen[bytes]] = []

    def driver(label: str, script: str, *args: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", script, cluster.address_info["address"], *args]
        with (tmp_path / f"{label}.out").open("wb") as out, (tmp_path / f"{label}.err").open("wb") as err:
            processes.append(subprocess.Popen(command, stdout=out, stderr=err, cwd=ROOT))
        return processes[-1]

    yield driver
    for process in processes:
        process.kill()
        process.wait()


def kill(client: SolverClient) -> dict[str, Any]:
    """Kill the actor's process and return the status before; the caller asserts that it is another one after."""
    before = client.status()
    os.kill(before["pid"], signal.SIGKILL)
    return before


def in_actor(client: SolverClient, function: Callable[[Any], Any]) -> Any:
    """Run a function in the actor's process, as it is until the next restart; it has to be a lambda or a local one."""
    return ray.get(client.handle.__ray_call__.remote(function))

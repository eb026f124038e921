"""Studies in a real cluster, for the tests of the clients: begun, killed and ended."""

from __future__ import annotations

import contextlib
import os
import signal
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import arqon_ray
from arqon_ray.errors import StudyNotFoundError
from arqon_ray.service import SolverClient
from tests.service.conftest import CONFIG

Start = Callable[..., SolverClient]


@contextlib.contextmanager
def studies() -> Iterator[Start]:
    """Yield what starts studies on names of their own; they are ended with the context."""
    names: set[str] = set()

    def start(config: dict[str, Any] = CONFIG, name: str | None = None, **options: Any) -> SolverClient:
        client = arqon_ray.start(config, name or f"study-{uuid.uuid4().hex[:8]}", **options)
        names.add(client.name)
        return client

    yield start
    for name in names:
        with contextlib.suppress(StudyNotFoundError):  # the test stopped it
            arqon_ray.connect(name).stop(purge=True)


def kill(client: SolverClient) -> int:
    """Kill the actor's process and return its pid; the caller asserts that another one answers then."""
    pid: int = client.status()["pid"]
    os.kill(pid, signal.SIGKILL)
    return pid

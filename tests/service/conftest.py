"""What the service's tests share: a clock to turn, a study that is quick to ask, and its storage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arqon_ray.service.description import write_study
from arqon_ray.service.local_store import LocalStore
from arqon_ray.service.study import Study

CONFIG: dict[str, Any] = {
    "seed": 7,
    "budget": 6,
    "bounds": {"x": {"min": 0.0, "max": 1.0}, "n": {"min": 1, "max": 64, "type": "int", "scale": "Log"}},
    "strategy": "probe",
}


class Clock:
    """A monotonic clock that only the test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """An empty store."""
    return LocalStore(tmp_path / "root", "arqon")


@pytest.fixture
def reopen(store: LocalStore, clock: Clock) -> Callable[[], Study]:
    """Open the study in ``store`` as a restarted actor does, without closing it first."""
    opened = iter(range(1, 1000))

    def opener() -> Study:
        return Study.open(store, {"pid": next(opened), "node": "n", "actor": "a"}, clock)

    return opener


@pytest.fixture
def study(store: LocalStore, reopen: Callable[[], Study]) -> Study:
    """A study with a budget of 6, on an empty store."""
    write_study(store, "0" * 32, CONFIG)
    return reopen()

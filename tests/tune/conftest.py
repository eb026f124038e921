"""Searchers that are driven directly wait for every candidate: Tune would ask again, a test's loop does not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from arqon_ray.service import Heartbeat
from arqon_ray.tune import session
from arqon_ray.tune.study import connection


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "BUSY", 60.0)
    monkeypatch.setattr(session, "IDLE", 60.0)


@pytest.fixture(autouse=True)
def no_heartbeat_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stop the heartbeats that a test leaves: their study is gone, and they would log that until the session ends."""
    begun: list[Heartbeat] = []

    class Noted(Heartbeat):
        def start(self) -> Heartbeat:
            begun.append(self)
            return super().start()

    monkeypatch.setattr(connection, "Heartbeat", Noted)
    yield
    for beat in begun:
        beat.stop()

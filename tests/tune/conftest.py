"""Searchers that are driven directly wait for every candidate: Tune would ask again, a test's loop does not."""

from __future__ import annotations

import pytest

from arqon_ray.tune import session


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "BUSY", 60.0)
    monkeypatch.setattr(session, "IDLE", 60.0)

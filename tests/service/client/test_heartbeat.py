from __future__ import annotations

import logging
import threading
from typing import Any

import numpy as np
import pytest

from arqon_ray.errors import ResultsError
from arqon_ray.service.client.heartbeat import LEASE, AsyncHeartbeat, Heartbeat


class FakeClient:
    """Counts the beats; the first fails, as while an actor restarts."""

    def __init__(self) -> None:
        self.beats: list[str] = []
        self.released: list[str] = []
        self.three = threading.Event()

    def renew(self, owner: str) -> int:
        self.beats.append(owner)
        if len(self.beats) == 3:
            self.three.set()
        if len(self.beats) == 1:
            raise ConnectionError("the actor restarts")
        return 1

    def release(self, owner: str) -> None:
        self.released.append(owner)


def make(client: Any, **kwargs: Any) -> Heartbeat:
    return Heartbeat(client, **kwargs)


def test_it_beats_on_after_a_beat_that_failed(caplog: pytest.LogCaptureFixture) -> None:
    client = FakeClient()
    with caplog.at_level(logging.WARNING), make(client, owner="me", lease=0.04) as beat:
        assert client.three.wait(60)
        assert beat.owner == "me"
    assert set(client.beats) == {"me"}
    assert "the actor restarts" in caplog.text


def test_it_stops_and_releases_what_is_left_when_told_to() -> None:
    client = FakeClient()
    beat = make(client, owner="me").start()
    assert beat.start() is beat
    beat.stop(release=True)
    assert client.released == ["me"]
    assert beat.background.join(0)


@pytest.mark.parametrize("kind", [Heartbeat, AsyncHeartbeat])
@pytest.mark.parametrize(
    "wrong", [{"lease": 0}, {"lease": -1}, {"lease": float("nan")}, {"lease": "60"}, {"owner": ""}, {"owner": "\ud800"}]
)
def test_a_lease_is_seconds_and_an_owner_a_name(kind: Any, wrong: dict[str, Any]) -> None:
    (key,) = wrong
    with pytest.raises(ResultsError, match=f"{key} is .*: it must be"):
        kind(FakeClient(), **wrong)
    assert kind(FakeClient(), lease=np.float32(0.5)).lease == 0.5
    assert kind(FakeClient(), lease=None).lease == LEASE


def test_owners_without_a_name_are_distinct() -> None:
    assert make(FakeClient()).owner != make(FakeClient()).owner

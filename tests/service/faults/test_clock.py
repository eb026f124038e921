"""The wall clock of the actor's process jumps by a day, forward and back: leases last as long as they should."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from arqon_ray.errors import AskTimeoutError
from arqon_ray.service import SolverClient
from tests.service.conftest import CONFIG
from tests.service.faults.audit import Answers, audit
from tests.service.faults.conftest import Start, in_actor

DAY = 24 * 3600.0
LEASE = 4.0


def turn_clock(client: SolverClient, seconds: float) -> float:
    """Set the wall clock of the actor's process; returns by how much it went, as the actor sees it."""

    def turn(_: object) -> float:
        import time

        before = time.time()
        now, now_ns = time.time, time.time_ns
        time.time = lambda: now() + seconds
        time.time_ns = lambda: now_ns() + int(seconds * 1e9)
        assert abs(time.time() - time.time_ns() / 1e9) < 1
        return time.time() - before

    return float(in_actor(client, turn))


def test_a_clock_that_jumps_neither_ends_a_lease_nor_keeps_it(start: Start, answers: Answers, storage: Path) -> None:
    client = start({**CONFIG, "budget": 2})
    first, long = answers.ask(client, owner="me", lease=LEASE), answers.ask(client)
    granted = time.monotonic()
    assert first is not None
    assert long is not None
    for seconds in (DAY, -2 * DAY):
        assert abs(turn_clock(client, seconds) - seconds) < 5
        assert {each["id"] for each in client.pending()} == {first["id"], long["id"]}
    with pytest.raises(AskTimeoutError, match="2 pending"):
        client.ask_one(timeout=0.5)
    assert time.monotonic() - granted < LEASE
    answers.freed.append(first["id"])
    again = answers.ask(client, timeout=30)
    assert again == first
    assert LEASE - 0.5 < time.monotonic() - granted < LEASE + 3
    for asked in (first, long):
        answers.tell(client, asked)
    assert audit(client, answers, storage)["state"] == "finished"

"""Fixtures of the tests that kill worker processes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable

import pytest


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def assert_died() -> Callable[[Iterable[int]], None]:
    """Return a check that processes are gone; a dead one may still wait for Ray to reap it."""

    def check(pids: Iterable[int]) -> None:
        alive, deadline = set(pids), time.monotonic() + 60
        while alive and time.monotonic() < deadline:
            alive = {pid for pid in alive if _exists(pid)}
            time.sleep(0.05)
        assert not alive

    return check

"""An actor whose process is stopped is told from one that is busy, and nobody waits for it for ever."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

import arqon_ray
from arqon_ray.errors import AskTimeoutError, StudyUnreachableError
from arqon_ray.service import SolverClient
from arqon_ray.service.client import pulse
from tests.service.conftest import CONFIG
from tests.service.live import Start, studies


@pytest.fixture
def start(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start studies; answers are waited for in short slices."""
    monkeypatch.setattr(pulse, "SLICE", 0.4)
    monkeypatch.setattr(pulse, "_PING", 0.3)
    with studies() as begin:
        yield begin


@contextmanager
def frozen(client: SolverClient) -> Iterator[int]:
    """Stop the actor's process within the block."""
    pid: int = client.status()["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        deadline = time.monotonic() + 30.0
        while psutil.Process(pid).status() != psutil.STATUS_STOPPED:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield pid
    finally:
        if psutil.pid_exists(pid):
            os.kill(pid, signal.SIGCONT)


def impatient(client: SolverClient, patience: float = 1.0) -> SolverClient:
    return SolverClient(client.name, client.handle, patience)


CALLS: dict[str, Callable[[SolverClient], Any]] = {
    "ask_one": lambda client: client.ask_one(key="a"),
    "tell": lambda client: client.tell("0", 1.0, key="t"),
    "renew": lambda client: client.renew("me"),
    "history": lambda client: client.history(),
    "status": lambda client: client.status(),
}


def test_each_call_of_a_frozen_actor_ends_and_has_its_effect_once(start: Start) -> None:
    client = start(CONFIG)
    assert client.ask_one()["id"] == "0"  # type: ignore[index]
    pid = client.status()["pid"]
    with frozen(client):
        for name, call in CALLS.items():
            began = time.monotonic()
            with pytest.raises(StudyUnreachableError, match="does not answer a ping"):
                call(impatient(client))
            assert time.monotonic() - began > 1.0, name
        listed = {each["name"]: each["state"] for each in arqon_ray.list(timeout=0.5)}
        assert listed[client.name] == "busy"
    # The process goes on, the calls that lay there have their effect, and repeating them under their keys adds none.
    assert client.tell("0", 1.0, key="t")["accepted"]
    assert client.ask_one(key="a")["id"] == "1"  # type: ignore[index]
    counts = client.status()["counts"]
    assert (counts["asked"], counts["told"]) == (2, 1)
    assert client.status()["pid"] == pid


def test_a_call_that_waits_goes_on_when_the_process_does(start: Start) -> None:
    client = start(CONFIG)
    with frozen(client) as pid:
        threading.Timer(1.5, os.kill, (pid, signal.SIGCONT)).start()
        assert impatient(client, 30.0).ask_one(key="k")["id"] == "0"  # type: ignore[index]


def test_an_actor_that_is_busy_is_waited_for(start: Start) -> None:
    client = start({**CONFIG, "budget": 1})
    assert client.ask_one() is not None
    began = time.monotonic()
    # Held by somebody for all of the timeout, which is far longer than the patience.
    with pytest.raises(AskTimeoutError):
        impatient(client, 0.2).ask_one(timeout=3.0)
    assert time.monotonic() - began >= 3.0


def test_coroutines_are_told_too(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arqon_ray.service.client.awaiting.SLICE", 0.4)
    client = start(CONFIG)

    async def ask() -> None:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.05)
                ticks += 1

        ticking = asyncio.ensure_future(tick())
        with pytest.raises(StudyUnreachableError):
            await impatient(client).aio.ask_one()
        ticking.cancel()
        assert ticks > 10  # the loop went on meanwhile

    with frozen(client):
        asyncio.run(ask())


def test_a_frozen_actor_can_be_stopped(start: Start, tmp_path: Path) -> None:
    client = start(CONFIG, storage_path=str(tmp_path))
    assert client.ask_one(key="k") is not None
    with frozen(client) as pid:
        impatient(client).stop()
        deadline = time.monotonic() + 30.0
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    again = start(CONFIG, client.name, storage_path=str(tmp_path))
    assert again.status()["pid"] != pid
    assert again.ask_one(key="k")["id"] == "0"  # type: ignore[index]

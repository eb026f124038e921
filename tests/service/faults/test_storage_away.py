"""The storage is away, as the actor restarts or while it runs: for a while, for long, or the journal alone."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from arqon_ray.errors import StudyRefusedError
from arqon_ray.service import SolverClient
from tests.service.conftest import CONFIG
from tests.service.faults.audit import Answers, audit
from tests.service.faults.conftest import Start, in_actor


@pytest.fixture
def client(start: Start, answers: Answers) -> SolverClient:
    """A study with a few results."""
    client = start({**CONFIG, "budget": 20})
    for _ in range(5):
        work(client, answers)
    return client


def work(client: SolverClient, answers: Answers) -> None:
    asked = answers.ask(client)
    assert asked is not None
    answers.tell(client, asked)


def killed_without(client: SolverClient, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Take a folder away and kill the actor; returns where the folder is now, and the status before."""
    before = client.status()
    away = folder.rename(folder.with_name(f"{folder.name}-away"))
    os.kill(before["pid"], signal.SIGKILL)
    return away, before


def work_while_away(client: SolverClient, answers: Answers, away: Path, storage: Path, seconds: float) -> None:
    """Ask and tell while the storage is away; it comes back after so many seconds."""
    with ThreadPoolExecutor() as pool:
        working = pool.submit(work, client, answers)
        time.sleep(seconds)
        assert not working.done()
        assert not storage.exists()
        away.rename(storage)
        working.result(60)


def test_a_storage_that_is_away_for_five_seconds_of_a_restart_is_waited_for(
    client: SolverClient, answers: Answers, storage: Path
) -> None:
    away, before = killed_without(client, storage)
    work_while_away(client, answers, away, storage, 5.0)
    after = audit(client, answers, storage)
    assert after["pid"] != before["pid"]
    assert (after["epoch"], after["counts"]["told"]) == (2, 6)


def test_a_storage_that_is_away_while_the_actor_runs_is_waited_for(
    client: SolverClient, answers: Answers, storage: Path
) -> None:
    before = client.status()
    work_while_away(client, answers, storage.rename(storage.with_name("away")), storage, 2.0)
    after = audit(client, answers, storage)
    assert after["pid"] == before["pid"]
    assert (after["epoch"], after["counts"]["told"]) == (2, 6)


def test_a_storage_that_stays_away_is_named_and_served_when_it_is_back(
    client: SolverClient, answers: Answers, storage: Path
) -> None:
    away, before = killed_without(client, storage)

    def lose_patience(_: object) -> int:
        import arqon_ray.service.server.host

        arqon_ray.service.server.host._PATIENCE = 1.0
        return os.getpid()

    pid = in_actor(client, lose_patience)
    assert pid != before["pid"]
    for call in (client.ask_one, client.history):
        begun = time.monotonic()
        with pytest.raises(StudyRefusedError, match=f"the storage {storage}/{client.name} fails"):
            call()
        assert 0.3 < time.monotonic() - begun < 10
    assert client.status()["state"] == "refused"
    assert not storage.exists()
    away.rename(storage)
    work(client, answers)
    after = audit(client, answers, storage)
    assert (after["pid"], after["epoch"], after["state"]) == (pid, 2, "running")


def test_a_journal_that_is_gone_is_refused_until_it_is_back(
    client: SolverClient, answers: Answers, storage: Path
) -> None:
    journal = storage / client.name
    away, before = killed_without(client, journal)
    status = client.status()
    assert status["pid"] != before["pid"]
    assert status["state"] == "refused"
    assert f"no journal in {journal} on node {status['node']}" in status["reason"]
    assert status["counts"]["told"] == 0
    with pytest.raises(StudyRefusedError, match="no journal in"):
        client.ask_one()
    assert list(storage.iterdir()) == [away]
    away.rename(journal)
    work(client, answers)
    assert audit(client, answers, storage)["counts"]["told"] == 6

"""Two actors on one storage, as after a network partition: the older one is fenced."""

from __future__ import annotations

import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.exceptions import RayTaskError

from arqon_ray.core.config import load_config
from arqon_ray.errors import StudyRefusedError
from arqon_ray.service import SolverClient
from arqon_ray.service.client.launch import _actor_class
from arqon_ray.service.client.reference import NAMESPACE
from arqon_ray.service.protocol import from_plain
from tests.service.conftest import CONFIG
from tests.service.faults.audit import Answers, audit, load, objective
from tests.service.faults.conftest import Start

STUDY = {**CONFIG, "budget": 400}
Rival = Callable[[SolverClient], SolverClient]


@pytest.fixture
def rival(storage: Path) -> Iterator[Rival]:
    """Let another actor open a study that is being served; its client calls the study by its own name, too."""
    names: list[str] = []

    def opener(client: SolverClient) -> SolverClient:
        name = f"rival-{uuid.uuid4().hex[:8]}"
        names.append(name)
        config, token = load_config(STUDY).to_dict(), uuid.uuid4().hex
        spec = {"name": client.name, "config": config, "token": token, "resume": True}
        handle = _actor_class(name, None, {}, anywhere=False).remote(spec, str(storage))
        try:
            assert ray.get(handle.begin.remote(config, token))["epoch"] > 1
        except RayTaskError as error:
            raise from_plain(error.cause) from None
        return SolverClient(client.name, handle)

    yield opener
    for name in names:
        with suppress(ValueError):
            ray.kill(ray.get_actor(name, namespace=NAMESPACE), no_restart=True)


def test_of_three_that_open_a_study_at_once_one_serves(
    start: Start, rival: Rival, answers: Answers, storage: Path
) -> None:
    older = start(STUDY)

    with ThreadPoolExecutor() as pool:
        racing = [pool.submit(rival, older) for _ in range(3)]
    refusals, serving = [], []
    for each in [lambda: older, *(future.result for future in racing)]:
        try:
            client = each()
            asked = answers.ask(client)
            assert asked is not None
            answers.tell(client, asked)
            serving.append(client)
        except StudyRefusedError as refusal:
            refusals.append(str(refusal))
    assert len(serving) == 1
    assert serving[0] is not older
    assert all("fenced" in refusal for refusal in refusals)
    audit(serving[0], answers, storage)


def test_the_older_of_two_actors_is_fenced(start: Start, rival: Rival, answers: Answers, storage: Path) -> None:
    older = start(STUDY)
    for _ in range(10):
        asked = answers.ask(older)
        assert asked is not None
        answers.tell(older, asked)
    held = answers.ask(older, key="held", owner="me")
    assert held is not None
    newer = rival(older)
    # Not even a heartbeat is answered: whom it reassures may be given up by the newer one.
    with pytest.raises(StudyRefusedError, match="fenced"):
        older.renew("me")
    assert older.status()["actor"] != newer.status()["actor"]
    for call in (older.ask_one, lambda: older.tell(held["id"], 0.0), older.history, older.export):
        with pytest.raises(StudyRefusedError, match=r"fenced: .* belongs to epoch 2 now, this actor is epoch 1"):
            call()
    assert older.status()["state"] == "refused"
    assert "fenced" in older.status()["reason"]
    assert newer.ask_one(key="held", owner="me") == held
    answers.tell(newer, held)
    assert audit(newer, answers, storage)["counts"]["told"] == 11
    with pytest.raises(StudyRefusedError, match="fenced"):
        older.stop(purge=True)
    assert audit(newer, answers, storage)["epoch"] == 2


def test_an_actor_that_was_frozen_under_load_acknowledges_nothing_afterwards(
    start: Start, rival: Rival, answers: Answers, storage: Path
) -> None:
    older = start(STUDY)
    pid = older.status()["pid"]
    taken_over: dict[str, SolverClient] = {}
    fenced: list[StudyRefusedError] = []

    def call(method: str, *args: Any) -> Any:
        """Call the older actor, and repeat the call at the newer one when it is fenced."""
        key = uuid.uuid4().hex
        try:
            return getattr(SolverClient(older.name, older.handle), method)(*args, key=key)
        except StudyRefusedError as error:
            fenced.append(error)
            return getattr(taken_over["by"], method)(*args, key=key)

    def work() -> None:
        while not over.is_set():
            asked = call("ask_one")
            answers.asked.append((asked["id"], asked["params"]))
            assert call("tell", asked["id"], objective(asked["params"])) == {"id": asked["id"], "accepted": True}
            answers.told[asked["id"]] = objective(asked["params"])

    over = threading.Event()
    threads = [threading.Thread(target=work, daemon=True) for _ in range(6)]
    for each in threads:
        each.start()
    while len(answers.told) < 50:
        time.sleep(0.001)
    os.kill(pid, signal.SIGSTOP)
    over.set()
    try:
        newer = taken_over["by"] = rival(older)
        with load(newer, answers, threads=2) as wait:
            wait(len(answers.told) + 50)
            assert any(each.is_alive() for each in threads), "nobody was in a call when the actor was frozen"
            os.kill(pid, signal.SIGCONT)
            for each in threads:
                each.join(60)
                assert not each.is_alive()
    finally:
        os.kill(pid, signal.SIGCONT)
    assert fenced
    assert all("fenced" in str(error) for error in fenced)
    assert older.status()["pid"] == pid
    assert older.status()["state"] == "refused"
    after = audit(newer, answers, storage)
    assert (after["epoch"], after["state"]) == (2, "finished")
    assert len(answers.told) == len(answers.asked) == 400

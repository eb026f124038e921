"""A call that kills the actor's process each time it is tried: given up after three deaths, alone."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
import ray

from arqon_ray.core import ArqonSolver
from arqon_ray.errors import PoisonedCallError
from arqon_ray.service.log.segments import accepted_records, read_segments
from arqon_ray.service.server.changes import Ask
from arqon_ray.service.storage.local import LocalStore
from tests.service.conftest import CONFIG
from tests.service.faults.audit import Answers, audit, load
from tests.service.faults.conftest import ROOT, Start

POISON = """
import os, uuid
from arqon_ray.core.solver import ArqonSolver

resolve = ArqonSolver.resolve

def deadly(self, entries):
    if any("poison" in entry.told.metrics for entry in entries):
        open(os.path.join(os.environ["DEATHS"], str(os.getpid())), "x").close()
        os.kill(os.getpid(), 9)
    return resolve(self, entries)

ArqonSolver.resolve = deadly
"""


def test_a_tell_that_kills_the_process_is_given_up_and_nothing_else(
    start: Start, answers: Answers, storage: Path, marks: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "poison"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(POISON)
    client = start(
        {**CONFIG, "budget": 3000},
        env={"PYTHONPATH": os.pathsep.join(map(str, (folder, ROOT))), "DEATHS": str(marks)},
    )
    asked = answers.ask(client, key="victim")
    assert asked is not None
    over = threading.Event()
    with load(client, answers, threads=2, over=over) as wait:
        wait(20)
        with pytest.raises(PoisonedCallError, match=r"SolverActor\.tell was running at 3 deaths"):
            client.tell(asked["id"], 1.0, metrics={"poison": True}, key="poison")
        assert len(os.listdir(marks)) == 3
        bare = client.handle.tell.remote(asked["id"], 1.0, metrics={"poison": True})
        with pytest.raises(RuntimeError, match=r"PoisonedCallError: SolverActor\.tell was running at 3 deaths"):
            ray.get(bare)
        wait(len(answers.told) + 20)
        over.set()
    assert len(os.listdir(marks)) == 6
    with pytest.raises(PoisonedCallError):
        client.tell(asked["id"], 1.0, metrics={"poison": True}, key="poison")
    assert len(os.listdir(marks)) == 6
    assert [each["id"] for each in client.pending()] == [asked["id"]]
    answers.tell(client, asked)
    after = audit(client, answers, storage)
    assert (after["epoch"], after["restarts"]) == (7, 6)


def test_a_strategy_that_kills_the_process_is_stood_in_for_by_the_probe(
    start: Start, answers: Answers, storage: Path, marks: Path
) -> None:
    study = {**CONFIG, "budget": 40, "strategy": "auto"}
    client = start(study)
    for _ in range(25):
        asked = answers.ask(client)
        assert asked is not None
        answers.tell(client, asked)
    assert client.status()["phase"] == "refine"
    client.stop()
    client = start(study, client.name, failpoints="propose=kill:3")
    asked = answers.ask(client)
    assert asked is not None
    assert sorted(os.listdir(marks)) == ["propose-0", "propose-1", "propose-2"]
    answers.tell(client, asked)
    with load(client, answers, threads=1):
        pass
    after = audit(client, answers, storage)
    assert (after["epoch"], after["restarts"]) == (5, 3)
    records = accepted_records(read_segments(LocalStore(storage, client.name))[0])
    fresh = [each for record in records if record.body["op"] == "ask" for each in Ask.of(record.body).plain]
    stood_in = [each for each in fresh if each.get("forced")]
    assert [each["number"] for each in stood_in] == list(range(25, 33))
    assert {each["origin"] for each in stood_in} == {"probe"}
    assert "probe" not in {each["origin"] for each in fresh[33:]}
    phases = ArqonSolver.from_state(client.export()).explain()["phases"]
    assert {"strategy": "probe", "candidates": 8} in phases

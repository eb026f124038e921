"""The actor fails at every named place at which it can, under load: no client meets an error."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from arqon_ray.service import SolverClient
from tests.service.conftest import CONFIG
from tests.service.faults.audit import Answers, audit, load
from tests.service.faults.conftest import Start, in_actor

BUDGET = 60
STUDY = {**CONFIG, "budget": BUDGET}


def take_snapshots_often(client: SolverClient) -> None:
    def lower(_: object) -> None:
        import arqon_ray.service.server.snapshotting

        arqon_ray.service.server.snapshotting._EVERY = 10

    in_actor(client, lower)


@pytest.mark.parametrize(
    "point",
    ["apply=kill:1:40", "propose=kill:1:20", "written=kill:1:15", "synced=kill:1:15", "written=kill:2:8"],
)
def test_a_kill_at_a_point(start: Start, answers: Answers, storage: Path, marks: Path, point: str) -> None:
    client = start(STUDY, failpoints=point)
    before = client.status()
    with load(client, answers):
        pass
    times = int(point.split(":")[1])
    assert len(os.listdir(marks)) == times
    after = audit(client, answers, storage)
    assert after["pid"] != before["pid"]
    assert (after["epoch"], after["restarts"]) == (1 + times, times)
    assert after["state"] == "finished"
    assert len(answers.told) == BUDGET


@pytest.mark.parametrize("point", ["written=EIO:2:15", "synced=ENOSPC:2:15"])
def test_a_storage_that_fails_twice(start: Start, answers: Answers, storage: Path, marks: Path, point: str) -> None:
    client = start(STUDY, failpoints=point)
    before = client.status()
    with load(client, answers):
        pass
    assert len(os.listdir(marks)) == 2
    after = audit(client, answers, storage)
    assert after["pid"] == before["pid"]
    assert (after["epoch"], after["restarts"]) == (3, 0)
    assert len(answers.told) == BUDGET


@pytest.mark.parametrize(("point", "there"), [("snapshot-pruning", 3), ("replace-snapshots", 2)])
def test_a_kill_around_a_snapshot(
    start: Start, answers: Answers, storage: Path, marks: Path, point: str, there: int
) -> None:
    client = start(STUDY, failpoints=f"{point}=kill:1:2")
    take_snapshots_often(client)
    folder = storage / client.name / "snapshots"
    with load(client, answers) as wait:
        wait(BUDGET - 20)
        assert os.listdir(marks) == [f"{point}-0"]
        assert len(list(folder.glob("*.snap"))) == there
        take_snapshots_often(client)
    after = audit(client, answers, storage)
    assert (after["restarts"], after["passed_over"]) == (1, [])
    assert len(list(folder.glob("*.snap"))) == 2


OPENING = ["replace-EPOCH", "claim", "replace-BEGUN"]


@pytest.mark.parametrize(
    ("spec", "opening", "times"),
    [
        (["claim"], ["claim"], 1),
        (["replace-study.json", *OPENING], OPENING, 2),
    ],
)
def test_a_kill_at_the_birth_of_a_study_and_when_it_is_opened(
    start: Start, answers: Answers, storage: Path, marks: Path, spec: list[str], opening: list[str], times: int
) -> None:
    client = start(STUDY, failpoints=";".join(f"{point}=kill" for point in spec))
    assert sorted(os.listdir(marks)) == sorted(f"{point}-0" for point in spec)
    born = client.status()["epoch"]
    assert born > 1
    for _ in range(20):
        asked = answers.ask(client)
        assert asked is not None
        answers.tell(client, asked)
    client.stop()
    for mark in marks.iterdir():
        mark.unlink()
    client = start(STUDY, client.name, failpoints=";".join(f"{point}=kill:{times}" for point in opening))
    assert sorted(os.listdir(marks)) == sorted(f"{point}-{k}" for point in opening for k in range(times))
    with load(client, answers):
        pass
    after = audit(client, answers, storage)
    # A claim that was not put in its place is none.
    assert after["epoch"] == born + 1 + times * len(set(opening) - {"replace-EPOCH"})
    assert len(answers.told) == BUDGET

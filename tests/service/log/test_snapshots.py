"""Snapshots: when they are taken, which are kept, and that a study opened from one is the study that its log makes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from arqon_ray.errors import ResultsError, StudyRefusedError
from arqon_ray.service import failpoints
from arqon_ray.service.log.fencing import FencedError
from arqon_ray.service.log.manifest import write_study
from arqon_ray.service.server import idempotency as operations
from arqon_ray.service.server import snapshotting as snapshotting
from arqon_ray.service.server.idempotency import Operations
from arqon_ray.service.server.outcomes import Report, Reported
from arqon_ray.service.server.study import Study
from arqon_ray.service.storage.local import LocalStore
from tests.service.conftest import CONFIG, Clock, known, reports

Reopen = Callable[[], Study]


def snapshots(study: Study) -> list[int]:
    """Return the records at which the snapshots that are there were taken, once none is being taken."""
    assert study.snapshotting.settle(60)
    return [int(name[:16]) for name in study._journal.store.names("snapshots")]


def write(study: Study, upto: int) -> None:
    """Write records up to this number, a report each, and let every snapshot that is due be taken."""
    while study.position.seq < upto:
        study.report("0", study.position.seq, 1.0)
        snapshots(study)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch, study: Study) -> Study:
    """A study that is due for a snapshot every ten records, with two records and one candidate."""
    monkeypatch.setattr(snapshotting, "_EVERY", 10)
    study.ask_one()
    return study


# When


def test_one_is_due_after_so_many_records_and_never_more_than_a_share_of_all(often: Study) -> None:
    taken: list[int] = []
    for seq in range(3, 301):
        write(often, seq)
        taken += [at for at in snapshots(often)[-1:] if at not in taken]
    assert taken[:8] == [10, 20, 30, 40, 50, 60, 70, 80]
    assert all(after - before == max(10, after // 8) for before, after in pairwise(taken))
    assert 300 - taken[-1] < 300 / 8


def test_the_newest_two_are_kept(often: Study) -> None:
    write(often, 57)
    assert snapshots(often) == [40, 50]


def test_an_opening_replays_what_came_after_the_newest_alone(often: Study, reopen: Reopen) -> None:
    write(often, 57)
    study = reopen()
    assert study.snapshotting.newest == 50
    write(study, 60)
    assert snapshots(study) == [50, 60]


def test_who_leaves_in_order_takes_one_when_there_is_more_than_a_little_to_replay(
    study: Study, reopen: Reopen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshotting, "_EVERY", 100)
    study.ask_one()
    write(study, 10)
    study.drain(StudyRefusedError("stopped"))
    assert snapshots(study) == []
    study = reopen()
    study.report("0", 0, 1.0)
    study.drain(StudyRefusedError("stopped"))
    assert snapshots(study) == [12]


@pytest.mark.parametrize("kind", ["the storage", "anything else"])
def test_one_that_fails_hinders_nobody_is_named_and_tried_again_after_a_pause(
    often: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    tried: list[int] = []
    take = often.snapshotting.take

    def counted() -> None:
        tried.append(often.position.seq)
        if kind == "anything else" and len(tried) == 1:
            raise OverflowError("no such number")
        take()

    monkeypatch.setattr(often.snapshotting, "take", counted)
    failpoints.arm(f"{tmp_path};replace-snapshots=ENOSPC" if kind == "the storage" else "")
    try:
        write(often, 10)
    finally:
        failpoints.arm("")
    [trouble] = often.status()["trouble"]
    assert trouble["what"] == "taking a snapshot of the study"
    assert ("replace-snapshots" if kind == "the storage" else "no such number") in trouble["error"]
    write(often, 14)  # each call looks, and none of them tries it again during the pause
    assert tried == [10]
    often.snapshotting.works[0].wake(hurry=True)
    assert snapshots(often) == [14]
    assert often.status()["trouble"] == []


def test_what_was_not_acknowledged_is_in_none(study: Study, reopen: Reopen) -> None:
    study.ask_one()
    reopen()
    with study._lock:
        study._commit(Report([Reported(0, 0, 1.0)]))
    with pytest.raises(FencedError):
        study.snapshotting.take()
    assert snapshots(study) == []


# Which


def test_those_that_cannot_be_used_are_passed_over_newest_first_and_pruned(often: Study, reopen: Reopen) -> None:
    write(often, 31)
    folder = often._journal.store.path / "snapshots"
    older, newer = sorted(folder.iterdir())
    newer.write_bytes(b"")
    study = reopen()
    assert study.snapshotting.newest == 20
    assert [each.split(": ")[0] for each in study.status()["passed_over"]] == [str(newer)]
    older.write_bytes(older.read_bytes()[:-1])
    study = reopen()
    assert study.snapshotting.newest == 0
    assert [each.split(": ")[0] for each in study.status()["passed_over"]] == [str(newer), str(older)]
    write(study, 45)
    assert not newer.exists()
    assert reopen().status()["passed_over"] == []


def test_one_that_the_disk_cannot_read_is_passed_over(
    often: Study, reopen: Reopen, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(often, 31)
    before = known(often)
    read, asked = LocalStore.read, []

    def bad_sector(store: LocalStore, name: str) -> bytes | None:
        if name.endswith(".snap"):
            asked.append(name)
            raise OSError(5, "Input/output error")
        return read(store, name)

    monkeypatch.setattr(LocalStore, "read", bad_sector)
    study = reopen()
    assert known(study) == before
    assert len(asked) == 2
    assert all("Input/output error" in each for each in study.status()["passed_over"])


PROGRAM = """
import sys
from arqon_ray.service.storage.local import LocalStore
from arqon_ray.service.server.study import Study
study = Study.open(LocalStore(sys.argv[1], "arqon"), {"pid": 9, "actor": "a"})
for step in range(3):
    study.report("0", step, 1.0)
    study.snapshotting.take()
"""


@pytest.mark.parametrize(("point", "left"), [("snapshot-pruning", [4, 5, 6]), ("replace-snapshots", [4, 5])])
def test_a_kill_while_one_is_taken_leaves_what_was_there(
    point: str, left: list[int], study: Study, reopen: Reopen, tmp_path: Path
) -> None:
    study.ask_one()
    environment = {**os.environ, failpoints.VARIABLE: f"{tmp_path};{point}=kill:1:2"}
    ended = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path / "root")], env=environment, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert (tmp_path / f"{point}-0").exists()
    study = reopen()
    assert snapshots(study) == left
    assert study.snapshotting.newest == left[-1]
    assert reports(study) == {0: {0: 1.0, 1: 1.0, 2: 1.0}}
    study.snapshotting.take()
    assert snapshots(study) == [left[-1], 7]


# What


OUTSIDE: dict[str, Any] = {"params": {"x": 0.9, "n": 9, "o": "b"}, "value": 2.0, "cost": 3.0}


def lived(store: LocalStore, clock: Clock) -> None:
    """Write a study with everything that a snapshot must hold, and a little after it."""
    config = {**CONFIG, "strategy": "auto", "budget": 24}
    config["bounds"] = {**CONFIG["bounds"], "o": {"choices": ["a", "b"]}, "m": {"min": 0, "max": 1, "when": {"o": "a"}}}
    write_study(store, "u", config)
    study = Study.open(store, {"pid": 1, "actor": "a"}, clock)
    study.seed([OUTSIDE], key="s")
    for k in range(12):
        judge(study, study.ask_one(key=f"ask-{k}", owner="o"))
    study = Study.open(store, {"pid": 2, "actor": "a"}, clock)
    study.ask(2, key="held", owner="p", lease=20.0)
    study.ask(2, key="lone", lease=30.0)
    study.report("12", 1, 0.5)
    study.report("12", 2, float("nan"))
    study.release("13", key="r")
    study.fail("3", "late", key="late")
    study.extend_budget(26)
    study.snapshotting.take()
    study.ask_one(key="after")
    study.tell("14", 0.1, key="after")
    study.close(RuntimeError("the process ends"))


def judge(study: Study, asked: Any) -> Any:
    value = (asked["params"]["x"] - 0.3) ** 2 + 0.01 * asked["params"]["n"]
    return study.tell([{"id": asked["id"], "value": None if asked["id"] == "5" else value}], key=f"t-{asked['id']}")


def goes_on(study: Study, clock: Clock) -> list[Any]:
    """Return all that a study answers while it is asked to the end of its budget."""
    told: list[Any] = [known(study), study._state.hosts, study.history(), study.pending(), study.best()]
    told += [study.ask(n, key=key, owner="q") for key, n in (("ask-3", 1), ("held", 2), ("lone", 2), ("after", 1))]
    told += [study.tell("14", 0.1, key="after"), study.fail("3", "late", key="late")]
    told += [study.release("13", key="r"), study.seed([OUTSIDE], key="s")]
    for key in ("t-0", "after", "r", "s"):
        with pytest.raises(ResultsError, match=key):
            study.tell([{"id": "0", "value": 9.0}], key=key)
    for seconds in (15.0, 10.0, 10.0):
        clock.now += seconds
        told.append([study.renew("q"), study.status()["counts"], study.pending()])
    clock.now += 100.0
    while (asked := study.ask_one(timeout=0)) is not None:
        told += [asked, judge(study, asked)]
    return [*told, {**study.status(), "storage": None}, study.export()]


def test_a_study_opened_from_a_snapshot_is_the_one_that_its_log_makes(tmp_path: Path) -> None:
    answers = []
    for folder in ("snapshot", "log"):
        clock = Clock()
        store = LocalStore(tmp_path / folder, "arqon")
        if folder == "log":
            shutil.copytree(tmp_path / "copy", store.path)
            shutil.rmtree(store.path / "snapshots")
        else:
            lived(store, clock)
            shutil.copytree(store.path, tmp_path / "copy")
        study = Study.open(store, {"pid": 3, "actor": "a"}, clock)
        assert (study.snapshotting.newest > 0) == (folder == "snapshot")
        answers.append(goes_on(study, clock))
    assert answers[0] == answers[1]
    ended = answers[0][-2]
    assert (ended["state"], ended["phase"], ended["restarts"]) == ("finished", "refine", 2)


# The memory of operations


def test_keys_that_somebody_chose_are_kept_and_generated_ones_go_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "WINDOW", 5)
    done = Operations()
    for k in range(20):
        done.put("ask", f"mine-{k}", [k])
        done.put("ask", f"op:{k}", [k])
        done.put("ask", f"op:{k}", ["the first answer stays"])
    assert [done.get("ask", f"mine-{k}") for k in range(20)] == [[k] for k in range(20)]
    assert [done.get("ask", f"op:{k}") for k in range(20)] == [None] * 15 + [[15], [16], [17], [18], [19]]
    assert done.get("tell", "op:19") is None


def test_an_answer_weighs_as_much_as_it_has_entries_and_the_newest_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "WINDOW", 5)
    done = Operations()
    for key, weight in (("op:a", 1), ("op:b", 2), ("op:c", 3)):
        done.put("ask", key, [0] * weight)
    assert [key for _, key, *_ in done.items()] == ["op:b", "op:c"]
    done.put("ask", "op:d", [0] * 9)
    assert [key for _, key, *_ in done.items()] == ["op:d"]


@pytest.mark.parametrize("lost", [True, False])
def test_a_restart_remembers_the_same_operations(
    lost: bool, study: Study, reopen: Reopen, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "WINDOW", 3)
    study.ask(6, key="op:ask")
    for k in range(3):
        study.tell(str(k), 1.0, key=f"op:{k}")
    study.tell("3", 1.0, key="mine")
    study.snapshotting.take()
    study.tell("4", 1.0, key="op:4")
    before = list(study._state.done.items())
    if lost:
        shutil.rmtree(store.path / "snapshots")
    study = reopen()
    assert list(study._state.done.items()) == before
    assert [key for _, key, *_ in before] == ["mine", "op:1", "op:2", "op:4"]
    assert study.tell("3", 1.0, key="mine") == {"id": "3", "accepted": True}
    assert study.tell("4", 1.0, key="op:4") == {"id": "4", "accepted": True}
    assert not study.tell("0", 1.0, key="op:0")["accepted"]

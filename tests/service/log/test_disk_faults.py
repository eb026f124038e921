"""Disks that fail, fill up, go away and lose what was not synced, one system call after the other."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from arqon_ray.errors import StudyRefusedError
from arqon_ray.service.server.host import ActorSpec, StudyHost
from arqon_ray.service.server.study import Study
from arqon_ray.service.server.verification import verify
from arqon_ray.service.storage.local import LocalStore
from tests.service.conftest import CONFIG, IN_MEMORY, Disk, PowerCut, known

pytestmark = pytest.mark.faults


def take_snapshot(study: Study) -> None:
    """Take one now; the host opens the study anew and tries again when the storage fails."""
    study.history()
    study.snapshotting.take()


OUTSIDE = [{"params": {"x": 0.5, "n": 2}, "value": 0.5}]
REPORT = [{"id": "1", "step": 1, "value": 0.5, "metrics": {"loss": 0.5}, "time": 1e9}]
LIFE: list[Callable[[Study], Any]] = [
    lambda study: study.ask(3, key="a", owner="o"),
    lambda study: study.tell("0", 1.0, key="t"),
    lambda study: study.seed(OUTSIDE, key="s"),
    lambda study: study.report(REPORT),
    lambda study: study.retract("0", "the wrong data", key="w"),
    lambda study: study.release("2", key="r"),
    take_snapshot,
    lambda study: study.extend_budget(7),
    lambda study: study.ask(5, key="b"),
    lambda study: study.tell("0", 2.0, key="again", metrics={"loss": 2.0}),
    lambda study: study.fail("1", "out of memory", key="f"),
]
"""What a study goes through, to the end of its budget."""


class Life(contextlib.AbstractContextManager["Life"]):
    """A study's life, call by call, on a disk of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.patch = pytest.MonkeyPatch()
        self.disk = Disk(folder, self.patch)
        self.answers: list[Any] = []
        self.states: list[Any] = []
        self.start()

    def start(self) -> None:
        """Begin as the actor's process does; after the first answer as one that was restarted."""
        self.host = StudyHost(
            ActorSpec("arqon", "t1", True, config=CONFIG), str(self.folder), bool(self.answers), {"pid": 1}
        )

    def go_on(self, upto: int = len(LIFE)) -> None:
        """Make the calls that were not answered yet."""
        for call in LIFE[len(self.answers) : upto]:
            self.answers.append(self.host.call(call))

    def study(self) -> Study:
        self.host.call(lambda study: study.history())
        return self.host._study

    def known(self) -> dict[str, Any]:
        now = known(self.study())
        del now["seqs"]  # each opening has a record
        return now

    def __exit__(self, *_: object) -> None:
        self.disk.fail = None
        self.host.stop(False)
        self.patch.undo()
        self.disk.close()
        shutil.rmtree(self.folder)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once; and let a stalled machine be no reason to hand out fewer candidates than were asked for."""
    monkeypatch.setattr("arqon_ray.service.server.host._PAUSES", (0.001, 0.001))
    monkeypatch.setattr("arqon_ray.service.server.asking._PATIENCE", 60.0)


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as name:
        yield Path(name)


@pytest.fixture
def whole(folder: Path) -> Life:
    """A life without a fault; ``states`` is what was known before the first answer and after each."""
    with Life(folder / "whole") as life:
        life.states = [life.known()]
        for k in range(len(LIFE)):
            life.go_on(k + 1)
            life.states.append(life.known())
    return life


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EROFS])
def test_whatever_call_fails_nobody_meets_it_and_each_effect_is_there_once(
    error: int, times: int, whole: Life, folder: Path
) -> None:
    for n in count(1):
        with Life(folder / "root") as life:
            life.disk.fail = (n, times, OSError(error, os.strerror(error)))
            life.go_on()
            fired, life.disk.fail = life.disk.fired, None
            assert life.answers == whole.answers
            assert life.known() == whole.states[-1]
            life.host.stop(False)
            assert not life.disk.descriptors
            life.disk.lose_power("nothing")
            life.start()
            assert life.known() == whole.states[-1]
            assert verify(str(life.folder)).ok
        if not fired:
            break
    assert n > 60


@pytest.mark.parametrize("keeps", ["all", "nothing", "contents", "names"])
def test_whenever_the_power_fails_what_was_acknowledged_is_there(keeps: str, whole: Life, folder: Path) -> None:
    """``all``: the process alone dies; and the power fails later, when another one has built on what it left."""
    for n in count(1):
        with Life(folder / "root") as life:
            life.disk.fail = (n, 10**9, PowerCut())
            with contextlib.suppress(PowerCut):
                life.go_on()
                break
            life.disk.fail = None
            if keeps != "all":
                life.disk.lose_power(keeps)
            acknowledged = len(life.answers)
            life.start()
            assert life.known() in whole.states[acknowledged : acknowledged + 2]
            life.go_on()
            assert life.answers == whole.answers
            assert life.known() == whole.states[-1]
            life.disk.lose_power("nothing")
            life.start()
            assert life.known() == whole.states[-1]
    assert n > 60


@pytest.mark.parametrize("keeps", ["nothing", "contents", "names"])
def test_an_object_is_replaced_as_a_whole_and_for_good(keeps: str, folder: Path) -> None:
    for n in count(1):
        with Life(folder / "root") as life:
            store = LocalStore(life.folder, "arqon")
            store.replace("EPOCH", b"old")
            life.disk.fail = (life.disk.calls + n, 10**9, PowerCut())
            whole = False
            with contextlib.suppress(PowerCut):
                store.replace("EPOCH", b"new")
                whole = True
            life.disk.lose_power(keeps)
            assert store.read("EPOCH") in ([b"new"] if whole else [b"old", b"new"])
        if whole:
            break
    assert n > 5


class SmallDisk:
    """A real file system of 256 kB where one can be mounted, else a disk that fails as such a one does."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        folder.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
        self.real = os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0
        self.shim = None if self.real else Disk(folder, patch)

    @contextlib.contextmanager
    def failing(self, error: int) -> Iterator[None]:
        """Be full, or read-only."""
        if self.shim is not None:
            self.shim.only = "write" if error == errno.ENOSPC else "open"
            self.shim.fail = (0, 10**9, OSError(error, os.strerror(error)))
        elif error == errno.ENOSPC:
            with pytest.raises(OSError, match="No space left"), (self.folder / "filler").open("wb") as file:
                file.write(bytes(1 << 20))
        else:
            subprocess.run(["mount", "-o", "remount,ro", str(self.folder)], check=True)
        try:
            yield
        finally:
            if self.shim is not None:
                self.shim.fail = None
            elif error == errno.ENOSPC:
                (self.folder / "filler").unlink()
            else:
                subprocess.run(["mount", "-o", "remount,rw", str(self.folder)], check=True)

    def close(self) -> None:
        if self.shim is not None:
            self.shim.close()
        elif self.real:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with pytest.MonkeyPatch.context() as patch:
        disk = SmallDisk(tmp_path / "disk", patch)
        yield disk
        patch.undo()
        disk.close()


def host_on(folder: Path, restarted: bool = False) -> StudyHost:
    return StudyHost(ActorSpec("arqon", "t1", True, config=CONFIG), str(folder), restarted, {"pid": 1})


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_takes_nothing_is_waited_for_and_named_and_the_repeated_call_counts_once(
    error: int, small_disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = host_on(small_disk.folder)
    host.call(lambda study: study.ask(2, key="a"))
    if error == errno.EROFS:
        host.stop(False)  # a file system with a file that is being written is not made read-only
        host = host_on(small_disk.folder, restarted=True)
    seeds = OUTSIDE * 1000
    with small_disk.failing(error), monkeypatch.context() as patch:
        patch.setattr("arqon_ray.service.server.host._PATIENCE", 0.3)
        begun = time.monotonic()
        with pytest.raises(StudyRefusedError, match=f"storage {small_disk.folder}/arqon fails .*{os.strerror(error)}"):
            host.call(lambda study: study.seed(seeds, key="s"))
        assert time.monotonic() - begun > 0.2
    answers = host.call(lambda study: study.seed(seeds, key="s"))
    assert host.call(lambda study: study.seed(seeds, key="s")) == answers
    host.stop(False)
    counts = host_on(small_disk.folder, restarted=True).status()["counts"]
    assert (counts["seeded"], counts["asked"], counts["pending"]) == (1000, 2, 2)


def test_an_older_actor_whose_disk_fails_does_not_take_the_study_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older, newer = host_on(tmp_path), host_on(tmp_path, restarted=True)
    older.call(lambda study: study.ask_one(key="a"))
    newer.call(lambda study: study.ask_one(key="b"))
    monkeypatch.setattr(
        "arqon_ray.service.storage.local._write_all", failing := mock.Mock(side_effect=OSError(5, "EIO"))
    )
    with pytest.raises(StudyRefusedError, match="belongs to epoch 2 of another actor now"):
        older.call(lambda study: study.ask_one(key="c"))
    assert failing.call_count == 1
    monkeypatch.undo()
    assert newer.call(lambda study: study.ask_one(key="d"))["id"] == "2"


@pytest.mark.parametrize("restarted", [False, True])
def test_a_storage_that_is_away_for_a_while_is_waited_for(restarted: bool, tmp_path: Path) -> None:
    root, away = tmp_path / "root", tmp_path / "away"
    root.mkdir()
    host = host_on(root)
    host.call(lambda study: study.ask(2, key="a"))
    if restarted:
        host.stop(False)
        host = host_on(root, restarted=True)
    root.rename(away)
    back: list[bool] = []

    def bring_back() -> None:
        time.sleep(2)
        back.append(root.exists())
        away.rename(root)

    thread = threading.Thread(target=bring_back)
    thread.start()
    assert host.call(lambda study: study.tell("0", 1.0, key="t")) == {"id": "0", "accepted": True}
    assert back == [False]
    thread.join(60)
    assert host.status()["counts"]["told"] == 1
    assert host_on(root, restarted=True).status()["counts"]["told"] == 1


def test_nothing_is_made_or_missed_in_the_place_of_a_storage_that_is_away(tmp_path: Path) -> None:
    root, store = tmp_path / "root", LocalStore(tmp_path / "root", "arqon")
    store.replace("EPOCH", b"old")
    root.rename(tmp_path / "away")
    calls = [("read", "EPOCH"), ("replace", "EPOCH", b"new"), ("names", "segments"), ("read_log", "segments/a.log")]
    for method, *args in [*calls, ("begin_log", "segments/a.log")]:
        with pytest.raises(FileNotFoundError, match="the storage is unavailable"):
            getattr(store, method)(*args)
    assert not root.exists()

"""Every byte of every file of a study, cut off and flipped: it opens as acknowledged, or says what is damaged where."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from arqon_ray.errors import StudyRefusedError
from arqon_ray.service.log.fencing import FencedError
from arqon_ray.service.log.manifest import write_study
from arqon_ray.service.log.records import encode, scan
from arqon_ray.service.log.snapshots import read_snapshots, write_snapshot
from arqon_ray.service.server.outcomes import Report, Reported
from arqon_ray.service.server.study import Study
from arqon_ray.service.storage.local import LocalStore
from tests.service.conftest import CONFIG, IN_MEMORY, Clock, known, reports

pytestmark = pytest.mark.faults

SNAPSHOTS = ("older snapshot", "newer snapshot")
SEGMENTS = [f"segment {epoch}" for epoch in (1, 2, 3, 4)]
POINT = {"params": {"x": 0.5, "n": 2}, "value": 0.5}
GHOST = "what a fenced actor wrote"
OPENED = 16
"""Of so many damaged snapshots, which all read as damaged, the study is opened with one."""

TORN = encode(99, {"op": "half"})[:-1]


class Written:
    """A study of four epochs, and what it was after each acknowledged record.

    Attributes:
        path: its folder.
        states: what was known, by the number of the last record.
        files: its objects, by what they are.
        records: of each segment, number, start and end of each record that counts.
        snapshot: the segment, number and end of the record at which the newer snapshot was taken.
    """

    def __init__(self, root: Path) -> None:
        self.path, self.store = root / "study", LocalStore(root, "study")
        self.states: dict[int, Any] = {}
        write_study(self.store, "u", {**CONFIG, "budget": 3})
        studies = [self.open(1)]
        self.do(studies[-1], "ask", 2, key="a", owner="o")
        self.do(studies[-1], "tell", "0", 1.0, key="t")
        studies.append(self.open(2))
        with pytest.raises(FencedError):
            studies[0].seed([POINT], key=GHOST)
        self.do(studies[-1], "seed", [POINT])
        studies[-1].snapshotting.take()
        self.do(studies[-1], "report", "1", 3, 2.0)
        self.do(studies[-1], "release", "1", key="r")
        studies.append(self.open(3))
        self.do(studies[-1], "extend_budget", 4)
        self.do(studies[-1], "ask", 2, key="b")
        with (self.path / "segments" / self.logs()[-1]).open("ab") as file:
            file.write(TORN)
        studies.append(self.open(4))
        self.do(studies[-1], "fail", "2", "out of memory")
        studies[-1].snapshotting.take()
        self.do(studies[-1], "ask_one", key="c")
        self.do(studies[-1], "tell", "1", 0.25)
        for study in studies:
            study.close(RuntimeError("the process ends"))
        self.last = max(self.states)
        self.files = {name: f"segments/{log}" for name, log in zip(SEGMENTS, self.logs(), strict=True)}
        self.records = {name: self.accepted(name) for name in SEGMENTS}
        older, newer = self.store.names("snapshots")
        (torn,) = [name for name in self.store.names("segments") if ".torn-" in name]
        self.files |= {name: name for name in ("study.json", "EPOCH", "BEGUN")}
        self.files |= {"older snapshot": f"snapshots/{older}", "newer snapshot": f"snapshots/{newer}"}
        self.files |= {"torn tail": f"segments/{torn}"}
        at = next(each.at for each in read_snapshots(self.store) if not isinstance(each, str))
        self.snapshot = (SEGMENTS[-1], at.seq, at.offset)

    def open(self, epoch: int) -> Study:
        study = Study.open(self.store, {"pid": epoch, "actor": "a"}, Clock())
        self.states[study.position.seq] = known(study)
        return study

    def do(self, study: Study, method: str, *args: Any, **kwargs: Any) -> None:
        getattr(study, method)(*args, **kwargs)
        self.states[study.position.seq] = known(study)

    def logs(self) -> list[str]:
        return [name for name in self.store.names("segments") if name.endswith(".log")]

    def accepted(self, name: str) -> list[tuple[int, int, int]]:
        upto = None
        if name != SEGMENTS[-1]:
            after = SEGMENTS[SEGMENTS.index(name) + 1]
            upto = scan(self.read(after)).records[0].body["previous"][1]
        records = scan(self.read(name), upto).records
        starts = [0, *(record.end for record in records)]
        return [(record.seq, start, record.end) for record, start in zip(records, starts, strict=False)]

    def read(self, name: str) -> bytes:
        return (self.path / self.files[name]).read_bytes()


class Copy:
    """A copy of it, to be damaged again and again."""

    def __init__(self, written: Written, folder: Path) -> None:
        self.written, self.path, self.store = written, folder / "study", LocalStore(folder, "study")
        shutil.copytree(written.path, self.path)
        self.lost: set[str] = set()

    def file(self, name: str) -> Path:
        return self.path / self.written.files[name]

    def damage(self, name: str, data: bytes, without: tuple[str, ...] = ()) -> None:
        """Put this in the place of one file, take others away, and bring all else back as it was."""
        for path in self.path.glob("s*/*"):
            if str(path.relative_to(self.path)) not in self.written.files.values():
                path.unlink()
        # An opening writes to these alone: a whole copy each time would cost most of the time.
        for each in {"EPOCH", "BEGUN", SEGMENTS[-1], *self.lost} - {*without}:
            self.file(each).write_bytes(self.written.read(each))
        for each in without:
            self.file(each).unlink(missing_ok=True)
        self.file(name).write_bytes(data)
        self.lost = {name, *without}

    def opened(self) -> tuple[int, dict[str, Any]]:
        """Open it; return how many records it kept, which must be just as they were acknowledged, and its status."""
        study = Study.open(self.store, {"pid": 5, "actor": "a"})
        kept = study.position.seq - 1
        assert known(study) == self.written.states[kept]
        status = study.status()
        study.close(RuntimeError("the process ends"))
        return kept, status


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """Wait for no disk: this file opens a study many thousand times, and nothing here loses its power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="module")
def written() -> Iterator[Written]:
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        yield Written(Path(folder))


@pytest.fixture
def copy(written: Written) -> Iterator[Copy]:
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        yield Copy(written, Path(folder))


def harms(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield where a file was damaged, and what is left: cut off there, or with one bit or the whole byte flipped."""
    for place in range(len(data)):
        yield place, data[:place]
        for mask in (0x01, 0xFF):
            yield place, data[:place] + bytes([data[place] ^ mask]) + data[place + 1 :]


def test_the_study_has_all_that_can_be_damaged(written: Written) -> None:
    assert list(written.states) == list(range(1, written.last + 1))
    assert all(a != b for a, b in pairwise(written.states[k] for k in (1, 2, 3, 5, 6, 7, 9, 10, 12, 13, 14)))
    assert GHOST.encode() in written.read("segment 1")
    assert written.read("torn tail") == TORN
    assert written.snapshot[1] < written.last
    on_disk = {str(path.relative_to(written.path)) for path in written.path.rglob("*") if path.is_file()}
    assert on_disk == set(written.files.values())


def expected(
    written: Written, name: str, place: int, truncate: bool, snapshot: tuple[str, int, int] | None
) -> int | str:
    """Return how many records must be kept, or how the refusal must begin, when a segment is damaged at a place."""
    hit = next((record for record in written.records[name] if record[2] > place), None)
    if hit is None or (snapshot and name != snapshot[0]):
        return written.last  # what a fenced actor wrote, or older than the snapshot
    seq, start, _ = hit
    newest = name == SEGMENTS[-1]
    if snapshot and seq <= snapshot[1]:
        return snapshot[1] if truncate else written.last
    if newest and (truncate or seq == written.last):
        return seq - 1
    return f"{written.files[name]} is damaged at offset {start}"


@pytest.mark.parametrize("with_snapshots", [True, False])
@pytest.mark.parametrize("name", SEGMENTS)
def test_a_damaged_segment_is_a_prefix_or_refused_where_the_record_begins(
    name: str, with_snapshots: bool, written: Written, copy: Copy
) -> None:
    whole = written.read(name)
    for place, data in harms(whole):
        copy.damage(name, data, without=() if with_snapshots else SNAPSHOTS)
        truncate = len(data) < len(whole)
        wanted = expected(written, name, place, truncate, written.snapshot if with_snapshots else None)
        if isinstance(wanted, str):
            with pytest.raises(StudyRefusedError, match=wanted):
                copy.opened()
            assert copy.file(name).read_bytes() == data
            continue
        kept, status = copy.opened()
        assert kept == wanted
        between = truncate and place in [0, *(end for _, _, end in written.records[name])]
        torn = kept < written.last and not between and not (with_snapshots and place < written.snapshot[2])
        assert len(status["torn"]) == 1 + torn


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_a_damaged_snapshot_is_passed_over_and_named(name: str, written: Written, copy: Copy) -> None:
    for number, (_, data) in enumerate(harms(written.read(name))):
        copy.damage(name, data, without=SNAPSHOTS[SNAPSHOTS.index(name) + 1 :])
        passed_over = next(read_snapshots(copy.store))
        assert isinstance(passed_over, str)
        assert passed_over.startswith(f"{copy.file(name)}: damaged at offset ")
        if number % OPENED == 0:
            kept, status = copy.opened()
            assert (kept, status["passed_over"]) == (written.last, [passed_over])


@pytest.mark.parametrize("name", ["study.json", "EPOCH", "BEGUN"])
def test_a_damaged_description_is_refused(name: str, written: Written, copy: Copy) -> None:
    for _, data in harms(written.read(name)):
        copy.damage(name, data)
        with pytest.raises(StudyRefusedError, match=f"{name} is damaged at offset 0"):
            copy.opened()


def test_a_tail_that_was_cut_may_be_anything(written: Written, copy: Copy) -> None:
    for _, data in harms(written.read("torn tail")):
        copy.damage("torn tail", data, without=SNAPSHOTS)
        kept, status = copy.opened()
        assert (kept, status["torn"]) == (written.last, [str(copy.file("torn tail"))])


@pytest.mark.parametrize("name", SEGMENTS)
def test_a_missing_segment_is_refused(name: str, written: Written, copy: Copy) -> None:
    copy.damage("torn tail", TORN, without=(name, *SNAPSHOTS))
    problem = "lacks what epoch 4 wrote" if name == SEGMENTS[-1] else f"{written.files[name]} is missing"
    with pytest.raises(StudyRefusedError, match=problem):
        copy.opened()


def test_a_missing_segment_that_the_snapshot_holds_is_not_missed(written: Written, copy: Copy) -> None:
    copy.damage("torn tail", TORN, without=tuple(SEGMENTS[:-1]))
    assert copy.opened()[0] == written.last


def off_chain(copy: Copy, records: int) -> Study:
    """Let an actor write snapshots of records that were never accepted; return the study of the one that fenced it."""
    fenced = Study.open(copy.store, {"pid": 5, "actor": "a"})
    study = Study.open(copy.store, {"pid": 6, "actor": "a"})
    for step in range(records):
        with fenced._lock:
            fenced._commit(Report([Reported(3, step, -1.0)]))
        at, parts = fenced._journal.position, fenced._state.freeze()
        write_snapshot(copy.store, fenced._journal.epoch, at, parts)
    with pytest.raises(FencedError):
        fenced.seed([POINT])
    return study


def test_a_snapshot_of_what_was_never_accepted_is_passed_over(written: Written, copy: Copy) -> None:
    off_chain(copy, records=2).seed([POINT])
    study = Study.open(copy.store, {"pid": 7, "actor": "a"})
    assert reports(study) == written.states[written.last]["reports"]
    assert study.status()["counts"]["seeded"] == 2
    passed_over = study.status()["passed_over"]
    assert len(passed_over) == 2
    assert all("does not contain record" in each for each in passed_over)


def test_a_ghost_right_behind_a_snapshot_is_ignored(copy: Copy, written: Written) -> None:
    fenced = Study.open(copy.store, {"pid": 5, "actor": "a"})
    fenced.snapshotting.take()
    Study.open(copy.store, {"pid": 6, "actor": "a"})
    with pytest.raises(FencedError):
        fenced.seed([POINT], key=GHOST)
    study = Study.open(copy.store, {"pid": 7, "actor": "a"})
    assert study.snapshotting.newest == written.last + 1
    assert known(study) == written.states[written.last]


def test_snapshots_of_what_was_never_accepted_displace_no_good_one(copy: Copy) -> None:
    study = off_chain(copy, records=3)
    study.snapshotting.take()
    study = Study.open(copy.store, {"pid": 7, "actor": "a"})
    assert study.status()["passed_over"] == []
    assert study.snapshotting.newest > 0


def test_a_whole_snapshot_that_cannot_be_applied_is_passed_over(written: Written, copy: Copy) -> None:
    at = next(each.at for each in read_snapshots(copy.store) if not isinstance(each, str))
    write_snapshot(copy.store, 4, at, [{"what": "another release writes"}])
    kept, status = copy.opened()
    assert kept == written.last
    assert written.files["newer snapshot"] in status["passed_over"][0]

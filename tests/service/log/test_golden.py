"""The formats of the journal, as the releases wrote them: every later release opens them.

``python -m tests.service.log.test_golden`` writes format 3 anew. A release that needs another format
writes it under another name.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import tempfile
import uuid
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from arqon_ray.errors import ResultsError
from arqon_ray.service.log import fencing as epochs
from arqon_ray.service.log.fencing import FencedError
from arqon_ray.service.log.manifest import write_study
from arqon_ray.service.log.records import FORMAT, scan
from arqon_ray.service.server.study import Study
from arqon_ray.service.server.verification import verify
from arqon_ray.service.storage import local as local_store
from arqon_ray.service.storage.local import LocalStore
from tests.service.conftest import Clock, known

ASSETS = Path(__file__).parent.parent / "assets"
CONFIG: dict[str, Any] = {
    "seed": 12,
    "budget": 10,
    "mode": "max",
    "bounds": {
        "lr": {"min": 1e-4, "max": 0.1, "scale": "Log"},
        "layers": {"min": 1, "max": 8, "type": "int"},
        "dropout": {"min": 0.0, "max": 0.5, "step": 0.1},
        "optimizer": {"choices": ["adam", "sgd"]},
        "momentum": {"min": 0.0, "max": 0.9, "when": {"optimizer": "sgd"}},
    },
}
POINT = {"lr": 0.01, "layers": 2, "dropout": 0.1, "optimizer": "adam"}
TORN = b"AQJ\x02 half a record"
TIMES: dict[str, Any] = {"started": 1e9, "seconds": 1.5, "ended": 1e9 + 1.5, "node": "10.0.0.1", "pid": 4711}
METRICS = {"accuracy": 0.5, "net/size": 7, "ok": True}
RAISED = {"kind": "out_of_memory", "message": "out of memory", "trace": "train.py:1"}


class Numbered:
    """In the place of the module ``uuid``."""

    def __init__(self) -> None:
        self.numbers = count(1)

    def uuid4(self) -> uuid.UUID:
        return uuid.UUID(int=next(self.numbers))


def write_golden(root: Path) -> None:
    """Write the study of format 3: three epochs, a fenced one's ghost, a torn tail, a snapshot and more after it."""
    store = LocalStore(root, "study-v3")
    with mock.patch.object(epochs, "uuid", Numbered()), mock.patch.object(local_store, "uuid", Numbered()):
        write_study(store, "0123456789abcdef0123456789abcdef", CONFIG)
        first = Study.open(store, {"pid": 101, "node": "node-1", "actor": "actor-1"}, Clock())
        first.seed([{"params": POINT, "value": 0.75, "cost": 2.5}, {"params": {**POINT, "layers": 3}, "value": None}])
        first.ask(4, key="ask-1", owner="driver-1", lease=30.0)
        first.report(
            [{"id": "0", "step": 1, "value": 0.25, "time": 1e9}, {"id": "1", "step": 1, "value": 0, "time": 1e9}]
        )
        first.report([{"id": "0", "step": 2, "value": math.nan, "metrics": {"n": 2}, "time": 1e9 + 1}])
        first.tell("0", 0.5, cost=4.0, key="op:" + 32 * "1", metrics=METRICS, **TIMES)
        second = Study.open(store, {"pid": 102, "node": "node-1", "actor": "actor-1"}, Clock())
        with pytest.raises(FencedError):
            first.tell("1", -9.0, key="ghost")
        second.release("2", key="release-1")
        second.tell([{"id": "1", "value": None, "error": RAISED, "attempt": 2}], key="fail-1")
        second.ask(2, key="ask-2")
        second.tell([{"id": "4", "value": math.inf}, {"id": "0", "value": 9.0}], key="tell-2")
        with (store.path / "segments" / store.names("segments")[-1]).open("ab") as file:
            file.write(TORN)
        third = Study.open(store, {"pid": 103, "node": "node-2", "actor": "actor-2"}, Clock())
        third.extend_budget(12)
        third.tell("5", 0.625, status="stopped", step=3, metrics={"curve": [0.5, math.inf]}, key="op:" + 48 * "2")
        third.enqueue([{**POINT, "layers": 5}, {**POINT, "layers": 6}], key="enqueue-1")
        third.retract("0", "the wrong data", key="retract-1")
        third.tell("0", 0.5, metrics={"accuracy": 0.25}, key="op:3")
        third.snapshotting.take()
        third.ask(1, key="ask-3", owner="driver-2")
        third.report([{"id": "6", "step": 0, "value": 0.125, "time": 1e9 + 2}])
        third.tell("3", 0.875, key="tell-3")
        third.retract("5", key="op:4")
        third.release("6", key="op:5")
        third.enqueue({**POINT, "layers": 7}, key="enqueue-2")
        third.ask(2, key="op:6", owner="driver-2")
        third.enqueue({**POINT, "layers": 8}, key="op:7")
        for study in (first, second, third):
            study.close(RuntimeError("written"))


def as_before(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of the history as releases with formats 1 and 2 gave it."""
    keys = ("id", "params", "value", "cost", "status", "origin")
    step = {} if row["step"] is None else {"step": row["step"]}
    return {**{key: row[key] for key in keys}, **step, **({"reason": row["error"]["message"]} if row["error"] else {})}


def held_as_before(row: dict[str, Any]) -> dict[str, Any]:
    """Return a candidate that is held as they gave it."""
    return {key: row[key] for key in ("id", "params", "owner", "key")}


def expectation(study: Study) -> dict[str, Any]:
    """Return what the study is, as JSON holds it."""
    status, now = study.status(), known(study)
    del now["solver"]
    told = {"pending": study.pending(), "history": study.history(), "hosts": study._state.hosts[:-1]}
    told |= {key: status[key] for key in ("budget", "seq", "state")} | now | {"pool": sorted(now["pool"])}
    plain: dict[str, Any] = json.loads(json.dumps(told, default=bytes.hex))
    return plain


def expectation_before(study: Study) -> dict[str, Any]:
    """Return the same as releases with formats 1 and 2 did."""
    now = expectation(study)
    del now["seqs"], now["counts"]["retracted"], now["counts"]["enqueued"]
    now["done"] = [[kind, key, study._state.done.get(kind, key), digest] for kind, key, _, digest in now["done"]]
    told, held = map(as_before, now["history"]), map(held_as_before, now["pending"])
    return {**now, "history": list(told), "pending": list(held)}


def copied(name: str, folder: Path) -> LocalStore:
    """Return a copy of a stored study, which opening writes to."""
    shutil.copytree(ASSETS / name, folder / name)
    return LocalStore(folder, name)


@pytest.fixture
def golden(tmp_path: Path) -> LocalStore:
    return copied("study-v1", tmp_path)


def test_a_study_of_format_1_opens_as_it_was(golden: LocalStore) -> None:
    expected = json.loads((ASSETS / "study-v1.json").read_text())
    study = Study.open(golden, {"pid": 103, "node": "node-2", "actor": "actor-2"})
    status = study.status()
    before = expectation_before(study)
    assert {key: before[key] for key in ("counts", "history", "pending", "budget")} == expected
    assert (status["epoch"], status["restarts"], status["torn"]) == (3, 0, [])


def test_its_operation_ids_are_known(golden: LocalStore) -> None:
    study = Study.open(golden, {"pid": 103}, Clock())
    assert study.tell([{"id": "1", "value": 9.0}, {"id": "0", "value": 9.0}], key="tell-2") == [
        {"id": "1", "accepted": True},
        {"id": "0", "accepted": False, "note": "already told: this result was ignored"},
    ]
    assert study.release("2", key="release-1") == {"id": "2", "accepted": True}
    assert [each["id"] for each in study.ask(2, key="ask-3")] == ["4", "5"]
    assert [each["id"] for each in study.ask(9, timeout=0)] == ["6", "7", "8", "2"]


def test_it_goes_on_in_the_present_format(golden: LocalStore) -> None:
    study = Study.open(golden, {"pid": 103}, Clock())
    study.tell(study.ask_one(key="ask-9")["id"], 1.0, key="tell-9")
    study.snapshotting.take()
    study.report("6", 1, 0.5)
    live = known(study)
    study = Study.open(golden, {"pid": 104})
    assert study.snapshotting.newest > 0
    assert known(study) == live
    shutil.rmtree(golden.path / "snapshots")
    assert known(Study.open(golden, {"pid": 105})) == live
    versions = [path.read_bytes()[3] for path in sorted((golden.path / "segments").iterdir())]
    assert versions == [1, 1, FORMAT, FORMAT, FORMAT]


@pytest.mark.parametrize("name", ["study-v2", "study-v2-digests"])
@pytest.mark.parametrize("from_snapshot", [True, False])
def test_a_study_of_format_2_opens_as_it_was(from_snapshot: bool, name: str, tmp_path: Path) -> None:
    store = copied(name, tmp_path)
    if not from_snapshot:
        shutil.rmtree(store.path / "snapshots")
    study = Study.open(store, {"pid": 104, "node": "node-3", "actor": "actor-3"})
    assert (study.snapshotting.newest > 0) == from_snapshot
    expected = json.loads((ASSETS / f"{name}.json").read_text())
    before = expectation_before(study)
    if name == "study-v2":  # it was written before the digests of the arguments were kept
        before["done"] = [[kind, key, answer, None] for kind, key, answer, _ in before["done"]]
    assert before == {**expected, "seq": expected["seq"] + 1}
    assert [row["steps"] for row in study.history() if row["step"] is not None] == [[[3, 0.625, None]]]
    status = study.status()
    assert (status["epoch"], status["restarts"], status["passed_over"]) == (4, 0, [])
    assert [Path(each).read_bytes() for each in status["torn"]] == [TORN]


def test_the_operation_ids_of_format_2_are_known(tmp_path: Path) -> None:
    study = Study.open(copied("study-v2", tmp_path), {"pid": 104}, Clock())
    assert [(each["id"], each["note"]) for each in study.ask(1, key="ask-2")] == [
        ("4", "it was told already"),
        ("5", "it was told already"),
    ]
    assert study.tell([{"id": "4", "value": 1.0}, {"id": "0", "value": 1.0}], key="tell-2") == [
        {"id": "4", "accepted": True},
        {"id": "0", "accepted": False, "note": "already told: this result was ignored"},
    ]
    assert study.release("2", key="release-1") == {"id": "2", "accepted": True}
    assert study.release("6", key="op:3") == {"id": "6", "accepted": True}
    assert study.tell("0", 9.0, key="op:1") == {"id": "0", "accepted": True}
    assert [each["id"] for each in study.ask(9, key="op:4")] == ["7", "8"]
    assert [each["id"] for each in study.ask(9, timeout=0)] == ["9", "10", "11", "2", "6"]


@pytest.mark.parametrize(("name", "candidates"), [("study-v1", 6), ("study-v2", 9), ("study-v2-digests", 9)])
def test_verify_reads_every_format(name: str, candidates: int, tmp_path: Path) -> None:
    # Equal bits are promised on one platform alone, so that mismatches are none of this test's concern.
    copied(name, tmp_path)
    assert verify(str(tmp_path), name).candidates == candidates


def form(value: Any) -> Any:
    """Return what a format is made of: keys and types, without what depends on the platform."""
    if isinstance(value, dict):
        solvers = {"memory", "phases", "params"}
        return "params" if "lr" in value else {k: k if k in solvers else form(each) for k, each in value.items()}
    return [form(each) for each in value] if isinstance(value, list) else type(value).__name__


@pytest.mark.parametrize("from_snapshot", [True, False])
def test_a_study_of_format_3_opens_as_it_was(from_snapshot: bool, tmp_path: Path) -> None:
    store = copied("study-v3", tmp_path)
    if not from_snapshot:
        shutil.rmtree(store.path / "snapshots")
    study = Study.open(store, {"pid": 104, "node": "node-3", "actor": "actor-3"})
    assert (study.snapshotting.newest > 0) == from_snapshot
    expected = json.loads((ASSETS / "study-v3.json").read_text())
    assert expectation(study) == {**expected, "seq": expected["seq"] + 1}
    assert study.tell("0", 0.5, cost=4.0, key="op:" + 32 * "1", metrics=METRICS, **TIMES)["accepted"]
    with pytest.raises(ResultsError, match="was used before"):
        study.tell("0", 0.5, cost=4.0, key="op:" + 32 * "1", metrics={**METRICS, "ok": False}, **TIMES)


def test_this_release_writes_format_3_as_it_was(tmp_path: Path) -> None:
    write_golden(tmp_path)
    here, there = tmp_path / "study-v3", ASSETS / "study-v3"
    files = sorted(str(path.relative_to(there)) for path in there.rglob("*.*"))
    ours_now = sorted(str(path.relative_to(here)) for path in here.rglob("*.*"))
    assert [re.sub(r"torn-\d+", "torn", name) for name in ours_now] == [re.sub(r"torn-\d+", "torn", n) for n in files]
    for name in ("study.json", "EPOCH", "BEGUN"):
        assert (here / name).read_bytes() == (there / name).read_bytes()
    for name in (name for name in files if name.endswith((".log", ".snap"))):
        ours, theirs = (scan((root / name).read_bytes()).records for root in (here, there))
        assert [(each.seq, form(each.body)) for each in ours] == [(each.seq, form(each.body)) for each in theirs]


if __name__ == "__main__":
    shutil.rmtree(ASSETS / "study-v3", ignore_errors=True)
    write_golden(ASSETS)
    opened = Study.open(
        copied("study-v3", Path(tempfile.mkdtemp())), {"pid": 104, "node": "node-3", "actor": "actor-3"}
    )
    expected = expectation(opened)
    (ASSETS / "study-v3.json").write_text(json.dumps({**expected, "seq": expected["seq"] - 1}, indent=1) + "\n")

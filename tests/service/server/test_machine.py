"""The study against a small dict model, through crashes, torn writes, snapshots, late answers and repeated calls."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any, ClassVar
from unittest import mock

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from arqon_ray.errors import AskTimeoutError, ConfigError, ResultsError
from arqon_ray.service.log import records
from arqon_ray.service.log.fencing import FencedError
from arqon_ray.service.log.manifest import write_study
from arqon_ray.service.log.segments import accepted_records, read_segments
from arqon_ray.service.server import snapshotting as snapshotting
from arqon_ray.service.server.changes import Ask
from arqon_ray.service.server.study import Study
from arqon_ray.service.server.verification import verify
from arqon_ray.service.storage.local import LocalStore
from tests.service.conftest import CONFIG, IN_MEMORY, Clock, Model, failing, finite, known, reports

OWNERS = st.sampled_from([None, "a", "b"])
VALUES = st.one_of(st.none(), st.floats(-5, 5), st.just(float("nan")))
LEASE = 10.0
OUTSIDE = [{"x": 0.125, "n": 3}, {"x": 0.375, "n": 30}]


class StudyMachine(RuleBasedStateMachine):
    """Model: what was handed out, what was told, who holds what until when, and what every key was answered."""

    strategy = "probe"
    snapshot_every = 10**6
    seen: ClassVar[Counter[str]] = Counter()  # in all examples: where it never happens, nothing is proven

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp(dir=IN_MEMORY)
        self.store = LocalStore(self.folder, "study")
        self.patch = mock.patch.object(snapshotting, "_EVERY", self.snapshot_every)
        self.patch.start()
        self.model = Model(Clock(), CONFIG["budget"], LEASE)
        self.asks: dict[str, list[str]] = {}
        self.wanted: dict[str, int] = {}
        self.tells: dict[str, Any] = {}
        self.former: list[Study] = []
        self.keys = (f"op-{k}" for k in count())
        self.epoch = 0

    def teardown(self) -> None:
        try:
            self.replay_equals_live()
        finally:
            for study in self.former:
                study.close(RuntimeError("the test ended"))
            self.patch.stop()
            shutil.rmtree(self.folder)

    def replay_equals_live(self) -> None:
        live = known(self.study)
        self.open()
        assert known(self.study) == live
        shutil.rmtree(self.store.path / "snapshots", ignore_errors=True)
        self.open()
        assert known(self.study) == live
        verified = verify(self.folder, "study")
        assert (verified.mismatches, verified.candidates) == ([], len(self.model.params))
        asked = [r for r in accepted_records(read_segments(self.store)[0]) if r.body["op"] == "ask"]
        ahead = sum(plain["evidence"] < r.seq - 1 for r in asked for plain in Ask.of(r.body).plain)
        refined = sum(plain["origin"] not in ("probe", "repeat") for r in asked for plain in Ask.of(r.body).plain)
        self.seen.update({"prepared ahead": ahead, "refined": refined})

    @initialize()
    def begin(self) -> None:
        write_study(self.store, "u", {**CONFIG, "budget": self.model.budget, "strategy": self.strategy})
        self.open()

    def open(self) -> None:
        self.epoch += 1
        self.study = Study.open(self.store, {"pid": self.epoch, "actor": "a"}, self.model.clock)
        self.former.append(self.study)
        self.model.restart()
        self.seen["opened from a snapshot"] += self.study.snapshotting.newest > 0

    def handed_out(self, key: str, asked: list[Any], owner: str | None) -> None:
        for each in asked:
            if each["id"] not in self.model.params and self.model.queue:
                assert each["params"] == self.model.queue.pop(0)
            assert self.model.params.setdefault(each["id"], each["params"]) == each["params"]
            self.asks.setdefault(key, []).append(each["id"])
        self.model.hold(self.asks.get(key, []), owner)

    def judged(self, id: str, value: float | None) -> float | None:
        return value

    @rule(n=st.integers(1, 4), owner=OWNERS)
    def ask(self, n: int, owner: str | None) -> None:
        expected, key = self.model.next_ids(n), next(self.keys)
        try:
            asked = self.study.ask(n, key, owner, LEASE, timeout=0)
        except AskTimeoutError:
            assert not expected
            assert self.model.holder
            return
        assert [each["id"] for each in asked] == expected
        assert asked or len(self.model.values) + len(self.model.gone) == self.model.budget
        self.wanted[key] = n
        self.handed_out(key, asked, owner)

    @precondition(lambda self: len(self.model.next_ids(3)) == 3)
    @rule()
    def ask_side_by_side(self) -> None:
        expected, keys = self.model.next_ids(3), [next(self.keys) for _ in range(3)]
        with ThreadPoolExecutor(3) as pool:
            asked = list(pool.map(lambda key: self.study.ask(1, key, None, LEASE, timeout=0), keys))
        assert {each["id"] for (each,) in asked} == set(expected)
        for key, each in sorted(zip(keys, asked, strict=True), key=lambda pair: int(pair[1][0]["id"])):
            self.wanted[key] = 1
            self.handed_out(key, each, None)

    @rule(x=st.sampled_from([0.125, 0.875]))
    def enqueue(self, x: float) -> None:
        whole = self.study.enqueue({"x": x}, key=next(self.keys))
        assert whole[0]["x"] == x
        self.model.queue += whole

    @precondition(lambda self: self.asks)
    @rule(data=st.data())
    def repeat_an_ask(self, data: st.DataObject) -> None:
        # By place: which of the keys that were used side by side was given which candidate is chance.
        key = list(self.asks)[data.draw(st.integers(0, len(self.asks) - 1))]
        others = {each["id"] for each in self.study.pending() if each["key"] != key}
        with pytest.raises(ResultsError, match="used before"):
            self.study.ask(self.wanted[key] + 1, key, "b", LEASE, timeout=0)
        again = self.study.ask(self.wanted[key], key, "b", LEASE, timeout=0)
        assert [each["id"] for each in again] == self.asks[key]
        assert all(each["params"] == self.model.params[each["id"]] for each in again)
        self.model.expire()
        mine = [id for id in self.asks[key] if self.model.is_open(id) and id not in others]
        self.model.hold(mine, "b")

    @precondition(lambda self: self.model.params)
    @rule(data=st.data(), value=VALUES)
    def tell(self, data: st.DataObject, value: float | None) -> None:
        ids = data.draw(st.lists(st.sampled_from(sorted(self.model.params)), min_size=1, max_size=3))
        key, results = next(self.keys), [{"id": id, "value": self.judged(id, value)} for id in ids]
        answers = self.study.tell(results, key=key)
        for result, answer in zip(results, answers, strict=True):
            assert answer["accepted"] == (result["id"] not in self.model.values)
            self.model.result(result["id"], result["value"])
        if any(answer["accepted"] for answer in answers):
            self.tells[key] = "tell", results, answers

    @precondition(lambda self: self.model.params)
    @rule(data=st.data())
    def retract(self, data: st.DataObject) -> None:
        id, key = data.draw(st.sampled_from(sorted(self.model.params))), next(self.keys)
        answer = self.study.retract(id, "wrong", key=key)
        assert answer["accepted"] == (id in self.model.values)
        if answer["accepted"]:
            self.model.retract(id)
            assert self.study.retract(id, "wrong", key=key) == answer
            with self.refused(), pytest.raises(ResultsError, match=f"{key}.*used before"):
                self.study.retract(id, "otherwise", key=key)
            self.seen["retracted"] += 1

    @rule(data=st.data(), value=VALUES)
    def seed(self, data: st.DataObject, value: float | None) -> None:
        self.seeds(data.draw(st.sampled_from([*OUTSIDE, *self.model.params.values()])), value, next(self.keys))

    def seeds(self, params: Any, value: float | None, key: str) -> None:
        id = self.model.open_at(params)
        answers = self.study.seed([{"params": params, "value": value}], key=key)
        assert answers == [{"id": id, "accepted": True}]
        if id is None:
            self.model.outside.append((params, finite(value)))
        else:
            self.model.result(id, value)
        self.tells[key] = "seed", [{"params": params, "value": value}], answers

    @precondition(lambda self: self.tells)
    @rule(data=st.data())
    def repeat_a_tell(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.tells)))
        method, rows, answers = self.tells[key]
        for answer, again in zip(answers, getattr(self.study, method)(rows, key=key), strict=True):
            if answer["accepted"] and answer["id"] in self.model.gone:
                assert not again["accepted"]
                assert "retracted since" in again["note"]
                self.seen["told before it was retracted"] += 1
            else:
                assert again == answer
        others = [("seed", [{"params": OUTSIDE[0], "value": 99.0}]), ("tell", [{"id": "0", "value": 99.0}])]
        if not self.model.params:
            others.pop()
        for other in others:
            with self.refused(), pytest.raises(ResultsError, match=f"{key}.*used before"):
                getattr(self.study, other[0])(other[1], key=key)

    @contextlib.contextmanager
    def refused(self) -> Iterator[None]:
        """Check that what happens within is as if it had not been asked for."""
        self.study.renew("nobody")  # what has run out goes now
        before = known(self.study), self.study.position
        yield
        assert (known(self.study), self.study.position) == before
        assert self.study.problem is None

    @rule(call=st.sampled_from(["ask", "enqueue", "tell", "seed", "report", "release"]), size=st.sampled_from([0, 10]))
    def a_record_is_too_large(self, call: str, size: int) -> None:
        ids = sorted(self.model.holder)
        if call == "ask" and not self.model.next_ids(1):
            return
        if call == "enqueue" and len(self.model.params) == self.model.budget:
            return
        if call in ("tell", "report", "release") and not ids:
            return
        args: dict[str, tuple[Any, ...]] = {
            "ask": (2, None, None, None, 0),
            "enqueue": (OUTSIDE[1],),
            "tell": ([{"id": id, "value": 1.0} for id in ids],),
            "seed": ([{"params": OUTSIDE[0], "value": 1.0}],),
            "report": (*ids[:1], 7, 0.25),
            "release": (ids,),
        }
        limit = mock.patch.object(records, "MAX_BODY", size)
        with self.refused(), limit, pytest.raises(ResultsError, match="was not taken"):
            getattr(self.study, call)(*args[call])

    @precondition(lambda self: self.model.params)
    @rule(data=st.data(), step=st.integers(0, 2), value=st.floats(-5, 5))
    def report(self, data: st.DataObject, step: int, value: float) -> None:
        id = data.draw(st.sampled_from(sorted(self.model.params)))
        assert self.study.report(id, step, value)["accepted"] == self.model.is_open(id)
        if self.model.is_open(id):
            self.model.reports.setdefault(int(id), {})[step] = value

    @precondition(lambda self: self.model.params)
    @rule(data=st.data(), owner=OWNERS)
    def release(self, data: st.DataObject, owner: str | None) -> None:
        id = data.draw(st.sampled_from(sorted(self.model.params)))
        answer = self.study.release(id, owner)
        self.model.expire()
        held = id in self.model.holder and (owner is None or self.model.holder[id] == owner)
        assert answer["accepted"] == held
        if held:
            self.model.drop(id)

    @rule(owner=st.sampled_from(["a", "b"]))
    def renew(self, owner: str) -> None:
        self.model.expire()
        mine = [id for id, holder in self.model.holder.items() if holder == owner]
        assert self.study.renew(owner) == len(mine)
        self.model.hold(mine, owner)

    @rule(seconds=st.sampled_from([1.0, 6.0, 11.0]))
    def time_passes(self, seconds: float) -> None:
        self.model.clock.now += seconds

    @rule(more=st.integers(-1, 3))
    def extend_the_budget(self, more: int) -> None:
        self.model.budget += max(0, more)
        with pytest.raises(ConfigError, match="only grows") if more < 0 else contextlib.nullcontext():
            assert self.study.extend_budget(self.model.budget + min(0, more)) == self.model.budget

    @rule()
    def take_a_snapshot(self) -> None:
        self.study.snapshotting.take()
        assert len(names := self.store.names("snapshots")) <= 2
        assert names[-1].startswith(f"{self.study.position.seq:016d}-{self.epoch:08d}")

    @rule(harm=st.sampled_from(["nothing", "spoiled", "lost"]))
    def crash(self, harm: str) -> None:
        snapshots = [self.store.path / "snapshots" / name for name in self.store.names("snapshots")]
        if snapshots and harm == "spoiled":
            snapshots[-1].write_bytes(snapshots[-1].read_bytes()[:60])
        if harm == "lost":
            shutil.rmtree(self.store.path / "snapshots", ignore_errors=True)
        self.open()
        if snapshots and harm == "spoiled":
            assert snapshots[-1].name in self.study.status()["passed_over"][0]

    @rule(rest=st.binary(min_size=1, max_size=60))
    def crash_while_writing(self, rest: bytes) -> None:
        with max((self.store.path / "segments").glob("*.log")).open("ab") as file:
            file.write(b"AQJ" + rest)
        self.open()
        assert self.study.status()["torn"]

    @rule(point=st.sampled_from(["replace-snapshots", "snapshot-pruning"]), dies=st.booleans())
    def a_snapshot_fails(self, point: str, dies: bool) -> None:
        with failing(self.folder, point):
            self.study.snapshotting.take()
        if dies:
            (self.store.path / "snapshots" / ".half.snap").write_bytes(b"AQJ")
            self.open()

    @rule(point=st.sampled_from(["written", "synced"]))
    def a_write_fails(self, point: str) -> None:
        key = next(self.keys)
        with failing(self.folder, point):
            self.study.seed([{"params": OUTSIDE[1], "value": 1.0}], key=key)
        self.model.expire()
        self.open()
        self.seeds(OUTSIDE[1], 1.0, key)

    @rule(point=st.sampled_from(["replace-EPOCH", "claim", "replace-BEGUN"]))
    def an_opening_fails(self, point: str) -> None:
        with failing(self.folder, point):
            Study.open(self.store, {})
        self.epoch += point != "replace-EPOCH"
        self.open()

    @precondition(lambda self: len(self.former) > 1)
    @rule(data=st.data())
    def an_older_actor_speaks(self, data: st.DataObject) -> None:
        older = data.draw(st.sampled_from(self.former[:-1]))
        with pytest.raises(FencedError if isinstance(older.problem, FencedError | None) else OSError):
            older.seed([{"params": OUTSIDE[0], "value": 1.0}])

    @invariant()
    def the_study_is_what_the_model_says(self) -> None:
        self.model.expire()
        status = self.study.status()
        stands = (self.epoch, self.model.budget, self.model.counts)
        assert (status["epoch"], status["budget"], status["counts"]) == stands
        assert {each["id"]: each["owner"] for each in self.study.pending()} == self.model.holder
        rows = self.study.history()
        told = {row["id"]: (row["params"], row["value"]) for row in rows if row["id"] is not None}
        assert told == {id: (self.model.params[id], value) for id, value in self.model.values.items()}
        assert [(row["params"], row["value"]) for row in rows if row["id"] is None] == self.model.outside
        assert reports(self.study) == self.model.reports
        # A snapshot that came by itself is whole now: what follows meets the same in each run.
        assert self.study.snapshotting.settle(60)


class LearningMachine(StudyMachine):
    """The same with a strategy that learns, and snapshots that come by themselves."""

    strategy = "auto"
    snapshot_every = 7
    seen: ClassVar[Counter[str]] = Counter()

    def judged(self, id: str, value: float | None) -> float | None:
        x, n = self.model.params[id].values()
        return None if value is None else (x - 0.3) ** 2 + 0.01 * n


class TestStudy(StudyMachine.TestCase):
    settings = settings(max_examples=60, stateful_step_count=50)

    def runTest(self) -> None:
        super().runTest()
        assert min(StudyMachine.seen[each] for each in ("opened from a snapshot", "prepared ahead")) > 0


class TestStudyThatLearns(LearningMachine.TestCase):
    settings = settings(max_examples=25, stateful_step_count=50)

    def runTest(self) -> None:
        super().runTest()
        assert min(LearningMachine.seen[each] for each in ("opened from a snapshot", "prepared ahead", "refined")) > 0

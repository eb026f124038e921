"""The study against a small dict model, through crashes, torn writes, late answers and repeated calls."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from arqon_ray.errors import AskTimeoutError
from arqon_ray.service.description import write_study
from arqon_ray.service.local_store import LocalStore
from arqon_ray.service.study import Study
from tests.service.conftest import CONFIG, Clock

BUDGET = 9
OWNERS = st.sampled_from([None, "a", "b"])
LEASE = 10.0


class StudyMachine(RuleBasedStateMachine):
    """Model: what was handed out, what was told, who holds what until when, and what every key was answered."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp()
        self.store = LocalStore(self.folder, "study")
        self.clock = Clock()
        self.params: dict[str, Any] = {}
        self.values: dict[str, float | None] = {}
        self.holder: dict[str, str | None] = {}
        self.deadline: dict[str, float] = {}
        self.asks: dict[str, list[str]] = {}
        self.tells: dict[str, Any] = {}
        self.epoch = 0
        self.operation = 0

    def teardown(self) -> None:
        self.study.close(RuntimeError("the test ended"))
        shutil.rmtree(self.folder)

    @initialize()
    def begin(self) -> None:
        write_study(self.store, "u", {**CONFIG, "budget": BUDGET})
        self.open()

    def open(self) -> None:
        self.epoch += 1
        self.study = Study.open(self.store, {"pid": self.epoch, "actor": "a"}, self.clock)
        self.deadline = dict.fromkeys(self.deadline, self.clock.now + LEASE)

    def fresh_key(self) -> str:
        self.operation += 1
        return f"op-{self.operation}"

    def expire(self) -> None:
        for id in [id for id, end in self.deadline.items() if end <= self.clock.now]:
            self.drop(id)

    def drop(self, id: str) -> None:
        self.holder.pop(id, None)
        self.deadline.pop(id, None)

    def hold(self, ids: list[str], owner: str | None) -> None:
        for id in ids:
            self.holder[id] = owner
            self.deadline[id] = self.clock.now + LEASE
        for id in self.holder:
            if owner is not None and self.holder[id] == owner and ids:
                self.deadline[id] = self.clock.now + LEASE

    @rule(n=st.integers(1, 4), owner=OWNERS)
    def ask(self, n: int, owner: str | None) -> None:
        self.expire()
        pool = sorted(self.params.keys() - self.values.keys() - self.holder.keys(), key=int)
        fresh = [str(k) for k in range(len(self.params), BUDGET)]
        expected = (fresh + pool)[:n]
        key = self.fresh_key()
        try:
            asked = self.study.ask(n, key, owner, LEASE, timeout=0)
        except AskTimeoutError:
            assert not expected
            assert self.holder
            return
        assert [each["id"] for each in asked] == expected
        assert asked or len(self.values) == BUDGET
        for each in asked:
            assert self.params.setdefault(each["id"], each["params"]) == each["params"]
        self.hold(expected, owner)
        if expected:
            self.asks[key] = expected

    @precondition(lambda self: self.asks)
    @rule(data=st.data())
    def repeat_an_ask(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.asks)))
        before = {each["id"]: each for each in self.study.pending()}
        again = self.study.ask(1, key, "b", LEASE, timeout=0)
        assert [each["id"] for each in again] == self.asks[key]
        assert all(each["params"] == self.params[each["id"]] for each in again)
        self.expire()
        mine = [id for id in self.asks[key] if id not in self.values and before.get(id, {"key": key})["key"] == key]
        self.hold(mine, "b")

    @precondition(lambda self: self.params)
    @rule(data=st.data(), value=st.one_of(st.none(), st.floats(-5, 5), st.just(float("nan"))))
    def tell(self, data: st.DataObject, value: float | None) -> None:
        ids = data.draw(st.lists(st.sampled_from(sorted(self.params)), min_size=1, max_size=3))
        key = self.fresh_key()
        answers = self.study.tell([{"id": id, "value": value} for id in ids], key=key)
        self.expire()
        for id, answer in zip(ids, answers, strict=True):
            assert answer["accepted"] == (id not in self.values)
            self.values.setdefault(id, value if value == value else None)
            self.drop(id)
        if any(answer["accepted"] for answer in answers):
            self.tells[key] = (ids, answers)

    @precondition(lambda self: self.tells)
    @rule(data=st.data())
    def repeat_a_tell(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.tells)))
        ids, answers = self.tells[key]
        assert self.study.tell([{"id": id, "value": 99.0} for id in ids], key=key) == answers

    @precondition(lambda self: self.params)
    @rule(data=st.data(), owner=OWNERS)
    def release(self, data: st.DataObject, owner: str | None) -> None:
        id = data.draw(st.sampled_from(sorted(self.params)))
        answer = self.study.release(id, owner)
        self.expire()
        held = id in self.holder and (owner is None or self.holder[id] == owner)
        assert answer["accepted"] == held
        if held:
            self.drop(id)

    @rule(owner=st.sampled_from(["a", "b"]))
    def renew(self, owner: str) -> None:
        self.expire()
        mine = [id for id, holder in self.holder.items() if holder == owner]
        assert self.study.renew(owner) == len(mine)
        self.hold(mine, owner)

    @rule(seconds=st.sampled_from([1.0, 6.0, 11.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def crash(self) -> None:
        self.open()

    @rule(rest=st.binary(min_size=1, max_size=60))
    def crash_while_writing(self, rest: bytes) -> None:
        newest = max(each for each in (self.store.path / "segments").iterdir() if each.suffix == ".log")
        with Path(newest).open("ab") as file:
            file.write(b"AQJ" + rest)
        self.open()
        assert self.study.status()["torn"]

    @invariant()
    def the_study_is_what_the_model_says(self) -> None:
        self.expire()
        status = self.study.status()
        assert status["epoch"] == self.epoch
        assert status["counts"] == {
            "asked": len(self.params),
            "told": len(self.values),
            "failed": sum(value is None for value in self.values.values()),
            "pending": len(self.holder),
            "released": len(self.params) - len(self.values) - len(self.holder),
            "seeded": 0,
        }
        held = {each["id"]: each["owner"] for each in self.study.pending()}
        assert held == self.holder
        told = {row["id"]: (row["params"], row["value"]) for row in self.study.history()}
        assert told == {id: (self.params[id], value) for id, value in self.values.items()}
        assert len(self.params) <= BUDGET


StudyMachine.TestCase.settings = settings(max_examples=20, stateful_step_count=30)
TestStudy = StudyMachine.TestCase

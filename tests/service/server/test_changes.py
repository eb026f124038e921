"""No call changes a study before its record is written, and a key names one call."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arqon_ray.core import ArqonSolver
from arqon_ray.core.ledger.results import parse_results
from arqon_ray.core.propose.proposer import Proposer
from arqon_ray.errors import ArqonError, ResultsError, StudyRefusedError
from arqon_ray.service.log import records
from arqon_ray.service.log.journal import Journal
from arqon_ray.service.log.manifest import write_study
from arqon_ray.service.log.records import comfortable, encode, scan
from arqon_ray.service.server.changes import Ask, Budget, Change, Import, Release, candidate_of
from arqon_ray.service.server.host import ActorSpec, StudyHost
from arqon_ray.service.server.idempotency import Operations, digest_of
from arqon_ray.service.server.outcomes import Report, Reported, Retract, Tell
from arqon_ray.service.server.state import LoggedState
from arqon_ray.service.server.study import Study
from arqon_ray.service.storage.local import LocalLog, LocalStore
from tests.service.conftest import CONFIG, Clock, known, reports

Reopen = Callable[[], Study]
POINT = {"x": 0.25, "n": 3}


@contextmanager
def untouched(study: Study) -> Iterator[None]:
    """Check that a study is as it was, in memory and in its log, and goes on."""
    before = known(study), study.position
    yield
    assert (known(study), study.position) == before
    assert study.problem is None


# Nothing changes before the record is written

CALLS: dict[str, Callable[[Study], Any]] = {
    "ask": lambda study: study.ask(3, key="mine", owner="o"),
    "ask for a point": lambda study: study.ask_one(params=POINT),
    "tell": lambda study: study.tell([{"id": "0", "value": 1.0}, {"id": "1", "value": None}]),
    "seed": lambda study: study.seed([{"params": POINT, "value": 2.0}]),
    "fail": lambda study: study.fail("0", "why"),
    "report": lambda study: study.report("0", 3, 0.5),
    "release": lambda study: study.release(["0", "1"]),
    "release all": lambda study: study.release(owner="o"),
    "budget": lambda study: study.extend_budget(60),
    "import": lambda study: study.take_over({"uuid": "u", "seq": 3, "export": ArqonSolver(CONFIG).export()}),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_record_that_could_not_be_read_again_is_refused_and_the_study_goes_on(
    call: str, study: Study, reopen: Reopen
) -> None:
    study.ask(2, owner="o")
    with mock.patch.object(records, "MAX_BODY", 10), untouched(study), pytest.raises(ResultsError, match="Split it"):
        CALLS[call](study)
    CALLS[call](study)
    assert known(reopen()) == known(study)


def test_a_lease_that_ends_is_written_down_before_it_ends(study: Study, clock: Clock) -> None:
    study.ask(2, owner="o")
    clock.now += 61
    with mock.patch.object(records, "MAX_BODY", 10), untouched(study), pytest.raises(ResultsError):
        study.renew("o")
    assert study.renew("o") == 0


@pytest.mark.parametrize("memory", [{"m": object()}, {"m": 2**64}, {"m": "\ud800"}, {"m": {1j: 2}}])
def test_a_candidate_that_cannot_be_written_is_neither_handed_out_nor_lost(
    memory: dict[str, Any], study: Study, reopen: Reopen, monkeypatch: pytest.MonkeyPatch
) -> None:
    propose = Proposer.propose
    odd: list[Any] = [memory]

    def remembering(proposer: Proposer, probe: bool = False) -> Any:
        candidate = propose(proposer, probe)
        return candidate and replace(candidate, memory=odd[0])

    monkeypatch.setattr(Proposer, "propose", remembering)
    with untouched(study), pytest.raises(ResultsError, match="cannot be written"):
        study.ask_one(key="k")
    study.seed([{"params": POINT, "value": 2.0}])
    study._worker.discard()
    odd[0] = {}
    assert study.ask_one(key="k") == {"id": "0", "params": ArqonSolver(CONFIG).ask_one()}
    assert known(reopen()) == known(study)


def test_what_is_too_large_for_one_record_is_handed_out_in_several(study: Study, reopen: Reopen) -> None:
    whole = ArqonSolver(CONFIG).ask(6)
    with mock.patch.object(records, "_COMFORTABLE", 200):
        asked = [study.ask(4, key=key, timeout=1) for key in "abc"]
    assert [len(each) for each in asked] == [2, 2, 2]
    assert [each["params"] for block in asked for each in block] == whole
    assert [each["id"] for block in asked for each in block] == list("012345")
    assert reopen().ask(4, key="a") == asked[0]


@pytest.mark.parametrize(
    ("sizes", "fit"), [([1], 1), ([900], 1), ([900, 1], 1), ([1, 1, 1], 3), ([60, 60, 60], 1), ([40] * 4, 2)]
)
def test_how_many_make_a_comfortable_record(sizes: list[int], fit: int) -> None:
    with mock.patch.object(records, "_COMFORTABLE", 100):
        assert comfortable(["x" * size for size in sizes]) == fit


# Where memory and log may differ the memory goes


@pytest.fixture
def host(tmp_path: Path) -> StudyHost:
    return StudyHost(ActorSpec("arqon", "t1", True, config=CONFIG), str(tmp_path), False, {"pid": 1, "node": "n1"})


@pytest.mark.parametrize("error", [RuntimeError("odd"), MemoryError(), KeyError("x"), RecursionError()])
@pytest.mark.parametrize("place", [(LocalLog, "append"), (LoggedState, "take"), (Journal, "_commit")])
def test_whatever_fails_after_the_record_was_made_the_study_is_opened_anew(
    host: StudyHost, monkeypatch: pytest.MonkeyPatch, place: tuple[type, str], error: Exception
) -> None:
    host.call(lambda study: study.ask_one(key="a"))
    epoch = host.status()["epoch"]
    with monkeypatch.context() as patch:
        patch.setattr(*place, mock.Mock(side_effect=error))
        with pytest.raises(type(error)):
            host.call(lambda study: study.tell("0", 1.0, key="t"))
    assert host.call(lambda study: study.tell("0", 1.0, key="t")) == {"id": "0", "accepted": True}
    status = host.status()
    assert status["epoch"] == epoch + 1
    assert status["counts"]["told"] == 1
    assert [row["value"] for row in host.call(lambda study: study.history())] == [1.0]


def test_who_else_was_under_way_repeats_the_call_on_the_study_opened_anew(study: Study) -> None:
    study._journal.fail(MemoryError("full"))
    with pytest.raises(OSError, match="opened again from its log, after MemoryError: full"):
        study.ask_one()


def test_what_the_storage_says_is_said_to_everybody(study: Study) -> None:
    study._journal.fail(StudyRefusedError("fenced"))
    with pytest.raises(StudyRefusedError, match="fenced"):
        study.ask_one()


# Live and in a replay it is the same

CANDIDATE = {"number": 0, "params": POINT, "origin": "probe", "memory": {"m": [1.5, None]}, "evidence": 1, "first": 0}
ENTRIES = parse_results([{"id": "0", "value": 1.5, "step": 3}, {"params": POINT, "values": [1.0, 2.0]}])
CHANGES: list[Change] = [
    Ask([candidate_of(CANDIDATE)], [CANDIDATE], [], "k", "o", 3.5, b"12345678"),
    Ask([], [], [0], None, None, None),
    Tell(ENTRIES, "k", b"12345678"),
    Tell(ENTRIES[:1], None),
    Release([0], "expired"),
    Release([0], "released", "k", [{"id": "0", "accepted": True}], b"12345678"),
    Report([Reported(0, 3, None)]),
    Report([Reported(0, 3, 0.5, {"loss": 0.5}, 1e9), Reported(1, 4, None, None, None)]),
    Retract(3),
    Retract(3, "the wrong data", "k", b"12345678"),
    Budget(None),
    Import("u", 9, "{}", {"k": 3}),
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: type(change).__name__)
def test_a_change_is_read_from_its_record_as_it_was(change: Change) -> None:
    (record,) = scan(encode(7, change.body())).records
    assert type(change).of(record.body) == change
    assert record.seq == 7


def test_judging_results_takes_none_of_them() -> None:
    solver = ArqonSolver(CONFIG)
    first, second = solver.propose(), solver.propose()
    assert first is not None
    assert second is not None
    before = solver.export()
    rows = [
        {"id": "0", "value": 1.0},
        {"params": first.params, "value": 2.0},
        {"id": "0", "value": 3.0},
        {"params": second.params, "value": 4.0},
        {"params": second.params, "value": 5.0},
    ]
    verdicts = solver.resolve(parse_results(rows))
    assert solver.export() == before
    # The second is no longer the first candidate's, nor the fifth the second's: those have their results by then.
    assert [verdict.number for verdict in verdicts] == [0, None, 0, 1, None]
    assert [verdict.answer["accepted"] for verdict in verdicts] == [True, True, False, True, True]
    solver.apply(verdicts)
    assert [row["value"] for row in solver.history()] == [1.0, 2.0, 4.0, 5.0]


# A key names one call

TWICE: list[tuple[str, Callable[[Study, str], Any], Callable[[Study, str], Any]]] = [
    ("ask of another number", lambda s, k: s.ask(2, key=k), lambda s, k: s.ask(3, key=k)),
    ("ask_one after an ask of two", lambda s, k: s.ask(2, key=k), lambda s, k: s.ask_one(key=k)),
    (
        "another point",
        lambda s, k: s.ask_one(params=POINT, key=k),
        lambda s, k: s.ask_one(params={**POINT, "n": 9}, key=k),
    ),
    ("a point after an ask", lambda s, k: s.ask_one(key=k), lambda s, k: s.ask_one(params=POINT, key=k)),
    ("asks after a point", lambda s, k: s.ask_one(params=POINT, key=k), lambda s, k: s.ask(2, key=k)),
    ("another value", lambda s, k: s.tell("0", 1.0, key=k), lambda s, k: s.tell("0", 2.0, key=k)),
    ("another cost", lambda s, k: s.tell("0", 1.0, key=k), lambda s, k: s.tell("0", 1.0, 2.0, key=k)),
    ("another candidate", lambda s, k: s.tell("0", 1.0, key=k), lambda s, k: s.tell("1", 1.0, key=k)),
    ("one more", lambda s, k: s.tell("0", 1.0, key=k), lambda s, k: s.tell([T0, {**T0, "id": "1"}], key=k)),
    ("another reason", lambda s, k: s.fail("0", "a", key=k), lambda s, k: s.fail("0", "b", key=k)),
    ("a failure after a value", lambda s, k: s.tell("0", 1.0, key=k), lambda s, k: s.fail("0", key=k)),
    ("a seed after a result", lambda s, k: s.tell("0", 1.0, key=k), lambda s, k: s.seed([SEED], key=k)),
    ("a result after a seed", lambda s, k: s.seed([SEED], key=k), lambda s, k: s.tell("0", 1.0, key=k)),
    ("another seed", lambda s, k: s.seed([SEED], key=k), lambda s, k: s.seed([SEED, SEED], key=k)),
    ("another release", lambda s, k: s.release("0", key=k), lambda s, k: s.release("1", key=k)),
    ("an owner's release", lambda s, k: s.release("0", key=k), lambda s, k: s.release("0", owner="o", key=k)),
    ("a release after a result", lambda s, k: s.tell("0", 1.0, key=k), lambda s, k: s.release("1", key=k)),
    ("a result after a release", lambda s, k: s.release("0", key=k), lambda s, k: s.tell("1", 1.0, key=k)),
]
T0 = {"id": "0", "value": 1.0}
SEED = {"params": POINT, "value": 2.0}


@pytest.mark.parametrize("key", ["mine", "op:generated"])
@pytest.mark.parametrize(("first", "other"), [pair[1:] for pair in TWICE], ids=[pair[0] for pair in TWICE])
def test_a_key_that_comes_again_with_other_arguments_is_refused(
    key: str, first: Any, other: Any, study: Study, reopen: Reopen, store: LocalStore
) -> None:
    study.ask(2)
    answer = first(study, key)
    study.snapshotting.take()
    for snapshots in (True, False, False):
        with untouched(study), pytest.raises(ResultsError, match=f"key '{key}' was used before"):
            other(study, key)
        assert first(study, key) == answer
        study = reopen()
        assert (study.snapshotting.newest > 0) == snapshots
        shutil.rmtree(store.path / "snapshots", ignore_errors=True)


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (lambda s: s.ask_one(key="k"), lambda s: s.ask(1, key="k", owner="o", lease=5.0, timeout=0)[0]),
        (lambda s: s.ask_one(key="k", owner="a", timeout=None), lambda s: s.ask_one(key="k", owner="b", timeout=3)),
        (
            lambda s: s.ask_one(params=POINT, key="k", owner="a"),
            lambda s: s.ask_one(params=POINT, key="k", owner="b", lease=9),
        ),
        (lambda s: s.ask_one(params=POINT, key="k"), lambda s: s.ask_one(key="k", owner="b", timeout=0)),
        (lambda s: s.ask_one(key="k"), lambda s: s.ask_one(params=ArqonSolver(CONFIG).ask(3)[2], key="k")),
        (lambda s: s.tell("0", 1, key="k"), lambda s: s.tell({"id": "0", "value": 1.0, "cost": 1}, key="k")),
        (lambda s: s.fail("0", "a", key="k"), lambda s: s.tell("0", 3, status="failed", reason="a", key="k")),
    ],
)
def test_who_repeats_a_call_need_not_spell_it_the_same(
    first: Callable[[Study], Any], again: Callable[[Study], Any], study: Study, reopen: Reopen
) -> None:
    study.ask(2)
    answer = first(study)
    assert again(study) == answer
    assert again(reopen()) == answer


def test_a_trials_id_may_be_the_key_of_its_ask_and_of_its_result(study: Study) -> None:
    asked = study.ask_one(key="trial")
    assert asked is not None
    assert study.tell(asked["id"], 1.0, key="trial")["accepted"]
    assert study.ask_one(key="trial") == {**asked, "note": "it was told already"}


def test_an_answer_whose_arguments_are_not_known_is_given_as_ever() -> None:
    done = Operations()
    done.put("tell", "old", [{"id": "3", "accepted": True}, {"id": None, "accepted": True}])
    answers = [{"id": "3", "accepted": True}, {"id": None, "accepted": True}]
    assert done.get("tell", "old", digest_of("tell", 1)) == answers
    assert done.get("release", "old", digest_of("release", 1)) is None


# What is kept


def test_what_a_candidate_reported_is_forgotten_with_its_result(study: Study, reopen: Reopen) -> None:
    study.ask(3)
    for number in "012":
        for step in range(5):
            study.report(number, step, 1.0 / (step + 1))
    study.tell("0", 1.0)
    study.fail("1")
    study.release("2")
    assert set(reports(study)) == {2}
    study.snapshotting.take()
    assert reports(reopen()) == reports(study)


def test_operations_that_come_later_are_in_no_copy_taken_before() -> None:
    done = Operations()
    for k in range(5):
        done.put("tell", f"mine-{k}", [k], b"d")
        done.put("tell", f"op:{k}", [k])
    before = done.items()
    done.put("tell", "mine-late", [9])
    done.put("tell", "op:late", [9])
    expected = [("tell", f"mine-{k}", [k], b"d") for k in range(5)] + [("tell", f"op:{k}", [k], None) for k in range(5)]
    assert list(before) == expected


# Whatever is accepted survives

TEXT = st.text(max_size=8)
NUMBERS = st.one_of(
    st.none(),
    st.floats(),
    st.integers(-(2**70), 2**70),
    st.floats(width=32).map(np.float32),
)
REST = st.fixed_dictionaries(
    {},
    optional={
        "cost": st.one_of(st.floats(), st.integers(-1, 2**70)),
        "step": st.one_of(st.none(), st.integers(-1, 2**64)),
        "reason": st.one_of(st.none(), TEXT, st.just("caf\udce9.txt")),
        "status": st.sampled_from(["complete", "failed", "odd"]),
        "eval_id": st.integers(0, 2**66),
    },
)
NO_IDS = REST.map(lambda rest: {**rest, "eval_id": None})
OPTIONS = st.sampled_from(["a", "ü", 3, None])
PARAMS = st.fixed_dictionaries({"x": st.floats(-0.5, 1.5), "n": st.integers(0, 70), "o": OPTIONS})
ROWS = st.lists(st.builds(lambda p, v, rest: {"params": p, "value": v, **rest}, PARAMS, NUMBERS, REST), max_size=4)
KEYS = st.one_of(st.none(), TEXT, st.just("\ud800"), st.just("k" * 513))
SPACE = {**CONFIG["bounds"], "o": {"choices": ["a", "ü", 3]}}
OPERATIONS = st.one_of(
    st.tuples(st.just("ask"), st.tuples(st.integers(-1, 3), KEYS, KEYS), st.just({"timeout": 0})),
    st.tuples(st.just("seed"), st.tuples(ROWS, KEYS), st.just({})),
    st.tuples(st.just("tell"), st.tuples(st.sampled_from("01239"), NUMBERS), NO_IDS),
    st.tuples(st.just("report"), st.tuples(st.sampled_from("0129"), st.integers(-1, 2**64), NUMBERS), st.just({})),
    st.tuples(st.just("ask_one"), st.tuples(KEYS), st.fixed_dictionaries({"params": PARAMS})),
    st.tuples(st.just("enqueue"), st.tuples(PARAMS, KEYS), st.just({})),
    st.tuples(st.just("release"), st.tuples(st.sampled_from(["0", "1", ["0", "2"], "x"]), KEYS, KEYS), st.just({})),
    st.tuples(st.just("extend_budget"), st.tuples(st.integers(-1, 2**66)), st.just({})),
)


@settings(max_examples=60, deadline=None)
@given(operations=st.lists(OPERATIONS, max_size=12), snapshot_after=st.integers(0, 12))
def test_what_is_accepted_survives_and_what_is_refused_leaves_no_trace(
    operations: list[Any], snapshot_after: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = LocalStore(tmp_path_factory.mktemp("study"), "study")
    write_study(store, "u", {**CONFIG, "bounds": SPACE, "budget": 4})
    study = Study.open(store, {"pid": 1}, Clock())
    study.ask(2)
    for place, (method, args, kwargs) in enumerate(operations):
        before = known(study), study.position
        try:
            getattr(study, method)(*args, **kwargs)
        except (ArqonError, TimeoutError):
            assert (known(study), study.position) == before
        assert study.problem is None
        if place == snapshot_after:
            study.snapshotting.take()
    live = known(study)
    exported = study.export()
    assert ArqonSolver.from_state(exported).export() == exported
    study.close(RuntimeError("the process ends"))
    again = Study.open(store, {"pid": 2}, Clock())
    assert known(again) == live
    again.snapshotting.take()
    again.close(RuntimeError("the process ends"))
    again = Study.open(store, {"pid": 3}, Clock())
    assert known(again) == live
    again.close(RuntimeError("the test ends"))


def test_an_ask_answers_with_what_it_hands_out_and_nothing_else(study: Study) -> None:
    study.ask(2, key="first", owner="a", timeout=1)
    study.release(["0", "1"])
    with mock.patch.object(records, "_COMFORTABLE", 200):
        given = study.ask(6, key="many", owner="b", timeout=1)
        assert [each["id"] for each in given] == ["2", "3"]
        assert not any("note" in each for each in given)
        assert {each["id"] for each in study.pending("b")} == {each["id"] for each in given}
        assert study.ask(6, key="many", owner="b", timeout=1) == given

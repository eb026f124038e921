"""What is told of an evaluation is kept, and given back: by a study, by what its log makes, by its snapshots."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arqon_ray import __version__
from arqon_ray.core import ArqonSolver
from arqon_ray.core.ledger.results import Entry
from arqon_ray.core.record.evaluation import Error, Evaluation, Step
from arqon_ray.errors import ResultsError, UnknownCandidateError
from arqon_ray.service.log.manifest import write_study
from arqon_ray.service.log.records import encode, scan
from arqon_ray.service.server.host import ActorSpec, StudyHost
from arqon_ray.service.server.outcomes import Tell, digest_of_results
from arqon_ray.service.server.study import Study
from arqon_ray.service.server.verification import verify
from arqon_ray.service.storage.local import LocalStore
from tests.service.conftest import CONFIG, Clock, known

Reopen = Callable[[], Study]
METRICS: dict[str, Any] = {
    "loss": 0.25,
    "size": 12,
    "name": "résumé",
    "good": True,
    "nothing": None,
    "curve": [1.0, 0.5, 0.25],
    "net": {"depth": {"max": 3}},
    "odd": math.inf,
}
FLAT = {**{name: value for name, value in METRICS.items() if name != "net"}, "net/depth/max": 3}
WHERE: dict[str, Any] = {"started": 1e9, "ended": 1e9 + 7, "seconds": 6.5, "node": "10.0.0.7", "pid": 99, "attempt": 2}


@pytest.fixture
def named(store: LocalStore, reopen: Reopen) -> Study:
    """A study whose config names its metric."""
    write_study(store, "0" * 32, {**CONFIG, "metric": "loss"})
    return reopen()


def every_way(study: Study, reopen: Reopen, store: LocalStore) -> Iterator[Study]:
    """Yield the study, and as a restart makes it from a snapshot and from the log alone."""
    yield study
    study = reopen()
    study.snapshotting.take()
    study = reopen()
    assert study.snapshotting.newest > 0
    yield study
    shutil.rmtree(store.path / "snapshots")
    yield reopen()


# Results


def test_whatever_is_told_of_an_evaluation_is_in_the_history(study: Study, reopen: Reopen, store: LocalStore) -> None:
    asked = study.ask(3)
    study.tell("0", 0.25, 2.5, metrics=METRICS, status="stopped", step=3, steps=[[1, 0.5, 1e9], [3, 0.25]], **WHERE)
    error = {"kind": "timeout", "message": "took 3 s", "trace": "train.py:7"}
    study.tell([{"id": "1", "value": None, "error": error, "metrics": {"loss": math.nan}}])
    study.fail("2", "no memory")
    rows = [
        {
            "id": "0",
            "number": 0,
            "params": asked[0]["params"],
            "status": "stopped",
            "value": 0.25,
            "values": None,
            "metrics": FLAT,
            "step": 3,
            "steps": [[1, 0.5, 1e9], [3, 0.25, None]],
            "cost": 2.5,
            **{key: WHERE[key] for key in ("started", "ended", "seconds", "node", "pid")},
            "error": None,
            "origin": "probe",
            "attempt": 2,
            "seq": 3,
        }
    ]
    for each in every_way(study, reopen, store):
        first, second, third = each.history()
        assert [first] == rows
        assert (second["status"], second["value"], second["error"]) == ("failed", None, error)
        assert math.isnan(second["metrics"]["loss"])
        assert third["error"] == {"kind": "raised", "message": "no memory", "trace": None}
        assert [row["seq"] for row in (first, second, third)] == [3, 4, 5]
    assert verify(str(store.path.parent)).ok


def test_metrics_alone_are_a_result_where_the_config_names_one(named: Study, reopen: Reopen, store: LocalStore) -> None:
    named.ask(3)
    assert named.tell("0", metrics=METRICS, cost=3.0)["accepted"]
    named.tell([{"id": "1", "metrics": {"loss": 0.5}}, {"id": "2", "metrics": {"size": 1, "loss": math.nan}}])
    for each in every_way(named, reopen, store):
        rows = each.history()
        assert [(row["value"], row["status"]) for row in rows] == [
            (0.25, "complete"),
            (0.5, "complete"),
            (None, "failed"),
        ]
        assert (rows[0]["metrics"], rows[0]["cost"]) == (FLAT, 3.0)
    for metrics, problem in (({"los": 1.0}, "has no 'loss' .did you mean 'los'"), ({"loss": "low"}, "value is 'low'")):
        with pytest.raises(ResultsError, match=problem):
            named.tell("0", metrics=metrics)
    with pytest.raises(ResultsError, match="has no value"):
        named.tell("0")


def test_metrics_alone_are_none_where_it_does_not(study: Study) -> None:
    study.ask(1)
    with pytest.raises(ResultsError, match=r"metrics and no value.*a config that names its metric"):
        study.tell("0", metrics={"loss": 1.0})


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"metrics": {"m": object()}}, r"metrics\['m'\] is <object"),
    ({"metrics": {3: 1.0}}, "the name 3 is no text"),
    ({"metrics": {f"m{k}": k for k in range(65)}}, "65 entries: an evaluation has at most 64 metrics"),
    ({"metrics": {"m": list(range(65))}}, "a list has at most 64 numbers"),
    ({"metrics": {"m": "é" * 2049}}, "at most 4096 bytes, and this one 4098"),
    ({"metrics": [1.0]}, "metrics is \\[1.0\\]"),
    ({"steps": [[-1, 2.0]]}, "step is -1"),
    ({"attempt": 0}, "attempt is 0"),
    ({"started": "noon"}, "started is 'noon'"),
    ({"seconds": -1.0}, "seconds is -1"),
    ({"status": "done"}, "status is 'done'"),
    ({"value": None, "error": {"kind": "odd"}}, "error.kind is 'odd'"),
    ({"value": None, "error": {"kind": "node_lost"}}, r"'node_lost'.*release\('0'\) gives it back"),
    ({"value": None, "error": {"kind": "interrupted", "message": "m"}}, r"'interrupted'.*release\('0'\)"),
    ({"sekonds": 1.0}, "'sekonds'.*did you mean 'seconds'"),
]


@pytest.mark.parametrize(("said", "problem"), REFUSED, ids=[problem for _, problem in REFUSED])
def test_what_is_malformed_is_refused_and_nothing_is_taken(said: dict[str, Any], problem: str, study: Study) -> None:
    study.ask(2)
    before = study.position
    entry = {"id": "0", "value": 1.0, **said}
    with pytest.raises(ResultsError, match=problem):
        study.tell([{"id": "1", "value": 1.0}, entry])
    with pytest.raises(ResultsError, match=problem):
        study.tell(**{**entry, "results": entry.pop("id")})
    assert study.position == before


def test_what_stands_beside_a_list_is_not_passed_over(study: Study) -> None:
    study.ask(1)
    with pytest.raises(ResultsError, match="has metrics beside the list"):
        study.tell([{"id": "0", "value": 1.0}], metrics={"loss": 1.0})
    with pytest.raises(ResultsError, match="arguments beside the list"):
        study.report([{"id": "0", "step": 1, "value": 1.0}], 2, 3.0)


# Intermediate results


def test_what_runs_shows_what_it_has_reported(study: Study, reopen: Reopen, store: LocalStore) -> None:
    asked = study.ask(2, key="k", owner="me")
    study.report([{"id": "0", "step": 2, "value": 0.5, "time": 1e9 + 1, "metrics": {"lr": 0.1, "net": {"n": 3}}}])
    answers = study.report(
        [
            {"id": "0", "step": 1, "value": 0.75, "time": 1e9},
            {"id": "1", "step": 0, "value": math.nan, "metrics": {"lr": 0.2}, "time": 1e9},
            {"id": "0", "step": 3, "value": 0.25, "time": 1e9 + 2, "metrics": {"lr": 0.05}},
        ]
    )
    assert answers == [{"id": id, "accepted": True} for id in "010"]
    for each in every_way(study, reopen, store):
        first, second = each.pending("me")
        assert (first["params"], first["owner"], first["key"]) == (asked[0]["params"], "me", "k")
        assert (first["status"], first["value"], first["origin"]) == ("running", None, "probe")
        assert first["steps"] == [[1, 0.75, 1e9], [2, 0.5, 1e9 + 1], [3, 0.25, 1e9 + 2]]
        assert first["metrics"] == {"lr": 0.05, "net/n": 3}
        assert (second["steps"], second["metrics"]) == ([[0, None, 1e9]], {"lr": 0.2})
        assert each.pending("nobody") == []


def test_the_result_has_what_was_reported_and_what_is_told_wins(
    study: Study, reopen: Reopen, store: LocalStore
) -> None:
    study.ask(1)
    study.report("0", 1, 0.75, metrics={"lr": 0.1, "epoch": 1})
    study.report("0", 2, 0.5)
    study.tell("0", 0.25, metrics={"lr": 0.05})
    for each in every_way(study, reopen, store):
        (row,) = each.history()
        assert row["metrics"] == {"lr": 0.05, "epoch": 1}
        assert [step[:2] for step in row["steps"]] == [[1, 0.75], [2, 0.5]]
        assert all(step[2] > 1.7e9 for step in row["steps"])  # the study took the time
        assert each.report("0", 3, 0.1)["note"] == "told already: this report was ignored"


@pytest.mark.parametrize("metrics", [None, {"loss": 0.5, "curve": [math.nan]}])
def test_a_report_that_is_repeated_is_written_once(metrics: Any, study: Study) -> None:
    study.ask(2)
    batch = [{"id": id, "step": step, "value": 0.5, "metrics": metrics} for id in "01" for step in (1, 2)]
    study.report(batch)
    seq = study.status()["seq"]
    assert [answer["accepted"] for answer in study.report(batch)] == [True] * 4
    study.report("0", 2, 0.5, metrics=metrics)
    assert study.status()["seq"] == seq
    study.report("0", 2, 0.25, metrics=metrics)
    study.report("1", 2, 0.5, metrics={"loss": 1.0})
    assert study.status()["seq"] == seq + 2


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda s: s.report("0", 1), "has no value"),
        (lambda s: s.report("0"), "has no step"),
        (lambda s: s.report("0", -1, 1.0), "step is -1"),
        (lambda s: s.report("0", 1, 1.0, metrics={"m": object()}), r"metrics\['m'\]"),
        (lambda s: s.report([{"id": "0", "step": 1, "value": 1.0}, {"id": "0", "step": 1}]), r"reports\[1\] is"),
        (lambda s: s.report([{"id": "0", "step": "one", "value": 1.0}]), r"reports\[0\].step is 'one'"),
        (lambda s: s.report([{"id": "0", "step": 1, "value": 1.0, "time": math.nan}]), r"reports\[0\].time is nan"),
        (lambda s: s.report([{"id": "0", "step": 1, "value": 1.0, "sekonds": 1.0}]), "'sekonds'"),
        (lambda s: s.report(3, 1, 1.0), "id is 3"),
    ],
)
def test_a_malformed_report_is_refused(call: Callable[[Study], Any], problem: str, study: Study) -> None:
    study.ask(1)
    before = study.position
    with pytest.raises(ResultsError, match=problem):
        call(study)
    with pytest.raises(UnknownCandidateError, match=r"7.* was never handed out"):
        study.report([{"id": "0", "step": 1, "value": 1.0}, {"id": "7", "step": 1, "value": 1.0}])
    assert study.position == before


# Since


def test_what_is_new_since_a_record(study: Study, reopen: Reopen, store: LocalStore) -> None:
    study.seed([{"params": {"x": 0.5, "n": 2}, "value": 3.0}])
    study.ask(4)
    study.tell([{"id": "0", "value": 1.0}, {"id": "1", "value": None}])
    study.report("2", 1, 0.5)
    study.tell("2", 2.0)
    for each in every_way(study, reopen, store):
        rows = each.history()
        assert [row["seq"] for row in rows] == [2, 4, 4, 6]
        assert each.history(since=0) == rows
        assert each.history(since=2) == rows[1:]
        assert each.history(since=3) == rows[1:]
        assert each.history(since=4) == rows[3:]
        assert each.history(since=6) == []
    for since in (-1, "2", 1.5):
        with pytest.raises(ResultsError, match="since is"):
            study.history(since)  # type: ignore[arg-type]


# Retractions


def test_a_result_that_was_wrong_is_forgotten_and_may_be_told_again(
    study: Study, reopen: Reopen, store: LocalStore
) -> None:
    study.ask(3)
    study.tell([{"id": "0", "value": -9.0}, {"id": "1", "value": None}, {"id": "2", "value": 2.0}])
    assert study.retract("0", "the wrong data", key="r") == {"id": "0", "accepted": True}
    study.retract("1")
    assert [row["id"] for row in study.history()] == ["2"]
    assert study.best()["id"] == "2"  # type: ignore[index]
    counts = study.status()["counts"]
    expected = {**dict.fromkeys(counts, 0), "asked": 3, "told": 1, "retracted": 2}
    assert counts == expected
    assert study.retract("0", "the wrong data", key="r") == {"id": "0", "accepted": True}
    assert study.retract("0") == {"id": "0", "accepted": False, "note": "it was retracted already"}
    assert study.report("0", 1, 2.0)["note"] == "retracted: this report was ignored"
    assert study.release("0")["note"] == "it was retracted"
    for id, problem in (("7", "never handed out"), ("x", "id is 'x'")):
        with pytest.raises((UnknownCandidateError, ResultsError), match=problem):
            study.retract(id)
    *_, study = every_way(study, reopen, store)
    seq = study.status()["seq"]
    assert study.tell("0", 1.0)["accepted"]
    assert [(row["id"], row["value"]) for row in study.history(since=seq)] == [("0", 1.0)]
    assert study.best()["id"] == "0"  # type: ignore[index]
    ours = [known(each) for each in every_way(study, reopen, store)]
    assert ours[0] == ours[1] == ours[2]
    assert (ours[0]["counts"]["told"], ours[0]["counts"]["retracted"]) == (2, 2)


def test_a_repeated_tell_says_that_its_result_was_retracted_since(study: Study, reopen: Reopen) -> None:
    study.ask(2)
    wrong = [{"id": "0", "value": -9.0}, {"id": "1", "value": 1.0}]
    told = study.tell(wrong, key="wrong")
    study.retract("0")
    study = reopen()
    note = "its result was retracted since: to tell another one, use another key"
    assert study.tell(wrong, key="wrong") == [{"id": "0", "accepted": False, "note": note}, told[1]]
    assert [row["id"] for row in study.history()] == ["1"]
    study.tell("0", 2.0, key="right")
    assert study.tell(wrong, key="wrong") == told
    assert [row["value"] for row in study.history()] == [1.0, 2.0]


def test_one_that_runs_has_no_result_to_retract(study: Study) -> None:
    study.ask(2)
    study.release("1")
    seq = study.status()["seq"]
    assert [study.retract(id)["note"] for id in "01"] == ["it has no result"] * 2
    assert study.status()["seq"] == seq


def test_the_next_candidates_rest_on_what_is_left(tmp_path: Path) -> None:
    store = LocalStore(tmp_path, "arqon")
    write_study(store, "u", {**CONFIG, "strategy": "auto", "budget": 30})
    study = Study.open(store, {"pid": 1}, Clock())
    for k in range(14):
        for asked in study.ask(1 + k % 2):
            study.tell(asked["id"], (asked["params"]["x"] - 0.3) ** 2)
        if k in (5, 12):
            study.retract(study.history()[2]["id"])
    found = verify(str(tmp_path))
    assert (found.ok, found.candidates) == (True, 21)
    solver = ArqonSolver.from_state(study.export())
    assert len(solver.history()) == 19
    assert solver.ask(3) == [each["params"] for each in study.ask(3)]


def test_what_goes_on_elsewhere_has_the_whole_record(tmp_path: Path) -> None:
    there = StudyHost(ActorSpec("arqon", "one", True, config=CONFIG), str(tmp_path / "a"), False, {"pid": 1})
    there.call(lambda study: study.ask(3))
    there.call(lambda study: study.report("2", 1, 0.5, {"lr": 0.1}))
    there.call(lambda study: study.tell("0", 0.25, metrics=METRICS, **WHERE))
    there.call(lambda study: study.tell("1", 9.0))
    there.call(lambda study: study.retract("1"))
    snapshot = there.snapshot()
    here = StudyHost(ActorSpec("arqon", "two", True, awaited=True), str(tmp_path / "b"), False, {"pid": 2})
    here.begin(CONFIG, "two", snapshot)
    (before,), (after,) = there.call(lambda study: study.history()), here.call(lambda study: study.history())
    assert {**after, "seq": before["seq"]} == before
    assert here.call(lambda study: study.history(since=after["seq"])) == []
    assert here.status()["counts"]["retracted"] == 1
    assert here.call(lambda study: study.tell("1", 1.0))["accepted"]


def test_the_status_has_the_version_that_serves(study: Study, tmp_path: Path) -> None:
    assert study.status()["version"] == __version__
    (tmp_path / "root" / "arqon" / "study.json").write_text("{")
    host = StudyHost(ActorSpec("arqon", "t", True), str(tmp_path / "root"), False, {"pid": 1})
    assert (host.status()["state"], host.status()["version"]) == ("refused", __version__)


# The record of a tell

TEXTS = st.text(max_size=6).filter(lambda text: text.isprintable())
NUMBERS = st.floats(allow_nan=False)
METRIC = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), NUMBERS, TEXTS, st.lists(NUMBERS, max_size=3))
TIMES = st.one_of(st.none(), st.floats(0, 2e9))
TOLD = st.builds(
    Evaluation,
    id=st.none(),
    params=st.just({}),
    value=st.one_of(st.none(), st.sampled_from([0.0, -0.0, 1.0]), NUMBERS),
    status=st.sampled_from(["complete", "stopped", "failed"]),
    metrics=st.dictionaries(st.one_of(st.just("loss"), TEXTS), METRIC, max_size=3),
    step=st.one_of(st.none(), st.integers(0, 9)),
    steps=st.lists(st.builds(Step, st.integers(0, 9), NUMBERS, TIMES), max_size=2).map(tuple),
    cost=st.sampled_from([0.0, 1.0, 2.5]),
    started=TIMES,
    ended=TIMES,
    seconds=TIMES,
    node=st.sampled_from([None, "a", "b"]),
    pid=st.one_of(st.none(), st.integers(0, 99)),
    error=st.one_of(st.none(), st.builds(Error, st.just("raised"), TEXTS, st.one_of(st.none(), TEXTS))),
    attempt=st.integers(1, 3),
)


def with_its_value_among_the_metrics(told: Evaluation) -> Evaluation:
    metrics = {"loss": told.value, **{name: each for name, each in told.metrics.items() if name != "loss"}}
    return Evaluation(**{**{name: getattr(told, name) for name in told.__slots__}, "metrics": metrics})


def as_it_ended(told: Evaluation) -> Evaluation:
    ended = None if told.started is None or told.seconds is None else told.started + told.seconds
    return Evaluation(**{**{name: getattr(told, name) for name in told.__slots__}, "ended": ended})


ENTRIES = st.lists(
    st.builds(
        Entry,
        st.sampled_from([None, {"x": 0.5, "n": 2}]),
        st.one_of(st.none(), st.integers(-1, 9)),
        st.one_of(TOLD, TOLD.map(with_its_value_among_the_metrics), TOLD.map(as_it_ended)),
    ),
    min_size=1,
    max_size=3,
)


@given(ENTRIES, st.sampled_from([None, "mine", "op:" + 32 * "a", "op:A", "op:abc", "op:" + 32 * "a" + ":3"]))
def test_a_tell_is_read_from_its_record_bit_for_bit(entries: list[Entry], key: str | None) -> None:
    change = Tell(entries, key, digest_of_results("tell", entries))
    (record,) = scan(encode(1, change.body())).records
    again = Tell.of(record.body)
    assert repr(again) == repr(change)  # also the sign of a zero, and the order of the metrics

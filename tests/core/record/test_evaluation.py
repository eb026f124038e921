from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arqon_ray import ArqonSolver, ResultsError, UnknownCandidateError
from arqon_ray.core.record import columns
from arqon_ray.core.record.error_kinds import KINDS
from arqon_ray.core.record.evaluation import Error, Evaluation, Step
from arqon_ray.core.record.metrics import MAX_STEPS
from arqon_ray.core.record.running import Running, thinned

X = {"x": {"min": 0.0, "max": 1.0}}
FINITE = st.floats(allow_nan=False, allow_infinity=False)
SOME = st.one_of(st.none(), FINITE)
COUNT = st.integers(0, 2**40)
EVALUATIONS = st.builds(
    lambda number, **rest: Evaluation(None if number is None else str(number), number=number, **rest),
    number=st.one_of(st.none(), COUNT),
    params=st.dictionaries(st.text(max_size=3), FINITE, max_size=2),
    value=SOME,
    status=st.sampled_from(["complete", "stopped", "failed"]),
    values=st.one_of(st.none(), st.tuples(FINITE, FINITE)),
    metrics=st.dictionaries(st.text(max_size=3), st.one_of(SOME, st.booleans(), st.text(max_size=3)), max_size=2),
    step=st.one_of(st.none(), COUNT),
    steps=st.lists(st.builds(Step, COUNT, SOME, SOME), max_size=3).map(tuple),
    cost=FINITE,
    started=SOME,
    ended=SOME,
    seconds=SOME,
    node=st.one_of(st.none(), st.text(max_size=3)),
    pid=st.one_of(st.none(), COUNT),
    error=st.one_of(st.none(), st.builds(Error, st.sampled_from(KINDS), st.text(max_size=3), st.none())),
    origin=st.text(max_size=3),
    attempt=st.integers(1, 9),
)


@given(st.lists(EVALUATIONS, max_size=4))
def test_dicts_and_columns_hold_whole_evaluations(evaluations: list[Evaluation]) -> None:
    assert [Evaluation.from_dict(json.loads(json.dumps(e.to_dict()))) for e in evaluations] == evaluations
    packed = json.loads(json.dumps(columns.pack(evaluations)))
    assert columns.unpack(packed, len(evaluations)) == evaluations


def test_columns_of_another_length_are_refused() -> None:
    packed = columns.pack([Evaluation("0", {"x": 1.0}, 2.0, number=0), Evaluation("1", {"x": 3.0}, 4.0, number=1)])
    with pytest.raises(ValueError, match="the columns have \\[2, 3\\] entries: it must be 3"):
        columns.unpack(packed, 3)


WHOLE: dict[str, Any] = {
    "value": 0.5,
    "status": "stopped",
    "metrics": {"acc": 0.75, "note": "fine"},
    "step": 9,
    "cost": 3.0,
    "started": 1.7e9,
    "ended": 1.7e9 + 2.5,
    "seconds": 2.5,
    "node": "10.0.0.7",
    "pid": 41,
    "attempt": 2,
}


def restored(solver: ArqonSolver) -> list[ArqonSolver]:
    return [ArqonSolver.from_state(solver.export()), ArqonSolver.thaw(solver.freeze().parts())]


def test_all_that_is_told_is_kept_and_survives() -> None:
    solver = ArqonSolver({"bounds": X})
    solver.ask(2)
    solver.report(0, 3, 1.0, {"acc": 0.25, "lr": 0.1}, time=1.7e9 + 1)
    error = {"kind": "out_of_memory", "message": "killed", "trace": "line 1"}
    solver.tell([{"id": "0", **WHOLE}, {"id": "1", "value": None, "status": "failed", "error": error}])
    for each in (solver, *restored(solver)):
        first, second = each.history()
        assert {key: first[key] for key in WHOLE} == {**WHOLE, "metrics": {"lr": 0.1, **WHOLE["metrics"]}}
        assert first["steps"] == [[3, 1.0, 1.7e9 + 1], [9, 0.5, 1.7e9 + 2.5]]
        assert (second["status"], second["error"]) == ("failed", error)
        assert each.evaluations()[0].to_dict().items() <= first.items()


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"status": "odd"}, "status is .odd.: it must be complete, stopped or failed"),
        ({"started": "now"}, "started is 'now': it must be a number"),
        ({"ended": True}, "ended is True: it must be a number"),
        ({"seconds": -1.0}, "seconds is -1.0: it must be a finite number of seconds, 0 or more"),
        ({"node": 3}, "node is 3: it must be a string"),
        ({"pid": 1.5}, "pid is 1.5: it must be a whole number"),
        ({"attempt": 0}, "attempt is 0: it must be a whole number, 1"),
        ({"steps": [[1]]}, r"steps\[0\] is \[1\]: it must be \[step, value, time\]"),
        ({"steps": [[-1, 2.0]]}, "step is -1"),
        ({"value": None, "error": {"kind": "odd", "message": ""}}, "error.kind is 'odd': it must be one of raised"),
        ({"metrics": {"a": {1: 2}}}, "metrics: the name 1 is no text"),
    ],
)
def test_a_malformed_part_is_named_and_nothing_is_taken(entry: dict[str, Any], words: str) -> None:
    solver = ArqonSolver({"bounds": X})
    solver.ask(2)
    with pytest.raises(ResultsError, match=words):
        solver.tell([{"id": "1", "value": 1.0}, {"id": "0", "value": 1.0, **entry}])
    assert solver.get_history_len() == 0


def test_candidates_in_flight_show_what_they_reported_so_far() -> None:
    solver = ArqonSolver({"bounds": X})
    solver.ask(2)
    solver.report(1, 2, 0.5, {"a": 1.0})
    solver.report(1, 1, 0.75)
    solver.report(1, 2, 0.25, {"b": 2.0})
    solver.report(1, 4, float("nan"))
    for each in (solver, *restored(solver)):
        first, second = each.running()
        assert (first.status, first.steps, second.status) == ("running", (), "running")
        assert second.steps == (Step(1, 0.75), Step(2, 0.25), Step(4, None))
        assert second.metrics == {"a": 1.0, "b": 2.0}
    solver.withdraw(1)
    solver.reissue(1)
    assert solver.running()[-1].steps == ()


@pytest.mark.parametrize("count", [1, MAX_STEPS, MAX_STEPS + 1, 2 * MAX_STEPS, 7_531])
def test_many_reports_are_thinned_evenly(count: int) -> None:
    running = Running()
    for step in range(count):
        running.add(Step(step, float(step)))
        if step == count // 2:
            running = Running.from_plain(json.loads(json.dumps(running.to_plain())))
    kept = [step.step for step in running.sorted()]
    assert len(kept) <= MAX_STEPS
    assert (kept[0], kept[-1]) == (0, count - 1)
    assert len(kept) >= min(count, MAX_STEPS // 2)
    assert len({later - earlier for earlier, later in pairwise(kept[:-1])}) <= 1
    assert thinned(Step(step, float(step)) for step in range(count)) == running.sorted()


def test_a_history_is_read_from_a_change_on() -> None:
    solver = ArqonSolver({"bounds": X})
    solver.ask(4)
    for number in (2, 0, 3):
        solver.tell([{"id": str(number), "value": 1.0}])
    rows = solver.history()
    assert [row["id"] for row in rows] == ["2", "0", "3"]
    assert solver.history(since=rows[0]["seq"]) == rows[1:]
    assert solver.history(since=rows[-1]["seq"]) == []
    assert solver.history(since=0) == rows


def retracting(solver: ArqonSolver) -> None:
    solver.ask(6)
    solver.report(2, 1, 7.0)
    solver.tell([{"id": str(number), "value": float(number) if number % 2 else None} for number in range(5)])
    solver.tell([{"params": {"x": 0.99}, "value": -1.0}])


@pytest.mark.parametrize("number", range(5))
def test_what_was_retracted_is_forgotten_and_may_be_told_anew(number: int) -> None:
    solver = ArqonSolver({"bounds": X})
    retracting(solver)
    before = solver.freeze()
    exported, rows = before.export(), solver.history()
    solver.retract(number)
    assert before.export() == exported, "who took it down before still sees it as it was"
    left = [row for row in rows if row["id"] != str(number)]
    for each in (solver, *restored(solver)):
        assert [row["params"] for row in each.history()] == [row["params"] for row in left]
        assert list(each.retracted) == [number]
        assert number not in each.pending
        assert not each.is_open(number)
        best = each.best()
        assert best is not None
        assert best["value"] == -1.0
        evidence = each.proposer().evidence()
        assert sorted(evidence.y.tolist()) == sorted(row["value"] for row in left if row["value"] is not None)
        assert len(evidence.failed) == sum(row["value"] is None for row in left)
        assert number not in evidence.numbers
        with pytest.raises(ResultsError, match=f"candidate {number} is retracted: it has no result to retract"):
            each.retract(number)
        assert each.ask_one() != rows[number]["params"]
        assert each.tell([{"id": str(number), "value": 0.125}]) == [{"id": str(number), "accepted": True}]
        assert each.history()[-1]["value"] == 0.125
        assert not each.retracted


def test_only_a_result_can_be_retracted() -> None:
    solver = ArqonSolver({"bounds": X})
    solver.ask_one()
    with pytest.raises(ResultsError, match="candidate 0 is pending: it has no result to retract"):
        solver.retract(0)
    with pytest.raises(UnknownCandidateError):
        solver.retract(7)


@pytest.mark.parametrize(
    "strategy", ["auto", "gaussian_process", "trust_region", "tpe", "cma_es", "noisy_gaussian_process"]
)
def test_a_study_goes_on_after_a_retraction_as_its_copy_does(strategy: str) -> None:
    config = {"bounds": {**X, "y": {"min": -1.0, "max": 2.0}}, "strategy": strategy, "seed": 5}
    solver = ArqonSolver(config)
    for number in range(24):
        params = solver.ask_one()
        assert params is not None
        solver.tell([{"id": str(number), "value": (params["x"] - 0.3) ** 2 + params["y"] ** 2}])
        if number % 8 == 7:
            solver.retract(number - 3)
    copies = restored(solver)
    following = [[each.ask_one() for _ in range(6)] for each in (solver, *copies)]
    assert following[0] == following[1] == following[2]


def test_a_step_without_a_word_means_stopped_where_another_went_further() -> None:
    solver = ArqonSolver({"bounds": X})
    solver.ask(2)
    solver.tell([{"id": "0", "value": 1.0, "step": 3}, {"id": "1", "value": 2.0, "step": 27}])
    assert [row["status"] for row in solver.history()] == ["complete", "complete"], "here somebody said so"
    old = json.loads(solver.export())
    keys = ("eval_id", "place", "params", "value", "cost", "status", "origin", "step")
    old["history"] = [{key: row[key] for key in keys} for row in old["history"]]
    old = {key: value for key, value in old.items() if key not in ("unsaid", "running", "retracted")}
    opened = ArqonSolver.from_state(json.dumps({**old, "version": 1}))
    for each in (opened, *restored(opened)):
        assert [row["status"] for row in each.history()] == ["stopped", "complete"]


def test_reports_of_an_attempt_that_died_do_not_count_for_the_one_that_ended() -> None:
    solver = ArqonSolver({"bounds": X})
    solver.ask(1)
    for step, when in ((1, 10.0), (9, 11.0), (2, 21.0)):
        solver.report(0, step, 1.0, time=when)
    solver.tell([{"id": "0", "value": 0.5, "attempt": 2, "started": 20.0}])
    assert [step.step for step in solver.evaluations()[0].steps] == [2]


def test_metrics_of_many_reports_stay_within_the_bound() -> None:
    solver = ArqonSolver({"bounds": X})
    solver.ask(1)
    for step in range(5):
        solver.report(0, step, 1.0, {f"{step}/{i}": 1.0 for i in range(40)})
    assert len(solver.running()[0].metrics) == 64
    solver.tell([{"id": "0", "value": 0.5, "metrics": {f"last/{i}": 1.0 for i in range(60)}}])
    metrics = solver.evaluations()[0].metrics
    assert len(metrics) == 64
    assert sum(name.startswith("last/") for name in metrics) == 60


def test_the_best_is_that_of_the_moment_although_results_are_retracted_meanwhile() -> None:
    solver = ArqonSolver({"bounds": X})
    solver.ask(3)
    solver.tell([{"id": str(number), "value": float(number)} for number in range(3)])
    then = solver.proposer(), solver.freeze()
    for number in (0, 1, 2):
        solver.retract(number)
    best = solver.best_of(*then)
    assert best is not None
    assert (best["id"], best["value"]) == ("0", 0.0)
    assert solver.best() is None


def test_of_two_reports_of_one_step_the_later_counts() -> None:
    solver = ArqonSolver({"bounds": X})
    solver.ask(2)
    solver.tell([{"id": "0", "value": 1.0, "steps": [[1, 0.9], [0, 2.0], [1, 0.2], [2, 0.5], [2, None]]}])
    assert solver.history()[0]["steps"] == [[0, 2.0, None], [1, 0.2, None], [2, None, None]]


def test_the_step_of_the_value_is_within_the_bound_too() -> None:
    solver = ArqonSolver({"bounds": X})
    solver.ask_one()
    for step in range(MAX_STEPS):
        solver.report(0, step, 1.0)
    solver.tell([{"id": "0", "value": 0.5, "step": MAX_STEPS}])
    steps = solver.history()[0]["steps"]
    assert len(steps) <= MAX_STEPS
    assert (steps[0][0], steps[-1]) == (0, [MAX_STEPS, 0.5, None])
    assert ArqonSolver.from_state(solver.export()).history() == solver.history()


def test_a_result_that_was_corrected_is_read_as_a_new_one() -> None:
    solver = ArqonSolver({"bounds": X})
    solver.ask(3)
    for number in range(3):
        solver.tell([{"id": str(number), "value": 1.0}])
    last = solver.history()[-1]["seq"]
    solver.retract(2)
    solver.tell([{"id": "2", "value": 7.0}])
    assert [row["value"] for row in solver.history(since=last)] == [7.0]


def test_what_was_taken_down_of_a_running_evaluation_stays_as_it_was() -> None:
    solver = ArqonSolver({"bounds": X})
    solver.ask_one()
    frozen = []
    for step in range(MAX_STEPS + 5):
        solver.report(0, step, float(step))
        if step % 250 == 0:
            frozen.append((step, solver.freeze()))
    assert [[each.step for each in then.underway()[0].steps] for _, then in frozen] == [
        list(range(step + 1)) for step, _ in frozen[:-1]
    ] + [[each.step for each in frozen[-1][1].underway()[0].steps]]
    assert len(solver.running()[0].steps) < MAX_STEPS

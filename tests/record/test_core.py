"""In one process, without Ray: ask and tell, reports, a retraction, an export, points from outside."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import arqon_ray
from arqon_ray import ArqonSolver, ResultsError
from tests.record.everything import BOUNDS, METRIC, NOTE, everything, wanted
from tests.record.outs import check_rows, check_run, check_same, shape

CONFIG: dict[str, Any] = {"seed": 3, "budget": 12, "metric": METRIC, "bounds": BOUNDS}


def worked() -> ArqonSolver:
    """Return a study in which results of every kind were told."""
    solver = ArqonSolver(CONFIG)
    for number in range(9):
        params = solver.ask_one()
        assert params is not None
        metrics = everything(params)
        told: dict[str, Any] = {"eval_id": number, "metrics": metrics}
        if number == 1:
            told = {"id": str(number), "params": params, "value": metrics[METRIC], "metrics": metrics}
        if number == 2:
            for step in (1, 3, 2):
                solver.report(number, step, 1.0 / step, {"epoch_note": NOTE}, time=1.7e9 + step)
            told |= {"status": "stopped", "step": 3}
        if number == 3:
            told = {
                "eval_id": number,
                "status": "failed",
                "error": {"kind": "raised", "message": NOTE, "trace": "line 1\nline 2"},
            }
        if number == 4:
            told |= {
                "started": 1.7e9,
                "ended": 1.7e9 + 2.5,
                "seconds": 2.5,
                "node": "10.0.0.1",
                "pid": 42,
                "attempt": 2,
            }
        assert solver.tell([told])[0]["accepted"]
    return solver


def test_a_study_of_its_own_has_them_everywhere(tmp_path: Path) -> None:
    solver = worked()
    rows = solver.history()
    assert check_rows(rows[:2] + rows[3:]) == 7
    assert shape(rows[2]["metrics"]) == shape({"epoch_note": NOTE, **wanted(rows[2]["params"])})
    assert [step[:2] for step in rows[2]["steps"]] == [[1, 1.0], [2, 0.5], [3, 1 / 3]]
    assert (rows[2]["status"], rows[2]["step"]) == ("stopped", 3)
    assert rows[3]["error"] == {"kind": "raised", "message": NOTE, "trace": "line 1\nline 2"}
    assert [rows[4][key] for key in ("started", "seconds", "node", "pid", "attempt")] == [1.7e9, 2.5, "10.0.0.1", 42, 2]
    assert repr(solver.history(since=rows[5]["seq"])) == repr(rows[6:])
    best = solver.best()
    assert best is not None
    assert shape(best["metrics"]) == shape(wanted(best["params"]))
    solver.retract(2)
    assert check_rows(solver.history()) == 7
    check_run(solver.run(), tmp_path, least=7)
    again = ArqonSolver.from_state(solver.export())
    assert repr(again.evaluations()) == repr(solver.evaluations())
    check_same(arqon_ray.open_run(solver.export()), solver.run())
    check_same(arqon_ray.open_run(solver), solver.run())


def test_what_runs_shows_what_it_has_reported() -> None:
    solver = ArqonSolver(CONFIG)
    params = solver.ask_one()
    assert params is not None
    solver.report(0, 5, 0.5, everything(params), time=1.7e9)
    (running,) = solver.running()
    assert running.status == "running"
    assert shape(running.metrics) == shape(wanted(params))
    assert [tuple(step) for step in running.steps] == [(5, 0.5, 1.7e9)]
    assert [e.id for e in solver.run().running] == ["0"]


def test_the_rows_of_one_study_are_the_seeds_of_another(tmp_path: Path) -> None:
    one, other = worked(), ArqonSolver({**CONFIG, "seed": 4})
    one.retract(2)
    assert all(answer["accepted"] for answer in other.seed(one.history()))
    rows = other.history()
    assert check_rows(rows) == 7
    assert {row["id"] for row in rows} == {None}
    assert [row["started"] for row in rows] == [row["started"] for row in one.history()]
    check_run(other.run(), tmp_path, least=7)


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        ({"f": object()}, r"metrics\['f'\] is <object object.*it must be a number, a text"),
        ({"f": {"g": [1, "a"]}}, r"metrics\['f/g'\] is \[1, 'a'\]"),
        ({"f": b"bytes"}, r"metrics\['f'\] is b'bytes'"),
        ({1: 2.0}, "the name 1 is no text"),
        ({"f": {None: 2.0}}, "the name None is no text"),
        ({"\ud800": 2.0}, "is no text"),
        ({f"m{i}": i for i in range(65)}, "65 entries: an evaluation has at most 64 metrics"),
        ({"f": [0.5] * 65}, "at most 64 numbers, and this one 65"),
        ({"f": "ö" * 2049}, "at most 4096 bytes, and this one 4098"),
        ([1.0], "a dict of metrics by name"),
    ],
)
def test_what_is_no_metric_is_refused_by_name_and_nothing_is_taken(metrics: Any, words: str) -> None:
    solver = ArqonSolver(CONFIG)
    solver.ask(2)
    before = solver.export()
    with pytest.raises(ResultsError, match=rf"results\[1\]\..*{words}"):
        solver.tell([{"eval_id": 0, "value": 1.0}, {"eval_id": 1, "value": 1.0, "metrics": metrics}])
    with pytest.raises(ResultsError, match=words):
        solver.report(0, 1, 1.0, metrics)
    assert solver.export() == before


def test_what_lies_at_the_bounds_is_kept() -> None:
    solver = ArqonSolver(CONFIG)
    solver.ask_one()
    most = {METRIC: 1.0, "text": "ö" * 2048, "list": [0.5] * 64, **{f"m{i}": i for i in range(61)}}
    for step in range(3000):
        solver.report(0, step, float(step))
    solver.tell([{"eval_id": 0, "metrics": most}])
    (row,) = solver.history()
    assert shape(row["metrics"]) == shape(most)
    steps = [step[0] for step in row["steps"]]
    assert len(steps) <= 1000
    assert (steps[0], steps[-1]) == (0, 2999)
    assert max(b - a for a, b in pairwise(steps)) <= 8
    assert repr(ArqonSolver.from_state(solver.export()).history()) == repr([row])


@pytest.mark.parametrize("step", [-1, 1.5, "3", None, True, float("nan")])
def test_a_step_is_a_whole_number(step: Any) -> None:
    solver = ArqonSolver(CONFIG)
    solver.ask_one()
    with pytest.raises(ResultsError, match="step is"):
        solver.report(0, step, 1.0)
    assert solver.running()[0].steps == ()


def test_a_result_without_the_metric_that_counts_is_refused() -> None:
    solver = ArqonSolver(CONFIG)
    solver.ask_one()
    with pytest.raises(ResultsError, match=r"metrics has no 'loss'.*did you mean 'los'"):
        solver.tell([{"eval_id": 0, "metrics": {"los": 1.0}}])
    unnamed = ArqonSolver({**CONFIG, "metric": None})
    unnamed.ask_one()
    with pytest.raises(ResultsError, match="metrics and no value"):
        unnamed.tell([{"eval_id": 0, "metrics": {"loss": 1.0}}])
    assert json.loads(unnamed.export())

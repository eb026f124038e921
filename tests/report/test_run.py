from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from arqon_ray import ArqonSolver
from arqon_ray.core.record.evaluation import Error
from arqon_ray.errors import ArqonError, StateError
from arqon_ray.fanout import Result
from arqon_ray.report import (
    Evaluation,
    Run,
    export_to_optuna,
    history_figure,
    parallel_figure,
    read_run,
    slice_figure,
    write_html,
    write_run,
)
from arqon_ray.report.opening import open_run
from tests.report.runs import ASSETS, halving

STUDY: dict[str, Any] = {"seed": 1, "budget": 6, "mode": "max", "bounds": {"x": {"min": 0.0, "max": 1.0}}}


def _run(values: list[float | None], mode: str = "max", **more: Any) -> Run:
    evaluations = tuple(
        Evaluation(
            str(k),
            {"x": k / 10},
            value,
            "complete" if value else "failed",
            number=k,
            origin="probe" if k < 2 else "tpe",
            error=None if value else Error("bad_value", "no value"),
        )
        for k, value in enumerate(values)
    )
    return Run("job", "score", {**STUDY, "mode": mode}, evaluations, **more)


def test_what_optimize_returns_is_taken_by_every_report(tmp_path: Path) -> None:
    solver = ArqonSolver({"seed": 1, "budget": 12, "bounds": {"x": {"min": 0, "max": 1}}})
    while (params := solver.ask_one()) is not None:
        solver.tell([{"params": params, "value": params["x"] if params["x"] < 0.9 else None}])  # type: ignore[operator]
    found: dict[str, Any] = {"best": solver.best(), "history": solver.history(), "config": solver.config.to_dict()}
    result = Result(
        "r", failures=[], explanation={"phase": "refine"}, evaluations=12, stopped_by="", seconds=1.0, **found
    )
    run = open_run(result)
    assert open_run(run) is run
    assert [e.value for e in run.evaluations] == [row["value"] for row in result.history]
    assert (run.best and run.best.params) == result.params
    for figure in (history_figure(result), slice_figure(result), parallel_figure(result)):
        assert figure.data
    assert "refine" in write_html(result, tmp_path / "page.html").read_text(encoding="utf-8")
    assert len(export_to_optuna(result, f"sqlite:///{tmp_path}/r.db").trials) == 12
    with pytest.raises(ArqonError, match=r"run is \[\]: give a Run, a result of optimize"):
        history_figure([])  # type: ignore[arg-type]


def test_a_written_run_reads_back_equal(tmp_path: Path) -> None:
    run = _run([0.25, None, 0.1 + 0.2], state="interrupted", explain={"phase": "probe"}, wall_seconds=1.5, sessions=2)
    write_run(run, tmp_path)
    assert read_run(tmp_path) == run
    assert read_run(tmp_path / "results.json") == run


def test_the_history_is_a_table_with_a_column_for_each_parameter(tmp_path: Path) -> None:
    write_run(_run([0.25, None]), tmp_path)
    rows = list(csv.DictReader((tmp_path / "history.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["value"] for row in rows] == ["0.25", ""]
    assert [row["params.x"] for row in rows] == ["0.0", "0.1"]
    assert [row["error"] for row in rows] == ["", "no value"]


@pytest.mark.parametrize(("mode", "best", "path"), [("max", "3", [1, 4]), ("min", "2", [1, 3])])
def test_best_and_path_follow_the_mode(mode: str, best: str, path: list[int]) -> None:
    run = _run([0.5, None, 0.2, 0.9, 0.4], mode)
    assert run.best is not None
    assert run.best.id == best
    assert [place for place, _ in run.path()] == path
    assert [e.id for e in run.failures] == ["1"]
    assert run.origins() == {"probe": 2, "tpe": 3}


def test_the_solvers_recommendation_goes_before_the_luckiest_value() -> None:
    run = _run([0.5, 0.9, 0.8], recommended="2")
    assert run.best is not None
    assert run.best.id == "2"


def test_a_run_without_a_value_has_no_best() -> None:
    run = _run([None, None])
    assert run.best is None
    assert run.path() == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "holds no run"),
        ("{", "not a run's record"),
        ("[]", "not a run's record"),
        ('{"format": "other/1"}', "arqon-run/2"),
        ('{"format": "arqon-run/1", "evaluations": []}', "not a run's record"),
        ('{"format": "arqon-run/1", "evaluations": [{"id": "0"}], "name": "a"}', "not a run's record"),
    ],
)
def test_a_damaged_record_is_refused(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "results.json").write_text(text, encoding="utf-8")
    with pytest.raises(StateError, match=said):
        read_run(tmp_path)


def test_a_record_with_an_invalid_study_is_refused(tmp_path: Path) -> None:
    write_run(_run([0.5]), tmp_path)
    record = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    record["study"]["bounds"]["x"]["min"] = 2.0
    (tmp_path / "results.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(StateError, match="min must not be above max"):
        read_run(tmp_path)


def test_a_record_of_format_2_opens_and_is_written_the_same(tmp_path: Path) -> None:
    golden = ASSETS / "run-v2" / "results.json"
    assert read_run(golden) == halving()
    write_run(halving(), tmp_path)
    assert (tmp_path / "results.json").read_bytes() == golden.read_bytes()


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ("name", 3, "name is 3: it must be str"),
        ("sessions", None, "sessions is None: it must be int"),
        ("recommended", 7, "recommended is 7: it must be str or null"),
        ("state", "done", "state is 'done': it must be one of running, finished, interrupted, failed"),
        ("study", {"bounds": {}}, "bounds"),
    ],
)
def test_an_edited_record_is_refused_where_its_form_is_broken(
    tmp_path: Path, entry: str, value: Any, message: str
) -> None:
    record = json.loads((ASSETS / "run-v2" / "results.json").read_text(encoding="utf-8"))
    (tmp_path / "results.json").write_text(json.dumps({**record, entry: value}), encoding="utf-8")
    with pytest.raises(StateError, match=f"is not a run's record: .*{message}"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"value": None}, "value is None: it must be a finite number, as the status is complete"),
        ({"value": "0.5"}, "value is '0.5': it must be a finite number"),
        ({"status": "failed"}, "and the status failed: then there is no value"),
        ({"status": "good"}, "status is 'good': it must be one of"),
        ({"params": 3}, "params is 3: it must be a dict"),
        ({"params": {"elsewhere": 1}}, "params has 'elsewhere', which is no parameter of the study"),
    ],
)
def test_an_edited_evaluation_is_refused_where_it_contradicts_itself(
    tmp_path: Path, edit: dict[str, Any], message: str
) -> None:
    record = json.loads((ASSETS / "run-v2" / "results.json").read_text(encoding="utf-8"))
    complete = next(k for k, row in enumerate(record["evaluations"]) if row["status"] == "complete")
    record["evaluations"][complete].update(edit)
    (tmp_path / "results.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(StateError, match=message):
        read_run(tmp_path)

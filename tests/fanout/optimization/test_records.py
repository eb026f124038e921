"""``optimize`` keeps the whole record of an evaluation, and gives a context to a function that takes one."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from arqon_ray import Context, ResultsError, optimize, start
from arqon_ray.core.record.evaluation import Evaluation
from arqon_ray.fanout.worker.context import seed_of

CONFIG: dict[str, Any] = {"seed": 5, "budget": 6, "bounds": {"x": {"min": 0.0, "max": 1.0}}}
pytestmark = pytest.mark.usefixtures("cluster")


def test_all_that_is_returned_and_measured_is_in_every_row(tmp_path: Path) -> None:
    def objective(params: dict[str, Any]) -> dict[str, Any]:
        if params["x"] > 0.7:
            return {"loss": float("inf"), "why": "too far"}
        return {"loss": params["x"], "size": 3, "good": True, "nested": {"curve": [1, 2.5]}, "note": None}

    began = time.time()
    rows: list[dict[str, Any]] = []
    result = optimize(objective, CONFIG, metric="loss", progress=False, callbacks=[rows.append])
    assert result.config["metric"] == "loss"
    assert {row["id"] for row in rows} == {row["id"] for row in result.history} == {str(i) for i in range(6)}
    told = {row["id"]: {**row, "origin": ""} for row in result.history}
    assert {row["id"]: row for row in rows} == told
    for row in result.history:
        assert row.keys() == Evaluation(None, {}).to_dict().keys()
        assert row["number"] == int(row["id"])
        assert began <= row["started"] <= row["ended"] == pytest.approx(row["started"] + row["seconds"])
        assert row["node"]
        assert row["pid"] != os.getpid()
        if row["status"] == "failed":
            assert row["metrics"] == {"loss": float("inf"), "why": "too far"}
            assert row["error"] == {
                "kind": "bad_value",
                "message": "the value is inf: it must be finite",
                "trace": None,
            }
        else:
            x = row["params"]["x"]
            assert row["metrics"] == {"loss": x, "size": 3, "good": True, "nested/curve": [1, 2.5], "note": None}
            assert row["error"] is None
    assert {row["status"] for row in result.history} == {"complete", "failed"}
    assert {failure.kind for failure in result.failures} == {"bad_value"}
    assert result.best is not None
    assert result.best["metrics"]["loss"] == result.value
    assert result.run().metric == "loss"

    frame = result.to_pandas()
    assert frame["metrics.size"].dropna().tolist() == [3] * (6 - len(result.failures))
    assert str(frame["started"].dt.tz) == "UTC"
    assert set(frame["error_kind"].dropna()) == {"bad_value"}
    types = pq.read_schema(result.to_parquet(tmp_path / "history.parquet"))
    assert types.field("params.x").type == pa.float64()
    assert types.field("metrics.good").type == pa.bool_()
    assert types.field("metrics.why").type == pa.string()
    assert pa.types.is_timestamp(types.field("ended").type)


def test_a_study_has_named_the_metric(unique_name: str) -> None:
    study = start({**CONFIG, "metric": "loss"}, unique_name)
    returned = {"loss": 1.0, "accuracy": 2.0}
    first = optimize(lambda params: {**returned}, study=study, progress=False, max_evaluations=2)
    # The same study by its name, and by a config that does not name the metric.
    again = optimize(lambda params: {**returned}, CONFIG, name=unique_name, progress=False)
    assert {row["value"] for row in first.history + again.history} == {1.0}
    assert len(again.history) == 6
    study.stop()


def test_a_context_knows_its_evaluation_and_gives_the_same_seed_at_every_attempt(
    tmp_path: Path, assert_died: Callable[[list[int]], None]
) -> None:
    def stochastic(params: dict[str, Any], context: Context) -> dict[str, Any]:
        mine = tmp_path / str(context.id)
        with mine.open("a") as file:
            file.write(f"{os.getpid()} {context.seed}\n")
        context.report(context.attempt, 1.0)
        if context.index == 2 and context.attempt == 1:
            context.report(50, 9.0, {"of": "the attempt that died"})
            time.sleep(2.5)  # so that it is sent
            os._exit(1)
        return {"loss": params["x"], "index": context.index, "replicate": context.replicate, "seed": context.seed}

    result = optimize(stochastic, CONFIG, metric="loss", retries=1, progress=False)
    assert not result.failures
    for row in result.history:
        number = int(row["id"])
        expected = {"index": number, "replicate": 0, "seed": seed_of(5, number)}
        assert {name: row["metrics"][name] for name in expected} == expected
        assert row["attempt"] == (2 if number == 2 else 1)
        assert [step[:2] for step in row["steps"]] == [[row["attempt"], 1.0]]
    lines = [line.split() for line in (tmp_path / "2").read_text().splitlines()]
    assert [line[1] for line in lines] == [str(seed_of(5, 2))] * 2
    assert_died([int(lines[0][0])])


def test_reports_are_there_while_the_function_runs_and_once_afterwards(tmp_path: Path, unique_name: str) -> None:
    def slow(params: dict[str, Any], context: Context) -> float:
        for step in range(3):
            context.report(step, 10.0 - step, {"step so far": step})
        while not (tmp_path / "seen").exists():
            time.sleep(0.02)
        context.report(3, 7.0)
        return float(params["x"])

    study = start(CONFIG, unique_name)
    seen: list[Any] = []

    def look() -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until and not (seen and len(seen[0].steps) == 3):
            seen[:] = [each for each in study.run().running if each.steps]
            time.sleep(0.1)
        (tmp_path / "seen").touch()

    looking = threading.Thread(target=look)
    looking.start()
    result = optimize(slow, study=study, max_concurrency=1, max_evaluations=1, progress=False)
    looking.join()
    assert [(step.step, step.value) for step in seen[0].steps] == [(0, 10.0), (1, 9.0), (2, 8.0)]
    assert seen[0].metrics == {"step so far": 2}
    (row,) = result.history
    assert [step[:2] for step in row["steps"]] == [[0, 10.0], [1, 9.0], [2, 8.0], [3, 7.0]]
    assert row["metrics"] == {"step so far": 2}
    assert [step[2] for step in row["steps"][:3]] == [step.time for step in seen[0].steps], "measured in the worker"
    study.stop()


def test_a_function_that_looks_ends_in_good_order_and_its_work_goes_back(tmp_path: Path, unique_name: str) -> None:
    def patient(params: dict[str, Any], context: Context) -> float:
        ended = threading.Event()

        def work() -> None:
            (tmp_path / f"began {context.id}").touch()
            while not context.should_stop():
                time.sleep(0.01)
            (tmp_path / f"stopped {context.id}").touch()
            ended.set()

        working = threading.Thread(target=work)
        working.start()
        while not ended.is_set():
            try:
                ended.wait(0.05)
            except KeyboardInterrupt:
                continue  # it is the thread that ends it
        return 123.0

    study = start(CONFIG, unique_name)
    result = optimize(patient, study=study, max_concurrency=1, time_budget_s=6.0, progress=False)
    assert result.stopped_by == "time_budget_s"
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["began 0", "stopped 0"]
    assert result.history == []
    counts = study.status()["counts"]
    assert (counts["told"], counts["failed"], counts["pending"]) == (0, 0, 0)
    study.stop()


def test_what_ran_too_long_keeps_what_it_reported() -> None:
    def stubborn(params: dict[str, Any], context: Context) -> float:
        context.report(1, 0.5, {"memory": 12})
        try:
            time.sleep(60)
        except BaseException:
            time.sleep(60)
        return 1.0

    result = optimize(stubborn, {**CONFIG, "budget": 1}, evaluation_timeout_s=0.5, progress=False)
    (row,) = result.history
    assert row["error"]["kind"] == "timeout"
    assert [step[:2] for step in row["steps"]] == [[1, 0.5]]
    assert row["metrics"] == {"memory": 12}
    assert row["pid"] is not None


def test_a_report_that_is_malformed_fails_its_evaluation_alone() -> None:
    def sometimes(params: dict[str, Any], context: Context) -> float:
        context.report(-1 if context.index == 1 else 1, 0.5)
        return float(params["x"])

    result = optimize(sometimes, CONFIG, progress=False)
    assert [failure.id for failure in result.failures] == ["1"]
    assert result.failures[0].error.startswith(f"{ResultsError.__name__}: step is -1")

"""Every way in which evaluations leave: each is read as a stranger would, and compared with what the function gave."""

from __future__ import annotations

import csv
import html
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import arqon_ray
from arqon_ray.report import Evaluation, Run, export_to_optuna, write_html, write_run
from tests.cli.commandline import arqon_ray as command
from tests.record.everything import BOUNDS, METRIC, wanted

TYPES = {
    "epochs": pa.int64(),
    "huge": pa.int64(),
    "ratio": pa.float64(),
    "note": pa.string(),
    "converged": pa.bool_(),
    "diverged": pa.float64(),
    "curve": pa.list_(pa.float64()),
    "sizes": pa.list_(pa.int64()),
    "valid/by_class/a": pa.float64(),
}


def shape(metrics: Mapping[str, Any]) -> dict[str, str]:
    """Return metrics so that 1, 1.0 and True differ, and NaN is NaN."""
    return {name: repr(value) for name, value in metrics.items()}


def check_rows(rows: Iterable[Mapping[str, Any]]) -> int:
    """Check the rows of a history (or one of a callback); return how many had a result."""
    told = [row for row in rows if row["status"] != "failed"]
    for row in told:
        assert shape(row["metrics"]) == shape(wanted(row["params"])), row
        assert row["value"] == row["metrics"][METRIC]
    return len(told)


def check_run(run: Run, folder: Path, *, least: int) -> None:
    """Check a run, and all that can be made of it.

    Args:
        run: of one way in.
        folder: where files may be written; none is there yet.
        least: evaluations that have all of the metrics.
    """
    assert check_rows(evaluation.to_dict() for evaluation in run.evaluations) >= least
    assert run.metric == METRIC
    assert run.best is not None
    assert set(run.versions) >= {"arqon_ray", "python", "numpy"}
    ours = [evaluation for evaluation in run.evaluations if evaluation.value is not None]
    _check_frame(run.to_pandas(), run.evaluations)
    _check_parquet(Path(run.to_parquet(folder / "run.parquet")), run.evaluations)
    write_run(run, folder / "run")
    _check_results(folder / "run" / "results.json", run)
    _check_csv(folder / "run" / "history.csv", run)
    _check_optuna(run, folder)
    _check_page(write_html(run, folder / "page.html").read_text(encoding="utf-8"), ours)
    _check_show(command("show", folder / "run"), run)
    check_same(arqon_ray.open_run(folder / "run"), run)
    check_same(arqon_ray.open_run(run), run)


def check_same(opened: Run, run: Run) -> None:
    """Check that what was opened is the same run, whatever it was opened from."""
    assert len(opened.evaluations) == len(run.evaluations)
    for there, here in zip(opened.evaluations, run.evaluations, strict=True):
        assert repr(_plain(there)) == repr(_plain(here))
    assert opened.metric == run.metric
    assert opened.config.bounds == run.config.bounds
    assert opened.best is not None
    assert run.best is not None
    assert opened.best.id == run.best.id


def _plain(evaluation: Evaluation) -> dict[str, Any]:
    return replace(evaluation, metrics=dict(sorted(evaluation.metrics.items()))).to_dict()


def _check_frame(frame: pd.DataFrame, evaluations: Sequence[Evaluation]) -> None:
    assert len(frame) == len(evaluations)
    for row, evaluation in zip(frame.to_dict("records"), evaluations, strict=True):
        for name in BOUNDS:
            _equal_cell(row[f"params.{name}"], evaluation.params.get(name))
        for name, value in evaluation.metrics.items():
            _equal_cell(row[f"metrics.{name}"], value)
        _equal_cell(row["value"], evaluation.value)
        _equal_cell(row["error"], None if evaluation.error is None else evaluation.error.message)
        assert row["status"] == evaluation.status
        if evaluation.started is not None:
            assert row["started"].tzinfo is not None
            assert math.isclose(row["started"].timestamp(), evaluation.started, abs_tol=1e-5)


def _equal_cell(cell: Any, value: Any) -> None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        assert cell is None or pd.isna(cell)
    elif isinstance(value, list):
        assert list(cell) == value
    else:
        assert cell == value
        # A column of numbers may hold a whole one as a float; text, flags and numbers are never mixed up.
        assert isinstance(cell, str) == isinstance(value, str)
        assert isinstance(cell, bool | np.bool_) == isinstance(value, bool)


def _check_parquet(file: Path, evaluations: Sequence[Evaluation]) -> None:
    table = pq.read_table(file)
    for name, kind in TYPES.items():
        assert table.schema.field(f"metrics.{name}").type == kind, name
    assert pa.types.is_timestamp(table.schema.field("started").type)
    assert table.schema.field("started").type.tz == "UTC"
    for name in {name for evaluation in evaluations for name in evaluation.metrics}:
        column = table[f"metrics.{name}"].to_pylist()
        told = [evaluation.metrics.get(name) for evaluation in evaluations]
        assert shape(dict(enumerate(map(str, column)))) == shape(dict(enumerate(map(str, told)))), name
    assert table["value"].to_pylist() == [evaluation.value for evaluation in evaluations]


def _check_results(file: Path, run: Run) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    record = json.loads(file.read_text(encoding="utf-8"), parse_constant=refuse)
    assert len(record["evaluations"]) == len(run.evaluations)
    for plain, evaluation in zip(record["evaluations"], run.evaluations, strict=True):
        for name, value in evaluation.metrics.items():
            kept = plain["metrics"][name]
            assert repr(float(kept["float"]) if isinstance(kept, dict) else kept) == repr(value)


def _check_csv(file: Path, run: Run) -> None:
    with file.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(run.evaluations)
    for row, evaluation in zip(rows, run.evaluations, strict=True):
        assert set(row) >= {*(f"params.{name}" for name in BOUNDS), "value", "status", "error", "started", "node"}
        for name, value in evaluation.metrics.items():
            cell = row[f"metrics.{name}"]
            if isinstance(value, list):
                assert json.loads(cell) == value
            elif isinstance(value, float):
                assert repr(float(cell)) == repr(value)
            else:
                assert cell == ("" if value is None else str(value))


def _check_optuna(run: Run, folder: Path) -> None:
    study = export_to_optuna(run, f"sqlite:///{folder}/optuna.db", "all")
    trials = study.get_trials()
    assert len(trials) == len(run.evaluations)
    states = {"complete": "COMPLETE", "stopped": "PRUNED", "failed": "FAIL"}
    for trial, evaluation in zip(trials, run.evaluations, strict=True):
        assert trial.state.name == states[evaluation.status]
        for name, value in evaluation.metrics.items():
            kept = trial.user_attrs.get(f"metrics.{name}", trial.user_attrs.get(name))
            finite = not isinstance(value, float) or math.isfinite(value)
            assert repr(kept) == repr(value) if finite else kept is not None, name
        steps = {step.step: step.value for step in evaluation.steps if step.value is not None}
        assert trial.intermediate_values == steps
        if evaluation.started is not None and evaluation.ended is not None:
            assert trial.datetime_start is not None
            assert trial.datetime_complete is not None
            took = (trial.datetime_complete - trial.datetime_start).total_seconds()
            assert math.isclose(took, evaluation.ended - evaluation.started, abs_tol=1e-3)
    assert optuna.trial.TrialState.COMPLETE in {trial.state for trial in trials}


def _check_page(page: str, evaluations: Sequence[Evaluation]) -> None:
    text = html.unescape(page)
    assert "<b>so</b>" not in page
    for name in {name for evaluation in evaluations for name in evaluation.metrics}:
        assert name in text, name
    assert "größer" in text


def _check_show(said: str, run: Run) -> None:
    assert run.best is not None
    for name in run.best.metrics:
        assert name in said, name
    assert "größer" in said

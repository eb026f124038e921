"""A run opens in Optuna with every trial, value and parameter."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from arqon_ray.core import ArqonSolver
from arqon_ray.errors import ArqonError
from arqon_ray.report import Evaluation, Run, export_to_optuna
from tests.core.spaces import EVERY_KIND
from tests.report.runs import T, halving


@pytest.fixture
def run() -> Run:
    solver = ArqonSolver({"seed": 1, "budget": 30, "bounds": EVERY_KIND, "mode": "max"})
    while (candidate := solver.propose()) is not None:
        solver.observe(candidate.number, -math.log(candidate.params["lr"]) if candidate.number % 7 else None)  # type: ignore[arg-type]
    return solver.run("everything", metric="score")


def test_every_evaluation_becomes_a_trial(run: Run, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/run.db"
    export_to_optuna(run, storage)
    study = optuna.load_study(study_name="everything", storage=storage)
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE
    assert len(study.trials) == 30
    for trial, evaluation in zip(study.trials, run.evaluations, strict=True):
        assert (trial.state == optuna.trial.TrialState.FAIL) == (evaluation.value is None)
        assert trial.value == evaluation.value
        assert trial.params == pytest.approx(evaluation.params)
        assert trial.user_attrs["origin"] == evaluation.origin
    best = max((e for e in run.evaluations if e.value is not None), key=lambda e: e.value or 0.0)
    assert study.best_trial.user_attrs["id"] == best.id


def test_a_study_of_that_name_is_not_touched(run: Run, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/run.db"
    export_to_optuna(run, storage)
    with pytest.raises(ArqonError, match=r"'everything'.*already"):
        export_to_optuna(run, storage)
    export_to_optuna(run, storage, "another")
    assert len(optuna.load_study(study_name="another", storage=storage).trials) == 30


ODD_BOUNDS: dict[str, Any] = {
    "third": {"min": 0, "max": 1, "step": 0.3},
    "shifted": {"min": 0.05, "max": 7.3, "step": 0.15},
    "cut": {"min": 0, "max": 0.8999999999999999, "step": 0.3},
    "fine": {"min": 0, "max": 1e6, "step": 1e-4},
    "log_steps": {"min": 2, "max": 50, "step": 3, "type": "int", "scale": "Log"},
    "log_grid": {"min": 0.5, "max": 8, "step": 0.5, "scale": "Log"},
    "fives": {"min": 3, "max": 21, "step": 5, "type": "int"},
    "angle": {"min": -180, "max": 180, "scale": "Periodic"},
    "hour": {"min": 0, "max": 24, "type": "int", "scale": "Periodic"},
    "constant": {"min": 0.1, "max": 0.1},
    "whole_constant": {"min": 4, "max": 4, "type": "int"},
    "large": {"min": -(2**52), "max": 2**52, "type": "int"},
    "wide": {"min": 5e-324, "max": 1e308, "scale": "Log"},
    "narrow": {"min": 1e10, "max": float(np.nextafter(1e10, 2e10)), "scale": "Log"},
    "mixed": {"choices": [True, 1, 0, False, None, "1", "true", 2**62, 0.1]},
    "plain": {"choices": ["a", 2, None, 0.5]},
    "inner": {"min": 0, "max": 1, "step": 0.1, "when": {"mixed": [True, False]}},
}


def test_every_kind_of_parameter_is_exported_with_its_values(tmp_path: Path) -> None:
    solver = ArqonSolver({"seed": 1, "budget": 120, "bounds": ODD_BOUNDS, "strategy": "probe"})
    solver.tell([{"params": params, "value": 1.0} for params in solver.ask(120) or []])
    evaluations = solver.run().evaluations
    storage = f"sqlite:///{tmp_path}/run.db"
    export_to_optuna(Run("odd", "score", solver.config.to_dict(), evaluations), storage)
    for trial, evaluation in zip(optuna.load_study(study_name="odd", storage=storage).trials, evaluations, strict=True):
        mixed = json.loads(trial.params["mixed"])
        assert {**trial.params, "mixed": mixed} == evaluation.params
        assert type(mixed) is type(evaluation.params["mixed"])
    steps = {name: getattr(d, "step", None) for name, d in trial.distributions.items()}
    assert (steps["third"], steps["shifted"], steps["fives"]) == (0.3, 0.15, 5)


def test_values_of_an_older_range_are_exported_all_the_same(tmp_path: Path) -> None:
    bounds = {"x": {"min": 0, "max": 1}, "n": {"min": 0, "max": 9, "step": 3, "type": "int"}}
    study = ArqonSolver({"bounds": bounds}).config.to_dict()
    params = {"x": 1 + 1e-10, "n": 10}
    storage = f"sqlite:///{tmp_path}/run.db"
    export_to_optuna(Run("old", "score", study, (Evaluation("0", params, 1.0, step=7),)), storage)
    (trial,) = optuna.load_study(study_name="old", storage=storage).trials
    assert trial.params == params
    assert trial.user_attrs["step"] == 7


def test_states_times_steps_and_metrics_are_optunas(tmp_path: Path) -> None:
    run = halving()
    study = export_to_optuna(run, f"sqlite:///{tmp_path}/run.db")
    trials = study.get_trials()
    for trial in trials:
        trial._validate()
    states = [trial.state.name for trial in trials]
    assert states == ["PRUNED", "COMPLETE", "PRUNED", "COMPLETE", "FAIL", "PRUNED", "COMPLETE"]
    assert study.best_trial.user_attrs["id"] == "3"
    assert [trial.intermediate_values for trial in trials[1:3]] == [{1: 0.9, 2: 0.8, 3: 0.7}, {1: 0.95, 2: 0.2}]
    assert trials[1].user_attrs["metrics.flag"] is True
    assert trials[3].user_attrs["metrics.only here"] == [1.0, 2.0]
    assert (trials[4].user_attrs["error_kind"], trials[4].value) == ("out_of_memory", None)
    assert trials[4].datetime_start == datetime.fromtimestamp(T)
    assert trials[4].duration == timedelta(seconds=2)
    begun = [trial.datetime_start for trial in trials if trial.datetime_start is not None]
    assert begun == sorted(set(begun))
    assert all(trial.duration is not None and trial.duration > timedelta(0) for trial in trials)
    assert len(optuna.visualization.plot_intermediate_values(study).data) == 6
    assert {bar.name for bar in optuna.visualization.plot_timeline(study).data} == {"COMPLETE", "FAIL", "PRUNED"}
    assert optuna.visualization.plot_optimization_history(study).data


def test_what_is_not_finite_becomes_text(tmp_path: Path) -> None:
    metrics = {"nan": math.nan, "list": [1.0, math.inf], "none": None, "text": "é"}
    run = Run(
        "odd", "loss", {"bounds": {"x": {"min": 0, "max": 1}}}, (Evaluation("0", {"x": 0.5}, 1.0, metrics=metrics),)
    )
    (trial,) = export_to_optuna(run, f"sqlite:///{tmp_path}/run.db").trials
    kept = {name: value for name, value in trial.user_attrs.items() if name.startswith("metrics.")}
    assert kept == {"metrics.nan": "nan", "metrics.list": [1.0, "inf"], "metrics.none": None, "metrics.text": "é"}


def test_several_objectives_have_a_direction_each(tmp_path: Path) -> None:
    solver = ArqonSolver({"bounds": {"x": {"min": 0, "max": 1}}, "objectives": ["min", "max"]})
    for number, values in enumerate(([1.0, 2.0], [2.0, 3.0], [2.0, 1.0])):
        solver.ask_one()
        solver.tell([{"eval_id": number, "values": values}])
    study = export_to_optuna(solver, f"sqlite:///{tmp_path}/run.db")
    assert [direction.name for direction in study.directions] == ["MINIMIZE", "MAXIMIZE"]
    assert [trial.values for trial in study.best_trials] == [[1.0, 2.0], [2.0, 3.0]]

"""A run opens in Optuna with every trial, value and parameter."""

from __future__ import annotations

import math
from pathlib import Path

import optuna
import pytest

from arqon_ray.core import ArqonSolver
from arqon_ray.errors import ArqonError
from arqon_ray.report import Evaluation, Run, export_to_optuna
from tests.core.spaces import EVERY_KIND


@pytest.fixture
def run() -> Run:
    solver = ArqonSolver({"seed": 1, "budget": 30, "bounds": EVERY_KIND, "mode": "max"})
    while (candidate := solver.propose()) is not None:
        solver.observe(candidate.number, -math.log(candidate.params["lr"]) if candidate.number % 7 else None)  # type: ignore[arg-type]
    rows = solver.history()
    evaluations = tuple(
        Evaluation(row["id"], row["params"], row["value"], row["origin"], error=row.get("reason")) for row in rows
    )
    return Run("everything", "score", solver.config.to_dict(), evaluations)


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

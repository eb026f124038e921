"""Tune under ASHA: what trials report, here and in a shared study, after a restore, and the experiment's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ray import tune
from ray.tune.schedulers import ASHAScheduler

import arqon_ray
from arqon_ray.report import Run, export_to_optuna, write_run
from arqon_ray.tune import ArqonSearcher
from tests.cli.commandline import arqon_ray as command
from tests.record.everything import BOUNDS, METRIC, everything, wanted
from tests.record.outs import check_same, shape

CONFIG: dict[str, Any] = {"seed": 5, "bounds": BOUNDS}
LAST = 9
pytestmark = pytest.mark.usefixtures("cluster")


def train(config: dict[str, Any]) -> None:
    metrics = everything(config)
    for step in range(1, LAST + 1):
        tune.report({**metrics, METRIC: metrics[METRIC] + 1.0 / step})


def fit(searcher: ArqonSearcher, folder: Path) -> None:
    tuner = tune.Tuner(
        tune.with_resources(train, {"cpu": 2}),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            num_samples=9,
            metric=METRIC,
            mode="min",
            max_concurrent_trials=2,
            scheduler=ASHAScheduler(max_t=LAST, grace_period=1, reduction_factor=3),
        ),
        run_config=tune.RunConfig(storage_path=str(folder), name="run", verbose=0),
    )
    assert not tuner.fit().errors


def check_trials(run: Run) -> None:
    """Check that each trial has its metrics and its steps, and that those which ASHA stopped say so."""
    assert len(run.evaluations) == 9
    for evaluation in run.evaluations:
        expected = {**wanted(dict(evaluation.params)), METRIC: evaluation.value}
        kept = {name: value for name, value in evaluation.metrics.items() if name in expected}
        assert shape(kept) == shape(expected)
        # Of what Tune adds by itself only how long the trial took.
        assert set(evaluation.metrics) - set(expected) <= {"time_total_s"}
        assert evaluation.step is not None
        assert [step.step for step in evaluation.steps] == list(range(1, evaluation.step + 1))
        assert evaluation.status == ("complete" if evaluation.step == LAST else "stopped")
        assert evaluation.node is not None
    assert {evaluation.status for evaluation in run.evaluations} == {"complete", "stopped"}
    assert run.best is not None
    assert run.best.status == "complete"


def test_a_searcher_of_its_own_has_them_everywhere(tmp_path: Path) -> None:
    searcher = ArqonSearcher(CONFIG)
    fit(searcher, tmp_path)
    run = searcher.run()
    check_trials(run)
    check_same(arqon_ray.open_run(searcher), run)
    check_same(arqon_ray.open_run(tmp_path / "run"), run)
    write_run(run, tmp_path / "written")
    check_same(arqon_ray.open_run(tmp_path / "written"), run)
    assert "stopped" in command("show", tmp_path / "written")
    frame = run.to_pandas()
    assert frame["metrics.note"].tolist() == [evaluation.metrics["note"] for evaluation in run.evaluations]
    study = export_to_optuna(run, f"sqlite:///{tmp_path}/optuna.db")
    for trial, evaluation in zip(study.get_trials(), run.evaluations, strict=True):
        assert trial.state.name == {"complete": "COMPLETE", "stopped": "PRUNED"}[evaluation.status]
        assert trial.intermediate_values == {step.step: step.value for step in evaluation.steps}


def test_a_shared_study_has_them_too(tmp_path: Path, unique_name: str) -> None:
    study = arqon_ray.start({**CONFIG, "metric": METRIC}, unique_name)
    searcher = ArqonSearcher(actor=study)
    fit(searcher, tmp_path)
    check_trials(study.run())
    check_same(searcher.run(), study.run())
    study.stop(purge=True)

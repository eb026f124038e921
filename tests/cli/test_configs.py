"""The job files in ``configs/`` do what they say, on the command line as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest

from arqon_ray.cli import RunJob, SweepJob, load_job
from arqon_ray.core.space.space import Space
from arqon_ray.examples.cluster_resources import cost
from arqon_ray.examples.digits import accuracy
from arqon_ray.examples.learning_curve import epochs
from arqon_ray.examples.pendulum import swing
from arqon_ray.report import Run, read_run
from tests.cli.commandline import ROOT, arqon_ray

CONFIGS = ROOT / "configs"
TESTED = {"asha.yaml", "cluster_resources.yaml", "digits.yaml", "sweep.yaml"}


def _finished(folder: Path, budget: int) -> Run:
    run = read_run(folder)
    assert run.state == "finished"
    assert [e.error for e in run.failures] == []
    assert sorted(int(e.id) for e in run.evaluations) == list(range(budget))
    space = Space(run.config.bounds)
    for evaluation in run.evaluations:
        space.encode(evaluation.params)
    return run


def test_every_config_is_tested_here() -> None:
    assert {path.name for path in CONFIGS.iterdir() if path.suffix == ".yaml"} == TESTED


@pytest.mark.ray
def test_digits_as_it_is(tmp_path: Path) -> None:
    out = arqon_ray("run", CONFIGS / "digits.yaml", "--output", tmp_path / "out")
    run = _finished(tmp_path / "out", 50)
    best = run.best
    assert best is not None
    assert best.value is not None
    assert best.value > 0.98
    assert accuracy(best.params)["accuracy"] == pytest.approx(best.value, abs=1e-3)
    assert next(iter(run.origins())) == "probe"
    assert len(run.origins()) > 1
    for said in ("best accuracy: ", "phases: probe (", "landscape: ", f"results: {tmp_path / 'out' / 'results.json'}"):
        assert said in out


@pytest.mark.ray
def test_cluster_resources(tmp_path: Path) -> None:
    arqon_ray(
        "run",
        CONFIGS / "cluster_resources.yaml",
        "--output",
        tmp_path / "out",
        "--set",
        "study.budget=12",
        "--no-progress",
    )
    run = _finished(tmp_path / "out", 12)
    for evaluation in run.evaluations:
        assert cost(evaluation.params)["loss"] == evaluation.value


@pytest.mark.ray
def test_asha_stops_trials_early(tmp_path: Path) -> None:
    settings = ["--set", "study.budget=8", "--set", "scheduler.max_t=9", "--set", "study.bounds.batch_size.min=64"]
    out = arqon_ray("run", CONFIGS / "asha.yaml", "--output", tmp_path / "out", *settings)
    run = _finished(tmp_path / "out", 8)
    steps = [e.step for e in run.evaluations]
    assert all(step in (3, 9) for step in steps)
    assert 9 in steps
    for evaluation in run.evaluations:
        assert evaluation.status == ("complete" if evaluation.step == 9 else "stopped")
        assert [step.step for step in evaluation.steps] == list(range(1, evaluation.step + 1))
        assert evaluation.steps[-1].value == evaluation.value == evaluation.metrics[run.metric]
        assert evaluation.seconds == evaluation.metrics["time_total_s"]
        assert None not in (evaluation.started, evaluation.ended, evaluation.node, evaluation.pid)
    best = run.best
    assert best is not None
    assert best.step == 9
    assert list(epochs(best.params, 9))[-1] == pytest.approx(best.value, abs=0.02)
    assert "at step 9" in out


@pytest.mark.ray
def test_sweep_writes_a_row_for_each_index_and_resumes(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    words: list[Any] = ["sweep", CONFIGS / "sweep.yaml", "--output", folder, "--no-progress"]
    words += ["--set", "sweep.num_samples=1000", "--set", "sweep.shard_size=100"]
    out = arqon_ray(*words)
    assert "1000 points" in out
    table = parquet.read_table(folder).to_pylist()
    assert sorted(row["index"] for row in table) == list(range(1000))
    for row in table[::250]:
        assert swing(row)["energy"] == pytest.approx(row["value"], rel=1e-9)
    files = sorted(folder.glob("*.parquet"))
    files[3].unlink()
    untouched = {file: file.stat().st_mtime_ns for file in files if file.exists()}
    arqon_ray(*words, expected=2)
    arqon_ray(*words, "--resume")
    again = parquet.read_table(folder).to_pylist()
    assert sorted(row["index"] for row in again) == list(range(1000))
    assert {file: file.stat().st_mtime_ns for file in untouched} == untouched


def test_the_job_files_load() -> None:
    for name in TESTED:
        load_job(CONFIGS / name, SweepJob if name == "sweep.yaml" else RunJob)

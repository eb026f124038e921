"""``arqon-ray run``: in the folder, what the other commands say of it, and the study's journal in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import arqon_ray
from arqon_ray.report import read_run
from tests.cli.commandline import arqon_ray as command
from tests.record import everything as function
from tests.record.everything import BOUNDS, METRIC, wanted
from tests.record.outs import check_rows, check_run, check_same, shape

pytestmark = pytest.mark.ray

STEPWISE = """
from ray import tune
from everything import everything

def train(params):
    for step in range(1, 10):
        metrics = everything(params)
        tune.report({**metrics, "loss": metrics["loss"] + 1.0 / step})
"""


@pytest.mark.parametrize("scheduler", [None, {"type": "asha", "max_t": 9}])
def test_they_are_everywhere(tmp_path: Path, scheduler: Any) -> None:
    (tmp_path / "everything.py").write_text(Path(function.__file__).read_text())
    (tmp_path / "stepwise.py").write_text(STEPWISE)
    job = {
        "name": "all",
        "objective": "everything.py:everything" if scheduler is None else "stepwise.py:train",
        "metric": METRIC,
        "study": {"seed": 5, "budget": 8, "bounds": BOUNDS},
        "output": str(tmp_path / "out"),
        "scheduler": scheduler,
        "max_concurrency": 2,
    }
    (tmp_path / "job.json").write_text(json.dumps(job))
    command("run", tmp_path / "job.json", "--no-progress")
    run = read_run(tmp_path / "out")
    if scheduler is None:
        assert check_rows(evaluation.to_dict() for evaluation in run.evaluations) == 8
        assert all(evaluation.node and evaluation.pid and evaluation.started for evaluation in run.evaluations)
        check_run(run, tmp_path, least=8)
    else:
        for evaluation in run.evaluations:
            expected = {**wanted(dict(evaluation.params)), METRIC: evaluation.value}
            kept = {name: value for name, value in evaluation.metrics.items() if name in expected}
            assert shape(kept) == shape(expected)
            assert [step.step for step in evaluation.steps] == list(range(1, (evaluation.step or 0) + 1))
        assert {evaluation.status for evaluation in run.evaluations} == {"complete", "stopped"}
        assert run.best is not None
        assert run.best.status == "complete"
        assert "stopped" in command("show", tmp_path / "out")
    for where in ("out", "out/results.json", "out/study/arqon"):
        check_same(arqon_ray.open_run(tmp_path / where), run)

"""Job files whose objectives are as people have them: helpers beside them, classes, coroutine functions."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from arqon_ray import open_sweep
from arqon_ray.fanout.worker.context import seed_of
from arqon_ray.report import read_run
from tests.cli.commandline import arqon_ray, begin, finish

pytestmark = pytest.mark.ray

STUDY: dict[str, Any] = {"seed": 1, "budget": 4, "bounds": {"x": {"min": 0.0, "max": 1.0}}}
TRAIN = """
from square_helper import square

class Model:
    def __init__(self):
        import late_helper
        self.shift = late_helper.SHIFT

    async def __call__(self, params):
        return {"loss": square(params["x"]) + self.shift}

def epochs(params):
    from ray import tune
    import late_helper
    for _ in range(2):
        tune.report({"loss": square(params["x"]) + late_helper.SHIFT})
"""


def _job(folder: Path, **keys: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.py").write_text(TRAIN, encoding="utf-8")
    (folder / "square_helper.py").write_text("def square(x):\n    return x * x\n", encoding="utf-8")
    (folder / "late_helper.py").write_text("SHIFT = 1.0\n", encoding="utf-8")
    path = folder / "job.yaml"
    path.write_text(yaml.safe_dump({"objective": "train.py:Model", "study": STUDY, **keys}), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "keys", [{}, {"objective": "train.py:epochs", "scheduler": {"type": "asha", "max_t": 2}}, {"scheduler": None}]
)
def test_helpers_are_found_from_any_working_directory(tmp_path: Path, keys: dict[str, Any]) -> None:
    job = _job(tmp_path / "job", **keys)
    (tmp_path / "elsewhere").mkdir()
    arqon_ray("run", job, "--output", tmp_path / "out", "--no-progress", cwd=tmp_path / "elsewhere")
    run = read_run(tmp_path / "out")
    assert [e.error for e in run.failures] == []
    assert [e.value for e in run.evaluations] == [e.params["x"] ** 2 + 1.0 for e in run.evaluations]
    assert len(run.evaluations) == STUDY["budget"]


def test_a_sweep_finds_them_too(tmp_path: Path) -> None:
    job = _job(tmp_path / "job", sweep={"num_samples": 8})
    out = arqon_ray("sweep", job, "--output", tmp_path / "out", "--no-progress", cwd=tmp_path)
    assert "8 points" in out
    assert " 0 failed" in out


WITH_CONTEXT = """
def told(params, context):
    context.report(1, params["x"])
    return {"loss": params["x"], "seed": context.seed, "note": "kept"}
"""


@pytest.mark.parametrize("command", ["sweep", "run"])
def test_a_function_of_a_file_is_given_its_context(command: str, tmp_path: Path) -> None:
    more = {"sweep": {"num_samples": 4}} if command == "sweep" else {}
    job = _job(tmp_path / "job", objective="told.py:told", metric="loss", **more)
    (job.parent / "told.py").write_text(WITH_CONTEXT)
    out = arqon_ray(command, job, "--output", tmp_path / "out", "--no-progress", cwd=tmp_path)
    assert 'note  "kept"' in out
    if command == "sweep":
        table = open_sweep(tmp_path / "out").to_table().to_pylist()
        assert [[step["value"] for step in row["steps"]] for row in table] == [[row["x"]] for row in table]
        assert [row["metrics.seed"] for row in table] == [seed_of(1, index) for index in range(4)]
        return
    evaluations = read_run(tmp_path / "out").evaluations
    assert len(evaluations) == 4
    for evaluation in evaluations:
        assert [step.value for step in evaluation.steps] == [evaluation.params["x"]]
        assert evaluation.metrics["seed"] == seed_of(1, int(evaluation.id or 0))


SLOW = """
import time
from pathlib import Path

def slow(params):
    Path({mark!r}).touch()
    while Path({gate!r}).exists():
        time.sleep(0.05)
    return params["x"]
"""


def test_the_second_of_two_runs_on_a_folder_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    mark, gate, out = tmp_path / "mark", tmp_path / "gate", tmp_path / "out"
    (tmp_path / "slow.py").write_text(SLOW.format(mark=str(mark), gate=str(gate)), encoding="utf-8")
    job = tmp_path / "job.yaml"
    job.write_text(yaml.safe_dump({"objective": "slow.py:slow", "study": STUDY}), encoding="utf-8")
    gate.touch()
    killed = begin("run", job, "--output", out)
    _wait_for(mark, killed)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    mark.unlink()
    first = begin("run", job, "--output", out, "--resume")
    _wait_for(mark, first)
    second = begin("run", job, "--output", out, "--resume")
    said = second.communicate(timeout=100)[1]
    assert second.returncode == 2
    assert "is in use by another run" in said
    gate.unlink()
    finish(first)
    assert len(read_run(out).evaluations) == STUDY["budget"]
    assert read_run(out).state == "finished"


def _wait_for(mark: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not mark.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("command", ["run", "sweep"])
def test_a_metric_that_is_not_there_is_refused_without_a_trace(tmp_path: Path, command: str) -> None:
    more = {"sweep": {"num_samples": 8}} if command == "sweep" else {}
    job = _job(tmp_path / "job", metric="los", **more)
    process = begin(command, job, "--output", tmp_path / "results" / "out", "--no-progress")
    said = process.communicate(timeout=200)[1]
    assert process.returncode == 2
    assert "Traceback" not in said
    assert "metric 'los' is not in the returned dict; it has 'loss' (did you mean 'loss'?)" in said
    assert not (tmp_path / "results").exists()

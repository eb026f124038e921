"""The limits of jobs, and how the commands end that they end."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from arqon_ray.report import read_run
from tests.cli.commandline import arqon_ray, begin, finish

pytestmark = pytest.mark.ray

STUDY: dict[str, Any] = {"seed": 3, "budget": 40, "bounds": {"x": {"min": 0.0, "max": 1.0}}}
MODEL = """
import time
from pathlib import Path

def broken(params):
    raise FileNotFoundError(f"no data for {params['x']}")

def level(params):
    return 1.0

def hanging(params):
    if params["x"] > 0.7:
        time.sleep(600)
    return params["x"]

def stubborn(params):
    Path(__file__).with_name("runs").touch()
    while True:
        try:
            time.sleep(600)
        except BaseException:
            pass
"""


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Return a function that writes a job of one of the functions and returns its path."""
    (tmp_path / "model.py").write_text(MODEL, encoding="utf-8")

    def job(function: str, **keys: Any) -> Path:
        path = tmp_path / "job.yaml"
        content = {"objective": f"model.py:{function}", "study": STUDY, "output": str(tmp_path / "out"), **keys}
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return path

    return job


def test_a_run_whose_evaluations_all_fail_is_given_up(write: Any) -> None:
    job = write("broken", fail_fast=4)
    process = begin("run", job, "--no-progress")
    out, err = process.communicate(timeout=240)
    assert process.returncode == 1
    assert "given up: the first 4 evaluations all failed alike: FileNotFoundError: no data for" in err
    assert "use --set fail_fast=null to continue regardless" in err
    assert "fail_fast=None" not in err
    assert "Traceback" not in err
    assert "x FileNotFoundError: no data for" in out
    run = read_run(job.parent / "out")
    assert run.state == "failed"
    assert 4 <= len(run.failures) == len(run.evaluations) < 40


def test_a_sweep_whose_evaluations_all_fail_is_given_up_and_keeps_its_rows(write: Any) -> None:
    job = write("broken", sweep={"num_samples": 5000, "shard_size": 16})
    process = begin("sweep", job, "--no-progress")
    out, err = process.communicate(timeout=240)
    assert process.returncode == 1
    assert "given up: the first 16 evaluations all failed alike" in err
    assert "Traceback" not in err
    assert "results: " in out
    assert list((job.parent / "out").glob("*.parquet"))


def test_patience_and_the_timeout_reach_the_run(write: Any) -> None:
    job = write("level", patience=3, max_concurrency=1)
    assert "stopped: no improvement in 3 evaluations" in arqon_ray("run", job, "--no-progress")
    run = read_run(job.parent / "out")
    assert run.state == "finished"
    assert 4 <= len(run.evaluations) <= 6


def test_an_evaluation_that_hangs_is_a_failure_of_the_run(write: Any) -> None:
    job = write("hanging", evaluation_timeout_s=0.5, study={**STUDY, "budget": 8})
    arqon_ray("run", job, "--no-progress")
    run = read_run(job.parent / "out")
    assert len(run.evaluations) == 8
    assert run.failures
    assert {e.error[:2] for e in run.failures if e.error} == {("timeout", "timeout: it ran longer than 0.5 s")}
    assert {e.params["x"] > 0.7 for e in run.failures} == {True}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_hurries_and_the_command_to_continue_is_still_printed(write: Any, number: int) -> None:
    job = write("stubborn")
    process = begin("run", job, "--no-progress")
    deadline = time.monotonic() + 120
    while not (job.parent / "runs").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(number)
    time.sleep(0.3)
    process.send_signal(number)
    out = finish(process, 128 + number)
    assert "interrupted; to continue: arqon-ray run" in out

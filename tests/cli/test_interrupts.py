"""Signals, crashes and existing clusters: what was evaluated is kept, and the printed command continues it."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from arqon_ray.report import open_run, read_run
from tests.cli.commandline import arqon_ray, begin, finish

pytestmark = pytest.mark.faults

BUDGET = 12
OPEN = 5  # evaluations that may end while the gate is closed
OBJECTIVE = """
import time
from pathlib import Path

def gated(params):
    marks, gate = Path({folder!r}, "evaluated"), Path({folder!r}, "closed")
    with marks.open("a") as stream:
        stream.write("x")
    while gate.exists() and len(marks.read_text()) > {open}:
        time.sleep(0.02)
    if params["x"] > 0.9:
        raise RuntimeError("too far out")
    return (params["x"] - 0.3) ** 2
"""


@pytest.fixture
def job(tmp_path: Path) -> Path:
    (tmp_path / "model.py").write_text(OBJECTIVE.format(folder=str(tmp_path), open=OPEN), encoding="utf-8")
    study = {"seed": 3, "budget": BUDGET, "bounds": {"x": {"min": 0.0, "max": 1.0}}}
    path = tmp_path / "job.yaml"
    content = {"objective": "model.py:gated", "max_concurrency": 2, "study": study}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A closed gate: most evaluations wait until the file is gone."""
    path = tmp_path / "closed"
    path.touch()
    return path


def _wait_at_the_gate(job: Path, process: subprocess.Popen[str]) -> None:
    """Wait until evaluations stand before the closed gate."""
    marks = job.parent / "evaluated"
    deadline = time.monotonic() + 120
    while not marks.exists() or len(marks.read_text(encoding="utf-8")) <= OPEN:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _check_whole(folder: Path) -> None:
    run = read_run(folder)
    assert run.state == "finished"
    assert sorted(int(e.id) for e in run.evaluations) == list(range(BUDGET))
    assert [e.params["x"] > 0.9 for e in run.evaluations] == [e.value is None for e in run.evaluations]
    assert all(e.error and "too far out" in e.error.message for e in run.failures)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_is_continued_by_the_command_that_it_prints(
    job: Path, gate: Path, number: signal.Signals, code: int
) -> None:
    folder = job.parent / "out"
    process = begin("run", job, "--output", folder)
    _wait_at_the_gate(job, process)
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    out = finish(process, code)
    gate.unlink()
    run = read_run(folder)
    assert run.state == "interrupted"
    assert 0 < len(run.evaluations) < BUDGET
    command = next(line for line in out.splitlines() if line.startswith("interrupted; to continue: "))
    words = shlex.split(command.partition(": ")[2])
    assert words[0] == "arqon-ray"
    assert f"{len(run.evaluations)} of {BUDGET} evaluations" in arqon_ray("show", folder)
    arqon_ray(*words[1:])
    _check_whole(folder)
    after = read_run(folder)
    assert after.sessions == 2
    assert after.evaluations[: len(run.evaluations)] == run.evaluations


def _actor_of(process: subprocess.Popen[str]) -> int:
    """Return the process of the study's actor in the Ray that a command started."""
    table = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=2) for line in table.splitlines()]
    parents = {int(pid): int(parent) for pid, parent, *_ in rows}

    def is_below(pid: int) -> bool:
        return pid == process.pid or (pid in parents and is_below(parents[pid]))

    (actor,) = [int(row[0]) for row in rows if "ray::SolverActor" in row[-1] and is_below(int(row[0]))]
    return actor


def test_a_run_whose_actor_is_killed_pauses_and_goes_on(job: Path, gate: Path) -> None:
    folder = job.parent / "out"
    process = begin("run", job, "--output", folder)
    _wait_at_the_gate(job, process)
    before = _actor_of(process)
    os.kill(before, signal.SIGKILL)
    gate.unlink()
    finish(process)
    _check_whole(folder)
    out = arqon_ray("verify", folder / "study", "--no-progress")
    assert f"{BUDGET} candidates recomputed\nevery candidate is as recorded" in out
    epochs = sorted(path.name[:8] for path in (folder / "study" / "arqon" / "segments").glob("*.log"))
    assert epochs == ["00000001", "00000002"]


def test_a_killed_run_is_continued_from_its_journal(job: Path, gate: Path) -> None:
    folder = job.parent / "out"
    process = begin("run", job, "--output", folder)
    _wait_at_the_gate(job, process)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    gate.unlink()
    assert read_run(folder).state == "running"
    opened = open_run(folder)
    assert len(opened.evaluations) > len(read_run(folder).evaluations), "the journal knows more than the record"
    assert opened.running
    arqon_ray("run", job, "--output", folder, "--resume")
    _check_whole(folder)


def test_a_finished_run_is_extended_by_a_larger_budget(job: Path) -> None:
    folder = job.parent / "out"
    arqon_ray("run", job, "--output", folder, "--set", "study.budget=4")
    arqon_ray("run", job, "--output", folder, "--resume")
    _check_whole(folder)


def test_another_study_is_refused_in_the_place_of_the_first(job: Path) -> None:
    folder = job.parent / "out"
    arqon_ray("run", job, "--output", folder, "--set", "study.budget=2")
    process = begin("run", job, "--output", folder, "--resume", "--set", "study.seed=4")
    _, err = process.communicate(timeout=240)
    assert process.returncode == 2
    assert "seed was 3 and is 4" in err
    assert "starting a local Ray" not in err
    assert "Traceback" not in err


def test_a_run_joins_an_existing_cluster_and_leaves_it_as_it_was(
    job: Path, gate: Path, cluster: Any, unique_name: str
) -> None:
    address = cluster.address_info["gcs_address"]
    folder = job.parent / "out"
    process = begin("run", job, "--output", folder, "--address", address, "--set", f"actor={unique_name}")
    _wait_at_the_gate(job, process)
    listed = json.loads(arqon_ray("status", "--address", address))
    assert unique_name in [study["name"] for study in listed]
    one = json.loads(arqon_ray("status", "--address", address, "--name", unique_name))
    assert one["budget"] == BUDGET
    gate.unlink()
    finish(process)
    _check_whole(folder)
    listed = json.loads(arqon_ray("status", "--address", address))
    assert unique_name not in [study["name"] for study in listed]

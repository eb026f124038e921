"""The record of a run that goes on is nearly as new as its study, and takes little time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from arqon_ray import ArqonSolver
from arqon_ray.cli.saving import RecordSaver, Throttle
from arqon_ray.report import read_run, write_run

CONFIG: dict[str, Any] = {"seed": 1, "strategy": "probe", "metric": "loss", "bounds": {"x": {"min": 0, "max": 1}}}


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Counted:
    """A study that says how many rows it was asked for."""

    def __init__(self) -> None:
        self.solver = ArqonSolver(CONFIG)
        self.asked: list[int] = []

    def tell(self, count: int) -> None:
        for _ in range(count):
            candidate = self.solver.propose()
            assert candidate is not None
            self.solver.tell([{"eval_id": candidate.number, "metrics": {"loss": candidate.params["x"], "k": 1}}])

    def history(self, since: int | None = None) -> list[dict[str, Any]]:
        rows = self.solver.history(since)
        self.asked.append(len(rows))
        return rows


@pytest.fixture
def study() -> Counted:
    return Counted()


def test_what_is_new_is_added_to_the_record(study: Counted, tmp_path: Path) -> None:
    study.tell(3)
    before = study.solver.run("job", state="running", wall_seconds=10.0, objective="f.py:f")
    write_run(before, tmp_path)
    clock = Clock()
    progress = RecordSaver(study, before, tmp_path, clock)
    progress.save_if_due()
    assert study.asked == [], "too early"
    told = []
    for count in (4, 0, 2):
        study.tell(count)
        clock.now += 5.0
        progress.save_if_due()
        told.append(len(read_run(tmp_path).evaluations))
    assert told == [7, 7, 9]
    assert study.asked == [7, 0, 2]
    run = read_run(tmp_path)
    assert run.evaluations == study.solver.run("job").evaluations
    assert (run.name, run.state, run.objective, run.wall_seconds) == ("job", "running", "f.py:f", 25.0)
    assert (run.explain, run.recommended) == ({}, None)
    other: dict[str, Any] = {"evaluations": (), "explain": {}, "recommended": None, "wall_seconds": 0.0}
    assert replace(run, **other) == replace(before, **other)
    assert len((tmp_path / "history.csv").read_text(encoding="utf-8").splitlines()) == 10


@pytest.mark.parametrize(("takes", "pause"), [(0.0, 5.0), (0.02, 5.0), (1.0, 99.0), (30.0, 2970.0)])
def test_work_never_takes_more_than_its_share(takes: float, pause: float) -> None:
    clock = Clock()
    work = Throttle(5.0, 0.01, clock)
    clock.now += 5.0
    assert work.due
    with work.measured():
        clock.now += takes
    clock.now += pause - 0.01
    assert not work.due
    clock.now += 0.02
    assert work.due


def test_work_that_fails_counts_too() -> None:
    clock = Clock()
    work = Throttle(5.0, 0.01, clock)

    def fail(wait: Callable[[], None]) -> None:
        with work.measured():
            wait()
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        fail(lambda: setattr(clock, "now", clock.now + 2.0))
    clock.now += 197.0
    assert not work.due

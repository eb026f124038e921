"""Runs that end while trials hold candidates: Tune tells a searcher nothing, and nothing stays leased."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ray import tune

import arqon_ray
from arqon_ray.tune import ArqonSearcher, session

BOUNDS = {"x": {"min": -5.0, "max": 5.0}, "y": {"min": 1e-3, "max": 1.0, "scale": "Log"}}
CONFIG = {"seed": 7, "budget": 20, "bounds": BOUNDS}

# A run that ends early leaves Ray's files open.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def as_in_tune(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "BUSY", 0.005)
    monkeypatch.setattr(session, "IDLE", 5.0)


@pytest.fixture
def study(cluster: Any, unique_name: str) -> Iterator[arqon_ray.SolverClient]:
    client = arqon_ray.start(CONFIG, unique_name)
    yield client
    client.stop(purge=True)


def slow(config: dict[str, Any]) -> None:
    """Report for a minute; one of them fails where it is told to."""
    Path(config["begun"]).touch()
    for _ in range(600):
        tune.report({"loss": config["x"] ** 2})
        if Path(config["fail"]).exists():
            raise RuntimeError("broken on purpose")
        time.sleep(0.1)


def slow_no_more(config: dict[str, Any]) -> dict[str, float]:
    return {"loss": config["x"] ** 2}


slow_no_more.__name__ = slow.__name__  # Tune restores a trainable of the same name


def fit(arqon: ArqonSearcher, tmp_path: Path, **options: Any) -> tune.ResultGrid:
    failure = tune.FailureConfig(fail_fast=options.pop("fail_fast", False))
    marks = {name: str(tmp_path / name) for name in ("begun", "fail")}
    return tune.Tuner(
        tune.with_resources(slow, {"cpu": 2}),
        param_space=marks,
        tune_config=tune.TuneConfig(search_alg=arqon, num_samples=-1, reuse_actors=True, **options),
        run_config=tune.RunConfig(storage_path=str(tmp_path), name="run", verbose=0, failure_config=failure),
    ).fit()


def when_begun(tmp_path: Path, act: Any) -> threading.Thread:
    """Act as soon as a trial runs."""

    def wait() -> None:
        while not (tmp_path / "begun").exists():
            time.sleep(0.05)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def nothing_is_held(study: arqon_ray.SolverClient, arqon: ArqonSearcher) -> None:
    assert study.pending() == []
    assert study.status()["counts"]["released"] > 0
    owner = arqon._session.study._connection.owner  # type: ignore[union-attr]
    assert not any(owner in thread.name for thread in threading.enumerate())


def test_a_time_budget(study: arqon_ray.SolverClient, tmp_path: Path) -> None:
    arqon = ArqonSearcher(actor=study)
    grid = fit(arqon, tmp_path, time_budget_s=6)
    assert len(grid) < 20
    nothing_is_held(study, arqon)


def test_fail_fast(study: arqon_ray.SolverClient, tmp_path: Path) -> None:
    thread = when_begun(tmp_path, (tmp_path / "fail").touch)
    arqon = ArqonSearcher(actor=study)
    grid = fit(arqon, tmp_path, fail_fast=True)
    thread.join()
    assert grid.errors
    nothing_is_held(study, arqon)
    assert study.status()["counts"]["failed"] > 0


def test_ctrl_c(study: arqon_ray.SolverClient, tmp_path: Path) -> None:
    thread = when_begun(tmp_path, lambda: os.kill(os.getpid(), signal.SIGINT))
    arqon = ArqonSearcher(actor=study)
    grid = fit(arqon, tmp_path)
    thread.join()
    assert len(grid) < 20
    nothing_is_held(study, arqon)


def test_unfinished_trials_that_a_restore_drops_are_not_waited_for(cluster: Any, tmp_path: Path) -> None:
    arqon = ArqonSearcher(CONFIG, budget=4)
    thread = when_begun(tmp_path, lambda: os.kill(os.getpid(), signal.SIGINT))
    dropped = fit(arqon, tmp_path)
    thread.join()
    assert 0 < len(dropped) < 5
    assert arqon.solver.pending == {}  # type: ignore[union-attr]
    fast = tune.with_resources(slow_no_more, {"cpu": 2})
    grid = tune.Tuner.restore(str(tmp_path / "run"), fast, resume_unfinished=False).fit()
    done = [result.config["x"] for result in grid if result.metrics and result.metrics.get("done")]
    again = ArqonSearcher()
    again.restore_from_dir(str(tmp_path / "run"))
    assert sorted(row["params"]["x"] for row in again.solver.history()) == sorted(done)
    assert [row["status"] for row in again.solver.history()] == ["complete"] * 4

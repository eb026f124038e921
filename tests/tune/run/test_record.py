"""A trial's outcome as the one record: metrics, reports, times, and how it ended."""

from __future__ import annotations

import math
import pickle
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from ray import tune
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, HyperBandScheduler, MedianStoppingRule

from arqon_ray.core.config import load_config
from arqon_ray.core.record import error_kinds as kinds
from arqon_ray.service.server.host import ActorSpec, StudyHost
from arqon_ray.tune import ArqonSearcher
from arqon_ray.tune.run import checkpoint, ending
from arqon_ray.tune.study import connection, shared
from tests.tune.run.test_runs import Curve, fit
from tests.tune.study.test_shared import LocalClient, Served

BOUNDS = {"x": {"min": -5.0, "max": 5.0}}
CONFIG = {"seed": 7, "budget": 6, "bounds": BOUNDS}
STAMP = 1_764_000_000

RESULT = {
    "loss": np.float32(0.5),
    "accuracy": 0.75,
    "epochs": 3,
    "model": "resnet",
    "converged": True,
    "nothing": None,
    "per_class": np.array([0.5, 0.25]),
    "val/loss": 0.625,
    # What Tune adds:
    "training_iteration": 3,
    "timestamp": STAMP,
    "time_total_s": 1.5,
    "time_this_iter_s": 0.5,
    "node_ip": "10.0.0.7",
    "hostname": "worker",
    "pid": 4711,
    "date": "2025-11-24_16-00-00",
    "trial_id": "t",
    "done": True,
    "config/x": 1.0,
    "time_since_restore": 1.5,
    "iterations_since_restore": 3,
    "should_checkpoint": True,
    "checkpoint_dir_name": "checkpoint_0",
    "experiment_tag": "1_x=1",
    "episodes_total": 5,
    "timesteps_total": 9,
    "hyperband_info/budget": 3,
}
METRICS = {
    "loss": 0.5,
    "time_total_s": 1.5,
    "accuracy": 0.75,
    "epochs": 3,
    "model": "resnet",
    "converged": True,
    "nothing": None,
    "per_class": [0.5, 0.25],
    "val/loss": 0.625,
}


def only(searcher: ArqonSearcher) -> dict[str, Any]:
    (row,) = searcher.solver.history()
    return row


def made(**arguments: Any) -> ArqonSearcher:
    searcher = ArqonSearcher(CONFIG, **arguments)
    assert isinstance(searcher.suggest("t"), dict)
    return searcher


def test_the_results_own_values_are_the_metrics_and_tunes_time_and_place_are_in_the_record() -> None:
    searcher = made()
    searcher.on_trial_complete("t", RESULT)
    row = only(searcher)
    assert row["metrics"] == METRICS
    assert type(row["metrics"]["converged"]) is bool
    measured = {key: row[key] for key in ("seconds", "node", "pid", "started", "error", "attempt", "status", "value")}
    assert measured == {
        "seconds": 1.5,
        "node": "10.0.0.7",
        "pid": 4711,
        "started": None,
        "error": None,
        "attempt": 1,
        "status": "complete",
        "value": 0.5,
    }
    assert STAMP <= row["ended"] <= STAMP + 1


def test_each_report_is_a_step_with_its_time_and_the_last_metrics_stay() -> None:
    searcher = made()
    now = time.time()
    searcher.on_trial_result("t", {"loss": 3.0, "lr": 0.1, "early": 1, "training_iteration": 1, "timestamp": int(now)})
    searcher.on_trial_result("t", {"loss": math.nan, "lr": 0.2, "training_iteration": 2, "timestamp": STAMP})
    searcher.on_trial_complete("t", {"loss": 1.0, "lr": 0.3, "training_iteration": 3, "timestamp": STAMP + 9})
    row = only(searcher)
    assert [step[:2] for step in row["steps"]] == [[1, 3.0], [2, None], [3, 1.0]]
    first, second, third = (step[2] for step in row["steps"])
    assert now - 1 <= first <= time.time()
    assert (second, third) == (STAMP + 1, STAMP + 10) == (second, row["ended"])
    assert row["metrics"] == {"loss": 1.0, "lr": 0.3}


@pytest.mark.parametrize("error", [True, False])
def test_a_failed_trial_keeps_what_it_reported(error: bool) -> None:
    searcher = made()
    searcher.on_trial_result("t", {**RESULT, "training_iteration": 2})
    searcher.on_trial_complete("t", None if error else {**RESULT, "loss": math.nan}, error)
    row = only(searcher)
    assert (row["status"], row["value"]) == ("failed", None)
    assert row["error"] == {
        "kind": kinds.RAISED if error else kinds.BAD_VALUE,
        "message": "the trial ended with an error" if error else "loss is nan",
        "trace": None,
    }
    rest = {key: value for key, value in row["metrics"].items() if key != "loss"}
    assert rest == {key: value for key, value in METRICS.items() if key != "loss"}
    assert math.isnan(row["metrics"]["loss"]) is not error
    assert [step[:2] for step in row["steps"]] == [[2, 0.5]]
    assert (row["seconds"], row["node"]) == (1.5, "10.0.0.7")


def test_several_objectives_have_their_metrics_and_steps() -> None:
    searcher = ArqonSearcher({**CONFIG, "objectives": ["min", "max"]}, metric=["loss", "accuracy"], mode=["min", "max"])
    searcher.suggest("t")
    for step in (1, 2):
        searcher.on_trial_result("t", {**RESULT, "loss": 1.0 / step, "training_iteration": step})
    searcher.on_trial_complete("t", RESULT)
    row = only(searcher)
    assert row["values"] == [0.5, 0.75]
    assert row["metrics"] == METRICS
    assert [step[:2] for step in row["steps"]] == [[1, 1.0], [2, 0.5], [3, 0.5]]
    (best,) = searcher.pareto()
    assert best["values"] == {"loss": 0.5, "accuracy": 0.75}
    assert best["metrics"] == METRICS


def test_the_objective_is_kept_whatever_else_there_is_and_whatever_it_is_called() -> None:
    many = {f"m{i:03}": float(i) for i in range(100)}
    for metric in ("loss", "training_iteration"):
        searcher = made(metric=metric, mode="min")
        searcher.on_trial_complete("t", {**many, **RESULT})
        metrics = only(searcher)["metrics"]
        assert len(metrics) == 64
        assert list(metrics)[:2] == [metric, "time_total_s"]
        assert only(searcher)["value"] == metrics[metric]


def test_a_bare_number_has_no_name() -> None:
    searcher = made()
    searcher.on_trial_complete("t", {"_metric": 2.0, "training_iteration": 1})
    assert (only(searcher)["value"], only(searcher)["metrics"]) == (2.0, {})


class Model:
    """Something that no file should hold."""

    def __reduce__(self) -> Any:
        raise TypeError("a model was pickled")


def test_a_file_holds_what_is_of_use_in_a_report_and_nothing_else(tmp_path: Path) -> None:
    searcher = made()
    searcher.on_trial_result("t", {**RESULT, "object": Model(), "config/model": Model()})
    searcher.save(str(tmp_path / "file"))
    restored = ArqonSearcher(CONFIG)
    restored.restore(str(tmp_path / "file"))
    for each in (searcher, restored):
        each.on_trial_complete("t", error=True)
    assert only(restored) == only(searcher)
    assert only(restored)["metrics"] == METRICS


# How it ended: what Tune's stack tells


def test_what_ray_says_of_a_dead_process() -> None:
    assert ending.error_of(RayActorError(error_msg="the process exited")).kind == kinds.DIED
    assert ending.error_of(RayActorError(preempted=True)).kind == kinds.NODE_LOST
    assert ending.error_of(OutOfMemoryError("too much")).kind == kinds.OUT_OF_MEMORY


@pytest.mark.parametrize(
    ("scheduler", "step", "whole"),
    [
        (ASHAScheduler(max_t=9, grace_period=1), 9, True),
        (ASHAScheduler(max_t=9, grace_period=1), 3, False),
        (HyperBandScheduler(max_t=9), 9, True),
        (HyperBandScheduler(max_t=9), 8, False),
        (ASHAScheduler(time_attr="epoch", max_t=9, grace_period=1), 9, None),
        (MedianStoppingRule(), 9, None),
        (FIFOScheduler(), 9, None),
        (None, 9, None),
    ],
)
def test_how_far_a_scheduler_lets_trials_go(scheduler: Any, step: int, whole: bool | None) -> None:
    assert ending._came_all_the_way(scheduler, {"training_iteration": step}) is whole


def test_a_scheduler_that_is_watched_decides_as_before_and_can_be_pickled() -> None:
    scheduler = FIFOScheduler()
    ending.watch(scheduler)
    ending.watch(scheduler)
    copy = pickle.loads(pickle.dumps(scheduler))
    nobody: Any = None
    for each in (scheduler, copy):
        assert each.on_trial_result(nobody, nobody, {}) == FIFOScheduler.CONTINUE
    ending.watch(None)


class Stages(Curve):
    """Ends itself after two steps, or goes on until it is stopped."""

    def setup(self, config: dict[str, Any]) -> None:
        self.level = config["x"] ** 2

    def step(self) -> dict[str, Any]:
        at = self.iteration + 1
        more = {"extra": {"at": at, "name": f"step {at}"}, "done": self.level == 16.0 and at == 2}
        return super().step() | more


def test_asha_ends_some_trials_early_one_ends_itself_and_the_rest_is_whole(cluster: Any, tmp_path: Path) -> None:
    points = [{"x": x} for x in (0.0, 4.0, 3.0, 5.0, 1.0)]
    searcher = ArqonSearcher(CONFIG, budget=5, points_to_evaluate=points)
    grid = fit(
        Stages,
        searcher,
        tmp_path,
        scheduler=ASHAScheduler(grace_period=2, max_t=4, reduction_factor=4),
        metric="loss",
        mode="min",
    )
    assert len(grid) == 5
    rows = {row["params"]["x"]: row for row in searcher.solver.history()}
    ends = {x: (row["status"], row["step"]) for x, row in rows.items()}
    # With one at a time ASHA lets the first go on, and then those among the best quarter.
    assert ends == {
        0.0: ("complete", 4),
        4.0: ("complete", 2),
        3.0: ("stopped", 2),
        5.0: ("stopped", 2),
        1.0: ("complete", 4),
    }
    for x, row in rows.items():
        assert [step[:2] for step in row["steps"]] == [[at, x**2 + 1 / at] for at in range(1, row["step"] + 1)]
        assert row["metrics"]["extra/at"] == row["step"]
        assert row["metrics"]["extra/name"] == f"step {row['step']}"
        assert row["metrics"]["time_total_s"] == row["seconds"]
        assert row["started"] <= row["steps"][0][2] <= row["ended"]
        assert None not in (row["node"], row["pid"])
        assert set(row["metrics"]) == {"loss", "time_total_s", "extra/at", "extra/name"}


def test_the_error_of_a_trial_is_told_and_a_function_that_returns_is_whole(cluster: Any, tmp_path: Path) -> None:
    searcher = ArqonSearcher(CONFIG, budget=4, points_to_evaluate=[{"x": x} for x in (1.0, 0.5, 3.0)])

    def train(config: dict[str, Any]) -> None:
        for at in range(1, 5):
            if at == 2 and config["x"] == 0.5:
                raise RuntimeError("broken on purpose")
            tune.report({"loss": config["x"] ** 2 + 1 / at, "at": at})

    fit(
        train,
        searcher,
        tmp_path,
        metric="loss",
        mode="min",
        scheduler=ASHAScheduler(grace_period=1, max_t=9, reduction_factor=9),
    )
    rows = {row["params"]["x"]: row for row in searcher.solver.history()}
    assert (rows[1.0]["status"], rows[1.0]["step"]) == ("complete", 4)
    broken = rows[0.5]
    assert broken["status"] == "failed"
    assert broken["error"]["kind"] == kinds.RAISED
    assert broken["error"]["message"] == "RuntimeError: broken on purpose"
    assert "broken on purpose" in broken["error"]["trace"]
    assert broken["metrics"]["at"] == 1
    assert broken["started"] <= broken["ended"]
    assert broken["seconds"] == pytest.approx(broken["ended"] - broken["started"])
    assert (rows[3.0]["status"], rows[3.0]["step"]) == ("stopped", 1)


# Files of earlier releases

ASSETS = Path(__file__).parent.parent / "assets"


def test_a_searchers_file_from_before_the_record_goes_on() -> None:
    searcher = ArqonSearcher(metric="loss", mode="min")
    searcher.restore(str(ASSETS / "searcher-before-metrics.pkl"))
    assert searcher.metric == "loss"
    rows = {row["id"]: row for row in searcher.solver.history()}
    assert len(rows) == 9
    assert rows["4"]["error"]["message"] == "loss is nan"
    assert rows["11"]["value"] == pytest.approx(12 + 1 / 3)
    searcher.on_trial_complete("t5")  # it was paused
    searcher.on_trial_result("t8", {**RESULT, "loss": 0.25, "training_iteration": 6})
    searcher.on_trial_complete("t8", {**RESULT, "training_iteration": 7})
    searcher.on_trial_complete("t9", error=True)
    paused, ended, failed = searcher.solver.history()[-3:]
    assert (paused["id"], paused["value"], paused["step"], paused["status"]) == ("5", 7.0, 1, "stopped")
    assert ended["metrics"] == METRICS
    assert [step[0] for step in ended["steps"]] == [1, 2, 3, 4, 6, 7]
    assert (failed["id"], failed["status"]) == ("9", "failed")
    assert len(searcher.run().evaluations) == 12
    assert isinstance(searcher.suggest("more"), dict)


class Begun(LocalClient):
    """A study that was begun from a checkpoint's snapshot."""

    def __init__(self, path: Path, kept: dict[str, Any]) -> None:
        super().__init__(path / "unused")
        plain = load_config(kept["config"]).to_dict()
        keys = {key: number for number, key in kept["keys"].items()}
        host = StudyHost(ActorSpec("local", "token", True, True), str(path / "store"), False, {"pid": 0})
        host.begin(plain, "token", {**kept["snapshot"], "keys": keys})
        self.study = Served.__new__(Served)
        self.study._host = host


def test_what_a_file_from_before_the_record_had_not_sent_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = ASSETS / "shared-before-metrics.pkl"
    kept = checkpoint.read(str(file))["study"]
    client = Begun(tmp_path, kept)
    monkeypatch.setattr(connection, "reattach", lambda kept: None)
    monkeypatch.setattr(shared, "SolverClient", lambda name: client)
    searcher = ArqonSearcher(actor="local")
    searcher.restore(str(file))
    with monkeypatch.context() as patched:
        patched.setattr(ray, "is_initialized", lambda: False)
        assert [evaluation.id for evaluation in searcher.run().evaluations] == ["0"]  # as of the snapshot
    assert isinstance(searcher.suggest("t3"), dict)
    searcher.on_trial_complete("t3", {**RESULT, "training_iteration": 4})
    searcher._session.study.flush()  # type: ignore[union-attr]
    assert isinstance(searcher.suggest("more"), dict)
    rows = {row["id"]: row for row in client.history()}
    assert list(rows) == ["0", "1", "2", "3"]
    assert (rows["1"]["value"], rows["1"]["step"]) == (pytest.approx(2 + 1 / 3), 3)
    assert [step[0] for step in rows["1"]["steps"]] == [1, 2, 3]
    assert rows["2"]["error"]["message"] == "the trial ended with an error"
    assert [step[0] for step in rows["3"]["steps"]] == [1, 2, 4]
    assert rows["3"]["metrics"] == METRICS
    searcher.end_run()

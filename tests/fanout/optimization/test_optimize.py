"""``optimize`` on a real cluster: the budget is exact whatever evaluations, workers and drivers do."""

from __future__ import annotations

import enum
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray

from arqon_ray import ConfigError, IdentityError, StudyNotFoundError, connect, optimize, start
from arqon_ray.fanout import OptimizeInterrupted
from arqon_ray.report.opening import open_run

CONFIG: dict[str, Any] = {
    "seed": 5,
    "budget": 24,
    "bounds": {"x": {"min": 0.0, "max": 1.0}, "y": {"min": 0.0, "max": 1.0}},
}
pytestmark = pytest.mark.usefixtures("cluster")


def bowl(params: dict[str, Any]) -> float:
    return float((params["x"] - 0.3) ** 2 + (params["y"] - 0.6) ** 2)


def test_the_budget_is_spent_exactly_and_failures_are_reported(capsys: pytest.CaptureFixture[str]) -> None:
    def objective(params: dict[str, Any]) -> dict[str, float]:
        if params["x"] > 0.7:
            raise ArithmeticError("too far right")
        return {"loss": float("nan") if params["y"] < 0.1 else bowl(params), "other": 1.0}

    rows: list[dict[str, Any]] = []
    result = optimize(objective, CONFIG, callbacks=[rows.append])
    assert (result.evaluations, result.stopped_by) == (24, "finished")
    assert sorted(int(row["id"]) for row in result.history) == list(range(24))
    assert {row["id"]: row["value"] for row in rows} == {row["id"]: row["value"] for row in result.history}
    failed = {row["id"]: row["params"] for row in result.history if row["status"] == "failed"}
    assert failed
    assert {failure.id: failure.params for failure in result.failures} == failed
    for failure in result.failures:
        right = failure.params["x"] > 0.7
        assert failure.error == ("ArithmeticError: too far right" if right else "the value is nan: it must be finite")
        assert failure.attempts == 1
        assert (failure.trace is not None and "in objective" in failure.trace) == right
    assert result.value == min(row["value"] for row in result.history if row["value"] is not None) < 0.01
    assert result.params is not None
    assert bowl(result.params) == result.value
    assert {"phase", "landscape", "strategy", "evidence"} <= result.explain().keys()
    assert len(result.to_pandas()) == 24
    assert "optimize  24/24  best" in capsys.readouterr().err
    with pytest.raises(StudyNotFoundError):
        connect(result.name)


def test_a_function_gets_the_members_of_the_enumeration_that_the_config_has() -> None:
    class Loss(enum.Enum):
        SQUARED = "l2"
        ABSOLUTE = 1

    def objective(params: dict[str, Any]) -> np.ndarray[Any, Any]:
        return np.array([{Loss.SQUARED: 1.0, Loss.ABSOLUTE: 2.0}[params["loss"]] * params["x"]])

    bounds = {"loss": {"choices": Loss}, "x": {"min": 1, "max": np.int8(3)}}
    result = optimize(objective, {"budget": np.int64(6), "bounds": bounds}, max_concurrency=np.int64(2), progress=False)
    assert not result.failures
    assert {row["params"]["loss"] for row in result.history} == set(Loss)
    assert result.params is not None
    assert result.params["loss"] is Loss.SQUARED
    assert result.config["bounds"]["loss"] == {"choices": ["l2", 1]}
    assert {e.params["loss"] for e in open_run(result).evaluations} == {"l2", 1}


def test_a_worker_that_dies_is_tried_again_and_then_told_as_failed(
    tmp_path: Path, assert_died: Callable[[list[int]], None]
) -> None:
    def objective(params: dict[str, Any]) -> float:
        mine = tmp_path / repr(params["x"])
        deaths = len(mine.read_text().split()) if mine.exists() else 0
        fatal = params["x"] > 0.75
        if fatal or (params["x"] > 0.6 and deaths == 0):
            with mine.open("a") as file:
                file.write(f"{os.getpid()}\n")
            os._exit(1)
        return bowl(params)

    result = optimize(objective, {**CONFIG, "budget": 6}, retries=1, progress=False)
    deaths = {float(file.name): [int(pid) for pid in file.read_text().split()] for file in tmp_path.iterdir()}
    assert deaths
    for x, pids in deaths.items():
        assert len(set(pids)) == (2 if x > 0.75 else 1)
        assert_died(pids)
    assert {failure.params["x"] for failure in result.failures} == {x for x in deaths if x > 0.75}
    assert {failure.attempts for failure in result.failures} <= {2}
    for failure in result.failures:
        assert failure.error.startswith("the worker process died, tried 2 times: WorkerCrashedError")
    assert any(x > 0.75 for x in deaths)
    assert len(result.history) == 6


def test_no_more_run_at_once_than_asked_for(tmp_path: Path) -> None:
    def objective(params: dict[str, Any]) -> float:
        mine = tmp_path / f"running-{os.getpid()}"
        mine.touch()
        deadline = time.monotonic() + 120
        while not (tmp_path / "two").exists() and time.monotonic() < deadline:
            if len(list(tmp_path.glob("running-*"))) == 2:
                (tmp_path / "two").touch()
            time.sleep(0.02)
        time.sleep(0.02)
        together = len(list(tmp_path.glob("running-*")))
        mine.unlink()
        return float(together)

    result = optimize(objective, {**CONFIG, "mode": "max", "budget": 16}, max_concurrency=2, progress=False)
    # Values of the same point differ here, so that the best one is a prediction, not the highest value.
    assert max(row["value"] for row in result.history) == 2.0
    assert (tmp_path / "two").exists()


_DRIVER = """
import sys
import arqon_ray
arqon_ray.init(sys.argv[1], log_to_driver=False)
flag = sys.argv[3]
def objective(params):
    open(flag, "w").close()
    return params["x"]
rows = []
arqon_ray.optimize(objective, study=arqon_ray.connect(sys.argv[2]), max_evaluations=12, progress=False,
                   callbacks=[rows.append])
print(*[row["id"] for row in rows])
"""


def test_two_drivers_share_one_study(tmp_path: Path, cluster: Any, unique_name: str) -> None:
    study, flag = start({**CONFIG, "budget": 24}, unique_name), tmp_path / "the other works too"

    def objective(params: dict[str, Any]) -> float:
        deadline = time.monotonic() + 60
        while not flag.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        return float(params["x"])

    with pytest.raises(IdentityError, match=r"seed was 5 and is 6"):
        optimize(objective, {**CONFIG, "seed": 6}, study=study, progress=False)
    arguments = [sys.executable, "-c", _DRIVER, cluster.address_info["gcs_address"], unique_name, str(flag)]
    rows: list[dict[str, Any]] = []
    with subprocess.Popen(arguments, cwd=Path(__file__).parents[3], stdout=subprocess.PIPE, text=True) as driver:
        result = optimize(
            objective,
            CONFIG,
            study=study,
            max_evaluations=12,
            max_concurrency=2,
            progress=False,
            callbacks=[rows.append],
        )
        theirs, _ = driver.communicate(timeout=120)
    assert driver.returncode == 0
    assert flag.exists()
    assert result.stopped_by == "max_evaluations"
    ours = [row["id"] for row in rows]
    assert len(ours) == len(theirs.split()) == 12
    assert sorted(map(int, [*ours, *theirs.split()])) == list(range(24))
    counts = study.status()["counts"]
    assert (counts["asked"], counts["told"], counts["pending"], counts["released"]) == (24, 24, 0, 0)
    study.stop()


def test_ctrl_c_keeps_what_was_found_and_the_same_call_continues(tmp_path: Path, unique_name: str) -> None:
    def stop_at_seven(row: dict[str, Any]) -> None:
        rows.append(row)
        if len(rows) == 7:
            signal.raise_signal(signal.SIGINT)

    def objective(params: dict[str, Any]) -> float:
        time.sleep(0.01)
        return bowl(params)

    rows: list[dict[str, Any]] = []
    where: dict[str, Any] = {"name": unique_name, "storage_path": str(tmp_path), "progress": False}
    with pytest.raises(KeyboardInterrupt) as caught:
        optimize(objective, CONFIG, callbacks=[stop_at_seven], **where)
    assert isinstance(caught.value, OptimizeInterrupted)
    partial = caught.value.result
    assert partial.stopped_by == "interrupt"
    assert 7 <= len(partial.history) < 24
    assert partial.params is not None
    assert unique_name in str(caught.value)
    with pytest.raises(StudyNotFoundError):
        connect(unique_name)
    result = optimize(objective, CONFIG, **where)
    assert result.evaluations == 24 - len(partial.history)
    assert sorted(int(row["id"]) for row in result.history) == list(range(24))
    assert result.history[: len(partial.history)] == partial.history
    more = optimize(objective, {**CONFIG, "budget": 26}, **where)
    assert (more.evaluations, len(more.history)) == (2, 26)


def test_points_to_evaluate_come_first_and_once_however_often_the_call_is_repeated(
    tmp_path: Path, unique_name: str
) -> None:
    name = next(iter(CONFIG["bounds"]))
    low = CONFIG["bounds"][name]["min"]
    where = {"name": unique_name, "storage_path": tmp_path, "max_concurrency": 1, "progress": False}
    points = [{name: low}, {}]
    assert len(optimize(bowl, {**CONFIG, "budget": 4}, points_to_evaluate=points, **where).history) == 4
    result = optimize(bowl, {**CONFIG, "budget": 6}, points_to_evaluate=points, **where)
    rows = sorted(result.history, key=lambda row: row["number"])
    assert len(rows) == 6
    assert [row["origin"] == "enqueued" for row in rows] == [True, True, False, False, False, False]
    assert rows[0]["params"][name] == low


def test_stop_conditions_give_back_what_runs(unique_name: str) -> None:
    def objective(params: dict[str, Any]) -> float:
        if params["x"] > 0.5:
            time.sleep(600)
        return float(params["x"])

    study = start({**CONFIG, "budget": None}, unique_name)
    arguments: dict[str, Any] = {"study": study, "progress": False}
    few = optimize(bowl, max_evaluations=3, **arguments)
    assert (few.stopped_by, few.evaluations) == ("max_evaluations", 3)
    assert optimize(bowl, target=1e9, **arguments).stopped_by == "target"
    assert optimize(bowl, callbacks=[lambda row: True], **arguments).stopped_by == "callback"
    timed = optimize(objective, time_budget_s=2.0, **arguments)
    assert timed.stopped_by == "time_budget_s"
    with pytest.raises(ZeroDivisionError):
        optimize(bowl, callbacks=[lambda row: 1 / 0], **arguments)
    assert study.status()["counts"]["pending"] == 0
    study.stop()


def test_a_function_that_the_workers_cannot_load_spends_no_budget(unique_name: str) -> None:
    study = start(CONFIG, unique_name)
    with pytest.raises(ray.exceptions.RayTaskError, match="cannot be loaded"):
        optimize(_Unloadable(), study=study, progress=False)
    counts = study.status()["counts"]
    assert (counts["told"], counts["pending"]) == (0, 0)
    study.stop()


def _refuse_to_load() -> Any:
    raise RuntimeError("cannot be loaded")


class _Unloadable:
    def __call__(self, params: dict[str, Any]) -> float:
        return 0.0

    def __reduce__(self) -> Any:
        return _refuse_to_load, ()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"max_concurrency": 0}, "max_concurrency is 0"),
        ({"max_evaluations": True}, "max_evaluations is True"),
        ({"time_budget_s": 0}, "time_budget_s is 0"),
        ({"target": float("nan")}, "target is nan"),
        ({"resources": {"cpu": -1}}, r"resources\.cpu is -1"),
        ({"config": None}, "config is None"),
        ({"config": {**CONFIG, "objectives": ["min", "max"]}}, "takes one objective"),
    ],
)
def test_arguments_that_break_a_rule_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        optimize(bowl, **{"config": CONFIG, "progress": False, **arguments})


_ALONE = """
import arqon_ray
config = {"budget": 4, "bounds": {"x": {"min": 0.0, "max": 1.0}}}
print(len(arqon_ray.optimize(lambda params: params["x"], config).history))
"""


def test_without_ray_a_local_one_is_started_and_it_says_so() -> None:
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    done = subprocess.run(
        [sys.executable, "-c", _ALONE],
        cwd=Path(__file__).parents[3],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    assert done.stdout.split()[-1] == "4"
    assert "optimize: started a local Ray with" in done.stderr

"""Several metrics: the searcher's part, on its own solver and on the service's study."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from ray import tune

from arqon_ray.core.config import load_config
from arqon_ray.errors import ConfigError
from arqon_ray.tune import ArqonSearcher, session
from tests.tune.study.test_shared import LocalClient

SPACE = {"net": {"x": tune.uniform(0.0, 1.0)}, "y": tune.uniform(0.0, 1.0), "epochs": 3}
METRICS, MODES = ["loss", "speed"], ["min", "max"]


def result(config: dict[str, Any]) -> dict[str, float]:
    x, y = config["net"]["x"], config["y"]
    return {"loss": x + y, "speed": -((1.0 - x) ** 2) - y, "training_iteration": 1}


def drive(made: ArqonSearcher, count: int, first: int = 0) -> list[dict[str, Any]]:
    configs = []
    for i in range(first, first + count):
        config = made.suggest(f"t{i}")
        assert isinstance(config, dict)
        made.on_trial_complete(f"t{i}", result(config))
        configs.append(config)
    return configs


def test_the_pareto_set_is_of_the_trials_configs() -> None:
    made = ArqonSearcher(SPACE, metric=METRICS, mode=MODES, seed=1)
    configs = drive(made, 12)
    assert made.metric == METRICS
    assert made.mode == MODES
    front = made.pareto()
    assert front
    for row in front:
        assert row["params"] in configs
        assert row["values"] == {name: result(row["params"])[name] for name in METRICS}
        for config in configs:
            other = result(config)
            assert not (other["loss"] < row["values"]["loss"] and other["speed"] > row["values"]["speed"])


def test_one_mode_is_the_mode_of_all() -> None:
    made = ArqonSearcher(SPACE, metric=METRICS, mode="max")
    made.suggest("t")
    assert made.solver.export()  # the study is there
    assert made.mode == ["max", "max"]


def test_saved_and_pickled_it_goes_on(tmp_path: Path) -> None:
    made = ArqonSearcher(SPACE, metric=METRICS, mode=MODES, seed=1)
    drive(made, 12)
    made.save(str(tmp_path / "state"))
    restored = ArqonSearcher(SPACE, metric=METRICS, mode=MODES)
    restored.restore(str(tmp_path / "state"))
    pickled = pickle.loads(pickle.dumps(made))
    expected = drive(made, 2, first=12)
    assert drive(restored, 2, first=12) == expected
    assert drive(pickled, 2, first=12) == expected
    assert restored.pareto() == made.pareto()


@pytest.mark.parametrize("broken", [None, float("nan"), "text"])
def test_each_metric_has_to_be_finite(broken: Any) -> None:
    made = ArqonSearcher(SPACE, metric=METRICS, mode=MODES)
    config = made.suggest("t")
    assert isinstance(config, dict)
    made.on_trial_complete("t", {**result(config), "speed": broken})
    row = made.solver.history()[0]
    assert row["status"] == "failed"
    assert "speed" in row["error"]["message"]


def test_a_trial_that_ended_paused_has_what_it_reported_last() -> None:
    made = ArqonSearcher(SPACE, metric=METRICS, mode=MODES)
    config = made.suggest("t")
    assert isinstance(config, dict)
    made.on_trial_result("t", {**result(config), "loss": 9.0})
    made.on_trial_result("t", {**result(config), "training_iteration": 2})
    made.on_trial_complete("t", result=None)
    assert made.solver.history()[0]["values"] == [result(config)[name] for name in METRICS]


def test_rewards_are_lists() -> None:
    point = {"net": {"x": 0.5}, "y": 0.5}
    made = ArqonSearcher(SPACE, metric=METRICS, mode=MODES, points_to_evaluate=[point], evaluated_rewards=[[1.0, 2.0]])
    made.add_evaluated_point({"net": {"x": 0.1}, "y": 0.1}, [0.5, 1.0])
    made.suggest("t")
    assert [row["values"] for row in made.solver.history()] == [[1.0, 2.0], [0.5, 1.0]]


def test_the_shared_study_keeps_all_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bounds = {"x": {"min": 0.0, "max": 1.0}, "y": {"min": 0.0, "max": 1.0}}
    config = {"seed": 7, "objectives": MODES, "bounds": bounds}
    client = LocalClient(tmp_path / "store", config)
    monkeypatch.setattr(session, "attach", lambda actor, wanted, mode: (client, load_config(config)))
    made = ArqonSearcher({"bounds": bounds}, metric=METRICS, mode=MODES, actor="local")
    for i in range(6):
        params = made.suggest(f"t{i}")
        assert isinstance(params, dict)
        made.on_trial_complete(f"t{i}", {"loss": params["x"], "speed": params["y"]})
    made.save(str(tmp_path / "state"))  # it waits until everything has arrived
    assert [row["values"] for row in client.history()] == [list(row["params"].values()) for row in client.history()]
    assert {tuple(row["values"].values()) for row in made.pareto()} <= {tuple(r["values"]) for r in client.history()}
    alone = ArqonSearcher({"bounds": bounds}, metric="loss", mode="min", actor="local")
    with pytest.raises(ConfigError, match=r"objectives is \['min', 'max'\]"):
        alone.suggest("t")


@pytest.mark.parametrize(
    ("metric", "mode", "message"),
    [
        (["loss"], ["min"], "list of different names"),
        (["loss", "loss"], ["min", "min"], "list of different names"),
        (["loss", "speed"], ["min"], "mode is"),
        (["loss", "speed"], ["min", "up"], "mode is"),
        (["loss", "speed"], None, "mode is None"),
    ],
)
def test_bad_lists_are_refused(metric: Any, mode: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ArqonSearcher(SPACE, metric=metric, mode=mode)


def test_a_single_metric_has_no_pareto_set() -> None:
    with pytest.raises(ConfigError, match="list of several"):
        ArqonSearcher(SPACE, metric="loss", mode="min").pareto()
    with pytest.raises(ConfigError, match="objectives is"):
        ArqonSearcher({"objectives": ["min", "min"], "bounds": {"x": {"min": 0.0, "max": 1.0}}}, metric="loss")

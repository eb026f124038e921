"""Whole Tune runs on a local cluster: alone, with schedulers, with failing trials, on the shared actor."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
from ray import tune
from ray.tune.schedulers import ASHAScheduler, HyperBandForBOHB, HyperBandScheduler

import arqon_ray
from arqon_ray.tune import ArqonSearcher
from arqon_ray.tune.study.study import OwnStudy

BOUNDS = {"x": {"min": -5.0, "max": 5.0}, "y": {"min": 1e-3, "max": 1.0, "scale": "Log"}}
CONFIG = {"seed": 7, "budget": 5, "bounds": BOUNDS}
STEPS = 3
EPOCHS = {"time_attr": "training_iteration", "max_t": STEPS, "reduction_factor": 3}


def bowl(config: dict[str, Any]) -> dict[str, float]:
    return {"loss": config["x"] ** 2 + config["y"]}


class Curve(tune.Trainable):
    """A curve that can be paused."""

    def setup(self, config: dict[str, Any]) -> None:
        self.level = config["x"] ** 2 + config["y"]

    def step(self) -> dict[str, float]:
        return {"loss": self.level + 1 / (self.iteration + 1)}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        Path(checkpoint_dir, "level").write_text(str(self.level))

    def load_checkpoint(self, checkpoint: Any) -> None:
        self.level = float(Path(checkpoint, "level").read_text())

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.setup(new_config)
        return True


def fit(
    trainable: Any,
    searcher: Any,
    tmp_path: Path,
    space: dict[str, Any] | None = None,
    stop: Any = None,
    cpus: int = 4,
    **options: Any,
) -> tune.ResultGrid:
    """Run trials, one at a time by default: each one more at a time is a process more, which takes seconds."""
    options = {"num_samples": 50, "reuse_actors": True, **options}
    return tune.Tuner(
        tune.with_resources(trainable, {"cpu": cpus}),
        param_space=space,
        tune_config=tune.TuneConfig(search_alg=searcher, **options),
        run_config=tune.RunConfig(storage_path=str(tmp_path), name="run", verbose=0, stop=stop),
    ).fit()


def values(searcher: ArqonSearcher) -> list[float | None]:
    return [row["value"] for row in searcher.solver.history()]


def losses(grid: tune.ResultGrid) -> list[float]:
    return sorted(result.metrics["loss"] for result in grid)


def test_alone_with_nothing_named_it_minimizes_the_loss_until_the_budget_is_spent(cluster: Any, tmp_path: Path) -> None:
    searcher = ArqonSearcher(CONFIG)
    grid = fit(bowl, searcher, tmp_path, cpus=2)
    assert len(grid) == 5
    assert not grid.errors
    assert sorted(values(searcher)) == losses(grid)
    assert searcher.solver.best()["value"] == losses(grid)[0]


def test_the_metric_of_the_run_is_heard_without_a_param_space(cluster: Any, tmp_path: Path) -> None:
    searcher = ArqonSearcher(CONFIG)

    def both(config: dict[str, Any]) -> dict[str, float]:
        return {"loss": config["x"], "gain": 3 * config["x"]}

    grid = fit(both, searcher, tmp_path, metric="gain", mode="max", num_samples=3)
    assert (searcher.metric, searcher.mode) == ("gain", "max")
    assert searcher.solver.best()["value"] == grid.get_best_result().metrics["gain"]


def test_a_param_space_with_every_kind_of_thing_in_it(cluster: Any, tmp_path: Path) -> None:
    options = [bowl, len]
    space = {
        "x": tune.quniform(-1, 1, 0.1),
        "model": tune.choice(
            [{"kind": "a", "width": tune.qrandint(8, 32, 8)}, {"kind": "b", "rate": tune.randn(0, 1)}]
        ),
        "layers": [tune.randint(1, 4), 7],
        "function": tune.choice(options),
        "double": tune.sample_from(lambda config: 2 * config["x"]),
        "epochs": 3,
    }

    def check(config: dict[str, Any]) -> dict[str, float]:
        assert config["epochs"] == 3
        assert config["double"] == 2 * config["x"]
        assert config["x"] == round(config["x"] / 0.1) * 0.1
        assert type(config["layers"][0]) is int
        assert config["layers"][1] == 7
        assert callable(config["function"])
        if config["model"]["kind"] == "a":
            assert config["model"]["width"] in (8, 16, 24, 32)
        else:
            assert isinstance(config["model"]["rate"], float)
        return {"loss": abs(config["x"])}

    searcher = ArqonSearcher(seed=1)
    grid = fit(check, searcher, tmp_path, space, metric="loss", mode="min", num_samples=6)
    assert not grid.errors
    assert sorted(values(searcher)) == losses(grid)


def test_trials_that_fail_or_report_nan_do_not_break_the_run(cluster: Any, tmp_path: Path) -> None:
    searcher = ArqonSearcher(CONFIG, budget=6, points_to_evaluate=[{"x": x, "y": 0.5} for x in (4.5, 3.5, 2.5)])

    def fragile(config: dict[str, Any]) -> dict[str, float]:
        if config["x"] == 4.5:
            raise RuntimeError("broken on purpose")
        return {
            "loss": float("nan") if config["x"] == 3.5 else float("inf") if config["x"] == 2.5 else config["x"] ** 2
        }

    grid = fit(fragile, searcher, tmp_path, metric="loss", mode="min")
    assert len(grid) == 6
    assert len(grid.errors) == 1
    status = {row["params"]["x"]: row["status"] for row in searcher.solver.history()}
    assert [status.pop(x) for x in (4.5, 3.5, 2.5)] == ["failed"] * 3
    assert set(status.values()) == {"complete"}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # a run that breaks leaves files open
def test_a_metric_that_no_result_has_is_tunes_own_error(cluster: Any, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="did not include the specified metric") as caught:
        fit(lambda config: {"accuracy": 1.0, "other": 2.0}, ArqonSearcher(CONFIG), tmp_path)
    del caught
    gc.collect()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_error_that_ends_the_run_is_one_message_and_keeps_what_was_finished(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = OwnStudy.ask

    def ask_until_lost(study: OwnStudy, *arguments: Any) -> Any:
        if study.solver.get_history_len() == 3:
            raise arqon_ray.ArqonError("the study is lost on purpose")
        return ask(study, *arguments)

    monkeypatch.setattr(OwnStudy, "ask", ask_until_lost)
    with pytest.raises(Exception, match="the study is lost on purpose") as caught:
        fit(bowl, ArqonSearcher(CONFIG), tmp_path)
    del caught
    gc.collect()
    kept = tune.Tuner.restore(str(tmp_path / "run"), tune.with_resources(bowl, {"cpu": 4})).get_results()
    assert len([result for result in kept if "loss" in (result.metrics or {})]) >= 3


def test_asha_stops_trials_and_their_values_count(cluster: Any, tmp_path: Path) -> None:
    searcher = ArqonSearcher(CONFIG, budget=6)
    analysis = tune.run(
        Curve,
        metric="loss",
        mode="min",
        num_samples=6,
        search_alg=searcher,
        scheduler=ASHAScheduler(grace_period=1, **EPOCHS),
        stop={"training_iteration": STEPS},
        reuse_actors=True,
        resources_per_trial={"cpu": 2},
        storage_path=str(tmp_path),
        verbose=0,
    )
    reached = {trial.last_result["loss"]: trial.last_result["training_iteration"] for trial in analysis.trials}
    told = {row["value"]: row["step"] for row in searcher.solver.history()}
    assert told == reached
    assert min(told.values()) < STEPS
    assert {row["status"] for row in searcher.solver.history() if row["step"] < STEPS} == {"stopped"}
    assert {row["status"] for row in searcher.solver.history() if row["step"] == STEPS} == {"complete"}
    another = ArqonSearcher(CONFIG)
    another.add_evaluated_trials(analysis, "loss")
    assert {row["value"] for row in another.solver.history()} == set(told)


@pytest.mark.parametrize("scheduler", [HyperBandScheduler, HyperBandForBOHB])
def test_hyperband_ends_trials_without_a_result_and_their_last_values_count(
    cluster: Any, tmp_path: Path, scheduler: Any
) -> None:
    searcher = ArqonSearcher(CONFIG, budget=5)
    options = {"metric": "loss", "mode": "min", "max_concurrent_trials": 3, "cpus": 2}
    grid = fit(Curve, searcher, tmp_path, stop={"training_iteration": STEPS}, scheduler=scheduler(**EPOCHS), **options)
    assert len(grid) == 5
    reached = {result.metrics["loss"]: result.metrics["training_iteration"] for result in grid}
    told = {row["value"]: row["step"] for row in searcher.solver.history()}
    assert told == reached
    assert min(told.values()) < max(told.values())
    assert {(row["step"] < STEPS, row["status"]) for row in searcher.solver.history()} == {
        (True, "stopped"),
        (False, "complete"),
    }


def test_two_runs_share_one_study_and_its_budget(cluster: Any, tmp_path: Path, unique_name: str) -> None:
    space = {"x": tune.uniform(-5, 5), "inner": {"y": tune.loguniform(1e-3, 1)}}

    def flat(config: dict[str, Any]) -> dict[str, float]:
        return {"loss": config["x"] ** 2 + config["inner"]["y"]}

    first = ArqonSearcher(space, actor=unique_name, budget=6)
    grids = [fit(flat, first, tmp_path / "one", num_samples=4)]
    client = arqon_ray.connect(unique_name)
    second = ArqonSearcher(space, actor=client)
    grids.append(fit(flat, second, tmp_path / "two", num_samples=4))
    assert [len(grid) for grid in grids] == [4, 2]
    told = client.history()
    assert sorted(row["value"] for row in told) == sorted(losses(grids[0]) + losses(grids[1]))
    assert set(told[0]["params"]) == {"x", "inner/y"}
    with pytest.raises(arqon_ray.IdentityError, match="bounds is"):
        ArqonSearcher({"z": tune.uniform(0, 1)}, actor=unique_name).suggest("t")
    client.stop(purge=True)


def test_a_study_is_taken_as_it_is_and_survives_the_death_of_its_actor(
    cluster: Any, tmp_path: Path, unique_name: str
) -> None:
    client = arqon_ray.start({**CONFIG, "budget": 6, "mode": "max"}, unique_name)
    pid = client.status()["pid"]

    def kill_in_the_middle(config: dict[str, Any]) -> dict[str, float]:
        import os
        import signal

        marker = Path(config["marker"])
        if not marker.exists():
            marker.write_text("killed")
            os.kill(config["pid"], signal.SIGKILL)
        return {"score": -(config["x"] ** 2)}

    points = [{"x": 1.0, "y": 0.5}]
    searcher = ArqonSearcher(actor=unique_name, metric="score", points_to_evaluate=points)
    space = {"marker": str(tmp_path / "marker"), "pid": pid}
    grid = fit(kill_in_the_middle, searcher, tmp_path, space)
    assert len(grid) == 6
    assert not grid.errors
    assert searcher.mode == "max"
    assert client.status()["pid"] != pid
    searcher._session.study.flush()  # type: ignore[union-attr]
    assert sorted(values(searcher)) == sorted(result.metrics["score"] for result in grid)
    assert [row["params"] for row in client.history() if row["origin"] == "user"] == points
    client.stop(purge=True)


def test_no_such_study_is_one_clear_error(cluster: Any) -> None:
    with pytest.raises(arqon_ray.StudyNotFoundError, match="no study 'nowhere'"):
        ArqonSearcher(actor="nowhere").suggest("t")

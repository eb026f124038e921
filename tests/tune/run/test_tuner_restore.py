"""Runs that break in the middle and go on with Tuner.restore."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
from ray import tune

from arqon_ray.tune import ArqonSearcher

SPACE = {"x": tune.uniform(-5, 5), "inner": {"n": tune.randint(1, 10)}}
TOTAL = 7

# A run that breaks leaves Ray's files open.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def bowl(config: dict[str, Any]) -> dict[str, float]:
    return {"loss": config["x"] ** 2 + config["inner"]["n"]}


class Breaks(tune.Callback):
    """Ends the run with an error, once, when this many trials are complete; Tune restores it with the run."""

    def __init__(self, after: int, marker: Path) -> None:
        self.left = after
        self.marker = marker

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.left -= 1

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if self.left <= 0 and not self.marker.exists():
            self.marker.touch()
            raise RuntimeError("broken on purpose")


def broken_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, searcher: ArqonSearcher) -> str:
    """Break a run after three trials, with the state of every step on disk; return its directory."""
    monkeypatch.setenv("TUNE_GLOBAL_CHECKPOINT_S", "0")
    tuner = tune.Tuner(
        tune.with_resources(bowl, {"cpu": 4}),
        param_space=SPACE,
        tune_config=tune.TuneConfig(
            search_alg=searcher, num_samples=TOTAL, reuse_actors=True, metric="loss", mode="min"
        ),
        run_config=tune.RunConfig(
            storage_path=str(tmp_path), name="run", verbose=0, callbacks=[Breaks(3, tmp_path / "marker")]
        ),
    )
    with pytest.raises(Exception, match="broken on purpose") as caught:
        tuner.fit()
    del caught, tuner
    gc.collect()
    return str(tmp_path / "run")


def restored(path: str) -> tune.Tuner:
    return tune.Tuner.restore(path, tune.with_resources(bowl, {"cpu": 4}))


def told(path: str) -> dict[str, float]:
    """What the searcher's newest file in the run's directory knows: candidate and value."""
    searcher = ArqonSearcher()
    searcher.restore_from_dir(path)
    return {row["id"]: row["value"] for row in searcher.solver.history()}


def test_a_broken_run_goes_on_as_if_nothing_had_happened(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = broken_run(tmp_path, monkeypatch, ArqonSearcher(seed=3))
    (file,) = Path(path).glob("searcher-state-*")
    good = file.read_bytes()

    file.write_bytes(b"not a pickle")
    tuner = restored(path)
    with pytest.raises(Exception, match=r"restore\(.*searcher-state-.*cannot be read") as caught:
        tuner.fit()
    del caught, tuner
    gc.collect()
    kept = restored(path).get_results()
    assert len([result for result in kept if result.metrics]) >= 3
    assert file.read_bytes() == b"not a pickle"

    file.write_bytes(good)
    before = told(path)
    assert len(before) >= 3
    grid = restored(path).fit()
    assert not grid.errors
    after = told(path)
    assert sorted(after) == [str(number) for number in range(TOTAL)]
    assert before.items() <= after.items()
    assert sorted(after.values()) == sorted(result.metrics["loss"] for result in grid)
    assert len({repr(result.config) for result in grid}) == TOTAL


@pytest.mark.parametrize("how", ["resume_errored", "restart_errored"])
def test_trials_that_failed_can_be_run_again(cluster: Any, tmp_path: Path, how: str) -> None:
    """A resumed trial keeps its id and adds its value; a restarted one has an id that no searcher was ever asked."""
    marker = tmp_path / "marker"
    marker.touch()

    def fragile(config: dict[str, Any]) -> dict[str, float]:
        if marker.exists() and config["inner"]["n"] > 3:
            raise RuntimeError("broken on purpose")
        return {"loss": config["x"] ** 2}

    points = [{"x": 1.0, "inner": {"n": n}} for n in (1, 5, 2, 8)]
    grid = tune.Tuner(
        tune.with_resources(fragile, {"cpu": 4}),
        param_space=SPACE,
        tune_config=tune.TuneConfig(
            search_alg=ArqonSearcher(points_to_evaluate=points),
            num_samples=4,
            reuse_actors=True,
            metric="loss",
            mode="min",
        ),
        run_config=tune.RunConfig(storage_path=str(tmp_path), name="run", verbose=0),
    ).fit()
    assert len(grid.errors) == 2
    marker.unlink()
    again = tune.Tuner.restore(str(tmp_path / "run"), tune.with_resources(fragile, {"cpu": 4}), **{how: True}).fit()
    assert (len(again), len(again.errors)) == (4, 0)
    searcher = ArqonSearcher()
    searcher.restore_from_dir(str(tmp_path / "run"))
    outside = [row["params"]["inner/n"] for row in searcher.solver.history() if row["id"] is None]
    assert sorted(outside) == ([5, 8] if how == "resume_errored" else [])

"""The searcher's file beside Tune's own: whichever a killed driver left older, every trial finds its candidate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ray.tune import PlacementGroupFactory
from ray.tune.experiment import Trial
from ray.tune.search import Repeater, Searcher

from arqon_ray.tune import ArqonSearcher

BOUNDS = {"x": {"min": -5.0, "max": 5.0}, "n": {"min": 1, "max": 9, "type": "int"}}
CONFIG = {"seed": 7, "budget": 4, "bounds": BOUNDS}


def tune_knows(path: Path, **trials: tuple[str, Any, dict[str, Any]]) -> None:
    """Write what Tune writes: status, config and last result of each trial."""
    rows = []
    for trial_id, (status, config, result) in trials.items():
        trial = Trial("trainable", stub=True, trial_id=trial_id, evaluated_params=dict(config))
        trial.placement_group_factory = PlacementGroupFactory([{"CPU": 1}])
        trial.status = status
        trial.run_metadata.last_result = result
        rows.append(trial.get_json_state())
    (path / "experiment_state-2026-01-01_00-00-00.json").write_text(json.dumps({"trial_data": rows}))


def restored(path: Path) -> ArqonSearcher:
    searcher = ArqonSearcher(CONFIG)
    searcher.restore_from_dir(str(path))
    return searcher


def rows(searcher: ArqonSearcher) -> list[tuple[str | None, float | None, str]]:
    return [(row["id"], row["value"], row["status"]) for row in searcher.solver.history()]


def finish(searcher: ArqonSearcher, *trials: str) -> None:
    for trial in trials:
        searcher.on_trial_complete(trial, {"loss": 9.0, "training_iteration": 1})


def test_a_file_that_is_newer_than_tunes_gives_unknown_trials_back(tmp_path: Path) -> None:
    searcher = ArqonSearcher(CONFIG)
    known, unknown = searcher.suggest("known"), searcher.suggest("unknown")
    searcher.save_to_dir(str(tmp_path), "session")
    tune_knows(tmp_path, known=("RUNNING", known, {}))
    again = restored(tmp_path)
    assert again.suggest("known") == known
    fresh = [again.suggest(f"t{i}") for i in range(3)]
    assert fresh[2] == unknown  # when nothing fresh is left
    finish(again, "known", "t0", "t1", "t2")
    assert again.suggest("more") == Searcher.FINISHED


def test_a_file_that_is_older_than_tunes_takes_up_what_it_missed(tmp_path: Path) -> None:
    searcher = ArqonSearcher(CONFIG)
    told, failed = searcher.suggest("told"), searcher.suggest("failed")
    searcher.save_to_dir(str(tmp_path), "session")
    late, flying = searcher.suggest("late"), searcher.suggest("flying")
    done = {"loss": 1.5, "training_iteration": 1, "done": True}
    tune_knows(
        tmp_path,
        told=("TERMINATED", told, done),
        failed=("ERROR", failed, {}),
        late=("TERMINATED", late, {**done, "loss": 2.5}),
        flying=("PENDING", flying, {}),
    )
    again = restored(tmp_path)
    assert rows(again) == [("0", 1.5, "complete"), ("1", None, "failed")]
    assert again.suggest("more") is None  # the budget is spent, and one trial is in flight
    assert again.suggest("flying") == flying
    finish(again, "flying")
    assert again.suggest("again") == Searcher.FINISHED
    assert rows(again)[2:] == [("2", 2.5, "complete"), ("3", 9.0, "complete")]


def test_a_trial_that_a_time_budget_ended_goes_back(tmp_path: Path) -> None:
    searcher = ArqonSearcher(CONFIG)
    config = searcher.suggest("stopped")
    searcher.on_trial_result("stopped", {"loss": 3.0, "training_iteration": 1})
    searcher.save_to_dir(str(tmp_path), "session")
    tune_knows(tmp_path, stopped=("TERMINATED", config, {"loss": 3.0, "training_iteration": 1, "done": False}))
    again = restored(tmp_path)
    assert rows(again) == []
    assert config in [again.suggest(f"t{i}") for i in range(4)]


def test_a_failed_trial_that_tune_resumes_adds_its_value(tmp_path: Path) -> None:
    searcher = ArqonSearcher(CONFIG)
    config = searcher.suggest("t")
    searcher.on_trial_complete("t", error=True)
    searcher.save_to_dir(str(tmp_path), "session")
    tune_knows(tmp_path, t=("ERROR", config, {}))
    again = restored(tmp_path)
    finish(again, "t")
    assert rows(again) == [("0", None, "failed"), (None, 9.0, "complete")]
    assert again.solver.history()[1]["params"] == config


def test_the_repeats_of_a_trial_are_none_of_its_business(tmp_path: Path) -> None:
    inner = ArqonSearcher(CONFIG, metric="loss", mode="min")
    repeater = Repeater(inner, repeat=2, set_index=False)
    config = repeater.suggest("first")
    repeater.suggest("second")
    inner.save_to_dir(str(tmp_path), "session")
    done = {"loss": 1.0, "done": True}
    tune_knows(tmp_path, first=("TERMINATED", config, done), second=("PENDING", config, {}))
    again = restored(tmp_path)
    assert rows(again) == []
    again.on_trial_complete("first", {"loss": 2.0})
    assert rows(again) == [("0", 2.0, "complete")]


def test_a_trial_that_does_not_fit_the_space_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    searcher = ArqonSearcher(CONFIG)
    searcher.suggest("t")
    searcher.save_to_dir(str(tmp_path), "session")
    tune_knows(tmp_path, strange=("PENDING", {"x": 99.0, "n": 1}, {}))
    again = restored(tmp_path)
    assert isinstance(again.suggest("new"), dict)
    assert "trial strange: params.x is 99.0" in caplog.text


def test_a_directory_without_any_file_is_a_fault_that_suggest_raises(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"restore.*unable to find checkpoint"):
        restored(tmp_path).suggest("t")


def test_a_damaged_state_of_the_experiment_is_a_fault_that_suggest_raises(tmp_path: Path) -> None:
    searcher = ArqonSearcher(CONFIG)
    searcher.suggest("t")
    searcher.save_to_dir(str(tmp_path), "session")
    (tmp_path / "experiment_state-2026-01-01_00-00-00.json").write_text("{")
    with pytest.raises(Exception, match=r"restore.*failed"):
        restored(tmp_path).suggest("u")

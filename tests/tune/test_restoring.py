"""Saving, restoring and pickling a searcher, driven directly."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from ray import cloudpickle, tune
from ray.tune.search import Searcher

from arqon_ray.core import ArqonSolver
from arqon_ray.errors import ResultsError, StateError
from arqon_ray.tune import ArqonSearcher
from tests.tune.driving import CONFIG, TUNE_SPACE, drive, history


def test_a_searcher_pickles_before_and_after_use() -> None:
    fresh = cloudpickle.loads(cloudpickle.dumps(ArqonSearcher(CONFIG)))
    assert drive(fresh, 3) == drive(ArqonSearcher(CONFIG), 3)
    again = pickle.loads(pickle.dumps(fresh))
    assert drive(again, 3, first=3) == drive(fresh, 3, first=3)


def test_restore_goes_on_bit_for_bit_with_trials_in_flight(tmp_path: Any) -> None:
    searcher = ArqonSearcher(CONFIG, budget=30)
    drive(searcher, 8)
    flying = [searcher.suggest("f0"), searcher.suggest("f1")]
    searcher.on_trial_result("f0", {"loss": 0.5, "training_iteration": 3})
    searcher.save_to_dir(str(tmp_path), "session")
    restored = ArqonSearcher(CONFIG, budget=30)
    restored.restore_from_dir(str(tmp_path))
    assert [restored.suggest("f0"), restored.suggest("f1")] == flying
    for each in (searcher, restored):
        each.on_trial_complete("f0", result=None)
        each.on_trial_complete("f1", {"loss": 1.5, "training_iteration": 9})
    assert history(restored)[8:] == history(searcher)[8:]
    assert [(row["value"], row["step"]) for row in history(restored)[8:]] == [(0.5, 3), (1.5, 9)]
    assert drive(restored, 15, first=8) == drive(searcher, 15, first=8)


def test_restore_brings_space_metric_and_unused_points_into_a_bare_searcher(tmp_path: Any) -> None:
    points = [{"x": 1.0, "deep": {"n": 2}}, {"x": 2.0, "deep": {"n": 3}}]
    searcher = ArqonSearcher(points_to_evaluate=points)
    searcher.set_search_properties("acc", "max", TUNE_SPACE)
    assert searcher.suggest("t0") == points[0]
    searcher.save(str(tmp_path / "file"))
    restored = ArqonSearcher()
    restored.restore(str(tmp_path / "file"))
    assert restored.suggest("t1") == points[1]
    assert (restored.metric, restored.mode) == ("acc", "max")
    restored.on_trial_complete("t0", {"acc": 0.9})
    restored.on_trial_complete("t1", {"acc": 0.8})
    assert restored.solver.best()["value"] == 0.9


def test_a_candidate_whose_trial_tune_forgot_comes_back(tmp_path: Any) -> None:
    searcher = ArqonSearcher(CONFIG, budget=1)
    config = searcher.suggest("forgotten")
    searcher._session.trials.held.clear()
    searcher.save(str(tmp_path / "file"))
    restored = ArqonSearcher(CONFIG, budget=1)
    restored.restore(str(tmp_path / "file"))
    assert restored.suggest("new") == config


def test_a_larger_budget_goes_on_with_a_restored_search(tmp_path: Any) -> None:
    searcher = ArqonSearcher(CONFIG, budget=2)
    drive(searcher, 2)
    searcher.save(str(tmp_path / "file"))
    restored = ArqonSearcher(CONFIG, budget=4)
    restored.restore(str(tmp_path / "file"))
    drive(restored, 2, first=2)
    assert restored.suggest("more") == Searcher.FINISHED


def make_damaged(path: Any, searcher: ArqonSearcher) -> None:
    searcher.save(str(path))
    path.write_bytes(path.read_bytes()[:-40])


def make_foreign(path: Any, searcher: ArqonSearcher) -> None:
    path.write_bytes(cloudpickle.dumps({"hello": 1}))


def make_of_another_space(path: Any, searcher: ArqonSearcher) -> None:
    ArqonSearcher({"z": tune.uniform(0, 1)}).save(str(path))


def make_of_another_mode(path: Any, searcher: ArqonSearcher) -> None:
    ArqonSearcher(CONFIG, metric="loss", mode="max").save(str(path))


def make_nothing(path: Any, searcher: ArqonSearcher) -> None:
    assert not path.exists()


@pytest.mark.parametrize(
    "make", [make_damaged, make_foreign, make_of_another_space, make_of_another_mode, make_nothing]
)
def test_restore_never_raises_and_the_first_suggest_does(tmp_path: Any, make: Any) -> None:
    path = tmp_path / "file"
    searcher = ArqonSearcher(CONFIG, metric="loss", mode="min")
    make(path, searcher)
    searcher.restore(str(path))
    searcher.on_trial_complete("known to Tune", {"loss": 1.0})
    for _ in range(2):
        with pytest.raises(StateError, match=r"restore\(.*file.*failed"):
            searcher.suggest("t")
    before = path.read_bytes() if path.exists() else None
    searcher.save_to_dir(str(tmp_path), "later")
    assert (path.read_bytes() if path.exists() else None) == before
    assert not list(tmp_path.glob("searcher-state-*"))


def test_a_solver_can_be_put_in_as_the_seed_project_does(tmp_path: Any) -> None:
    searcher = ArqonSearcher(CONFIG)
    drive(searcher, 3)
    other = ArqonSearcher(CONFIG)
    other.solver = type(searcher.solver).from_state(searcher.solver.export())
    assert drive(other, 3, first=3) == drive(searcher, 3, first=3)


def test_malformed_observations_do_not_reach_the_solver() -> None:
    searcher = ArqonSearcher(CONFIG)
    searcher.suggest("t")
    with pytest.raises(ResultsError):
        searcher.solver.seed([{"params": {"x": 1.0}, "value": 1.0}])
    assert history(searcher) == []


def test_a_searchers_file_of_the_first_release_goes_on() -> None:
    space = {
        "lr": tune.loguniform(1e-4, 1.0),
        "n": tune.randint(1, 9),
        "m": tune.choice([{"name": "a", "c": tune.uniform(0, 1)}, {"name": "b"}]),
    }
    searcher = ArqonSearcher(space, metric="loss", mode="min", seed=4, budget=30)
    searcher.restore(str(Path(__file__).parent / "assets" / "searcher-0.1.0.pkl"))
    assert isinstance(searcher.solver, ArqonSolver)
    assert searcher.solver.get_history_len() == 7
    searcher.on_trial_complete("t7", {"loss": 2.0, "training_iteration": 9})  # it ran when the file was written
    assert searcher.solver.get_history_len() == 8
    for k in range(20, 23):
        config = searcher.suggest(f"t{k}")
        while config is None:
            config = searcher.suggest(f"t{k}")
        assert isinstance(config, dict)
        assert config["m"]["name"] in ("a", "b")
        searcher.on_trial_complete(f"t{k}", {"loss": 3.0, "training_iteration": 9})
    assert searcher.solver.get_history_len() == 11

"""The searcher contract, driven directly: what Tune calls, in the order and with the values that Tune uses."""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import pytest
from ray import cloudpickle, tune
from ray.tune.search import ConcurrencyLimiter, Repeater, Searcher

from arqon_ray.core import ArqonSolver
from arqon_ray.errors import ConfigError, ResultsError, StateError
from arqon_ray.tune import ArqonSearcher

BOUNDS = {"x": {"min": -5.0, "max": 5.0}, "n": {"min": 1, "max": 9, "type": "int"}}
CONFIG = {"seed": 7, "budget": 6, "bounds": BOUNDS}
TUNE_SPACE = {"x": tune.uniform(-5, 5), "deep": {"n": tune.randint(1, 10)}, "epochs": 3}


def loss(config: dict[str, Any]) -> float:
    return float(config["x"] ** 2 + config["n"])


def drive(searcher: Searcher, count: int, first: int = 0) -> list[dict[str, Any]]:
    """Suggest and complete one trial after the other."""
    configs = []
    for i in range(first, first + count):
        config = searcher.suggest(f"t{i}")
        assert isinstance(config, dict)
        searcher.on_trial_complete(
            trial_id=f"t{i}", result={"loss": loss(config), "training_iteration": 1}, error=False
        )
        configs.append(config)
    return configs


def history(searcher: ArqonSearcher) -> list[dict[str, Any]]:
    return searcher.solver.history()


# Candidates and the end


def test_the_same_trial_gets_the_same_config_and_different_ones_differ() -> None:
    searcher = ArqonSearcher(CONFIG)
    configs = [searcher.suggest(f"t{i}") for i in range(6)]
    assert [searcher.suggest(f"t{i}") for i in range(6)] == configs
    assert len({repr(config) for config in configs}) == 6


def test_finished_comes_when_the_budget_is_spent_and_nothing_is_in_flight() -> None:
    searcher = ArqonSearcher(CONFIG)
    drive(searcher, 5)
    searcher.suggest("last")
    assert searcher.suggest("more") is None
    searcher.on_trial_complete("last", {"loss": 1.0})
    assert searcher.suggest("more") == Searcher.FINISHED


def test_a_trial_without_any_result_gives_its_candidate_back() -> None:
    searcher = ArqonSearcher(CONFIG, budget=1)
    config = searcher.suggest("stopped")
    searcher.on_trial_complete("stopped", result=None, error=False)
    assert searcher.suggest("again") == config
    searcher.on_trial_complete("again", {"loss": 1.0})
    assert searcher.suggest("more") == Searcher.FINISHED
    assert [row["value"] for row in history(searcher)] == [1.0]


def test_seed_and_config_decide_every_candidate() -> None:
    one, same, other = (drive(ArqonSearcher(CONFIG, seed=seed), 6) for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_the_constructors_budget_is_over_the_configs() -> None:
    searcher = ArqonSearcher(CONFIG, budget=2)
    drive(searcher, 2)
    assert searcher.suggest("more") == Searcher.FINISHED


# What trials end with


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None, "broken", [1.0, 2.0]], ids=repr)
def test_a_final_value_that_is_no_number_is_a_failed_evaluation(value: Any) -> None:
    searcher = ArqonSearcher(CONFIG)
    searcher.suggest("t")
    searcher.on_trial_result("t", {"loss": 3.0, "training_iteration": 1})
    searcher.on_trial_complete("t", {"loss": value, "training_iteration": 2})
    (row,) = history(searcher)
    assert (row["value"], row["status"]) == (None, "failed")
    assert "loss is" in row["error"]["message"]


def test_an_error_is_a_failed_evaluation_whatever_was_reported() -> None:
    searcher = ArqonSearcher(CONFIG)
    searcher.suggest("t")
    searcher.on_trial_result("t", {"loss": 3.0, "training_iteration": 1})
    searcher.on_trial_complete(trial_id="t", result=None, error=True)
    assert [row["status"] for row in history(searcher)] == ["failed"]


def test_a_trial_that_ends_without_a_result_counts_with_its_last_value_and_step() -> None:
    searcher = ArqonSearcher(CONFIG)
    searcher.suggest("t")
    for step, value in [(1, 5.0), (2, 4.0), (3, math.nan), (4, None)]:
        searcher.on_trial_result("t", {"loss": value, "training_iteration": step})
    searcher.on_trial_result("t", {"accuracy": 1.0, "training_iteration": 5})
    searcher.on_trial_complete("t", result=None, error=False)
    (row,) = history(searcher)
    assert (row["value"], row["step"], row["status"]) == (4.0, 2, "stopped")
    assert [step[:2] for step in row["steps"]] == [[1, 5.0], [2, 4.0], [3, None]]


def test_after_a_restart_from_scratch_the_later_report_counts() -> None:
    searcher = ArqonSearcher(CONFIG)
    searcher.suggest("t")
    for step, value in [(1, 9.0), (2, 8.0), (1, 7.0)]:
        searcher.on_trial_result("t", {"loss": value, "training_iteration": step})
    searcher.on_trial_complete("t", result=None)
    assert [(row["value"], row["step"]) for row in history(searcher)] == [(7.0, 1)]


def test_a_final_result_without_the_metric_counts_with_the_last_value_or_fails() -> None:
    searcher = ArqonSearcher(CONFIG)
    for trial in ("reported", "silent"):
        searcher.suggest(trial)
    searcher.on_trial_result("reported", {"loss": 2.0, "training_iteration": 4})
    searcher.on_trial_complete("reported", {"training_iteration": 5})
    searcher.on_trial_complete("silent", {"training_iteration": 5})
    assert [(row["value"], row.get("step"), row["status"]) for row in history(searcher)] == [
        (2.0, 4, "complete"),
        (None, None, "failed"),
    ]


def test_unknown_and_late_trials_say_nothing() -> None:
    searcher = ArqonSearcher(CONFIG)
    searcher.on_trial_complete("before", {"loss": 1.0})
    searcher.suggest("t")
    searcher.on_trial_result("never", {"loss": 1.0})
    searcher.on_trial_complete("never", {"loss": 1.0})
    searcher.on_trial_complete("t", {"loss": 1.0})
    searcher.on_trial_result("t", {"loss": 0.0})
    searcher.on_trial_complete("t", {"loss": 0.0})
    assert [row["value"] for row in history(searcher)] == [1.0]


# Metric and mode


def test_nobody_names_metric_and_mode() -> None:
    searcher = ArqonSearcher(CONFIG)
    assert (searcher.metric, searcher.mode) == (None, None)
    searcher.suggest("t")
    assert (searcher.metric, searcher.mode) == ("loss", "min")


def test_a_mode_alone_means_the_number_that_a_trial_returns() -> None:
    searcher = ArqonSearcher()
    assert searcher.set_search_properties(None, "max", TUNE_SPACE)
    for trial, result in (("bare", {"_metric": 1.0}), ("named", {"loss": 2.0})):
        searcher.suggest(trial)
        searcher.on_trial_complete(trial, result)
    assert searcher.metric == "_metric"
    assert [row["value"] for row in history(searcher)] == [1.0, 2.0]
    assert searcher.solver.best()["value"] == 2.0


def test_the_runs_metric_is_taken_and_the_constructors_wins() -> None:
    taken = ArqonSearcher()
    assert taken.set_search_properties("acc", "max", TUNE_SPACE)
    taken.suggest("t")
    assert (taken.metric, taken.mode) == ("acc", "max")
    own = ArqonSearcher(CONFIG, metric="loss", mode="min")
    assert own.set_search_properties("acc", "max", {"epochs": 3})
    own.suggest("t")
    assert (own.metric, own.mode) == ("loss", "min")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metric": 3, "mode": "max"}, "metric is 3"),
        ({"mode": "minimize"}, "mode is 'minimize'"),
        ({"space": {**CONFIG, "mode": "max"}, "mode": "min"}, "mode is 'min' in ArqonSearcher and 'max'"),
        ({"space": {**CONFIG, "bugdet": 3}}, "bugdet"),
        ({"space": CONFIG, "budget": -1}, "budget is -1"),
        ({"space": CONFIG, "seed": 0.5}, "seed is 0.5"),
        ({"space": "{"}, "not valid JSON"),
        ({"space": {"x": 1}}, "only constants"),
    ],
)
def test_bad_arguments_are_refused_at_construction(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ArqonSearcher(**arguments)


def test_a_run_that_contradicts_the_constructor_is_refused() -> None:
    with pytest.raises(ConfigError, match="mode is 'min' in ArqonSearcher and 'max' in the run"):
        ArqonSearcher(CONFIG, metric="loss", mode="min").set_search_properties("loss", "max", {"epochs": 3})


# The space


def test_the_runs_space_is_searched_and_its_constants_are_left_to_tune() -> None:
    searcher = ArqonSearcher()
    assert searcher.set_search_properties("loss", "min", TUNE_SPACE)
    config = searcher.suggest("t")
    assert isinstance(config, dict)
    assert set(config) == {"x", "deep"}
    assert config["deep"]["n"] in range(1, 10)


def test_a_space_of_the_constructor_has_its_constants() -> None:
    config = ArqonSearcher(TUNE_SPACE).suggest("t")
    assert isinstance(config, dict)
    assert config["epochs"] == 3


def test_two_spaces_are_refused_and_the_same_one_again_is_not() -> None:
    searcher = ArqonSearcher(TUNE_SPACE)
    assert not searcher.set_search_properties(None, None, {"y": tune.uniform(0, 1)})
    assert searcher.set_search_properties(None, None, {"epochs": 5})
    run = ArqonSearcher()
    assert run.set_search_properties(None, None, TUNE_SPACE)
    assert run.set_search_properties(None, None, TUNE_SPACE)
    assert not run.set_search_properties(None, None, {"y": tune.uniform(0, 1)})


def test_no_space_at_all_is_one_clear_error() -> None:
    with pytest.raises(ConfigError, match="there is no space"):
        ArqonSearcher().suggest("t")


def test_a_json_string_is_a_config() -> None:
    config = ArqonSearcher('{"bounds": {"x": {"min": 0, "max": 1}}}').suggest("t")
    assert isinstance(config, dict)
    assert 0 <= config["x"] <= 1


# Points of the user


def test_points_come_first_in_their_order_nested_or_flat_and_count() -> None:
    points = [{"x": 1, "deep": {"n": 2}}, {"x": -2.5, "deep/n": 9}, {"deep": {"n": 5}}]
    searcher = ArqonSearcher(TUNE_SPACE, budget=4, points_to_evaluate=points)
    configs = [searcher.suggest(f"t{i}") for i in range(4)]
    assert configs[:2] == [{"x": 1, "deep": {"n": 2}, "epochs": 3}, {"x": -2.5, "deep": {"n": 9}, "epochs": 3}]
    assert isinstance(configs[2], dict)
    assert configs[2]["deep"]["n"] == 5
    assert -5 <= configs[2]["x"] <= 5
    assert searcher.suggest("more") is None
    for i in range(4):
        searcher.on_trial_complete(f"t{i}", {"loss": float(i)})
    assert searcher.suggest("more") == Searcher.FINISHED
    assert [row["params"]["deep/n"] for row in history(searcher)][:3] == [2, 9, 5]


@pytest.mark.parametrize(
    "space",
    [
        CONFIG,
        TUNE_SPACE,
        {"m": tune.choice([{"k": "a", "p": tune.uniform(0, 1)}, {"k": [1, 2]}]), "x": tune.randn(0, 1)},
    ],
)
def test_rows_that_a_study_hands_out_are_points(space: Any) -> None:
    def evaluated(**more: Any) -> tuple[ArqonSearcher, list[Any]]:
        searcher = ArqonSearcher(space, budget=6, **more)
        configs = [searcher.suggest(f"t{i}") for i in range(6)]
        for i in range(6):
            searcher.on_trial_complete(f"t{i}", {"loss": float(i)})
        return searcher, configs

    first, configs = evaluated(seed=1)
    rows = [*history(first)[1:4], first.solver.best()]
    _, suggested = evaluated(seed=2, points_to_evaluate=rows)
    assert suggested[:4] == [*configs[1:4], configs[0]]
    rewards = [row["value"] for row in rows]
    warm = ArqonSearcher(space, seed=3, points_to_evaluate=rows, evaluated_rewards=rewards)
    warm.suggest("t")
    assert [(row["params"], row["value"]) for row in history(warm)] == [(row["params"], row["value"]) for row in rows]
    with pytest.raises(ConfigError, match=r"points_to_evaluate\[1\].params .*"):
        ArqonSearcher(space, points_to_evaluate=[rows[0], {**rows[1], "params": {"zzz": 1}}])


def test_a_space_with_a_key_params_is_no_row_of_a_study() -> None:
    space = {"params": {"x": tune.uniform(0, 1)}, "value": tune.uniform(0, 1)}
    point = {"params": {"x": 0.25}, "value": 0.5}
    assert ArqonSearcher(space, points_to_evaluate=[point]).suggest("t") == point


def test_points_beyond_the_budget_are_not_run() -> None:
    searcher = ArqonSearcher(CONFIG, budget=1, points_to_evaluate=[{"x": 1.0, "n": 2}, {"x": 2.0, "n": 3}])
    assert searcher.suggest("t0") == {"x": 1.0, "n": 2}
    searcher.on_trial_complete("t0", {"loss": 1.0})
    assert searcher.suggest("t1") == Searcher.FINISHED


def test_a_point_outside_the_quantiles_reaches_the_trial_unchanged() -> None:
    searcher = ArqonSearcher({"x": tune.randn(0, 1)}, points_to_evaluate=[{"x": 9.0}, {"x": 0.123456789}])
    assert [searcher.suggest(f"t{i}") for i in range(2)] == [{"x": 9.0}, {"x": 0.123456789}]


def test_a_point_of_a_conditional_space_is_completed_under_its_condition() -> None:
    space = {"m": tune.choice([{"k": "a", "p": tune.uniform(0, 1)}, {"k": "b", "q": tune.uniform(2, 3)}])}
    searcher = ArqonSearcher(space, points_to_evaluate=[{"m": {"k": "b"}}, {"m": {"k": "a", "p": 0.5}}])
    first, second = searcher.suggest("t0"), searcher.suggest("t1")
    assert isinstance(first, dict)
    assert first["m"]["k"] == "b"
    assert 2 <= first["m"]["q"] <= 3
    assert second == {"m": {"k": "a", "p": 0.5}}


def test_points_with_rewards_are_told_and_not_run() -> None:
    points = [{"x": 1.0, "n": 2}, {"x": 2.0, "n": 3}]
    searcher = ArqonSearcher(CONFIG, points_to_evaluate=points, evaluated_rewards=[0.25, math.nan])
    assert searcher.suggest("t") not in points
    assert [(row["params"], row["value"]) for row in history(searcher)] == [(points[0], 0.25), (points[1], None)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"points_to_evaluate": {"x": 1.0}}, "points_to_evaluate is .* list"),
        ({"points_to_evaluate": [3]}, r"points_to_evaluate\[0\] is 3"),
        ({"points_to_evaluate": [{"x": 1.0, "n": 2}, {"z": 1.0}]}, r"points_to_evaluate\[1\]: z is not in the space"),
        ({"points_to_evaluate": [{"x": 70.0, "n": 2}]}, r"points_to_evaluate\[0\]: params\.x is 70"),
        ({"points_to_evaluate": [{"x": 1.0, "n": 2}], "evaluated_rewards": [1, 2]}, "2 values for 1"),
        ({"evaluated_rewards": [1]}, "1 values for 0"),
    ],
)
def test_bad_points_are_refused_at_construction(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ArqonSearcher(CONFIG, **arguments)


def test_bad_points_for_the_runs_space_are_refused_before_the_run() -> None:
    searcher = ArqonSearcher(points_to_evaluate=[{"x": 1.0, "deep": {"n": 99}}])
    with pytest.raises(ConfigError, match=r"points_to_evaluate\[0\].*99"):
        searcher.set_search_properties(None, None, TUNE_SPACE)


def test_points_evaluated_elsewhere_are_told_before_and_after_the_first_suggest() -> None:
    searcher = ArqonSearcher(TUNE_SPACE)
    searcher.add_evaluated_point({"x": 1.0, "deep": {"n": 2}, "epochs": 3, "other": "key"}, 0.5)
    searcher.suggest("t")
    searcher.add_evaluated_point({"x": 2.0, "deep": {"n": 3}}, 0.75, error=True)
    searcher.add_evaluated_point({"x": 3.0, "deep": {"n": 4}}, None, pruned=True, intermediate_values=[9.0, 8.0])
    searcher.add_evaluated_point({"x": 4.0, "deep": {"n": 4}}, None, pruned=True)
    assert [(row["params"]["x"], row["value"], row.get("step")) for row in history(searcher)] == [
        (1.0, 0.5, None),
        (2.0, None, None),
        (3.0, 8.0, 2),
    ]
    with pytest.raises(ConfigError, match="deep/n"):
        searcher.add_evaluated_point({"x": 3.0, "deep": {"n": 99}}, 1.0)


# Wrappers


def test_under_a_concurrency_limiter_paused_trials_do_not_count() -> None:
    limiter = ConcurrencyLimiter(ArqonSearcher(CONFIG), max_concurrent=2, batch=True)
    assert isinstance(limiter.suggest("a"), dict)
    assert isinstance(limiter.suggest("b"), dict)
    assert limiter.suggest("c") is None
    limiter.on_pause("a")
    assert isinstance(limiter.suggest("c"), dict)
    limiter.on_unpause("a")
    limiter.on_trial_complete("b", {"loss": 1.0})
    assert limiter.suggest("d") is None
    limiter.on_trial_complete("a", {"loss": 1.0})
    assert isinstance(limiter.suggest("d"), dict)


def test_under_a_repeater_the_mean_is_told_once() -> None:
    inner = ArqonSearcher(CONFIG, metric="loss", mode="min")
    repeater = Repeater(inner, repeat=3)
    configs = [repeater.suggest(f"t{i}") for i in range(6)]
    assert [config.pop("__trial_index__") for config in configs] == [0, 1, 2, 0, 1, 2]
    assert configs[0] == configs[1] == configs[2] != configs[3]
    for i, value in enumerate([1.0, 2.0, math.nan]):
        repeater.on_trial_complete(f"t{i}", {"loss": value})
    assert [row["value"] for row in history(inner)] == [1.5]


def test_tune_does_not_take_it_for_a_wrapper() -> None:
    searcher = ArqonSearcher(CONFIG)
    searcher.suggest("t")
    assert not hasattr(searcher, "searcher")


# Keeping


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

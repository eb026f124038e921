"""The searcher contract, driven directly: what Tune calls, in the order and with the values that Tune uses."""

from __future__ import annotations

import math
from typing import Any

import pytest
from ray import tune
from ray.tune.search import ConcurrencyLimiter, Repeater, Searcher

from arqon_ray.errors import ConfigError
from arqon_ray.tune import ArqonSearcher
from tests.tune.driving import CONFIG, TUNE_SPACE, drive, history

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

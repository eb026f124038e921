"""What Ray's own tests of searchers hold the shipped ones to, held to ours: driven by Tune's own SearchGenerator."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import pytest
from ray import tune
from ray.tune import PlacementGroupFactory
from ray.tune.experiment import Trial
from ray.tune.impl.placeholder import create_resolvers_map, inject_placeholders, resolve_placeholders
from ray.tune.search import ConcurrencyLimiter, Repeater, Searcher, SearchGenerator

from arqon_ray.errors import ConfigError
from arqon_ray.tune import ArqonSearcher

SPACE = {"report": tune.uniform(0.0, 5.0), "list": [1, 2, 3], "num": 4}
NAME = "reference-trainable"


@pytest.fixture(autouse=True)
def trainable() -> None:
    tune.register_trainable(NAME, lambda config: {"loss": 1.0})


def generator(searcher: Searcher, num_samples: int, space: dict[str, Any] | None = None, **said: Any) -> Any:
    """A SearchGenerator as ``tune.run`` sets it up."""
    algorithm = SearchGenerator(searcher)
    space = space or {}
    assert not space or algorithm.set_search_properties(said.get("metric"), said.get("mode"), copy.deepcopy(space))
    algorithm.add_configurations({"run": {"run": NAME, "num_samples": num_samples, "config": copy.deepcopy(space)}})
    return algorithm


def drain(algorithm: Any) -> list[Any]:
    trials = []
    while not algorithm.is_finished():
        trials.append(algorithm.next_trial())
        assert trials[-1] is not None
    return trials


# Results


def test_results_that_are_no_numbers_are_survived_and_never_the_best() -> None:
    points = [{"report": x} for x in (4.5, 3.5, 2.5)]  # at least one of each
    algorithm = generator(ArqonSearcher(points_to_evaluate=points), 16, SPACE, metric="_metric", mode="max")
    told = []
    while not algorithm.is_finished():
        trial = algorithm.next_trial()
        x = trial.config["report"]
        assert (trial.config["list"], trial.config["num"]) == ([1, 2, 3], 4)
        value = math.inf if x > 4 else -math.inf if x > 3 else math.nan if x > 2 else x
        told.append(value)
        algorithm.on_trial_complete(trial.trial_id, {"_metric": value, "training_iteration": 1})
    assert (told[:2], math.isnan(told[2])) == ([math.inf, -math.inf], True)
    best = algorithm.searcher.solver.best()
    assert best["value"] == max(value for value in told if math.isfinite(value)) <= 2


def test_reports_after_the_end_are_passed_over() -> None:
    searcher = ArqonSearcher(SPACE, metric="metric", mode="max")
    searcher.suggest("t")
    for iteration in (1, 3):
        searcher.on_trial_result("t", {"training_iteration": iteration, "metric": 1})
        searcher.on_trial_complete("t", {"training_iteration": iteration + 1, "metric": 1})
    assert [row["step"] for row in searcher.solver.history()] == [2]


# Points from elsewhere


def ended(trial_id: str, config: dict[str, Any], result: dict[str, Any], status: str = Trial.TERMINATED) -> Any:
    trial = Trial(NAME, stub=True, trial_id=trial_id, config=config)
    trial.placement_group_factory = PlacementGroupFactory([{"CPU": 1}])
    trial.status = status
    trial.run_metadata.last_result = result
    return trial


def test_evaluated_points_and_trials_are_told_with_their_fate() -> None:
    original = ArqonSearcher(SPACE, metric="metric", mode="max")
    searcher = copy.deepcopy(original)
    searcher.add_evaluated_point({"report": 1.0}, 1.0, intermediate_values=[0.8, 0.9])
    searcher.add_evaluated_point({"report": 1.0}, 1.0, intermediate_values=[0.8, 0.9], error=True)
    searcher.add_evaluated_point({"report": 1.0}, 1.0, intermediate_values=[0.8, 0.9], pruned=True)
    rows = searcher.solver.history()
    assert [(row["value"], row["status"], row.get("step")) for row in rows] == [
        (1.0, "complete", None),
        (None, "failed", None),
        (1.0, "stopped", 2),
    ]
    assert isinstance(searcher.suggest("t"), dict)
    trials = [
        ended("a", {"report": 1.0, "list": [1, 2, 3], "num": 4}, {"metric": 0.5, "done": True}),
        ended("b", {"report": 2.0, "list": [1, 2, 3], "num": 4}, {"metric": 0.25, "done": False}),
        ended("c", {"report": 3.0, "list": [1, 2, 3], "num": 4}, {"metric": 0.125}, Trial.ERROR),
        ended("d", {"report": 3.5, "list": [1, 2, 3], "num": 4}, {}),
    ]
    for given, count in ((trials, 3), (trials[0], 1), (tuple(trials[:2]), 2)):
        searcher = copy.deepcopy(original)
        searcher.add_evaluated_trials(given, "metric")
        assert len(searcher.solver.history()) == count
        assert isinstance(searcher.suggest("t"), dict)
    with pytest.raises(NotImplementedError):  # Ray's own answer to what is no trial
        searcher.add_evaluated_trials("trials", "metric")


def test_points_to_evaluate_are_run_to_the_letter() -> None:
    space = {
        "metric": tune.choice([1, 2, 3, 4]),
        "a": tune.choice(["t1", "t2"]),
        "b": tune.randint(0, 5),
        "c": tune.loguniform(1e-4, 1e-1),
        "nested": [tune.randint(0, 10), tune.randint(0, 10)],
        "fixed": [4, 8],
    }
    points = [
        {"metric": 2, "a": "t2", "b": 3, "c": 0.0123, "nested": [2, 4], "fixed": [4, 8]},
        {"metric": 4, "a": "t1", "b": 0, "c": 0.1, "nested": [0, 9], "fixed": [4, 8]},
    ]
    algorithm = generator(ArqonSearcher(points_to_evaluate=points), 5, space, metric="metric", mode="max")
    assert [trial.config for trial in drain(algorithm)][:2] == points


# Spaces


def test_a_thousand_configs_keep_to_every_domain_at_once() -> None:
    space = {
        "func": tune.sample_from(lambda config: config["uniform"] * 0.01),
        "uniform": tune.uniform(-5, -1),
        "quniform": tune.quniform(3.2, 5.4, 0.2),
        "loguniform": tune.loguniform(1e-4, 1e-2),
        "qloguniform": tune.qloguniform(1e-4, 1e-1, 5e-5),
        "choice": tune.choice([2, 3, 4]),
        "randint": tune.randint(-9, 15),
        "lograndint": tune.lograndint(1, 10),
        "qrandint": tune.qrandint(-21, 12, 3),
        "qrandint_q3": tune.qrandint(1, 10, 3),
        "qrandint_q1": tune.qrandint(1, 5, 1),
        "qlograndint": tune.qlograndint(2, 20, 2),
        "randn": tune.randn(10, 2),
        "qrandn": tune.qrandn(10, 2, 0.2),
    }
    searcher = ArqonSearcher(space)
    configs = [searcher.suggest(f"t{i}") for i in range(1000)]
    seen = {key: {config[key] for config in configs if isinstance(config, dict)} for key in space}
    for config in configs:
        assert isinstance(config, dict)
        assert config["func"] == config["uniform"] * 0.01
        assert -5 <= config["uniform"] <= -1
        assert 1e-4 <= config["loguniform"] <= 1e-2
        assert 0 < config["randn"] < 20
        for key, q, low, high in (
            ("quniform", 0.2, 3.2, 5.4),
            ("qloguniform", 5e-5, 1e-4, 1e-1),
            ("qrandn", 0.2, 0, 20),
        ):
            assert low - 1e-9 <= config[key] <= high + 1e-9
            assert math.isclose(config[key] / q, round(config[key] / q), rel_tol=1e-9)
    assert seen["choice"] == {2, 3, 4}
    assert seen["randint"] == set(range(-9, 15))
    assert seen["lograndint"] == set(range(1, 10))
    assert seen["qrandint"] == set(range(-21, 13, 3))
    assert seen["qrandint_q3"] == {3, 6, 9}
    assert seen["qrandint_q1"] == {1, 2, 3, 4}
    assert seen["qlograndint"] == set(range(2, 21, 2))
    assert all(type(value) is int for key in seen if "int" in key for value in seen[key])


def test_a_grid_and_a_space_of_constants_are_refused_before_the_run() -> None:
    with pytest.raises(ConfigError, match=r"tune\.choice"):
        generator(ArqonSearcher(), 1, {"grid": tune.grid_search([0, 1])})
    with pytest.raises(ConfigError, match="only constants"):
        ArqonSearcher({"a": 4})


def test_objects_behind_tunes_placeholders_come_back_as_themselves() -> None:
    options = [object(), object()]
    resolvers = create_resolvers_map()
    space = inject_placeholders({"data": tune.choice(options), **SPACE}, resolvers)
    trials = drain(generator(ArqonSearcher(), 8, space))
    for trial in trials:
        resolve_placeholders(trial.config, resolvers)
    assert {id(trial.config["data"]) for trial in trials} == {id(option) for option in options}


def test_nested_suggestions_name_the_trial() -> None:
    (trial,) = drain(generator(ArqonSearcher({"a": {"b": {"c": tune.uniform(0, 1), "e": 5}}}), 1))
    assert "e=5" in trial.experiment_tag
    assert set(trial.config["a"]["b"]) == {"c", "e"}


# Wrappers


@pytest.mark.parametrize(("num_samples", "repeat", "distinct"), [(2, 1, 2), (12, 4, 3), (11, 5, 3)])
def test_a_repeater_repeats(num_samples: int, repeat: int, distinct: int) -> None:
    repeater = Repeater(ArqonSearcher(SPACE, metric="loss", mode="min"), repeat=repeat, set_index=False)
    trials = drain(generator(repeater, num_samples))
    assert len(trials) == num_samples
    assert len({trial.config["report"] for trial in trials}) == distinct


def test_a_wrapped_searcher_goes_on_from_its_directory(tmp_path: Path) -> None:
    def wrapped() -> Any:
        limited = ConcurrencyLimiter(ArqonSearcher(SPACE, metric="loss", mode="min"), max_concurrent=2)
        return generator(Repeater(limited, repeat=3, set_index=False), 20)

    algorithm = wrapped()
    trials = [algorithm.next_trial() for _ in range(5)]
    for trial in trials[:2]:
        algorithm.on_trial_complete(trial.trial_id, {"loss": 1.0})
    algorithm.save_to_dir(str(tmp_path), "session")
    again = wrapped()
    assert again.has_checkpoint(str(tmp_path))
    again.restore_from_dir(str(tmp_path))
    sixth = again.next_trial()
    assert sixth.config["report"] == trials[3].config["report"]
    assert again.next_trial() is None  # two points are in flight, more are not allowed
    for trial in (*trials[2:], sixth):
        again.on_trial_complete(trial.trial_id, {"loss": 4.0})
    inner = again.searcher.searcher.searcher
    assert [row["value"] for row in inner.solver.history()] == [2.0, 4.0]
    assert again.next_trial() is not None


def test_a_limiters_limit_outlives_a_restore(tmp_path: Path) -> None:
    limiter = ConcurrencyLimiter(ArqonSearcher(SPACE), max_concurrent=2)
    assert all(isinstance(limiter.suggest(f"t{i}"), dict) for i in range(2))
    assert limiter.suggest("t2") is None
    state = limiter.get_state()
    limiter.save(str(tmp_path / "file"))
    again = ConcurrencyLimiter(ArqonSearcher(SPACE), max_concurrent=3)
    again.set_state(state)
    again.restore(str(tmp_path / "file"))
    assert again.suggest("t2") is None
    again.on_trial_complete("t0", {"loss": 1.0})
    assert isinstance(again.suggest("t3"), dict)


def test_a_batch_that_the_searcher_cannot_fill_does_not_hang() -> None:
    """ray#15880: the limiter waits for its whole batch; ours keeps the limit itself and waits for nothing."""
    limiter = ConcurrencyLimiter(ArqonSearcher(SPACE, budget=3), max_concurrent=5, batch=True)
    assert all(isinstance(limiter.suggest(f"t{i}"), dict) for i in range(3))
    assert limiter.suggest("more") is None
    for i in range(3):
        limiter.on_trial_complete(f"t{i}", {"loss": 1.0})
    assert limiter.suggest("more") == Searcher.FINISHED


# Keeping


class Counting(ArqonSearcher):
    """A user's own searcher, which counts results."""

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        super().on_trial_result(trial_id, result)
        self.count = getattr(self, "count", 0) + 1


def test_a_subclass_keeps_what_it_adds(tmp_path: Path) -> None:
    searcher = Counting(SPACE)
    searcher.suggest("t")
    searcher.on_trial_result("t", {"loss": 1.0, "training_iteration": 1})
    searcher.save(str(tmp_path / "file"))
    again = Counting()
    again.restore(str(tmp_path / "file"))
    again.on_trial_result("t", {"loss": 1.0, "training_iteration": 2})
    assert again.count == 2


def test_a_bare_searcher_is_restored_with_the_trial_that_never_completes(tmp_path: Path) -> None:
    searcher = ArqonSearcher()
    searcher.set_search_properties("metric", "max", {"a": tune.uniform(0.0, 5.0)})
    for trial in ("1", "2", "not completed"):
        searcher.suggest(trial)
    result = {"training_iteration": 1, "metric": 1, "config/a": 1.0, "time_total_s": 1}
    searcher.on_trial_result("1", result)
    searcher.on_trial_complete("1", result)
    searcher.save(str(tmp_path / "file"))
    again = ArqonSearcher()
    again.restore(str(tmp_path / "file"))
    for trial in ("2", "3"):
        again.suggest(trial)
        again.on_trial_result(trial, result)
        again.on_trial_complete(trial, result)
    assert len(again.solver.history()) == 3
    assert again.suggest("not completed") == searcher.suggest("not completed")

"""The user's own points: those to evaluate first, and those that were evaluated elsewhere."""

from __future__ import annotations

import math
from typing import Any

import pytest
from ray import tune
from ray.tune.search import Searcher

from arqon_ray.errors import ConfigError
from arqon_ray.tune import ArqonSearcher
from tests.tune.driving import CONFIG, TUNE_SPACE, history


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

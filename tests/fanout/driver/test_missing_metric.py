"""A metric that no result has ends the call at once and keeps nothing; one that some lack is a failure of those."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import arqon_ray
from arqon_ray.errors import ConfigError
from arqon_ray.fanout.driver.missing_metric import MetricCheck

CONFIG: dict[str, Any] = {"seed": 1, "budget": 40, "strategy": "probe", "bounds": {"x": {"min": 0.0, "max": 1.0}}}


def test_results_wait_until_one_has_the_metric() -> None:
    check: MetricCheck[str] = MetricCheck()
    assert check.admit("raised", False, 0, "") == ["raised"]
    assert check.admit("lacks 1", False, 1, "no") == []
    assert check.admit("lacks 2", False, 1, "no") == []
    assert check.admit("has it", True, 0, "") == ["lacks 1", "lacks 2", "has it"]
    assert check.admit("lacks 3", False, 9, "no") == ["lacks 3"]
    check.conclude()


def test_three_without_and_none_with_it_are_enough() -> None:
    check: MetricCheck[str] = MetricCheck()
    check.admit("a", False, 2, "metric 'los' is not there")
    with pytest.raises(ConfigError, match=r"metric 'los' is not there\. That holds for the first 3 results"):
        check.admit("b", False, 1, "another")
    assert check.admit("c", False, 1, "another") == []
    assert check.admit("raised", False, 0, "") == ["raised"]


def test_the_end_is_enough_too() -> None:
    check: MetricCheck[str] = MetricCheck()
    check.admit("a", False, 1, "metric 'los' is not there")
    with pytest.raises(ConfigError, match="That holds for the only result"):
        check.conclude()
    known: MetricCheck[str] = MetricCheck(known=True)
    assert known.admit("a", False, 5, "no") == ["a"]


def wrong(params: dict[str, Any]) -> dict[str, float]:
    return {"accuracy": params["x"], "losss": 1.0}


# The first point is 0.5: it has the metric, whichever of the next ones end first.
def some(params: dict[str, Any]) -> dict[str, float]:
    return {"accuracy": params["x"], **({"loss": params["x"]} if params["x"] >= 0.5 else {})}


def once(calls: Path) -> Callable[[dict[str, Any]], dict[str, float]]:
    def objective(params: dict[str, Any]) -> dict[str, float]:
        with calls.open("a") as stream:
            stream.write("x")
        return wrong(params)

    return objective


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("metric", [None, "loss"])
@pytest.mark.parametrize("width", [1, 4])
def test_optimize_ends_after_the_first_results_and_keeps_none(
    tmp_path: Path, unique_name: str, metric: str | None, width: int
) -> None:
    name = unique_name.replace("[", "-")
    study = arqon_ray.start(CONFIG, name, storage_path=str(tmp_path))
    try:
        with pytest.raises(ConfigError, match=r"'loss' .* it has 'accuracy', 'losss' \(did you mean 'losss'\?\)"):
            arqon_ray.optimize(
                once(tmp_path / "calls"), study=study, metric=metric, max_concurrency=width, progress=False
            )
        assert 3 <= len((tmp_path / "calls").read_text()) <= 3 + 2 * width
        assert study.history() == study.pending() == []
        result = arqon_ray.optimize(wrong, study=study, metric="losss", max_concurrency=4, progress=False)
        assert (len(result.history), result.failures) == (CONFIG["budget"], [])
    finally:
        study.stop(purge=True)


@pytest.mark.usefixtures("cluster")
def test_a_study_of_two_evaluations_says_so_too() -> None:
    with pytest.raises(ConfigError, match="That holds for the first 2 results"):
        arqon_ray.optimize(wrong, {**CONFIG, "budget": 2}, progress=False)
    with pytest.raises(ConfigError, match="That holds for the only result"):
        arqon_ray.optimize(wrong, CONFIG, max_evaluations=1, progress=False)


@pytest.mark.usefixtures("cluster")
def test_what_only_some_lack_is_a_failure_of_those() -> None:
    # One at a time: where three that lack it happen to end first, the call is refused.
    result = arqon_ray.optimize(some, {**CONFIG, "budget": 16}, metric="loss", max_concurrency=1, progress=False)
    lacking = [row for row in result.history if row["params"]["x"] < 0.5]
    assert 0 < len(lacking) < 16
    assert len(result.failures) == len(lacking)
    assert all("metric 'loss' is not in the returned dict" in failure.error for failure in result.failures)
    swept = arqon_ray.sweep(some, CONFIG, 16, metric="loss", shard_size=1, max_in_flight=1, progress=False)
    assert (swept.num_done, swept.num_failed) == (16, 8)


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("size", [1, 8])
def test_a_sweep_leaves_nothing_and_the_right_name_can_follow(tmp_path: Path, size: int) -> None:
    folder = tmp_path / "results" / "sweep"
    with pytest.raises(ConfigError, match="did you mean 'losss'"):
        arqon_ray.sweep(wrong, CONFIG, 16, shard_size=size, output=folder, progress=False)
    assert not folder.parent.exists()
    result = arqon_ray.sweep(wrong, CONFIG, 16, shard_size=size, output=folder, metric="losss", progress=False)
    assert (result.num_done, result.num_failed) == (16, 0)

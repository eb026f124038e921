"""Evaluations that hang end, whatever they hang in, and nothing else is lost by it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from arqon_ray import ArqonProbe, ConfigError, EvaluationsFailedError, optimize, sweep
from arqon_ray.fanout.worker.mailbox import Mailbox, _store

CONFIG: dict[str, Any] = {
    "seed": 7,
    "budget": 8,
    "bounds": {"x": {"min": 0.0, "max": 1.0}, "y": {"min": 0.0, "max": 1.0}},
}
LATE = "timeout: it ran longer than 0.5 s"
pytestmark = pytest.mark.usefixtures("cluster")


def hung_points(count: int) -> list[int]:
    """Return the indices that hang: few, and never the first."""
    points = ArqonProbe(CONFIG, seed=7).sample_range(0, count)
    return [i for i, point in enumerate(points) if point["x"] > 0.94]


def sleeping() -> None:
    time.sleep(600)


def swallowing() -> None:
    while True:
        with contextlib.suppress(BaseException):
            time.sleep(0.01)


def holding_the_lock() -> None:
    sum(range(10**14))


@pytest.mark.parametrize("hang", [sleeping, swallowing, holding_the_lock])
def test_a_sweep_loses_no_row_to_one_that_hangs(
    hang: Callable[[], None], tmp_path: Path, assert_died: Callable[[list[int]], None]
) -> None:
    pids = tmp_path / "pids"

    def evaluate(params: dict[str, Any]) -> float:
        if params["x"] > 0.94:
            with pids.open("a") as file:
                file.write(f"{os.getpid()}\n")
            hang()
        with (tmp_path / "evaluated").open("a") as file:
            file.write(f"{params['x']!r}\n")
        return float(params["x"])

    late = hung_points(24)
    assert len(late) in (1, 2)
    result = sweep(
        evaluate, CONFIG, 24, shard_size=12, evaluation_timeout_s=0.5, output=tmp_path / "out", progress=False
    )
    table = pq.read_table(tmp_path / "out").sort_by("index")
    assert table["index"].to_pylist() == list(range(24))
    assert [i for i, value in enumerate(table["value"].to_pylist()) if value is None] == late
    assert {(failure["index"], failure["kind"]) for failure in result.failures} == {(i, "timeout") for i in late}
    assert {error for error in table["error"].to_pylist() if error} == {LATE}
    assert all(table["seconds"][i].as_py() >= 0.5 for i in late)
    died = [int(pid) for pid in pids.read_text().split()]
    if hang is not sleeping:
        assert_died(died)
    if hang is not holding_the_lock:
        assert len(died) == len(late)
        evaluated = (tmp_path / "evaluated").read_text().split()
        assert len(evaluated) == len(set(evaluated)) == 24 - len(late)


def test_optimize_tells_a_hanging_evaluation_as_failed_without_another_attempt(tmp_path: Path) -> None:
    def objective(params: dict[str, Any]) -> float:
        with (tmp_path / f"{params['x']!r} {params['y']!r}").open("a") as file:
            file.write("x")
        if params["x"] > 0.6:
            swallowing()
        return float(params["x"])

    result = optimize(objective, CONFIG, evaluation_timeout_s=0.5, progress=False)
    assert result.evaluations == 8
    assert result.failures
    for failure in result.failures:
        assert (failure.kind, failure.error, failure.attempts) == ("timeout", LATE, 1)
        assert failure.trace is not None
        assert "in swallowing" in failure.trace
    assert {file.name: len(file.read_text()) for file in tmp_path.iterdir()} == {
        f"{row['params']['x']!r} {row['params']['y']!r}": 1 for row in result.history
    }
    assert {row["params"]["x"] > 0.6 for row in result.history if row["value"] is None} == {True}


def test_a_coroutine_that_hangs_is_ended_and_does_not_go_on_in_the_next(tmp_path: Path) -> None:
    async def objective(params: dict[str, Any]) -> float:
        if params["x"] > 0.6:
            try:
                await asyncio.sleep(600)
            finally:
                (tmp_path / repr(params["x"])).touch()
        return float(params["x"])

    result = optimize(objective, CONFIG, evaluation_timeout_s=0.5, progress=False)
    assert [failure.error for failure in result.failures] == [LATE] * len(result.failures)
    assert {file.name for file in tmp_path.iterdir()} == {repr(failure.params["x"]) for failure in result.failures}
    assert result.failures


def test_the_clock_starts_with_the_function_and_not_in_the_queue() -> None:
    def objective(params: dict[str, Any]) -> float:
        time.sleep(0.3)
        return float(params["x"])

    result = optimize(
        objective, CONFIG, max_concurrency=8, resources={"cpu": 4}, evaluation_timeout_s=1.2, progress=False
    )
    assert result.failures == []


def test_a_late_value_is_late_though_the_function_caught_the_exception() -> None:
    def objective(params: dict[str, Any]) -> float:
        try:
            time.sleep(600)
        except BaseException:
            return 0.0
        return 1.0

    result = optimize(objective, {**CONFIG, "budget": 2}, evaluation_timeout_s=0.5, progress=False)
    assert [failure.error for failure in result.failures] == [LATE] * 2


def test_what_a_dead_task_left_is_there_once() -> None:
    mailbox = Mailbox(1.0)
    task = mailbox.of_task((0, 8))
    assert mailbox.take((0, 8)) is None
    assert not mailbox.overran((0, 8))
    task.mark_begin()
    task.leave({"rows": 3})
    assert not mailbox.overran((0, 8))
    assert mailbox.take((0, 8)) == {"rows": 3}
    assert mailbox.take((0, 8)) is None
    mailbox.clear()
    assert _store()._internal_kv_list(task.run, namespace=b"arqon") == []


def test_a_process_that_dies_late_in_a_long_shard_is_no_evaluation_that_ran_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, overran = [], Mailbox.overran

    def recorded(self: Mailbox, key: Any) -> bool:
        answers.append(overran(self, key))
        return answers[-1]

    def evaluate(params: dict[str, Any]) -> float:
        with (tmp_path / "evaluated").open("a") as file:
            file.write(f"{params['x']!r}\n")
        if len((tmp_path / "evaluated").read_text().split()) == 30:
            os._exit(1)
        time.sleep(0.1)
        return float(params["x"])

    # The driver alone: in the worker the grace is what it was, and nothing there is ended for its time.
    monkeypatch.setattr("arqon_ray.fanout.worker.mailbox.GRACE", 0.0)
    monkeypatch.setattr(Mailbox, "overran", recorded)
    result = sweep(evaluate, CONFIG, 32, shard_size=32, evaluation_timeout_s=2.0, progress=False)
    assert answers == [False]  # it died once, three seconds after the shard began
    assert (result.num_done, result.num_failed) == (32, 0)
    assert len((tmp_path / "evaluated").read_text().split()) == 30 + 32


def test_optimize_gives_up_when_the_first_evaluations_fail_alike() -> None:
    def objective(params: dict[str, Any]) -> float:
        raise KeyError(f"no column {params['x']}")

    with pytest.raises(EvaluationsFailedError, match="the first 5 evaluations all failed alike: KeyError") as caught:
        optimize(objective, {**CONFIG, "budget": 100}, fail_fast=5, max_concurrency=2, progress=False)
    assert "in objective" in str(caught.value)
    result = caught.value.result
    assert 5 <= result.evaluations < 20
    assert result.stopped_by == "fail_fast"
    assert len(result.failures) == result.evaluations


def test_a_budget_below_the_limit_and_other_failures_end_as_before() -> None:
    def alike(params: dict[str, Any]) -> float:
        raise ValueError("alike")

    def different(params: dict[str, Any]) -> float:
        raise ValueError("low" if params["x"] < 0.5 else "high")

    assert len(optimize(alike, CONFIG, progress=False).failures) == 8
    assert len(optimize(alike, {**CONFIG, "budget": 12}, fail_fast=None, progress=False).failures) == 12
    assert len(optimize(different, {**CONFIG, "budget": 14}, progress=False).failures) == 14


def test_a_sweep_gives_up_and_keeps_its_rows(tmp_path: Path) -> None:
    def evaluate(params: dict[str, Any]) -> float:
        raise ValueError(f"no file for {params['x']}")

    with pytest.raises(EvaluationsFailedError, match="all failed alike: ValueError: no file") as caught:
        sweep(evaluate, CONFIG, 10_000, shard_size=8, fail_fast=20, output=tmp_path, progress=False)
    assert "in evaluate" in str(caught.value)
    kept = sum(pq.read_metadata(file).num_rows for file in tmp_path.glob("*.parquet"))
    assert kept == caught.value.result.num_failed
    assert 20 <= kept < 1000
    assert sweep(evaluate, CONFIG, 64, fail_fast=None, progress=False).num_failed == 64


def test_patience_ends_a_run_that_finds_nothing_better() -> None:
    result = optimize(lambda params: 1.0, {**CONFIG, "budget": 50}, patience=4, max_concurrency=1, progress=False)
    assert result.stopped_by == "patience"
    assert 5 <= result.evaluations <= 6


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"evaluation_timeout_s": 0}, "evaluation_timeout_s is 0"),
        ({"evaluation_timeout_s": float("inf")}, "evaluation_timeout_s is inf"),
        ({"evaluation_timeout_s": "5"}, "evaluation_timeout_s is '5'"),
        ({"metric": ["a", "b"]}, r"metric is \['a', 'b'\]: it must be a string"),
        ({"fail_fast": 0}, "fail_fast is 0"),
        ({"fail_fast": 2.0}, r"fail_fast is 2\.0"),
    ],
)
def test_limits_that_break_a_rule_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        optimize(lambda params: 0.0, CONFIG, progress=False, **arguments)
    with pytest.raises(ConfigError, match=words):
        sweep(lambda params: 0.0, CONFIG, 8, progress=False, **arguments)
    with pytest.raises(ConfigError, match="patience is True"):
        optimize(lambda params: 0.0, CONFIG, progress=False, patience=True)

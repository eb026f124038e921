"""What is no metric is warned once, wherever the evaluations run."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from arqon_ray.core.record.metrics import MAX_METRICS, flatten
from arqon_ray.fanout.worker.evaluate import evaluate_point
from arqon_ray.fanout.worker.warn_once import WarnOnce


def odd(params: dict[str, Any]) -> dict[Any, Any]:
    return {"loss": 0.5, "model": object(), 7: 1.0, "nested": {"deep": {"blob": b"1"}}}


def test_a_worker_names_a_metric_once_in_a_run() -> None:
    warned: set[str] = set()
    first = evaluate_point(odd, {}, "loss", warned=warned)

    assert {name for name, _ in first.notes} == {"model", "7", "nested/deep/blob"}
    assert first.evaluation.metrics == {"loss": 0.5}
    assert evaluate_point(odd, {}, "loss", warned=warned).notes == ()
    assert len(evaluate_point(odd, {}, "loss", warned=set()).notes) == 3, "another run says it again"


def test_a_driver_warns_once_of_a_metric_whatever_its_workers_say() -> None:
    noted = WarnOnce()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):  # each worker has its own object, at its own address
            noted.warn(evaluate_point(odd, {}, "loss").notes)
    assert len(caught) == 3
    assert "metric 'model': <object object at" in str(caught[0].message)
    assert caught[0].filename == __file__


def test_the_metric_that_counts_is_kept_however_many_there_are() -> None:
    def many(params: dict[str, Any]) -> dict[str, Any]:
        return {**{f"m{i}": 1.0 for i in range(100)}, "val": {"loss": 0.25}}

    outcome = evaluate_point(many, {}, "val/loss")
    assert outcome.value == 0.25
    assert len(outcome.evaluation.metrics) == MAX_METRICS
    assert outcome.evaluation.metrics["val/loss"] == 0.25
    assert [name for name, _ in outcome.notes] == ["m63"]


def test_a_dict_that_contains_itself_is_left_out() -> None:
    inner: dict[str, Any] = {"a": 1.0}
    inner["again"] = inner
    with pytest.warns(UserWarning, match="contains itself"):
        assert flatten({"x": inner, "loss": 1.0}, named=set()) == {"x/a": 1.0, "loss": 1.0}

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from arqon_ray import ResultsError
from arqon_ray.fanout.worker import context as module
from arqon_ray.fanout.worker.context import Context, seed_of, takes_context
from arqon_ray.fanout.worker.evaluate import evaluate_point


def train(params: dict[str, Any], context: Context) -> dict[str, Any]:
    for epoch in range(3):
        context.report(epoch, params["x"] + epoch, {"epoch": epoch, "lr": 0.1})
    return {"loss": params["x"], "seed": context.seed, "lr": 0.5}


def plain(params: dict[str, Any]) -> float:
    return float(params["x"])


async def coroutine(params: dict[str, Any], *, context: Context) -> float:
    context.report(1, 2.0)
    return float(params["x"])


class Trainer:
    def __call__(self, params: dict[str, Any], context: Context) -> float:
        context.report(7, 1.0)
        return float(params["x"])


class Plain:
    def __call__(self, params: dict[str, Any]) -> float:
        return float(params["x"])


def passing_on(fn: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return fn(*args, **kwargs)

    return wrapper


def keeping_back(fn: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(fn)
    def wrapper(params: dict[str, Any]) -> Any:
        return fn(params, Context())

    return wrapper


def with_optional_columns(scale: float, params: dict[str, Any], context: Context) -> float:
    return scale * context.index * float(params["x"])


def named(fn: Any) -> str:
    """Return the same name in every process that collects the tests."""
    return str(getattr(fn, "__name__", type(fn).__name__))


@pytest.mark.parametrize(
    "fn",
    [train, coroutine, Trainer, Trainer(), passing_on(train), functools.partial(with_optional_columns, 2.0)],
    ids=named,
)
def test_a_function_that_has_the_parameter_is_given_a_context(fn: Any) -> None:
    assert takes_context(fn)
    outcome = evaluate_point(fn, {"x": 0.5}, "loss", context=Context(index=3))
    assert outcome.error is None


@pytest.mark.parametrize(
    "fn",
    [
        plain,
        Plain,
        Plain(),
        keeping_back(train),
        functools.partial(train, context=Context()),
        lambda context: 1.0,
        max,
        print,
    ],
    ids=named,
)
def test_others_are_not(fn: Any) -> None:
    assert not takes_context(fn)


def test_reports_and_their_last_metrics_come_with_the_result() -> None:
    context = Context(index=4, seed=seed_of(7, 4))
    evaluation = evaluate_point(train, {"x": 0.5}, "loss", context=context).evaluation
    assert [(step.step, step.value) for step in evaluation.steps] == [(0, 0.5), (1, 1.5), (2, 2.5)]
    assert all(step.time is not None and abs(step.time - time.time()) < 60 for step in evaluation.steps)
    assert evaluation.metrics == {"loss": 0.5, "seed": seed_of(7, 4), "lr": 0.5, "epoch": 2}


def test_reports_of_an_evaluation_that_fails_are_kept() -> None:
    def fails(params: dict[str, Any], context: Context) -> float:
        context.report(1, 3.0, {"memory": 12})
        raise ValueError("no convergence")

    evaluation = evaluate_point(fails, {}, context=Context()).evaluation
    assert (evaluation.status, evaluation.metrics, evaluation.steps[0].value) == ("failed", {"memory": 12}, 3.0)
    assert evaluation.error is not None
    assert (evaluation.error.kind, evaluation.error.message) == ("raised", "ValueError: no convergence")


def test_seeds_are_a_pure_function_of_study_index_and_replicate() -> None:
    seeds = [seed_of(study, index, replicate) for study in range(5) for index in range(50) for replicate in range(2)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert seed_of(42, 0) == 741372015, "as it is in every release"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((-1, 1.0), "step is -1: it must be a whole number"),
        ((1.5, 1.0), "step is 1.5"),
        ((1, "good"), "value is 'good'"),
        ((1, 1.0, [0.5]), r"metrics is \[0.5\]: it must be a dict"),
    ],
)
def test_a_malformed_report_is_refused_where_it_is_made(arguments: Any, words: str) -> None:
    context = Context()
    with pytest.raises(ResultsError, match=words):
        context.report(*arguments)
    assert context.steps == ()


def test_reports_in_any_order_and_again() -> None:
    context = Context()
    for step, value in ((3, 1.0), (1, 2.0), (3, 0.5), (2, float("nan"))):
        context.report(step, value)
    assert [(step.step, step.value) for step in context.steps] == [(1, 2.0), (2, None), (3, 0.5)]


def test_what_was_sent_does_not_travel_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INTERVAL", 0.01)
    sent: list[dict[str, Any]] = []
    arrived = threading.Event()

    def send(batch: list[dict[str, Any]]) -> None:
        sent.extend(batch)
        arrived.set()

    context = Context(send=send)
    context.report(1, 1.0)
    context.report(2, 2.0, {"a": 1})
    assert arrived.wait(30)
    while context.end():  # until it is known that they have arrived
        time.sleep(0.001)
    context.report(3, 3.0)
    unsent = context.end()
    steps = sorted({report["step"] for report in sent} | {step.step for step in unsent})
    assert steps == [1, 2, 3]
    assert {report["step"] for report in sent}.isdisjoint(step.step for step in unsent)
    assert [report["metrics"] for report in sent if "metrics" in report] == [{"a": 1}]
    assert all(report.keys() <= {"step", "value", "time", "metrics"} for report in sent)


def test_a_study_that_is_away_costs_an_evaluation_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "INTERVAL", 0.01)
    tried = threading.Event()

    def send(batch: list[dict[str, Any]]) -> None:
        tried.set()
        raise RuntimeError("the study is away")

    def slow(params: dict[str, Any], context: Context) -> float:
        context.report(1, 4.0)
        assert tried.wait(30)
        return 2.0

    outcome = evaluate_point(slow, {}, context=Context(send=send))
    assert outcome.value == 2.0
    assert [(step.step, step.value) for step in outcome.evaluation.steps] == [(1, 4.0)]


def test_however_many_reports_a_study_misses_at_most_a_thousand_wait() -> None:
    missed = threading.Event()

    def send(batch: list[dict[str, Any]]) -> None:
        missed.set()
        raise RuntimeError("the study is away")

    context = Context(send=send)
    for step in range(20_000):
        context.report(step, 1.0, {"step": step})
    waiting = [step.step for step in context.end()]
    assert len(waiting) <= 1000
    assert (waiting[0], waiting[-1]) == (0, 19_999)
    assert max(b - a for a, b in pairwise(waiting)) <= 32
    assert context.metrics == {"step": 19_999}


def test_of_reported_and_returned_metrics_64_are_kept_and_the_returned_ones_first() -> None:
    def many(params: dict[str, Any], context: Context) -> dict[str, float]:
        for epoch in range(10):
            context.report(epoch, 1.0, {f"epoch {epoch}/{name}": 1.0 for name in range(20)})
        return {f"final {name}": 2.0 for name in range(30)} | {"loss": 0.5}

    evaluation = evaluate_point(many, {}, "loss", context=Context()).evaluation
    assert len(evaluation.metrics) == 64
    assert [name for name in evaluation.metrics if not name.startswith("epoch")] == [
        *(f"final {name}" for name in range(30)),
        "loss",
    ]


def test_what_a_function_returns_that_was_told_to_stop_is_not_its_value() -> None:
    wanted = iter([False, False, True])

    def patient(params: dict[str, Any], context: Context) -> float:
        while not context.should_stop():
            pass
        assert context.should_stop(), "it stays so"
        return 99.0

    context = Context(stopped=lambda: next(wanted))
    with pytest.raises(KeyboardInterrupt, match="no longer wanted"):
        evaluate_point(patient, {}, context=context)
    assert context.stopping


def test_nothing_stops_an_evaluation_outside_of_ray() -> None:
    assert not Context().should_stop()


def test_a_context_is_asked_for_once_a_function() -> None:
    before = module._takes.cache_info().misses

    def fresh(params: dict[str, Any]) -> float:
        return 1.0

    for _ in range(5):
        takes_context(fresh)
    assert module._takes.cache_info().misses == before + 1


def test_what_is_no_metric_costs_no_evaluation() -> None:
    def trains(params: dict[str, Any], context: Context) -> float:
        for step in range(3):
            context.report(step, 1.0, {"model": object(), "note": "x" * 5000, "lr": 0.5, 3: 1.0})
        return 2.0

    outcome = evaluate_point(trains, {}, context=Context())
    assert outcome.value == 2.0
    assert outcome.evaluation.metrics == {"note": "x" * 4096, "lr": 0.5}
    assert sorted(name for name, _ in outcome.notes) == ["3", "model", "note"]

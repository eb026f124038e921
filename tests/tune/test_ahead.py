"""Candidates that a thread computes between Tune's calls."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from arqon_ray.core.draft import Draft
from arqon_ray.core.solver import ArqonSolver
from arqon_ray.tune import ArqonSearcher, searcher

CONFIG = {"seed": 3, "bounds": {"x": {"min": -5.0, "max": 5.0}, "y": {"min": -5.0, "max": 5.0}}}


def value(config: dict[str, Any]) -> float:
    return float((config["x"] - 1) ** 2 + config["y"] ** 2)


class Gate:
    """Holds the model back until it is opened, and counts how often it was begun."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open = threading.Event()
        self.open.set()
        self.begun = 0
        self.error: Exception | None = None
        whole = Draft._exploit

        def held(draft: Draft) -> Any:
            self.begun += 1
            assert self.open.wait(60)
            if self.error is not None:
                raise self.error
            return whole(draft)

        monkeypatch.setattr(Draft, "_exploit", held)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


def past_the_probe(count: int = 4) -> ArqonSearcher:
    arqon = ArqonSearcher(CONFIG)
    for i in range(count):
        config = arqon.suggest(f"p{i}")
        assert isinstance(config, dict)
        arqon.on_trial_complete(f"p{i}", {"loss": value(config)})
    return arqon


def test_while_trials_run_suggest_does_not_wait_and_the_candidate_comes_later(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    arqon = past_the_probe()
    running = arqon.suggest("running")
    monkeypatch.setattr(searcher, "BUSY", 0.0)
    gate.open.clear()
    assert arqon.suggest("a") is None
    assert arqon.suggest("b") is None
    gate.open.set()
    monkeypatch.setattr(searcher, "BUSY", 60.0)
    assert isinstance(arqon.suggest("c"), dict)
    assert running != arqon.suggest("c")


def test_it_is_computed_between_a_result_and_the_next_ask(gate: Gate) -> None:
    arqon = past_the_probe()
    arqon._study._ahead._job.future.result(60)  # type: ignore[union-attr]
    begun = gate.begun
    assert begun > 0
    assert isinstance(arqon.suggest("a"), dict)
    assert gate.begun == begun


def test_what_was_computed_before_a_result_is_not_used() -> None:
    """The same as a solver without a thread, whatever the thread had begun."""
    arqon, plain = past_the_probe(), ArqonSolver(CONFIG)
    for _ in range(4):
        candidate = plain.propose()
        assert candidate is not None
        plain.observe(candidate.number, value(candidate.params))
    for i in range(6):
        one, two = arqon.suggest(f"a{i}"), arqon.suggest(f"b{i}")
        pair = plain.propose(), plain.propose()
        assert [one, two] == [candidate and candidate.params for candidate in pair]
        for trial, candidate in zip((f"b{i}", f"a{i}"), reversed(pair), strict=True):
            assert candidate is not None
            arqon.on_trial_complete(trial, {"loss": value(candidate.params)})
            plain.observe(candidate.number, value(candidate.params))


def test_a_model_that_fails_does_not_end_the_run(gate: Gate) -> None:
    arqon = past_the_probe()
    gate.error = RuntimeError("broken on purpose")
    arqon.suggest("a")
    arqon.on_trial_complete("a", {"loss": 1.0})
    assert isinstance(arqon.suggest("b"), dict)
    assert arqon.solver.pending[5].origin == "probe"  # type: ignore[union-attr]

"""Candidates that a thread computes between Tune's calls."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from arqon_ray.core.propose.proposer import Proposer
from arqon_ray.core.solver import ArqonSolver
from arqon_ray.errors import ArqonError
from arqon_ray.tune import ArqonSearcher, session

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
        whole = Proposer._exploit

        def held(proposer: Proposer) -> Any:
            self.begun += 1
            assert self.open.wait(60)
            if self.error is not None:
                raise self.error
            return whole(proposer)

        monkeypatch.setattr(Proposer, "_exploit", held)


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
    monkeypatch.setattr(session, "BUSY", 0.0)
    gate.open.clear()
    assert arqon.suggest("a") is None
    assert arqon.suggest("b") is None
    gate.open.set()
    monkeypatch.setattr(session, "BUSY", 60.0)
    assert isinstance(arqon.suggest("c"), dict)
    assert running != arqon.suggest("c")


def test_it_is_computed_between_a_result_and_the_next_ask(gate: Gate) -> None:
    arqon = past_the_probe()
    arqon._session.study._prefetcher._job.future.result(60)  # type: ignore[union-attr]
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


RUNGS = {"seed": 3, "budget": 60, "strategy": "noisy_gaussian_process", "bounds": CONFIG["bounds"]}


def with_rungs() -> tuple[ArqonSearcher, list[str]]:
    """Return a searcher after fourteen trials of three steps, and two that run and have not reported."""
    arqon = ArqonSearcher(RUNGS)
    names = [f"t{i}" for i in range(16)]
    configs = {name: arqon.suggest(name) for name in names}
    for name in names[:14]:
        config = configs[name]
        assert isinstance(config, dict)
        arqon.on_trial_result(name, {"loss": value(config) + 1.0, "training_iteration": 1})
        arqon.on_trial_complete(name, {"loss": value(config), "training_iteration": 3})
    return arqon, names[14:]


def the_next(arqon: ArqonSearcher, name: str) -> dict[str, Any]:
    for _ in range(600):
        config = arqon.suggest(name)
        if isinstance(config, dict):
            return config
    raise AssertionError("nothing was suggested")


def test_a_candidate_that_was_computed_ahead_notices_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arqon_ray.tune.study.prefetch._FRESH", 1e9)
    arqon, running = with_rungs()
    assert isinstance(arqon.solver, ArqonSolver)
    arqon._session.study._prefetcher.begin().result(60)  # type: ignore[union-attr]
    before = ArqonSolver.from_state(arqon.solver.export()).ask_one()
    for name in running:
        arqon.on_trial_result(name, {"loss": 50.0, "training_iteration": 9})
    at_the_ask = ArqonSolver.from_state(arqon.solver.export()).ask_one()
    assert before != at_the_ask
    assert the_next(arqon, "next") == at_the_ask


def test_the_same_events_give_the_same_candidate_restored_or_not(tmp_path: Any) -> None:
    arqon, running = with_rungs()
    arqon.save(str(tmp_path / "file"))
    again = ArqonSearcher(RUNGS)
    again.restore(str(tmp_path / "file"))
    for each in (arqon, again):
        for name in running:
            each.on_trial_result(name, {"loss": 50.0, "training_iteration": 9})
    assert the_next(arqon, "next") == the_next(again, "next")


def test_nothing_is_carried_or_modelled_on_the_thread_of_tunes_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    from arqon_ray.core.export import frozen
    from arqon_ray.core.objectives import rungs

    arqon, running = with_rungs()
    here, seen = threading.get_ident(), []
    for module, name in ((rungs, "scaled_by"), (Proposer, "propose"), (frozen.Frozen, "export")):
        whole = getattr(module, name)

        def watched(*args: Any, _whole: Any = whole, _name: str = name, **kwargs: Any) -> Any:
            seen.append((_name, threading.get_ident() == here))
            return _whole(*args, **kwargs)

        monkeypatch.setattr(module, name, watched)
    for k in range(5):
        arqon.on_trial_result(running[0], {"loss": 9.0 - k, "training_iteration": k + 1})
        the_next(arqon, f"n{k}")
        arqon.on_trial_complete(f"n{k}", {"loss": 5.0, "training_iteration": 1})
    assert {name for name, _ in seen} >= {"scaled_by", "propose"}
    assert not any(on_the_loop for _, on_the_loop in seen)


def test_what_the_thread_raises_reaches_an_ask_and_the_next_one_tries_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    arqon = past_the_probe()
    broken = threading.Event()
    broken.set()
    whole = Proposer.propose

    def propose(proposer: Proposer, probe: bool = False) -> Any:
        if broken.is_set():
            raise SystemExit("a strategy of somebody's")
        return whole(proposer, probe)

    monkeypatch.setattr(Proposer, "propose", propose)
    with pytest.raises(ArqonError, match="somebody's"):
        the_next(arqon, "a")
    broken.clear()
    assert the_next(arqon, "b")

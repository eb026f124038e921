"""The strategies of one study, their parameters, and what becomes of one that fails."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import numpy as np
import pytest

from arqon_ray.core import ArqonSolver
from arqon_ray.core.config import StudyConfig, load_config
from arqon_ray.core.propose.roster import Roster, check_strategy, warn_of_unread, without_unread
from arqon_ray.core.space.space import Space
from arqon_ray.errors import ConfigError, UnreadParameterWarning
from arqon_ray.strategies import (
    Evidence,
    Memory,
    Proposal,
    Role,
    Strategy,
    StrategyParams,
    register_strategy,
    unregister_strategy,
)
from tests.core.histories import SPACES

PLANE: dict[str, Any] = {"x": {"min": 0, "max": 1}, "y": {"min": 0, "max": 1}}


def configured(strategy: str = "auto", bounds: dict[str, Any] = PLANE, **params: Any) -> StudyConfig:
    return load_config({"bounds": bounds, "strategy": strategy, "budget": 30, "strategy_params": params})


def roster(strategy: str = "auto", bounds: dict[str, Any] = PLANE, **params: Any) -> Roster:
    config = configured(strategy, bounds, **params)
    return Roster(config, Space(config.bounds))


class FooParams(StrategyParams):
    size: int = 1


class Foo(Strategy):
    """Proposes random points; a test says what else it does."""

    name = "foo"
    role = Role.LOCAL
    min_startup = 4
    params_model = FooParams
    params: FooParams
    answer: ClassVar[Callable[[Proposal], Any]] = staticmethod(lambda proposal: proposal)

    def propose(self, evidence: Evidence, memory: Memory, rng: np.random.Generator) -> Proposal | None:
        assert len(evidence.y) >= 4
        answer: Proposal | None = self.answer(Proposal(rng.random(evidence.space.d), {"asked": evidence.number}))
        return answer


@pytest.fixture
def foo() -> Iterator[None]:
    register_strategy(Foo)
    yield
    unregister_strategy("foo")


def run(solver: ArqonSolver) -> list[str]:
    origins = []
    while (candidate := solver.propose()) is not None:
        origins.append(candidate.origin)
        solver.observe(candidate.number, float(candidate.params["x"]))
    return origins


# --- Who is asked


def test_a_named_strategy_takes_every_role() -> None:
    assert [each.name for each in roster("cma_es").choose([Role.GLOBAL], 3)] == ["cma_es"]
    assert roster("probe").choose([], 3) == []


def test_auto_has_one_of_ours_for_each_role() -> None:
    names = [each.name for each in roster().choose(list(Role), 0)]
    assert names == ["trust_region", "gaussian_process", "noisy_gaussian_process", "tpe", "cma_es"]


def test_who_does_not_suit_the_space_is_not_asked() -> None:
    names = [each.name for each in roster(bounds={"c": {"choices": ["a", "b"]}}).choose(list(Role), 0)]
    assert names == ["gaussian_process", "noisy_gaussian_process", "tpe"]
    alone = roster("cma_es", SPACES["mixed"])
    assert alone.choose([Role.LOCAL], 0) == []
    assert "does not suit this space" in alone.reason
    solver = ArqonSolver({"bounds": {"x": {"min": 0, "max": 3, "type": "int"}}, "strategy": "cma_es", "budget": 4})
    assert run(solver) == ["probe"] * 4


@pytest.mark.usefixtures("foo")
def test_strategies_of_one_role_take_turns() -> None:
    there = roster()
    orders = [[each.name for each in there.choose([Role.LOCAL], number)] for number in range(8)]
    ours, other = ["trust_region", "foo"], ["foo", "trust_region"]
    assert orders == [ours, ours, other, other] * 2
    assert there.count(Role.LOCAL, ("foo", "tpe", "trust_region", "probe")) == 2


@pytest.mark.usefixtures("foo")
@pytest.mark.parametrize("probe_ratio", [0.0, 0.2, 1.0])
def test_the_probe_goes_on_until_the_least_startup(probe_ratio: float) -> None:
    config = {"bounds": PLANE, "strategy": "foo", "budget": 30, "probe_ratio": probe_ratio}
    origins = run(ArqonSolver(config))
    first = {0.0: 4, 0.2: 6, 1.0: 10}[probe_ratio]
    assert origins == ["probe"] * first + ["foo"] * (30 - first)


# --- Parameters


@pytest.mark.parametrize(
    ("strategy", "params", "rule"),
    [
        (
            "trust_region",
            {"raduis": 0.1},
            r"strategy_params.raduis is 0.1 \(did you mean 'radius'\?\).*it takes radius",
        ),
        ("trust_region", {"radius": 2.0}, r"strategy_params.radius is 2.0: input should be less than or equal to 0.5"),
        ("trust_region", {"radius": "0.1"}, r"strategy_params.radius is '0.1': input should be a valid number"),
        ("cma_es", {"sigma": 0.9}, r"strategy_params.sigma is 0.9: the strategy 'cma_es' has no such.*takes none"),
        ("auto", {"radius": 2.0}, r"strategy_params.radius is 2.0: .*strategy 'trust_region'"),
    ],
)
def test_what_a_user_gives_is_checked(strategy: str, params: dict[str, Any], rule: str) -> None:
    with pytest.raises(ConfigError, match=rule):
        check_strategy(configured(strategy, **params))
    with pytest.raises(ConfigError, match=rule):
        ArqonSolver({"bounds": PLANE, "strategy": strategy, "strategy_params": params})


def test_what_is_given_reaches_the_strategy() -> None:
    (named,) = roster("trust_region", radius=0.05).choose([], 0)
    assert named.params.model_dump() == {"radius": 0.05}
    local, model = roster(radius=0.05, warp=False, alpha=1).choose([Role.LOCAL, Role.GLOBAL], 0)
    assert local.params.model_dump() == {"radius": 0.05}
    assert model.params.model_dump() == {"warp": False, "box": True}


def test_auto_warns_of_what_no_strategy_reads_once() -> None:
    with pytest.warns(UnreadParameterWarning, match=r"'sigma', 'alpha': 'auto' reads"):
        ArqonSolver({"bounds": PLANE, "strategy_params": {"sigma": 0.9, "radius": 0.1, "alpha": 2}})
    with warnings.catch_warnings(record=True) as said:
        warnings.resetwarnings()
        for _ in range(3):
            warn_of_unread(configured(alpha=2))
    assert len(said) == 1


@pytest.mark.parametrize("params", [{"sigma": 0.9}, {"radius": 7.0}, {"radius": "x", "alpha": [1]}])
def test_a_stored_config_is_opened_whatever_it_holds(params: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    solver = ArqonSolver(configured("trust_region", **params))
    run(solver)
    opened = ArqonSolver.from_state(solver.export())
    assert opened.config.strategy_params == params
    assert ("the defaults of the strategy are used" in caplog.text) == ("radius" in params)
    assert without_unread(opened.config).strategy_params == {k: v for k, v in params.items() if k == "radius"}


# --- A strategy that is not there


def test_a_study_can_be_read_without_its_strategy_and_says_what_it_needs() -> None:
    register_strategy(Foo)
    try:
        solver = ArqonSolver({"bounds": PLANE, "strategy": "foo", "budget": 30})
        for params in solver.ask(8) or []:
            solver.tell([{"params": params, "value": 1.0}])
        kept = solver.export()
    finally:
        unregister_strategy("foo")
    read = ArqonSolver.from_state(kept)
    assert read.get_history_len() == 8
    assert read.best() is not None
    assert "strategy is 'foo'" in read.explain()["reason"]
    with pytest.raises(ConfigError, match=r"strategy is 'foo'.*must be installed where the study runs"):
        read.ask_one()
    assert json.loads(read.export())["memory"] == json.loads(kept)["memory"]


# --- A strategy that fails


def _raise(error: Exception) -> Callable[[Proposal], Any]:
    def fail(proposal: Proposal) -> Any:
        raise error

    return fail


@pytest.mark.usefixtures("foo")
@pytest.mark.parametrize("strategy", ["auto", "foo"])
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (_raise(KeyError("best")), "KeyError: 'best'"),
        (_raise(RuntimeError("x" * 1000)), "RuntimeError: " + "x" * 286),
        (_raise(ZeroDivisionError("by zero")), "by zero"),
        (lambda proposal: 3, "it returned int: it must be a Proposal or None"),
        (lambda proposal: Proposal(proposal.point + 2.0, {}), "it must be 2 numbers from 0 to 1"),
        (lambda proposal: Proposal(proposal.point[:1], {}), "it must be 2 numbers from 0 to 1"),
        (lambda proposal: Proposal(proposal.point, {"best": np.zeros(2)}), "memory['best'] is not JSON"),
        (lambda proposal: Proposal(proposal.point, {"best": float("nan")}), "memory['best'] is not JSON"),
        (lambda proposal: Proposal(proposal.point, {1: 2}), "keys must be texts"),
    ],
)
def test_a_strategy_that_fails_ends_no_study_and_is_loud(
    strategy: str,
    answer: Callable[[Proposal], Any],
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(Foo, "answer", staticmethod(answer))
    solver = ArqonSolver({"bounds": PLANE, "strategy": strategy, "budget": 30})
    with caplog.at_level(logging.ERROR):
        origins = run(solver)
    assert len(origins) == 30
    assert "foo" not in origins
    trouble = solver.explain()["trouble"]
    assert trouble["strategy"] == "foo"
    assert reason in trouble["error"]
    assert ("strategy 'foo' failed" in caplog.text) == (reason != "by zero")
    assert ArqonSolver.from_state(solver.export()).explain()["trouble"] == trouble


@pytest.mark.usefixtures("foo")
def test_a_memory_is_what_comes_back_from_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def propose(self: Foo, evidence: Evidence, memory: Memory, rng: np.random.Generator) -> Proposal:
        seen.append(memory.get("pair"))
        seen.append(memory.get("pair", [0]).append(9))  # its own copy
        return Proposal(rng.random(2), {"pair": (1, 2)})

    monkeypatch.setattr(Foo, "propose", propose)
    run(ArqonSolver({"bounds": PLANE, "strategy": "foo", "budget": 12}))
    assert [1, 2, 9] in seen
    assert all(each in (None, [1, 2, 9]) for each in seen)


@pytest.mark.usefixtures("foo")
def test_one_that_fails_when_it_is_made_takes_no_part(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Foo, "suits", _raise(RuntimeError("no idea")))
    assert "foo" not in run(ArqonSolver({"bounds": PLANE, "budget": 20}))
    assert "strategy 'foo' fails and takes no part in this study" in caplog.text

"""What every strategy must do, ours and those of other packages.

>>> from arqon_ray.testing.strategies import StrategyTestCase
>>> class TestMine(StrategyTestCase):
...     def make(self):
...         return MyStrategy()
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from arqon_ray.core.config import load_config
from arqon_ray.core.solver import ArqonSolver
from arqon_ray.core.space.space import Space
from arqon_ray.core.strategies.evidence import Array, Evidence, Memory, Proposal
from arqon_ray.core.strategies.memories import MemoryContext
from arqon_ray.core.strategies.registry import find_strategy, register_strategy, unregister_strategy
from arqon_ray.core.strategies.strategy import Strategy

SPACES: dict[str, dict[str, Any]] = {
    "line": {"x": {"min": -1.0, "max": 1.0}},
    "cube": {f"x{j}": {"min": 0.0, "max": 1.0} for j in range(3)},
    "logarithmic": {"x": {"min": 1e-6, "max": 1.0, "scale": "Log"}, "y": {"min": 1.0, "max": 10.0}},
    "periodic": {f"x{j}": {"min": 0.0, "max": 1.0, "scale": "Periodic"} for j in range(2)},
    "integers": {f"n{j}": {"min": 0, "max": 50, "type": "int"} for j in range(3)},
    "categories": {f"c{j}": {"choices": list("abcdef")} for j in range(4)},
    "mixed": {
        "x": {"min": 0.0, "max": 1.0},
        "step": {"min": 0.0, "max": 0.9, "step": 0.1},
        "size": {"choices": ["small", "medium", "large"], "ordered": True},
        "constant": {"min": 3.0, "max": 3.0},
    },
    "conditional": {
        "kind": {"choices": ["a", "b"]},
        "x": {"min": 0.0, "max": 1.0, "when": {"kind": "a"}},
        "n": {"min": 1, "max": 9, "type": "int", "when": {"kind": "b"}},
    },
}
"""A study's ``bounds``, of each kind of parameter."""

_SEED, _BUDGET, _HALF = 5, 30, 16
_ROWS = 12


@contextmanager
def registered(strategy: Strategy) -> Iterator[None]:
    """Make a strategy's class known for the length of a block, where it is not known anyway."""
    if find_strategy(strategy.name) is not None:
        yield
        return
    register_strategy(type(strategy))
    try:
        yield
    finally:
        unregister_strategy(strategy.name)


def space_of(bounds: dict[str, Any]) -> Space:
    """Return the space of a study with these ``bounds``."""
    return Space(load_config({"bounds": bounds}).bounds)


def evidence_of(space: Space, X: Array, y: Any, *, failed: Any = (), pending: Any = ()) -> Evidence:
    """Return evidence in which the observations ``X``, ``y`` come first, then failed points, then those in flight."""
    rows = [np.array(U, dtype=np.float64).reshape(-1, space.d) for U in (X, failed, pending)]
    values = np.array(y, dtype=np.float64)
    numbers, told = np.arange(len(values)), len(rows[0]) + len(rows[1])
    flying = np.arange(told, told + len(rows[2]))
    for array in (*rows, values, numbers, flying):
        array.flags.writeable = False
    return Evidence(
        space=space,
        X=rows[0],
        y=values,
        numbers=numbers,
        failed=rows[1],
        pending=rows[2],
        pending_numbers=flying,
        pending_origins=("probe",) * len(flying),
        number=told + len(flying),
        budget=100,
    )


def observed(space: Space, count: int, seed: int = 0) -> tuple[Array, Array]:
    """Return ``count`` points of a space, some of them perhaps equal, and the values of a bowl there."""
    X = space.snap(np.random.default_rng(seed).random((count, space.d)))
    return X, np.sum((X - 0.3) ** 2, axis=1)


def value_of(space: Space, params: dict[str, Any]) -> float:
    """Return the value of the same bowl at native parameters."""
    return float(np.sum((space.encode(params) - 0.3) ** 2))


class StrategyTestCase(ABC):
    """The conformance tests of one strategy; collected by pytest where a subclass is named ``Test...``.

    Each runs on the spaces of :data:`SPACES` that suit the strategy.
    """

    @abstractmethod
    def make(self) -> Strategy:
        """Return the strategy, with the parameters that are to be tested."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run the tests that take a ``space`` on each that suits."""
        if "space" in metafunc.fixturenames:
            spaces = {name: space_of(bounds) for name, bounds in SPACES.items()}
            suited = {name: space for name, space in spaces.items() if self.make().suits(space)}
            metafunc.parametrize("space", suited.values(), ids=suited)

    def ask(self, evidence: Evidence, memory: Memory | None = None, seed: int = 0) -> Proposal | None:
        """Return what a new instance proposes; check what holds for every proposal."""
        memory = {} if memory is None else memory
        before = json.dumps(memory)
        proposal = self.make().propose(evidence, memory, np.random.default_rng(seed))
        assert json.dumps(memory) == before, "propose() must not change the memory that it is given"
        if proposal is not None:
            assert isinstance(proposal, Proposal)
            assert proposal.point.shape == (evidence.space.d,), "the point has one coordinate for each parameter"
            assert np.all((proposal.point >= 0.0) & (proposal.point <= 1.0)), "the point lies in the unit cube"
            assert _same(_through_json(proposal.memory), proposal.memory), "the memory is JSON"
        return proposal

    def startup(self) -> int:
        """Return the fewest observations with which the strategy is asked."""
        return self.make().min_startup

    def test_it_declares_what_a_strategy_declares(self) -> None:
        strategy = self.make()
        with registered(strategy):
            assert find_strategy(strategy.name) is type(strategy)
        assert isinstance(strategy.params, type(strategy).params_model)
        assert any(strategy.suits(space_of(bounds)) for bounds in SPACES.values()), "it suits none of the spaces"

    def test_the_first_ask_after_the_startup(self, space: Space) -> None:
        self.ask(evidence_of(space, *observed(space, self.startup())))

    def test_equal_arguments_give_the_same_proposal_bit_for_bit(self, space: Space) -> None:
        memory: dict[str, Any] = {}
        X, y = observed(space, self.startup() + _ROWS)
        for n in range(self.startup(), len(X)):
            first, second = (self.ask(evidence_of(space, X[:n], y[:n]), memory, n) for _ in range(2))
            if first is None or second is None:
                assert first is second
                continue
            assert first.point.tobytes() == second.point.tobytes()
            assert json.dumps(first.memory) == json.dumps(second.memory)
            memory = {**memory, **_through_json(first.memory)}

    def test_its_own_memory_passes_its_check(self, space: Space) -> None:
        X, y = observed(space, self.startup() + _ROWS)
        memory: dict[str, Any] = {}
        for n in range(self.startup(), len(X)):
            proposal = self.ask(evidence_of(space, X[:n], y[:n]), memory, n)
            memory = memory if proposal is None else {**memory, **_through_json(proposal.memory)}
            self.make().check_memory(memory, MemoryContext(space, n + 1))
        self.make().check_memory({}, MemoryContext(space, 0))

    def test_failed_points_are_coped_with(self, space: Space) -> None:
        X, y = observed(space, self.startup() + 4)
        failed = observed(space, 6, seed=1)[0]
        self.ask(evidence_of(space, X, y, failed=failed))
        self.ask(evidence_of(space, X[: self.startup()], y[: self.startup()], failed=np.concatenate([failed, X])))

    def test_points_in_flight_are_not_proposed_again(self, space: Space) -> None:
        X, y = observed(space, self.startup() + 4)
        pending: list[Array] = []
        memory: dict[str, Any] = {}
        for seed in range(6):
            proposal = self.ask(evidence_of(space, X, y, pending=pending), memory, seed)
            if proposal is None or proposal.repeat:
                break
            again = [index for index, point in enumerate(pending) if np.array_equal(proposal.point, point)]
            assert not again, (
                f"{proposal.point} is evidence.pending[{again}]: return None, or a Proposal with repeat=True"
            )
            pending.append(proposal.point)
            memory = {**memory, **_through_json(proposal.memory)}

    @pytest.mark.parametrize("values", [(0.0, 0.0), (1e300, -1e300), (1.7e308, 1.0), (5e-324, 0.0)])
    def test_any_finite_values_are_coped_with(self, space: Space, values: tuple[float, float]) -> None:
        X, y = observed(space, self.startup() + 6)
        with np.errstate(over="ignore", invalid="ignore"):
            self.ask(evidence_of(space, X, np.resize(values, len(y))))

    def test_a_study_runs_to_its_end(self, space: Space) -> None:
        with registered(self.make()):
            solver = self._solver(space)
            origins = [origin for origin, _ in _played(solver, space, _BUDGET)]
            assert len(origins) == _BUDGET or solver.explain()["exhausted"]
            assert solver.explain()["trouble"] is None

    def test_a_restored_study_goes_on_bit_for_bit(self, space: Space) -> None:
        with registered(self.make()):
            solver = self._solver(space)
            _played(solver, space, _HALF)
            restored = ArqonSolver.from_state(solver.export())
            assert _played(restored, space, _BUDGET) == _played(solver, space, _BUDGET)
            assert restored.export() == solver.export()

    def test_a_batch_is_the_same_when_it_is_computed_again(self, space: Space) -> None:
        with registered(self.make()):
            solver = self._solver(space)
            _played(solver, space, _HALF)
            again = ArqonSolver.from_state(solver.export())
            assert solver.ask(8) == again.ask(8)

    def test_auto_asks_it_for_its_role(self, space: Space) -> None:
        strategy = self.make()
        with registered(strategy):
            solver = ArqonSolver({**self._solver(space).config.to_dict(), "strategy": "auto", "strategy_params": {}})
            origins = {origin for origin, _ in _played(solver, space, _BUDGET)}
            assert solver.explain()["trouble"] is None
            assert strategy.role is not None or strategy.name not in origins

    def _solver(self, space: Space) -> ArqonSolver:
        strategy = self.make()
        bounds = next(bounds for bounds in SPACES.values() if sorted(bounds) == list(space.names))
        config = {"seed": _SEED, "budget": _BUDGET, "bounds": bounds, "strategy": strategy.name}
        return ArqonSolver({**config, "strategy_params": strategy.params.model_dump(exclude_defaults=True)})


def _through_json(memory: dict[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(json.dumps(memory, allow_nan=False))
    return read


def _same(read: Any, given: Any) -> bool:
    """Tell whether JSON came back as it was given; tuples come back as lists."""
    if isinstance(given, dict):
        return isinstance(read, dict) and read.keys() == given.keys() and all(_same(read[k], given[k]) for k in given)
    if isinstance(given, list | tuple):
        return len(read) == len(given) and all(map(_same, read, given))
    return bool(read == given) and type(read) is type(given)


def _played(solver: ArqonSolver, space: Space, until: int) -> list[tuple[str, Any]]:
    """Let a study go on, two candidates in flight and every seventh evaluation failed; return origins and params."""
    made: list[tuple[str, Any]] = []
    while solver.handed_out < until and (candidate := solver.propose()) is not None:
        made.append((candidate.origin, candidate.params))
        for number in list(solver.pending)[:-2]:
            params = solver.candidate(number).params
            solver.observe(number, None if number % 7 == 6 else value_of(space, params))
    return made

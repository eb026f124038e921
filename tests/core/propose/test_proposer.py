"""Proposers: candidates on what was known at one moment, whatever the solver learns meanwhile."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from arqon_ray.core import ArqonSolver, Candidate
from tests.core.spaces import EVERY_KIND
from tests.core.test_solver import PLANE, bowl, mixture


def studied(space: dict[str, Any], objective: Any, told: int = 30, **config: Any) -> ArqonSolver:
    """Return a solver with results, a failure and two candidates in flight."""
    solver = ArqonSolver({"seed": 3, "budget": 200, "bounds": space, **config})
    for k in range(told):
        candidate = solver.propose()
        assert candidate is not None
        solver.observe(candidate.number, objective(candidate.params) if k % 9 else None)
    assert solver.ask(2) is not None
    return solver


def proposals(proposer: Any, count: int) -> list[Candidate]:
    return [candidate for _ in range(count) if (candidate := proposer.propose()) is not None]


@pytest.mark.parametrize(("space", "objective"), [(PLANE, bowl), (EVERY_KIND, mixture)])
def test_a_draft_sees_its_moment_and_nothing_later(space: dict[str, Any], objective: Any) -> None:
    solver, same = studied(space, objective), studied(space, objective)
    proposer = solver.proposer()
    first = proposer.propose()
    solver.tell([{"params": mixed, "value": -1e6} for mixed in same.ask(3) or []])
    solver.withdraw(next(iter(solver.pending)))
    later = [first, *proposals(proposer, 5)]
    assert later == proposals(studied(space, objective).proposer(), 6)


@pytest.mark.parametrize(("space", "objective"), [(PLANE, bowl), (EVERY_KIND, mixture)])
def test_a_draft_adopted_in_order_is_what_ask_gives(space: dict[str, Any], objective: Any) -> None:
    solver, same = studied(space, objective), studied(space, objective)
    for candidate in proposals(solver.proposer(), 6):
        solver.adopt(candidate)
    same.ask(6)
    assert solver.export() == same.export()


@pytest.mark.parametrize(("space", "objective"), [(PLANE, bowl), (EVERY_KIND, mixture)])
def test_what_was_admitted_is_in_flight(space: dict[str, Any], objective: Any) -> None:
    solver = studied(space, objective)
    ahead = proposals(solver.proposer(), 3)
    proposer = solver.proposer()
    for candidate in ahead:
        proposer.add_pending(Candidate(candidate.number, candidate.params, candidate.origin, candidate.memory))
    more = proposals(proposer, 3)
    assert proposer.first == ahead[-1].number + 1
    assert [c.number for c in more] == [proposer.first, proposer.first + 1, proposer.first + 2]
    points = [json.dumps(c.params) for c in [*ahead, *more, *solver.pending.values()]]
    assert len(set(points)) == len(points)


def test_a_draft_ends_with_the_budget() -> None:
    solver = ArqonSolver({"budget": 3, "bounds": PLANE})
    proposer = solver.proposer()
    assert len(proposals(proposer, 9)) == 3
    solver.extend_budget(9)
    assert proposer.propose() is None
    assert len(proposals(solver.proposer(), 99)) == 9


def test_the_probe_stands_in_for_a_strategy() -> None:
    solver = studied(PLANE, bowl)
    candidate = solver.proposer().propose(probe=True)
    assert candidate is not None
    assert candidate.origin == "probe"


@pytest.mark.parametrize("strategy", ["gaussian_process", "noisy_gaussian_process"])
def test_the_points_of_a_batch_are_spread_and_as_good_as_asks_in_turn(strategy: str) -> None:
    """Further points of a batch come from the first one's search, so they must not fall behind asks in turn."""
    singly, batched = [], []
    for seed in range(3):
        for values, at_once in ((singly, 1), (batched, 8)):
            solver = ArqonSolver({"seed": seed, "budget": 60, "bounds": PLANE, "strategy": strategy})
            while (batch := solver.ask(at_once)) is not None:
                assert len({json.dumps(params) for params in batch}) == len(batch)
                solver.tell([{"params": params, "value": bowl(params)} for params in batch])
            best = solver.best()
            assert best is not None
            values.append(best["value"])
    assert np.median(np.log(np.array(batched) + 1e-6)) < np.median(np.log(np.array(singly) + 1e-6)) + np.log(100)


def test_a_frozen_state_is_thawed_to_the_same_bits() -> None:
    solver = studied(EVERY_KIND, mixture)
    solver.seed([{"params": solver.history()[3]["params"], "value": 0.25, "step": 4}])
    solver.withdraw(next(iter(solver.pending)))
    frozen = solver.freeze()
    again = ArqonSolver.thaw(frozen.parts())
    before = solver.export()
    solver.ask(3)
    assert frozen.export() == before == again.export()
    again.ask(3)
    assert again.export() == solver.export()
    assert again.best() == solver.best()
    assert again.explain() == solver.explain()


def test_parts_of_another_form_are_refused() -> None:
    from arqon_ray.errors import StateError

    head, *rest = studied(PLANE, bowl).freeze().parts()
    for parts in ([], [{}], [{**head, "pending": [[0]]}, *rest], [head, {"observations": [[1]], "points": b""}]):
        with pytest.raises(StateError, match="parts of a state are malformed"):
            ArqonSolver.thaw(parts)

"""Evidence that grows: what is kept between asks changes no ask, and no ask pays for all that was reported before."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arqon_ray.core import ArqonSolver
from arqon_ray.core.ledger.view import Candidate
from arqon_ray.core.objectives.fidelity import Scaled, scaled

BOUNDS = {"x": {"min": 0.0, "max": 1.0}, "y": {"min": 0.0, "max": 1.0}}
CONFIG: dict[str, Any] = {"seed": 5, "bounds": BOUNDS, "strategy": "tpe"}

values = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))
actions = st.one_of(
    st.tuples(st.just("ask")),
    st.tuples(st.just("report"), st.integers(0, 30), st.integers(0, 60), values),
    st.tuples(st.just("tell"), st.integers(0, 30), st.none() | st.integers(0, 60), st.none() | values),
    st.tuples(st.just("withdraw"), st.integers(0, 30)),
    st.tuples(st.just("reissue"), st.integers(0, 30)),
    st.tuples(st.just("seed"), st.floats(0.0, 1.0), st.none() | st.integers(0, 60), values),
    st.tuples(st.just("look")),
)


def act(solver: ArqonSolver, action: Any) -> None:
    """Do one thing to a solver, to a candidate that allows it; what no candidate allows is left out."""
    name, *given = action
    waiting = sorted(solver.withdrawn if name == "reissue" else solver.pending)
    if name == "tell":
        waiting = sorted({*solver.pending, *solver.withdrawn})  # late results of what was taken back among them
    number = waiting[given[0] % len(waiting)] if given and waiting and isinstance(given[0], int) else None
    if name == "ask":
        solver.propose()
    elif name == "look":
        solver.proposer().evidence()
    elif name == "seed":
        solver.seed([{"params": {"x": given[0], "y": 0.5}, "step": given[1], "value": given[2]}])
    elif number is not None and name == "report":
        solver.report(number, given[1], given[2])
    elif number is not None and name == "tell":
        solver.observe(number, given[2], step=given[1])
    elif number is not None:
        getattr(solver, name)(number)


def same(one: Scaled | None, other: Scaled | None) -> bool:
    if one is None or other is None:
        return one is other
    names = ("X", "y", "numbers", "rungs", "counts")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


@settings(max_examples=60, deadline=None)
@given(st.lists(actions, min_size=10, max_size=70))
def test_what_is_kept_between_asks_changes_no_ask(done: list[Any]) -> None:
    solver = ArqonSolver(CONFIG)
    for action in done:
        act(solver, action)
        view = solver.proposer()._view
        assert same(solver._objective.rungs.at(view), scaled(view))
    again = ArqonSolver.from_state(solver.export())
    for _ in range(3):
        assert solver.propose() == again.propose()


@settings(max_examples=40, deadline=None)
@given(st.lists(actions, min_size=10, max_size=50), st.lists(actions, min_size=1, max_size=20))
def test_a_draft_is_of_its_moment_however_late_it_is_asked(before: list[Any], after: list[Any]) -> None:
    early, late = ArqonSolver(CONFIG), ArqonSolver(CONFIG)
    for action in before:
        act(early, action)
        act(late, action)
    proposer, at_once = late.proposer(), early.proposer().propose()
    for action in after:
        act(late, action)
    late.proposer().evidence()  # what is kept has gone on
    assert proposer.propose() == at_once


def trials(count: int, reports: int) -> ArqonSolver:
    """Return a solver with so many told trials of so many reports each, two in three of them stopped early."""
    solver = ArqonSolver({**CONFIG, "strategy": "auto"})
    for number in range(count):
        params = {"x": number * 0.618 % 1.0, "y": number * 0.414 % 1.0}
        solver.adopt(Candidate(number, params, "user"))
        for step in range(1, reports + 1):
            solver.report(number, step, 1.0 / step + number * 1e-6)
        end = (reports // 9, reports // 3, reports)[number % 3]
        solver.observe(number, 1.0 / end + number * 1e-6, step=end)
    return solver


def test_drafts_and_copies_carry_no_values() -> None:
    solver = trials(12, 9)
    proposer, frozen = solver.proposer(), solver.freeze()
    assert solver._objective.rungs.computed == 0
    assert frozen.log is solver._ledger.observations
    assert np.shares_memory(frozen.view.reports, solver._ledger.view().reports)
    solver.observe(solver.propose().number, 0.5, step=9)  # type: ignore[union-attr]
    assert len(frozen.history()) == 12
    assert proposer.recommend() is not None


def test_values_are_carried_once_for_each_version() -> None:
    solver = trials(30, 9)
    for _ in range(3):
        solver.proposer().evidence()
        solver.explain()
        solver.best()
    assert solver._objective.rungs.computed == 1
    solver.propose()
    assert solver._objective.rungs.computed == 1
    solver.propose()
    assert solver._objective.rungs.computed == 2


def test_a_report_is_sorted_once() -> None:
    solver = trials(60, 27)
    solver.proposer().evidence()
    begun = solver._objective.rungs.touched
    for _ in range(20):
        candidate = solver.propose()
        assert candidate is not None
        for step in (1, 3, 9, 27):
            solver.report(candidate.number, step, 1.0 / step)
        solver.proposer().evidence()
        solver.observe(candidate.number, 1.0 / 27, step=27)
    solver.proposer().evidence()
    assert solver._objective.rungs.touched - begun == 20 * 4


def test_reports_of_one_ahead_of_all_others_are_sorted_once_too() -> None:
    solver = trials(60, 27)
    solver.proposer().evidence()
    begun = solver._objective.rungs.touched
    candidate = solver.propose()
    assert candidate is not None
    for step in range(41, 400, 20):
        solver.report(candidate.number, step, 1.0 / step)
        found = solver._objective.rungs.at(solver._ledger.view())
        assert found is not None
        assert found.rungs[-1] == step
    assert solver._objective.rungs.touched - begun == len(range(41, 400, 20))


@pytest.mark.parametrize("steps", [False, True])
def test_the_version_tells_whether_a_draft_is_up_to_date(steps: bool) -> None:
    solver = trials(12, 9) if steps else ArqonSolver(CONFIG)
    candidate = solver.propose()
    assert candidate is not None
    changes = [
        lambda: solver.report(candidate.number, 3, 1.0),
        lambda: solver.withdraw(candidate.number),
        lambda: solver.reissue(candidate.number),
        lambda: solver.observe(candidate.number, 1.0),
        lambda: solver.seed([{"params": {"x": 0.2, "y": 0.3}, "value": None}]),
        solver.propose,
    ]
    for change in changes:
        proposer = solver.proposer()
        assert proposer.version == solver.version
        change()
        assert proposer.version < solver.version

"""Evaluations that went differently far: one scale for all, and nothing changed where all went equally far."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from arqon_ray.core import ArqonSolver
from arqon_ray.core.ledger.view import DataView
from arqon_ray.core.objectives.fidelity import Scaled, scaled
from arqon_ray.core.strategies.evidence import Evidence
from arqon_ray.errors import ResultsError, StateError, UnknownCandidateError
from tests.core.objectives.fuzz_rungs import check

CONFIG = {"seed": 3, "bounds": {"x": {"min": 0.0, "max": 1.0}, "y": {"min": 0.0, "max": 1.0}}}
Curve = dict[int, float]


def view(solver: ArqonSolver) -> DataView:
    return solver._ledger.view()


def evidence(solver: ArqonSolver) -> Evidence:
    return solver.proposer().evidence()


def with_curves(curves: list[Curve], mode: str = "min", told: bool = True) -> ArqonSolver:
    """Return a solver whose candidates have these curves, each told at its end."""
    solver = ArqonSolver({**CONFIG, "mode": mode})
    for curve in curves:
        candidate = solver.propose()
        assert candidate is not None
        for step, value in curve.items():
            solver.report(candidate.number, step, value)
        if told:
            solver.observe(candidate.number, curve[max(curve)], step=max(curve))
    return solver


def scale(solver: ArqonSolver) -> Scaled:
    found = scaled(view(solver))
    assert found is not None
    return found


def test_a_value_is_carried_to_the_highest_rung_by_what_others_gained() -> None:
    # All lose 4 from step 1 to 3 and 1 from 3 to 9.
    found = scale(with_curves([{1: 6.0, 3: 2.0, 9: 1.0}, {1: 7.0, 3: 3.0, 9: 2.0}, {1: 9.0}, {1: 8.0, 3: 4.0}]))
    np.testing.assert_allclose(found.y, [1.0, 2.0, 4.0, 3.0])
    assert found.rungs.tolist() == [1.0, 3.0, 9.0]
    assert found.counts.tolist() == [1, 1, 2]


def test_it_is_the_same_upside_down() -> None:
    curves = [{1: 6.0, 3: 2.0}, {1: 7.0, 3: 3.5}, {1: 9.0}]
    upside_down = [{step: -value for step, value in curve.items()} for curve in curves]
    assert scale(with_curves(curves)).y.tolist() == scale(with_curves(upside_down, "max")).y.tolist()


def test_a_trial_stopped_early_never_passes_for_the_best() -> None:
    # The early value is far below all final ones, which a growing loss makes possible.
    solver = with_curves([{1: 1.0, 27: 5.0}, {1: 1.1, 27: 4.0}, {1: 0.1}])
    assert scale(solver).y.tolist()[2] >= 4.0
    best = solver.best()
    assert best is not None
    assert best["value"] == 4.0


def test_curves_that_cross_lower_the_slope() -> None:
    parallel = with_curves([{1: float(k), 9: float(k)} for k in range(8)] + [{1: 20.0}])
    crossing = with_curves([{1: float(k), 9: 7.0 - k} for k in range(8)] + [{1: 20.0}])
    assert scale(parallel).y[-1] == pytest.approx(20.0)
    assert scale(crossing).y[-1] < 10.0


def test_a_candidate_in_flight_counts_with_its_value_on_the_rung_that_it_reached() -> None:
    solver = with_curves([{1: 6.0, 9: 1.0}, {1: 7.0}])
    paused = solver.propose()
    assert paused is not None
    assert evidence(solver).pending_numbers.tolist() == [2]
    solver.report(2, 1, 8.0)
    seen = evidence(solver)
    assert seen.pending_numbers.tolist() == []
    assert seen.numbers.tolist() == [0, 1, 2]
    assert seen.y.tolist() == pytest.approx([1.0, 2.0, 3.0])


def test_before_any_result_the_paused_ones_are_all_that_is_known() -> None:
    solver = with_curves([{1: float(k)} for k in range(14)], told=False)
    assert evidence(solver).y.tolist() == list(range(14))
    candidate = solver.propose()
    assert candidate is not None
    assert candidate.origin != "probe"


def test_a_row_keeps_its_place_when_its_candidate_is_told() -> None:
    solver = ArqonSolver(CONFIG)
    for number in range(4):
        solver.propose()
        solver.report(number, 1, 5.0 + number)
    solver.observe(3, 1.0, step=9)
    solver.observe(2, 7.0, step=1)
    before = evidence(solver).numbers.tolist()
    solver.observe(0, 5.0, step=1)
    assert evidence(solver).numbers.tolist() == before == [0, 1, 2, 3]


@pytest.mark.parametrize("step", [None, 9])
def test_nothing_changes_where_all_went_as_far_as_each_other(step: int | None) -> None:
    plain, stepped = ArqonSolver(CONFIG), ArqonSolver(CONFIG)
    for number in range(14):
        one, other = plain.propose(), stepped.propose()
        assert one == other
        assert one is not None
        value = (one.params["x"] - 0.3) ** 2 + one.params["y"]
        plain.observe(number, value)
        for early in () if step is None else (1, 3):
            stepped.report(number, early, value + 1 / early)
        stepped.observe(number, value, step=step)
    assert scaled(view(stepped)) is None
    assert plain.explain() == stepped.explain()


def test_a_restored_solver_goes_on_with_the_curves() -> None:
    solver = with_curves([{1: 6.0, 3: 2.0, 9: 1.0}, {1: 7.0, 3: 3.0}, *({1: 9.0 + k} for k in range(10))])
    solver.propose()
    solver.report(12, 1, 5.0)
    exported, frozen = solver.export(), solver.freeze()
    expected = solver.propose()
    assert expected is not None
    assert expected.origin != "probe"
    assert ArqonSolver.from_state(exported).propose() == expected
    assert ArqonSolver.thaw(frozen.parts()).propose() == expected
    assert ArqonSolver.from_state(exported).export() == exported


def test_long_curves_are_kept_short_and_known_from_end_to_end() -> None:
    solver = with_curves([{step: 1.0 / step for step in range(1, 2001)}, {1: 1.0}])
    reports = view(solver).reports
    assert len(reports) < 200
    assert reports[-2, 1] > 1900
    assert scale(solver).rungs.tolist() == [1.0, 2000.0]


def test_many_different_ends_are_thinned() -> None:
    found = scale(with_curves([{step: 1.0} for step in range(1, 60)]))
    assert len(found.rungs) <= 12
    assert np.all(found.rungs[1:] >= 1.5 * found.rungs[:-1])
    assert np.all(np.isfinite(found.y))


def test_failed_and_withdrawn_candidates_have_no_say() -> None:
    solver = with_curves([{1: 6.0, 9: 1.0}, {1: 7.0}])
    for number in (2, 3):
        solver.propose()
        solver.report(number, 1, 0.0)
    solver.observe(2, None, status="failed")
    solver.withdraw(3)
    assert evidence(solver).numbers.tolist() == [0, 1]


def test_explain_names_the_rungs() -> None:
    explained = with_curves([{1: 6.0, 9: 1.0}, *({1: 7.0 + k} for k in range(24))]).explain()
    assert explained["landscape"] == "multi-fidelity"
    assert explained["evidence"]["rungs"] == {"1": 24, "9": 1}


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_a_report_that_is_not_finite_says_nothing(value: float | None) -> None:
    solver = ArqonSolver(CONFIG)
    solver.propose()
    solver.report(0, 1, value)
    assert len(view(solver).reports) == 0


def test_bad_reports_are_refused() -> None:
    solver = ArqonSolver(CONFIG)
    solver.propose()
    with pytest.raises(UnknownCandidateError, match="5 was never handed out"):
        solver.report(5, 1, 1.0)
    with pytest.raises(ResultsError, match="step is -1"):
        solver.report(0, -1, 1.0)
    solver.observe(0, 1.0)
    with pytest.raises(ResultsError, match="candidate 0 is told: it takes no more reports"):
        solver.report(0, 1, 1.0)


@pytest.mark.parametrize("reports", [[[7, 1, 1.0, 0]], [[0, 1, None, 0]], [[0, -1, 1.0, 0]], [[0]], [3]])
def test_a_state_with_bad_reports_is_refused(reports: list[Any]) -> None:
    import json

    solver = ArqonSolver(CONFIG)
    solver.propose()
    document = {**json.loads(solver.export()), "reports": reports}
    with pytest.raises(StateError, match="state"):
        ArqonSolver.from_state(json.dumps(document))


def _carried(diverged: float) -> Scaled:
    """Return twelve evaluations of which four were promoted, the first with this value."""
    ends = [{1: 0.5 + 0.02 * n, 3: 0.4 + 0.02 * n} for n in range(4)]
    stopped = [{1: 0.5 + 0.02 * n} for n in range(4, 12)]
    return scale(with_curves([{1: 0.5, 3: diverged}, *ends[1:], *stopped]))


@pytest.mark.parametrize("diverged", [40.0, 1e3, 1e9, 1e200, 1e300])
def test_a_training_that_diverges_leaves_the_others_values_alone(diverged: float) -> None:
    usual, found = _carried(0.4), _carried(diverged)
    others = found.y[found.numbers != 0]
    np.testing.assert_allclose(others, usual.y[1:], atol=1e-9)
    assert np.isfinite(found.y).all()


@pytest.mark.parametrize("diverged", [1e3, 1e9, 1e300])
def test_what_lies_far_outside_counts_as_failed(diverged: float) -> None:
    solver = with_curves([{1: 0.5, 3: diverged}, {1: 0.5, 3: 0.4}, {1: 0.6, 3: 0.45}, {1: 0.7}])
    seen = evidence(solver)
    assert len(seen.failed) == 1
    assert 0 not in seen.numbers.tolist()
    assert solver.history()[0]["status"] == "complete"


def test_a_candidate_in_flight_that_diverges_is_neither_known_nor_awaited() -> None:
    solver = with_curves([{1: 0.5, 3: 0.4}, {1: 0.6, 3: 0.45}, {1: 0.7}])
    candidate = solver.propose()
    assert candidate is not None
    solver.report(candidate.number, 1, 1e12)
    seen = evidence(solver)
    assert candidate.number not in seen.numbers.tolist()
    assert candidate.number not in seen.pending_numbers.tolist()
    np.testing.assert_array_equal(seen.failed, [solver.space.encode(candidate.params)])


def test_an_evaluation_that_recovers_has_not_diverged() -> None:
    found = scale(with_curves([{1: 1e12, 3: 0.4}, {1: 0.5, 3: 0.41}, {1: 0.6, 3: 0.5}, {1: 0.7}]))
    assert found.diverged.tolist() == []
    assert found.y[0] == pytest.approx(0.4)


def test_losses_that_all_grow_have_not_diverged() -> None:
    found = scale(with_curves([{1: 1.0 + n, 3: 100.0 * (1.0 + n)} for n in range(6)] + [{1: 7.0}]))
    assert found.diverged.tolist() == []


def test_random_curves_of_every_size_stay_finite() -> None:
    for seed in range(300):
        check(seed, ask=seed % 30 == 0)

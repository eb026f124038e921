"""Values of different steps are never weighed against each other."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arqon_ray.core.record.run import Run
from tests.report.runs import STUDY, halving, trial


def test_complete_ranks_before_stopped_and_further_steps_before_earlier() -> None:
    run = halving()
    assert [(e.id, e.step) for e in run.ranked()] == [("3", 3), ("6", 3), ("1", 3), ("2", 2), ("5", 1), ("0", 1)]
    assert run.best is not None
    assert run.best.id == "3"
    assert [e.id for e in run.comparable()] == ["3", "6", "1"]
    assert [e.id for e in run.stopped] == ["0", "2", "5"]


def test_the_path_is_of_those_that_went_as_far_as_the_best() -> None:
    assert [(place, e.id) for place, e in halving().path()] == [(2, "1"), (4, "3")]


def test_where_all_were_stopped_those_of_the_furthest_step_count() -> None:
    stopped = tuple(e for e in halving().evaluations if e.status == "stopped")
    run = replace(halving(), evaluations=(*stopped, trial(8, "stopped", [0.9, 0.3])))
    assert [e.id for e in run.ranked()] == ["2", "8", "5", "0"]
    assert [(place, e.id) for place, e in run.path()] == [(2, "2")]


@given(
    trials=st.lists(
        st.tuples(st.sampled_from(["complete", "stopped", "failed"]), st.integers(1, 3), st.floats(-1, 1)), max_size=8
    ),
    mode=st.sampled_from(["min", "max"]),
)
def test_every_improvement_is_one_and_ends_at_the_first_of_the_ranking(
    trials: list[tuple[str, int, float]], mode: str
) -> None:
    evaluations = tuple(trial(k, status, [value] * step) for k, (status, step, value) in enumerate(trials))
    run = Run("r", "loss", {**STUDY, "mode": mode}, evaluations)
    path = [e for _, e in run.path()]
    sign = -1 if mode == "max" else 1
    values = [sign * (e.value or 0.0) for e in path]
    assert values == sorted(set(values), reverse=True)
    assert len({(e.status, e.step if e.status == "stopped" else None) for e in path}) <= 1
    assert (path[-1].value if path else None) == (run.ranked()[0].value if run.ranked() else None)


def test_a_recommendation_goes_before_the_ranking() -> None:
    run = replace(halving(), recommended="6")
    assert run.best is not None
    assert run.best.id == "6"


@pytest.mark.parametrize("state", ["running", "finished"])
def test_what_runs_is_no_evaluation_yet(state: str) -> None:
    run = replace(halving(), state=state)
    assert [e.id for e in run.running] == ["7"]
    assert "7" not in {e.id for e in (*run.completed, *run.failures)}

"""The solver's contract: ask, tell, and what lies between."""

from __future__ import annotations

import copy
import json
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from arqon_ray.core import ArqonSolver
from arqon_ray.core.refine.trust_region import TrustRegion
from arqon_ray.errors import ConfigError, ResultsError, StateError, UnknownCandidateError
from tests.core.refine.studies import STRATEGIES
from tests.core.spaces import EVERY_KIND

PLANE = {"x": {"min": -5.0, "max": 10.0}, "y": {"min": 100.0, "max": 200.0}}
Objective = Callable[[dict[str, Any]], float]


def bowl(params: dict[str, Any]) -> float:
    return float((params["x"] - 1.7) ** 2 + ((params["y"] - 137.0) / 10.0) ** 2)


def mixture(params: dict[str, Any]) -> float:
    """Return a function of EVERY_KIND with its minimum 0 at lr 0.01, 32, 0.3, 350 degrees, sgd with 0.9."""
    angle = math.sin(math.radians(params["angle"] - 350.0) / 2.0) ** 2
    momentum = (params["momentum"] - 0.9) ** 2 if params["optimizer"] == "sgd" else 0.5
    return float(
        math.log10(params["lr"] / 0.01) ** 2
        + math.log2(params["batch"] / 32) ** 2 / 4
        + (params["dropout"] - 0.3) ** 2
        + angle
        + momentum
    )


def run(solver: ArqonSolver, objective: Objective, count: int = 10**6) -> ArqonSolver:
    while count and (params := solver.ask_one()) is not None:
        solver.tell([{"params": params, "value": objective(params)}])
        count -= 1
    return solver


def test_it_finds_the_minimum_and_explains_how() -> None:
    solver = run(ArqonSolver({"seed": 1, "budget": 50, "bounds": PLANE}), bowl)
    best = solver.best()
    assert best is not None
    assert best["value"] < 1e-4
    assert best["value"] == bowl(best["params"])
    explained = solver.explain()
    assert explained["landscape"] in ("smooth", "rugged")
    assert explained["reason"]
    assert explained["evidence"]["observations"] == 50
    assert sum(phase["candidates"] for phase in explained["phases"]) == 50
    assert {"probe"} < {phase["strategy"] for phase in explained["phases"]}


def test_it_finds_the_minimum_among_categories_and_conditions() -> None:
    solver = run(ArqonSolver({"seed": 3, "budget": 100, "bounds": EVERY_KIND}), mixture)
    best = solver.best()
    assert best is not None
    assert best["value"] < 0.05
    assert best["params"]["optimizer"] == "sgd"
    assert solver.explain()["landscape"] == "conditional"


@pytest.mark.parametrize("strategy", ["auto", "probe", *STRATEGIES])
def test_no_point_is_handed_out_twice(strategy: str) -> None:
    solver = ArqonSolver({"seed": 5, "budget": 60, "strategy": strategy, "bounds": PLANE})
    seen = set()
    for k in range(60):
        params = solver.ask_one()
        assert params is not None
        seen.add(json.dumps(params))
        if k % 3 == 0:
            solver.tell([{"params": params, "value": bowl(params)}])
    assert len(seen) == 60
    assert solver.ask_one() is None
    assert solver.spent


def test_none_of_the_budget_is_lost_or_made_up() -> None:
    solver = ArqonSolver({"budget": 7, "bounds": PLANE})
    assert len(solver.ask(100) or []) == 7
    assert solver.ask() is None
    assert solver.ask(1) is None
    assert ArqonSolver({"budget": 0, "bounds": PLANE}).ask_one() is None
    solver.extend_budget(9)
    assert len(solver.ask(100) or []) == 2
    with pytest.raises(ConfigError, match="below 9"):
        solver.extend_budget(8)


def test_ask_without_a_number_gives_the_probe_first() -> None:
    solver = ArqonSolver({"budget": 100, "bounds": EVERY_KIND})
    batch = solver.ask()
    assert batch is not None
    assert len(batch) == 10
    assert solver.explain()["phase"] == "probe"
    solver.tell([{"params": params, "value": mixture(params)} for params in batch])
    assert len(solver.ask() or []) == 1
    assert solver.explain()["phase"] == "refine"


@pytest.mark.parametrize("n", [0, -1, 1.5, "3", True])
def test_what_is_no_number_of_candidates_is_refused(n: Any) -> None:
    with pytest.raises(ValueError, match="n is"):
        ArqonSolver({"bounds": PLANE}).ask(n)


def test_upstreams_idiom_of_ask_one_and_seed() -> None:
    solver = ArqonSolver(json.dumps({"seed": 42, "budget": 20, "bounds": PLANE}))
    for count in range(20):
        params = solver.ask_one()
        assert params is not None
        solver.seed(json.dumps([{"params": params, "value": bowl(params), "cost": 1.0}]))
        assert solver.get_history_len() == count + 1
        assert not solver.pending


def test_upstreams_idiom_of_numbers_that_begin_anew_in_each_batch() -> None:
    solver = ArqonSolver({"seed": 42, "budget": 20, "bounds": PLANE})
    while (batch := solver.ask(5)) is not None:
        results = [{"eval_id": i, "params": p, "value": bowl(p), "cost": 1.0} for i, p in enumerate(batch)]
        assert all(answer["accepted"] for answer in solver.tell(json.dumps(results)))
    assert solver.get_history_len() == 20
    assert not solver.pending


def test_points_from_outside_count_as_evidence_and_not_as_budget() -> None:
    solver = ArqonSolver({"seed": 1, "budget": 5, "bounds": PLANE})
    solver.seed([{"params": {"x": 1.7, "y": 137.1}, "value": 0.0001}, {"params": {"x": 9, "y": 190}, "value": 80}])
    assert solver.explain()["phase"] == "refine"
    best = solver.best()
    assert best is not None
    assert best["id"] is None
    assert len(solver.ask(10) or []) == 5


@pytest.mark.parametrize("result", [{"value": None}, {"value": math.nan}, {"value": -math.inf}, {"status": "failed"}])
def test_a_failed_evaluation_is_evidence(result: dict[str, Any]) -> None:
    solver = ArqonSolver({"seed": 1, "budget": 30, "bounds": PLANE})
    while (params := solver.ask_one()) is not None:
        fails = params["x"] < 1.0
        solver.tell([{"params": params, **(result if fails else {"value": bowl(params)})}])
    history = solver.history()
    failed = [row for row in history if row["status"] == "failed"]
    assert failed
    assert all(row["value"] is None and row["error"]["message"] for row in failed)
    assert len(failed) < 20
    best = solver.best()
    assert best is not None
    assert best["value"] < 1.0


def test_everything_may_fail() -> None:
    solver = ArqonSolver({"seed": 1, "budget": 30, "bounds": EVERY_KIND})
    while (params := solver.ask_one()) is not None:
        solver.tell([{"params": params, "value": None}])
    assert solver.best() is None
    assert solver.get_history_len() == 30


@pytest.mark.parametrize(
    ("results", "words"),
    [
        ("[", "not valid JSON"),
        (5, "results is 5"),
        ([5], r"results\[1\] is 5"),
        ([{"params": {"x": 1, "y": 150}, "valeu": 1}], r"results\[1\] has 'valeu'"),
        ([{"params": {"x": 1, "y": 150}}], r"results\[1\] has no value"),
        ([{"value": 1}], r"results\[1\] has neither params nor eval_id"),
        ([{"params": {"x": 1, "y": 150}, "value": "1"}], r"results\[1\].value is '1'"),
        ([{"params": {"x": 1, "y": 150}, "value": True}], r"results\[1\].value is True"),
        ([{"params": {"x": 1, "y": 150}, "value": 1, "cost": -1}], r"results\[1\].cost is -1"),
        ([{"params": {"x": 1, "y": 150}, "value": 1, "status": "odd"}], r"results\[1\].status is 'odd'"),
        ([{"params": {"x": 1, "y": 150}, "value": 1, "step": 1.5}], r"results\[1\].step is 1.5"),
        ([{"eval_id": "a", "value": 1}], r"results\[1\].eval_id is 'a'"),
        ([{"params": {"x": 1}, "value": 1}], "lacks y"),
        ([{"params": {"x": 1, "y": 1}, "value": 1}], "params.y is 1"),
        ([{"params": [1, 2], "value": 1}], r"results\[1\].params"),
    ],
)
def test_one_malformed_entry_refuses_the_whole_list(results: Any, words: str) -> None:
    solver = ArqonSolver({"budget": 5, "bounds": PLANE})
    good = {"params": solver.ask_one(), "value": 1.0}
    before = solver.export()
    with pytest.raises(ResultsError, match=words):
        solver.tell([good, *results] if isinstance(results, list) else results)
    assert solver.export() == before


def test_ids_that_never_were_and_results_that_come_late() -> None:
    solver = ArqonSolver({"budget": 5, "bounds": PLANE})
    solver.ask(2)
    with pytest.raises(UnknownCandidateError, match=r"id 7 was never handed out.*seed"):
        solver.tell([{"id": "0", "value": 1.0}, {"id": "7", "value": 1.0}])
    assert solver.get_history_len() == 0
    assert solver.tell([{"id": "1", "value": 1.0}]) == [{"id": "1", "accepted": True}]
    late, fresh = solver.tell([{"id": "1", "value": 2.0}, {"id": "0", "value": 3.0}])
    assert not late["accepted"]
    assert "already told" in late["note"]
    assert fresh["accepted"]
    assert [row["value"] for row in solver.history()] == [1.0, 3.0]


def test_what_is_withdrawn_comes_back_as_the_same_candidate() -> None:
    solver = ArqonSolver({"budget": 4, "bounds": PLANE})
    first = solver.propose()
    assert first is not None
    solver.withdraw(first.number)
    assert first.number in solver.withdrawn
    assert not solver.pending
    again = solver.reissue(first.number)
    assert (again.number, again.params) == (first.number, first.params)
    with pytest.raises(UnknownCandidateError, match="pending"):
        solver.reissue(first.number)
    solver.withdraw(first.number)
    solver.observe(first.number, 1.0)
    with pytest.raises(ResultsError, match="told before"):
        solver.observe(first.number, 1.0)
    assert len(solver.ask(10) or []) == 3


def test_a_logged_candidate_is_adopted_without_computing() -> None:
    solver, replayed = (ArqonSolver({"seed": 2, "budget": 30, "bounds": PLANE}) for _ in range(2))
    for _ in range(20):
        candidate = solver.propose()
        assert candidate is not None
        replayed.adopt(candidate)
        for one in (solver, replayed):
            one.observe(candidate.number, bowl(candidate.params))
    assert replayed.export() == solver.export()
    assert replayed.ask(10) == solver.ask(10)
    with pytest.raises(StateError, match="out of turn"):
        replayed.adopt(candidate)


def test_the_order_of_the_config_means_nothing() -> None:
    backwards = {"y": PLANE["y"], "x": PLANE["x"]}
    one = run(ArqonSolver({"seed": 4, "budget": 30, "bounds": PLANE}), bowl)
    two = run(ArqonSolver({"seed": 4, "budget": 30, "bounds": backwards}), bowl)
    assert [row["params"] for row in one.history()] == [row["params"] for row in two.history()]


def test_a_finite_space_is_covered_before_anything_repeats() -> None:
    finite = {"a": {"choices": [1, 2, 3]}, "b": {"min": 0, "max": 3, "type": "int"}}
    solver = ArqonSolver({"seed": 1, "budget": 20, "bounds": finite})
    first = []
    for _ in range(12):
        params = solver.ask_one()
        assert params is not None
        first.append((params["a"], params["b"]))
        solver.tell([{"params": params, "value": params["a"] + params["b"]}])
    assert len(set(first)) == 12
    assert solver.explain()["exhausted"]
    again = solver.ask_one()
    assert again == {"a": 1, "b": 0}


def test_a_finite_space_that_is_all_in_flight_has_nothing_to_hand_out() -> None:
    solver = ArqonSolver({"budget": 20, "bounds": {"a": {"choices": [1, 2, 3]}}})
    batch = solver.ask(20)
    assert batch is not None
    assert len(batch) == 3
    assert solver.ask_one() is None
    assert not solver.spent


def test_noise_is_found_by_repeating_and_the_model_recommends() -> None:
    solver = ArqonSolver({"seed": 1, "budget": 80, "bounds": PLANE})
    noise = np.random.default_rng(0)
    run(solver, lambda params: bowl(params) + 5.0 * float(noise.normal()))
    assert solver.explain()["landscape"] == "noisy"
    assert "repeat" in {phase["strategy"] for phase in solver.explain()["phases"]}
    best = solver.best()
    assert best is not None
    assert best["predicted"] is not None
    assert bowl(best["params"]) < 3.0


def test_a_value_from_an_early_step_is_not_the_best_when_others_went_further() -> None:
    solver = ArqonSolver({"budget": 5, "bounds": PLANE})
    solver.ask(3)
    solver.tell([{"id": "0", "value": 1.0, "step": 3}, {"id": "1", "value": 2.0, "step": 100}])
    assert solver.best()["id"] == "1"  # type: ignore[index]
    solver.seed([{"params": {"x": 0.0, "y": 150.0}, "value": 1.5}])
    assert solver.best()["id"] is None  # type: ignore[index]
    solver.tell([{"id": "2", "value": 1.25, "step": 100}])
    assert solver.best()["id"] == "2"  # type: ignore[index]


def test_an_unknown_strategy_is_refused_and_named_ones_run() -> None:
    with pytest.raises(ConfigError, match=r"strategy is 'magic'.*auto.*gaussian_process"):
        ArqonSolver({"bounds": PLANE, "strategy": "magic"})


def test_a_strategy_that_cannot_compute_leaves_the_study_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise np.linalg.LinAlgError("not positive definite")

    monkeypatch.setattr(TrustRegion, "propose", fail)
    solver = run(ArqonSolver({"seed": 1, "budget": 10, "bounds": PLANE}), bowl)
    assert solver.get_history_len() == 10
    assert solver.explain()["trouble"] == {"strategy": "trust_region", "candidate": 9, "error": "not positive definite"}


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda solver: pickle.loads(pickle.dumps(solver))])
def test_a_copy_goes_its_own_way(clone: Callable[[ArqonSolver], ArqonSolver]) -> None:
    solver = run(ArqonSolver({"seed": 8, "budget": 40, "bounds": PLANE}), bowl, 15)
    other = clone(solver)
    assert other.ask(5) == solver.ask(5)
    run(other, bowl, 3)
    assert other.get_history_len() == solver.get_history_len() + 3


def test_numpy_scalars_are_the_values_that_they_hold() -> None:
    solver = ArqonSolver(
        {"budget": 5, "bounds": {"n": {"min": 0, "max": 9, "type": "int"}, "c": {"choices": ["1", 1]}}}
    )
    params = solver.ask_one()
    assert params is not None
    solver.tell([{"params": {"n": np.int64(params["n"]), "c": params["c"]}, "value": np.float32(1.5)}])
    assert not solver.pending
    solver.seed([{"params": {"n": np.float32(3), "c": np.str_("1")}, "value": 1.0}])
    assert json.loads(solver.export())["history"][1]["params"] == {"n": 3, "c": "1"}


def test_a_result_finds_the_candidate_of_its_very_params() -> None:
    solver = ArqonSolver({"budget": 2, "bounds": {"c": {"choices": ["1", 1]}}})
    first, second = solver.ask(2) or []
    solver.tell([{"params": second, "value": 2.0}])
    assert [row["params"] for row in solver.history()] == [second]
    assert [candidate.params for candidate in solver.pending.values()] == [first]


def test_a_pending_candidate_is_told_before_a_withdrawn_one_at_the_same_point() -> None:
    solver = ArqonSolver({"bounds": {"c": {"choices": ["a", "b"]}}})
    for params in solver.ask(2) or []:
        solver.tell([{"params": params, "value": 1.0}])
    third = solver.propose()
    assert third is not None
    solver.withdraw(third.number)
    assert solver.propose() is None
    solver.reissue(third.number)
    fourth = solver.propose()
    assert fourth is not None
    assert fourth.params != third.params


def test_a_finite_space_in_which_everything_failed_still_ends() -> None:
    solver = ArqonSolver({"budget": 6, "bounds": {"c": {"choices": ["a", "b"]}}})
    while (params := solver.ask_one()) is not None:
        solver.tell([{"params": params, "value": None}])
    assert solver.spent
    assert solver.get_history_len() == 6


def test_a_larger_budget_means_the_same_after_a_restore() -> None:
    solver = ArqonSolver({"budget": 10, "bounds": {**PLANE, "c": {"choices": ["a", "b", "c"]}}})
    for params in solver.ask(4) or []:
        solver.tell([{"params": params, "value": bowl(params)}])
    solver.extend_budget(100)
    assert ArqonSolver.from_state(solver.export()).ask(5) == solver.ask(5)


@pytest.mark.parametrize("scale", [1.7e308, 1e308, 1e300])
def test_values_near_the_largest_float_are_searched_without_a_word(scale: float) -> None:
    solver = ArqonSolver({"seed": 2, "budget": 40, "bounds": PLANE})
    signs = (1.0, -1.0, 0.3, -1e-300)
    while (candidate := solver.propose()) is not None:
        assert all(math.isfinite(value) for value in candidate.params.values())
        solver.observe(candidate.number, scale * signs[candidate.number % 4] * candidate.params["x"] / 10.0)
    assert solver.best() is not None
    assert solver.explain()["phase"] == "refine"


@pytest.mark.parametrize("status", [np.array([1, 2]), 5, ["complete"], {}, "done"])
def test_a_status_of_another_kind_is_refused_by_name(status: Any) -> None:
    solver = ArqonSolver({"bounds": PLANE})
    solver.ask_one()
    with pytest.raises(ResultsError, match=r"results\[0\]\.status"):
        solver.tell([{"id": "0", "value": 1.0, "status": status}])
    assert solver.get_history_len() == 0


def test_an_empty_cell_of_a_table_is_no_status() -> None:
    import pandas as pd

    solver = ArqonSolver({"bounds": PLANE})
    solver.ask_one()
    solver.tell([{"id": "0", "value": 1.0, "status": pd.NA}])
    assert solver.history()[0]["status"] == "complete"


@pytest.mark.parametrize("number", ["0", None, 0.0, True])
def test_a_number_is_no_id(number: Any) -> None:
    solver = ArqonSolver({"bounds": {"x": {"min": 0.0, "max": 1.0}}})
    solver.ask_one()
    for call in (
        solver.retract,
        solver.candidate,
        lambda n: solver.observe(n, 1.0),
        lambda n: solver.report(n, 1, 1.0),
    ):
        with pytest.raises(UnknownCandidateError, match="it must be a whole number"):
            call(number)

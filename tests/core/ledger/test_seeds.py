"""Points from outside: rows of other studies and of tables, and old results in a narrowed space."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from arqon_ray import ArqonSolver, OutOfBoundsError, ResultsError
from tests.core.spaces import EVERY_KIND

X = {"x": {"min": 0, "max": 1}}
LEARNERS = {
    "model": {"choices": ["svm", "tree"]},
    "C": {"min": 0.1, "max": 10, "when": {"model": "svm"}},
    "depth": {"min": 1, "max": 9, "type": "int", "when": {"model": "tree"}},
    "prune": {"choices": [True, None], "when": {"model": "tree"}},
}


def evaluated(bounds: dict[str, Any], count: int = 6, **config: Any) -> ArqonSolver:
    """Return a study of so many evaluations, every third of which failed."""
    solver = ArqonSolver({"bounds": bounds, **config})
    for number, params in enumerate(solver.ask(count) or []):
        several = {"values": [number, -number]} if "objectives" in config else {"value": float(number)}
        result = several if number % 3 else {"value": None, "reason": "diverged"}
        solver.tell([{"eval_id": number, "params": params, "cost": 2.0, "step": 7, **result}])
    return solver


def outcomes(solver: ArqonSolver) -> list[dict[str, Any]]:
    whence = ("id", "number", "origin", "seq")
    return [{k: v for k, v in row.items() if k not in whence} for row in solver.history()]


@pytest.mark.parametrize("config", [{}, {"objectives": ["min", "max"]}])
@pytest.mark.parametrize("through_json", [False, True])
def test_rows_of_one_study_are_seeds_of_another(config: dict[str, Any], through_json: bool) -> None:
    one, other = evaluated(EVERY_KIND, **config), ArqonSolver({"bounds": EVERY_KIND, "seed": 1, **config})
    rows = one.history()
    assert all(answer["accepted"] for answer in other.seed(json.dumps(rows) if through_json else rows))
    assert outcomes(other) == outcomes(one)
    assert {(row["id"], row["origin"]) for row in other.history()} == {(None, "outside")}
    assert ArqonSolver.from_state(other.export()).history() == other.history()
    best = one.best()
    assert best is not None
    other.seed(best)
    other.seed([*(one.pareto() if config else []), *other.history()[:1]])
    assert other.history()[6]["params"] == best["params"]


def test_an_id_is_where_a_row_came_from_and_no_candidate_of_this_study() -> None:
    one, other = evaluated(X), ArqonSolver({"bounds": X})
    other.ask(6)  # the same points under the same ids, in flight here
    told = other.tell([{"eval_id": 0, "value": 0.5}])
    answers = other.seed([*one.history(), {"id": "trial-17", "params": {"x": 0.5}, "value": 1.0}])
    assert [answer["id"] for answer in answers] == [None] * 7
    assert sorted(other.pending) == [1, 2, 3, 4, 5]
    assert other.tell([{"eval_id": 1, "value": 9.0}]) == [{"id": "1", "accepted": True}]
    assert told == [{"id": "0", "accepted": True}]
    assert ArqonSolver.from_state(other.export()).export() == other.export()


def test_a_table_has_empty_cells_where_a_parameter_does_not_exist() -> None:
    table = pd.DataFrame([{"model": "svm", "C": 1.5}, {"model": "tree", "depth": 3, "prune": True}])
    solver = ArqonSolver({"bounds": LEARNERS})
    solver.seed([{"params": row, "value": 1.0} for row in table.to_dict("records")])
    whole = table.astype({"depth": "Int64"}).to_dict("records")
    solver.seed([{"params": row, "value": pd.NA} for row in whole])
    none = {"model": "tree", "C": None, "depth": 3, "prune": None}  # None is a choice of prune where that exists
    solver.seed(
        [{"params": none, "value": 1.0}, {"params": {**none, "model": "svm", "C": 2, "depth": None}, "value": 1}]
    )
    svm, tree = {"model": "svm", "C": 1.5}, {"model": "tree", "depth": 3, "prune": True}
    rows = [row["params"] for row in solver.history()]
    assert rows == [svm, tree, svm, tree, {**tree, "prune": None}, {**svm, "C": 2.0}]
    assert all(type(row["depth"]) is int for row in rows if "depth" in row)
    assert ArqonSolver.from_state(solver.export()).export() == solver.export()
    for cell in (math.nan, None, pd.NA):
        with pytest.raises(ResultsError, match=r"results\[1\].params .*: depth is missing"):
            solver.seed([{"params": svm, "value": 1.0}, {"params": {**tree, "depth": cell}, "value": 1.0}])
    with pytest.raises(ResultsError, match=r"results\[0\].params.*C is given, but its condition does not hold"):
        solver.seed([{"params": {**tree, "C": 1.0}, "value": 1.0}])


def test_the_table_of_a_history_is_taken_row_by_row() -> None:
    one, other = evaluated(LEARNERS), ArqonSolver({"bounds": LEARNERS, "seed": 1})
    plain = pd.DataFrame([{k: v for k, v in row.items() if k != "params"} for row in one.history()])
    params = pd.DataFrame([row["params"] for row in one.history()]).add_prefix("params.")
    table = pd.concat([plain, params], axis=1)
    other.seed(table.to_dict("records"))
    assert outcomes(other) == outcomes(one)
    table.loc[0, "step"] = math.nan
    other.seed(table.to_dict("records"))
    assert [row.get("step") for row in outcomes(other)[6:]] == [None] + [7] * 5


def test_old_results_outside_a_narrowed_space_are_skipped_when_asked() -> None:
    bounds = {"x": {"min": 0, "max": 0.5}, "n": {"min": 1, "max": 9, "type": "int"}, "o": {"choices": ["a", "b"]}}
    inside = {"x": 0.2, "n": 3, "o": "a"}
    rows = [{"params": {**inside, **change}, "value": 1.0} for change in ({}, {"x": 0.8}, {"n": 10}, {"o": "c"}, {})]
    solver = ArqonSolver({"bounds": bounds})
    with pytest.raises(OutOfBoundsError, match=r"results\[1\].params.x is 0.8: it must lie in \[0.0, 0.5\]"):
        solver.seed(rows)
    assert solver.get_history_len() == 0
    answers = solver.seed(rows, out_of_bounds="skip")
    assert [answer["accepted"] for answer in answers] == [True, False, False, False, True]
    assert answers[1] == {
        "id": None,
        "accepted": False,
        "note": "skipped: params.x is 0.8: it must lie in [0.0, 0.5]",
    }
    assert solver.get_history_len() == 2
    for wrong in ({"x": "a"}, {"zzz": 1}):
        with pytest.raises(ResultsError, match=r"results\[0\].params"):
            solver.seed([{"params": {**inside, **wrong}, "value": 1.0}], out_of_bounds="skip")
    with pytest.raises(ResultsError, match="out_of_bounds is 'drop': it must be 'raise' or 'skip'"):
        solver.seed(rows, out_of_bounds="drop")  # type: ignore[arg-type]


@pytest.mark.parametrize("cell", [math.nan, None, pd.NA, pd.NaT, np.float32("nan"), math.inf, -math.inf])
@pytest.mark.parametrize("name", ["x", "n", "o", "deep"])
def test_a_row_with_an_empty_cell_is_skipped_when_asked(name: str, cell: Any) -> None:
    bounds = {
        "x": {"min": 0.1, "max": 1, "scale": "Log"},
        "n": {"min": 1, "max": 9, "type": "int"},
        "o": {"choices": ["a", "b"]},
        "deep": {"min": 0, "max": 1, "when": {"o": "a"}},
    }
    whole = {"x": 0.2, "n": 3, "o": "a", "deep": 0.5}
    rows = [{"params": {**whole, name: cell}, "value": 0.0}, {"params": whole, "value": 1.0}]
    solver = ArqonSolver({"bounds": bounds})
    with pytest.raises(OutOfBoundsError, match=r"results\[0\].params.*out_of_bounds='skip' passes such rows over"):
        solver.seed(rows)
    assert [answer["accepted"] for answer in solver.seed(rows, out_of_bounds="skip")] == [False, True]
    assert [row["params"] for row in solver.history()] == [whole]
    with pytest.raises(ResultsError, match=r"results\[0\].params"):  # a row of another table
        solver.seed([{"params": {k: v for k, v in whole.items() if k != name}, "value": 0.0}], out_of_bounds="skip")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"params": {"x": 3.0}, "value": 1.0}, r"results\[150\].params.x is 3.0"),
        ({"params": {"x": 0.5}, "value": "1"}, r"results\[150\].value is '1'"),
        ({"params": {}, "value": 1.0}, r"results\[150\].params .* lacks x"),
        ({"value": 1.0}, r"results\[150\] is .*needs params"),
        ({"params": {"x": 0.5}, "value": 1.0, "vlaue": 2}, r"results\[150\] has 'vlaue'"),
        ([1], r"results\[150\] is \[1\]"),
    ],
)
def test_a_message_about_a_list_names_the_row(row: Any, words: str) -> None:
    solver = ArqonSolver({"bounds": X})
    with pytest.raises(ResultsError, match=words):
        solver.seed([{"params": {"x": 0.5}, "value": 1.0}] * 150 + [row])
    assert solver.get_history_len() == 0


def test_what_is_reported_lies_within_the_bounds() -> None:
    bounds = {"x": {"min": 1e-10, "max": 1, "scale": "Log"}, "a": {"min": 0, "max": 360, "scale": "Periodic"}}
    solver = ArqonSolver({"bounds": bounds})
    for value, kept in ((1 + 1e-9, 1.0), (1e-10 * (1 - 1e-9), 1e-10), (np.nextafter(1, 2), 1.0)):
        solver.seed([{"params": {"x": value, "a": 365.0}, "value": 1.0}])
        assert solver.history()[-1]["params"] == {"x": kept, "a": 5.0}
    before = solver.export()
    for value in (-5e-10, 0.0, 1e-10 * (1 - 1e-6), 1 + 1e-6):
        with pytest.raises(OutOfBoundsError, match=r"it must lie in \[1e-10, 1.0\]"):
            solver.seed([{"params": {"x": value, "a": 0}, "value": 0.0}])
    assert solver.export() == before == ArqonSolver.from_state(before).export()

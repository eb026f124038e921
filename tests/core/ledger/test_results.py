"""Results as users give them: what is taken, what is refused, and in which words."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest

from arqon_ray import ArqonProbe, ArqonSolver
from arqon_ray.core.ledger.results import check_report, parse_results
from arqon_ray.errors import ConfigError, ResultsError
from arqon_ray.fanout.worker.evaluate import evaluate_point

X = {"x": {"min": 0, "max": 1}}


class Scalar:
    """A tensor without dimensions."""

    def item(self) -> float:
        return 0.5


MEANT = [
    (np.float32(0.5), 0.5),
    (np.array([[0.5]]), 0.5),
    (Scalar(), 0.5),
    (Decimal("0.5"), 0.5),
    (Fraction(1, 2), 0.5),
    (np.int8(3), 3.0),
    (10**400, None),
    (math.nan, None),
    (None, None),
]


@pytest.mark.parametrize(("value", "meant"), [*MEANT, (pd.NA, None)])
def test_tell_reads_what_a_function_may_return(value: Any, meant: float | None) -> None:
    solver = ArqonSolver({"bounds": X})
    solver.tell([{"params": solver.ask_one(), "value": value, "cost": np.float32(2)}])
    solver.seed([{"params": {"x": np.float32(0.25)}, "value": value}])
    rows = solver.history()
    assert [row["value"] for row in rows] == [meant, meant]
    assert [row["status"] for row in rows] == ["failed" if meant is None else "complete"] * 2
    assert ArqonSolver.from_state(solver.export()).history() == rows


@pytest.mark.parametrize(("value", "meant"), [pair for pair in MEANT if pair[0] is not None])
def test_an_evaluation_reads_what_tell_reads(value: Any, meant: float | None) -> None:
    outcome = evaluate_point(lambda params: value, {})
    assert outcome.value == meant
    assert (outcome.error is None) == (meant is not None)


@pytest.mark.parametrize("value", [True, np.bool_(False), np.array([True]), "0.5", b"1", 1 + 2j, [1.0], object()])
def test_what_is_no_number_is_one_for_nobody(value: Any) -> None:
    solver = ArqonSolver({"bounds": X})
    params = solver.ask_one()
    with pytest.raises(ResultsError, match=r"results\[0\].value is .*: it must be a number, or null"):
        solver.tell([{"params": params, "value": value}])
    assert solver.get_history_len() == 0
    outcome = evaluate_point(lambda params: value, {})
    assert outcome.value is None
    assert "it must return a number" in str(outcome.error)


@pytest.mark.parametrize("step", [-1, 2**53, 10**400, 1.0, True, "1", math.nan])
def test_a_step_is_a_whole_number_that_the_arrays_can_hold(step: Any) -> None:
    with pytest.raises(ResultsError, match=r"step is .*: it must be a whole number, 0 to 2\*\*53 - 1"):
        check_report(step, 1.0)
    with pytest.raises(ResultsError, match=r"results\[0\].step is "):
        parse_results([{"params": {"x": 0.5}, "value": 1.0, "step": step}])


def test_the_largest_step_comes_back_from_an_export() -> None:
    solver = ArqonSolver({"bounds": X})
    solver.ask_one()
    solver.report(0, np.int64(2**53 - 1), 1.0)  # type: ignore[arg-type]
    assert json.loads(ArqonSolver.from_state(solver.export()).export())["reports"] == [[0, 2**53 - 1, 1.0, 0]]


@pytest.mark.parametrize("given", [2**63, 10**400, -1, "9" * 19, True, 1.0, "x"])
def test_an_id_is_one_that_a_log_can_hold(given: Any) -> None:
    with pytest.raises(ResultsError, match=r"results\[0\].eval_id is .*: it must be a whole number, 0 to 2\*\*63 - 1"):
        parse_results([{"params": {"x": 0.5}, "value": 1.0, "eval_id": given}])


def test_messages_are_short_whatever_was_given() -> None:
    solver = ArqonSolver({"bounds": X})
    solver.ask_one()
    for wrong in (["x"] * 10**5, "x" * 10**6, {"x": list(range(10**5))}):
        with pytest.raises(ResultsError) as caught:
            solver.tell([{"params": {"x": wrong}, "value": wrong}])
        assert len(str(caught.value)) < 1000
    solver.tell([{"id": "0", "value": None, "reason": "r" * 10**6}])
    assert len(solver.history()[0]["error"]["message"]) == 10_000


def test_numpy_integers_are_counts_seeds_and_budgets() -> None:
    config = {"bounds": X, "seed": np.uint64(7), "budget": np.int8(5), "probe_ratio": np.float32(0.5)}
    solver = ArqonSolver(config)
    assert solver.ask(np.int64(3)) == ArqonSolver({"bounds": X, "seed": 7, "budget": 5, "probe_ratio": 0.5}).ask(3)
    solver.extend_budget(np.int32(9))  # type: ignore[arg-type]
    assert (solver.config.budget, type(solver.config.budget)) == (9, int)
    probe = ArqonProbe(config, seed=np.int64(3))  # type: ignore[arg-type]
    assert probe.sample_at(np.uint8(2)) == ArqonProbe(config, seed=3).sample_at(2)  # type: ignore[arg-type]
    for key in ("seed", "budget"):
        with pytest.raises(ConfigError, match=f"{key} is True"):
            ArqonSolver({**config, key: True})


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"params": {"x": 3.0}, "value": 1.0}, r"results\[150\].params.x is 3.0: it must lie in"),
        ({"eval_id": 7, "value": 1.0}, r"results\[150\].id 7 was never handed out"),
        ({"params": {"x": 0.5}, "values": [1.0, 2.0]}, r"results\[150\] has 2 values"),
        ({"params": {"x": 0.5}, "value": "1"}, r"results\[150\].value is '1'"),
    ],
)
def test_a_message_about_a_list_names_the_row(row: dict[str, Any], words: str) -> None:
    solver = ArqonSolver({"bounds": X})
    with pytest.raises(ValueError, match=words):
        solver.tell([{"params": {"x": 0.25}, "value": 1.0}] * 150 + [row])
    assert solver.get_history_len() == 0


@pytest.mark.parametrize(
    "values", [(1, 2.5), np.array([1.0, 2.5]), pd.Series([1.0, 2.5]), [np.float32(1), Fraction(5, 2)]]
)
def test_the_values_of_several_objectives_come_in_whatever_holds_a_list(values: Any) -> None:
    solver = ArqonSolver({"bounds": X, "objectives": ["min", "max"]})
    solver.tell([{"params": solver.ask_one(), "values": values}])
    assert solver.history()[0]["values"] == [1.0, 2.5]
    for wrong in (1.0, "12", [1.0], np.float64(1), {1: 2, 2: 3}):
        with pytest.raises(ResultsError, match=r"results\[0\].values is .*: it must be a list of one number"):
            solver.tell([{"params": {"x": 0.5}, "values": wrong}])

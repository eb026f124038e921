"""Several objectives: the front, the weights, and the solver's promises with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from arqon_ray.core import ArqonSolver
from arqon_ray.core.config import identity, load_config
from arqon_ray.core.objectives.pareto import non_dominated, weighed, weights
from arqon_ray.errors import ConfigError, ResultsError

BOUNDS = {"x": {"min": 0.0, "max": 1.0}, "y": {"min": 0.0, "max": 1.0}}
CONFIG: dict[str, Any] = {"seed": 5, "objectives": ["min", "max"], "bounds": BOUNDS}


def values(params: dict[str, Any]) -> list[float]:
    """Return two objectives whose front is y = 0; the second is to be maximized."""
    return [params["x"] + params["y"], -((1.0 - params["x"]) ** 2) - params["y"]]


def run(solver: ArqonSolver, count: int) -> ArqonSolver:
    for _ in range(count):
        candidate = solver.propose()
        assert candidate is not None
        solver.tell({"eval_id": candidate.number, "values": values(candidate.params)})
    return solver


def test_the_front_is_what_nothing_else_beats() -> None:
    V = np.array([[1.0, 3.0], [2.0, 2.0], [3.0, 1.0], [2.0, 3.0], [3.0, 3.0], [2.0, 2.0]])
    assert non_dominated(V).tolist() == [True, True, True, False, False, True]
    assert non_dominated(np.empty((0, 2))).tolist() == []


def test_weights_belong_to_the_number_and_lie_on_the_simplex() -> None:
    drawn = np.array([weights(1, number, 3) for number in range(50)])
    np.testing.assert_allclose(drawn.sum(axis=1), 1.0)
    assert np.all(drawn >= 0.0)
    assert len(np.unique(drawn, axis=0)) == 50
    np.testing.assert_array_equal(drawn[7], weights(1, 7, 3))


def test_what_is_beaten_is_worth_less_whatever_the_weights_and_units() -> None:
    V = np.array([[1.0, 3e6], [2.0, 2e6], [3.0, 1e6], [3.5, 3.5e6]])
    for number in range(30):
        y = weighed(V, 0, number)
        assert y[3] > y[:3].max()
    assert {int(np.argmin(weighed(V, 0, number))) for number in range(30)} == {0, 1, 2}


def test_it_covers_the_front() -> None:
    front = run(ArqonSolver(CONFIG), 40).pareto()
    assert len(front) >= 10
    first = np.sort([row["values"][0] for row in front])
    assert first[0] < 0.1
    assert first[-1] > 0.8
    assert np.max(np.diff(first)) < 0.25
    assert np.median([row["params"]["y"] for row in front]) < 0.02


def test_restored_solvers_go_on_bit_for_bit() -> None:
    solver = run(ArqonSolver(CONFIG), 15)
    exported, frozen = solver.export(), solver.freeze()
    expected = solver.propose()
    for again in (ArqonSolver.from_state(exported), ArqonSolver.thaw(frozen.parts())):
        assert again.pareto() == solver.pareto()
        assert again.propose() == expected


def test_a_batch_has_weights_for_each() -> None:
    solver = run(ArqonSolver(CONFIG), 12)
    proposer = solver.proposer()
    batch = [proposer.propose() for _ in range(3)]
    assert len({repr(candidate and candidate.params) for candidate in batch}) == 3
    first, again = solver.proposer(), ArqonSolver.from_state(solver.export()).proposer()
    assert [first.propose() for _ in range(3)] == [again.propose() for _ in range(3)] == batch


def test_steps_do_not_matter_with_several_objectives() -> None:
    solver = ArqonSolver(CONFIG)
    for number in range(4):
        candidate = solver.propose()
        assert candidate is not None
        solver.tell({"eval_id": number, "values": values(candidate.params), "step": 1 + number})
    assert solver.explain()["evidence"] == {}
    assert len(solver.proposer().evidence().y) == 4


def test_a_value_that_is_not_finite_fails_the_evaluation() -> None:
    solver = ArqonSolver(CONFIG)
    solver.propose()
    solver.tell({"eval_id": 0, "values": [1.0, float("nan")]})
    assert solver.history()[0]["status"] == "failed"
    assert solver.pareto() == []


@pytest.mark.parametrize(
    ("objectives", "told", "message"),
    [
        (["min", "max"], {"value": 1.0}, "no list of values: it must have 2"),
        (["min", "max"], {"values": [1.0, 2.0, 3.0]}, "has 3 values: it must have 2"),
        (None, {"values": [1.0, 2.0]}, "has 2 values: it must have one value"),
        (["min", "max"], {"values": 1.0}, "values is 1.0: it must be a list"),
        (["min", "max"], {"values": [1.0, "x"]}, r"values\[1\] is 'x'"),
    ],
)
def test_results_that_do_not_fit_are_refused(objectives: Any, told: dict[str, Any], message: str) -> None:
    solver = ArqonSolver({"objectives": objectives, "bounds": BOUNDS})
    solver.propose()
    with pytest.raises(ResultsError, match=message):
        solver.tell({"eval_id": 0, **told})
    assert solver.get_history_len() == 0


def test_the_config_knows_the_objectives() -> None:
    config = load_config({"objectives": ["max", "min"], "bounds": BOUNDS})
    assert config.mode == "max"
    assert identity(config)["objectives"] == ["max", "min"]
    assert load_config(config.to_dict()) == config
    assert "objectives" not in identity(load_config({"bounds": BOUNDS}))
    for bad in (["min"], ["min", "up"], "min"):
        with pytest.raises(ConfigError, match="objectives"):
            load_config({"objectives": bad, "bounds": BOUNDS})
    with pytest.raises(ConfigError, match="mode is 'max'"):
        load_config({"mode": "max", "objectives": ["min", "min"], "bounds": BOUNDS})
    with pytest.raises(ConfigError, match="single objective"):
        ArqonSolver({"bounds": BOUNDS}).pareto()

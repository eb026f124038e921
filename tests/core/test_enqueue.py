from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arqon_ray import ArqonSolver, ConfigError, ResultsError
from arqon_ray.core.config import load_config
from arqon_ray.core.points import check_points, complete_params
from arqon_ray.core.space.space import Space

BOUNDS: dict[str, Any] = {
    "lr": {"min": 1e-4, "max": 1.0, "scale": "Log"},
    "n": {"min": 1, "max": 9, "type": "int"},
    "kind": {"choices": ["svm", "tree"]},
    "depth": {"min": 1, "max": 5, "type": "int", "when": {"kind": "tree"}},
}
CONFIG = {"bounds": BOUNDS, "seed": 3}
WHOLE = {"lr": 0.1, "n": 4, "kind": "svm"}


def origins(solver: ArqonSolver) -> list[str]:
    return [candidate.origin for candidate in solver.pending.values()]


def test_enqueued_points_come_first_and_once() -> None:
    solver, plain = ArqonSolver({**CONFIG, "budget": 4}), ArqonSolver(CONFIG)
    first = solver.ask_one()
    assert first == plain.ask_one()
    assert solver.enqueue([WHOLE, {**WHOLE, "n": 5}]) == [WHOLE, {**WHOLE, "n": 5}]
    assert solver.queue == [WHOLE, {**WHOLE, "n": 5}]
    assert solver.ask(3) is not None
    assert [candidate.params for candidate in solver.pending.values()][1:3] == [WHOLE, {**WHOLE, "n": 5}]
    assert origins(solver) == ["probe", "enqueued", "enqueued", "probe"]
    assert solver.queue == []
    solver.enqueue(WHOLE)
    assert solver.ask_one() is None, "the budget is spent"
    solver.extend_budget(5)
    assert solver.ask_one() == WHOLE


def test_a_point_that_is_known_is_handed_out_all_the_same() -> None:
    solver = ArqonSolver(CONFIG)
    for _ in range(2):
        solver.enqueue(WHOLE)
        assert solver.ask_one() == WHOLE
    finite = ArqonSolver({"bounds": {"x": {"choices": [1, 2]}}})
    assert finite.ask(2) is not None
    finite.enqueue({"x": 2})
    assert finite.ask_one() == {"x": 2}


def test_what_a_point_leaves_out_is_completed_alike_every_time() -> None:
    solvers = [ArqonSolver(CONFIG), ArqonSolver(CONFIG)]
    partial = [{"kind": "tree"}, {"kind": "tree", "lr": 0.5}, {}]
    one, other = (solver.enqueue(partial) for solver in solvers)
    assert one == other
    assert all({"lr", "n", "kind", "depth"} == set(point) for point in one[:2])
    assert one[1]["lr"] == 0.5
    assert one[0]["n"] != one[1]["n"], "two points are not completed by the same values"
    space = solvers[0].space
    assert all((space.encode(point) == space.encode(space.native(point))).all() for point in one)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"lrr": 0.1}, r"params has 'lrr' \(did you mean 'lr'\?\): this study has no such parameter"),
        ({"lr": 7.0}, "params.lr is 7.0: it must lie in"),
        ({"n": 2.5}, "params.n is 2.5"),
        ({"kind": "svm", "depth": 3}, "params.depth is 3: its condition does not hold at this point"),
        ([WHOLE, {"kind": "forest"}], r"points\[1\]: params.kind is 'forest'"),
        ("lr=1", "params is 'lr=1': it must be a dict"),
        ([3], r"points\[0\]: params is 3: it must be a dict"),
    ],
)
def test_a_wrong_point_is_named_and_nothing_is_enqueued(params: Any, words: str) -> None:
    solver = ArqonSolver(CONFIG)
    with pytest.raises(ResultsError, match=words):
        solver.enqueue(params)
    assert solver.queue == []
    if isinstance(params, list):
        with pytest.raises(ConfigError, match=rf"points_to_evaluate\[{len(params) - 1}\]: params"):
            check_points(params, load_config(CONFIG))


NESTED: dict[str, Any] = {
    "top": {"choices": ["a", "b"]},
    "kind": {"choices": ["svm", "tree", "forest"], "when": {"top": "b"}},
    "depth": {"min": 1, "max": 5, "type": "int", "when": {"kind": ["tree", "forest"]}},
    "trees": {"min": 1, "max": 9, "type": "int", "when": {"kind": "forest"}},
    "c": {"min": 0.0, "max": 1.0, "when": {"kind": "svm"}},
}


@given(st.integers(0, 2**32), st.integers(0, 500))
def test_a_child_alone_brings_its_parents_wherever_it_stands(seed: int, index: int) -> None:
    config = load_config({"bounds": NESTED, "seed": seed})
    space = Space(config.bounds)
    point = complete_params({"depth": 3}, config, space, index)
    assert (point["top"], point["depth"]) == ("b", 3)
    assert point["kind"] in ("tree", "forest")
    both = complete_params({"depth": 3, "trees": 4}, config, space, index)
    assert (both["top"], both["kind"]) == ("b", "forest")
    for impossible in ({"c": 0.5, "depth": 3}, {"top": "a", "depth": 3}, {"kind": "svm", "trees": 2}):
        with pytest.raises(ResultsError, match="its condition does not hold at this point"):
            complete_params(impossible, config, space, index)


def test_points_are_known_by_the_native_values_that_they_give() -> None:
    config = load_config(CONFIG)
    ways: list[dict[str, Any]] = [{"lr": 1, "kind": "svm"}, {"lr": 1.0, "kind": "svm", "depth": None}]
    one, other = check_points(ways, config)
    assert one == other == {"lr": 1.0, "kind": "svm"}
    assert type(one["lr"]) is type(other["lr"]) is float


def test_rows_of_a_history_are_points() -> None:
    solver, other = ArqonSolver(CONFIG), ArqonSolver({**CONFIG, "seed": 9})
    solver.ask(3)
    solver.tell([{"id": "1", "value": 1.0}])
    row = solver.history()[0]
    assert other.enqueue(row) == [row["params"]]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["ask", "enqueue", "tell", "restore"]), max_size=14), st.integers(0, 99))
def test_queues_survive_and_go_on_as_they_were(moves: list[str], seed: int) -> None:
    solver = ArqonSolver({**CONFIG, "seed": seed})
    expected: list[dict[str, Any]] = []
    for i, move in enumerate(moves):
        if move == "enqueue":
            expected += solver.enqueue({"n": 1 + i % 9})
        elif move == "ask":
            params = solver.ask_one()
            if expected:
                assert params == expected.pop(0)
        elif move == "tell" and solver.pending:
            solver.tell([{"id": str(min(solver.pending)), "value": float(i)}])
        elif move == "restore":
            thawed, restored = ArqonSolver.thaw(solver.freeze().parts()), ArqonSolver.from_state(solver.export())
            assert thawed.export() == restored.export() == solver.export()
            assert thawed.ask(2) == restored.ask(2)
            solver = ArqonSolver.from_state(solver.export())
        assert solver.queue == expected

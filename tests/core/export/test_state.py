"""What export() holds: everything, in a form that others can read and nobody can smuggle code into."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from arqon_ray.core import ArqonSolver
from arqon_ray.errors import StateError
from tests.core.refine.studies import STRATEGIES
from tests.core.spaces import EVERY_KIND
from tests.core.test_solver import PLANE, bowl, mixture

ASSETS = Path(__file__).parent.parent / "assets"

CONTINUE = """
import json, sys
from arqon_ray.core import ArqonSolver
from tests.core.test_solver import bowl, mixture

state, objective, count = json.load(sys.stdin)
solver = ArqonSolver.from_state(state)
candidates = []
for _ in range(count):
    candidate = solver.propose()
    candidates.append(candidate.params)
    solver.observe(candidate.number, {"bowl": bowl, "mixture": mixture}[objective](candidate.params))
json.dump([candidates, solver.export()], sys.stdout)
"""


@pytest.mark.parametrize(
    ("space", "objective", "strategy", "before"),
    [
        (PLANE, bowl, "auto", 1),
        (PLANE, bowl, "auto", 25),
        (PLANE, bowl, "auto", 70),
        (PLANE, bowl, "auto", 180),
        (EVERY_KIND, mixture, "auto", 30),
        *((PLANE, bowl, strategy, 30) for strategy in STRATEGIES),
    ],
)
def test_a_new_process_with_another_hash_seed_continues_bit_for_bit(
    space: dict[str, Any], objective: Any, strategy: str, before: int
) -> None:
    solver = ArqonSolver({"seed": 11, "budget": 400, "bounds": space, "strategy": strategy})
    for k in range(before + 5):
        candidate = solver.propose()
        assert candidate is not None
        if k not in (before, before + 2, before + 3):
            solver.observe(candidate.number, objective(candidate.params) if k % 9 else None)
    solver.withdraw(before + 2)
    exported = solver.export()
    assert len(solver.pending) == 2
    task = json.dumps([exported, objective.__name__, 50])
    done = subprocess.run(
        [sys.executable, "-c", CONTINUE],
        input=task,
        capture_output=True,
        text=True,
        check=True,
        cwd=ASSETS.parents[2],
        env={**os.environ, "PYTHONHASHSEED": "4242"},
    )
    theirs, their_state = json.loads(done.stdout)
    ours = []
    for _ in range(50):
        candidate = solver.propose()
        assert candidate is not None
        ours.append(candidate.params)
        solver.observe(candidate.number, objective(candidate.params))
    assert theirs == ours
    assert their_state == solver.export()
    if before == 180:
        assert "cma_es" in {phase["strategy"] for phase in solver.explain()["phases"]}


@pytest.mark.parametrize("space", [PLANE, EVERY_KIND])
def test_a_study_that_has_not_begun_can_be_restored(space: dict[str, Any]) -> None:
    fresh = ArqonSolver({"seed": 3, "bounds": space})
    assert ArqonSolver.from_state(fresh.export()).ask(3) == fresh.ask(3)


def test_an_export_reads_as_an_arqonhpo_artifact() -> None:
    solver = ArqonSolver({"seed": 3, "budget": 9, "bounds": PLANE})
    for k, params in enumerate(solver.ask(6) or []):
        solver.tell([{"params": params, "value": bowl(params) if k != 2 else None}])
    solver.seed([{"params": {"x": 1, "y": 120}, "value": 4, "cost": 2.5}])
    artifact = json.loads(solver.export())
    assert isinstance(artifact["run_id"], str)
    assert (artifact["seed"], artifact["budget"]) == (3, 9)
    assert artifact["config"] == {"seed": 3, "budget": 9, "bounds": PLANE}
    assert len(artifact["history"]) == 6
    for trace in artifact["history"]:
        assert isinstance(trace["eval_id"], int)
        assert trace["params"].keys() == PLANE.keys()
        assert all(isinstance(number, float) for number in trace["params"].values() if trace["eval_id"] < 2**32)
        assert isinstance(trace["value"], float)
        assert isinstance(trace["cost"], float)
    assert len({trace["eval_id"] for trace in artifact["history"]}) == 6


def _state() -> dict[str, Any]:
    solver = ArqonSolver({"seed": 3, "budget": 9, "bounds": PLANE})
    for params in solver.ask(4) or []:
        solver.tell([{"params": params, "value": bowl(params)}])
    solver.ask(2)
    document: dict[str, Any] = json.loads(solver.export())
    return document


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "{}", '{"format": "else"}'])
def test_what_is_no_state_is_refused(text: str) -> None:
    with pytest.raises(StateError, match=r"export\(\)"):
        ArqonSolver.from_state(text)


def test_bytes_are_refused() -> None:
    with pytest.raises(StateError, match="bytes"):
        ArqonSolver.from_state(b"{}")  # type: ignore[arg-type]


def test_a_later_version_is_refused() -> None:
    with pytest.raises(StateError, match="version 99"):
        ArqonSolver.from_state(json.dumps({**_state(), "version": 99}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("config", {"bounds": {}}),
        ("config", None),
        ("history", [{"params": {"x": 1.0, "y": 150.0}, "value": 1.0}]),
        ("history", [5]),
        ("history", None),
        ("pending", [{"number": 4}]),
        ("pending", [{"number": "4", "params": {"x": 1.0, "y": 150.0}, "origin": "probe"}]),
        ("pending", []),
        ("handed_out", 99),
        ("handed_out", -1),
        ("memory", []),
        ("phases", {}),
    ],
)
def test_a_state_that_was_tampered_with_is_refused(key: str, value: Any) -> None:
    with pytest.raises(StateError, match="state"):
        ArqonSolver.from_state(json.dumps({**_state(), key: value}))


@pytest.mark.parametrize(
    "key", ["config", "history", "failed", "pending", "withdrawn", "memory", "handed_out", "phases"]
)
def test_a_state_that_lacks_a_part_is_refused(key: str) -> None:
    document = _state()
    del document[key]
    with pytest.raises(StateError, match=key):
        ArqonSolver.from_state(json.dumps(document))


def test_the_state_of_the_first_release_can_be_read() -> None:
    solver = ArqonSolver.from_state((ASSETS / "solver_state_v1.json").read_text())
    assert solver.get_history_len() == 8
    assert len(solver.pending) == 1
    assert len(solver.withdrawn) == 1
    assert [row["status"] for row in solver.history()].count("failed") == 1
    assert solver.best()["params"]["optimizer"] in ("adam", "sgd")  # type: ignore[index]
    assert solver.ask(5) is not None


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_is_not_finite_is_refused(constant: str) -> None:
    text = json.dumps({**_state(), "budget": 0}).replace('"budget": 0', f'"budget": {constant}')
    with pytest.raises(StateError, match=constant):
        ArqonSolver.from_state(text)

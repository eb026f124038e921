"""Whatever tell and seed accept is the same in an export, a run's table, a sweep's table and an Optuna study."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from arqon_ray import ArqonSolver
from arqon_ray.core.config import load_config
from arqon_ray.core.inputs.plain import same
from arqon_ray.core.inputs.values import as_number
from arqon_ray.core.record.evaluation import Evaluation
from arqon_ray.errors import ConfigError
from arqon_ray.fanout.worker.outcome import Outcome
from arqon_ray.fanout.worker.shard_table import pack_rows
from arqon_ray.report import export_to_optuna, read_run, write_run
from tests.core.spaces import bounds, extreme_ranges

TEXT = st.text(st.characters(codec="utf-8"), max_size=5)
CHOICES = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXT
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
NUMBERS = st.one_of(
    FLOATS,
    st.integers(-(10**400), 10**400),
    st.floats(width=32).map(np.float32),
    st.integers(-(2**63), 2**63 - 1).map(np.int64),
    FLOATS.map(lambda x: np.array([x])),
    FLOATS.map(Decimal),
    st.fractions(),
    st.sampled_from([None, float("nan"), float("inf"), Fraction(1, 3)]),
)


@st.composite
def spaces(draw: st.DrawFn) -> dict[str, Any]:
    """Return bounds of everyday parameters, of a range at the edges of float64 and of choices of any kind."""
    space = draw(bounds())
    edge = draw(extreme_ranges())
    try:
        load_config({"bounds": {"edge": edge}})
        space["edge"] = edge
    except ConfigError:
        pass
    choices = draw(st.lists(CHOICES | FLOATS, min_size=1, max_size=6, unique_by=lambda c: (isinstance(c, bool), c)))
    space["choice"] = {"choices": choices}
    space[draw(st.sampled_from(["cost", "id", 'ünï, "code"\n', "loss"]))] = {"choices": [True, False, 1, "1", "true"]}
    return space


def told(space: Mapping[str, Any], numbers: list[Any], seed: int) -> ArqonSolver:
    """Return a study in which half of the values were told, and half given from outside as numpy has them."""
    solver = ArqonSolver({"bounds": space, "seed": seed, "strategy": "probe"})
    for number in numbers[::2]:
        if (params := solver.ask_one()) is not None:
            solver.tell([{"params": params, "value": number, "cost": np.float32(2)}])
    points = solver.space.decode_array(np.random.default_rng(seed).random((len(numbers), solver.space.d)))
    rows = [{"params": _as_numpy(p), "value": v, "step": 3} for p, v in zip(points, numbers[1::2], strict=False)]
    solver.seed(rows)
    return solver


def _as_numpy(params: dict[str, Any]) -> dict[str, Any]:
    kinds = {float: np.float64, str: np.str_, bool: np.bool_, int: np.int64}
    return {name: kinds[type(value)](value) if value is not None else None for name, value in params.items()}


@settings(max_examples=60, deadline=None)
@given(space=spaces(), numbers=st.lists(NUMBERS, min_size=1, max_size=6), seed=st.integers(0, 2**32))
def test_a_history_survives_an_export_and_is_what_was_told(space: Any, numbers: list[Any], seed: int) -> None:
    solver = told(space, numbers, seed)
    again = ArqonSolver.from_state(solver.export())
    assert again.history() == solver.history()
    assert again.export() == solver.export()
    finite = [None if n is None or not np.isfinite(as_number(n)) else as_number(n) for n in numbers]
    meant = [*finite[::2][: solver.handed_out], *finite[1::2]]
    assert [row["value"] for row in solver.history()] == meant


@settings(max_examples=60, deadline=None)
@given(space=spaces(), numbers=st.lists(NUMBERS, min_size=1, max_size=6), seed=st.integers(0, 2**32))
def test_a_history_survives_the_table_of_a_run(space: Any, numbers: list[Any], seed: int) -> None:
    solver = told(space, numbers, seed)
    run = solver.run("r")
    with tempfile.TemporaryDirectory() as folder:
        write_run(run, Path(folder))
        assert read_run(folder) == run
        with Path(folder, "history.csv").open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
    for row, evaluation in zip(rows, run.evaluations, strict=True):
        assert (float(row["value"]) if row["value"] else None) == evaluation.value
        assert (float(row["cost"]), row["id"] or None) == (evaluation.cost, evaluation.id)
        for name, rule in space.items():
            cell = row[f"params.{name}"]
            if name in evaluation.params:
                assert same(_read(cell, rule), evaluation.params[name])
            else:
                assert cell == ""


def _read(cell: str | None, rule: Mapping[str, Any]) -> Any:
    """Return the value that a cell of text holds: the choice whose text it is, or a number."""
    if "choices" not in rule:
        return float(cell or "")
    ways: list[Any] = [
        lambda c: "" if c is None else str(c),
        lambda c: c if c is None or isinstance(c, str) else json.dumps(c),
        json.dumps,
    ]
    for way in ways:
        texts = [way(choice) for choice in rule["choices"]]
        if len(set(texts)) == len(texts) and cell in texts:
            return rule["choices"][texts.index(cell)]
    raise AssertionError(f"{cell!r} is no choice of {rule}")


@settings(max_examples=60, deadline=None)
@given(space=spaces(), numbers=st.lists(NUMBERS, min_size=1, max_size=6), seed=st.integers(0, 2**32))
def test_a_history_survives_the_table_of_a_sweep(space: Any, numbers: list[Any], seed: int) -> None:
    space = {f"p.{name}": rule for name, rule in space.items() if "when" not in rule}
    history = told(space, numbers, seed).history()
    outcomes = [Outcome(Evaluation(None, {}, row["value"], seconds=0.0)) for row in history]
    checked = load_config({"bounds": space}).bounds
    table = pq.read_table(io.BytesIO(pack_rows(checked, 0, [row["params"] for row in history], outcomes))).to_pylist()
    for cells, row in zip(table, history, strict=True):
        assert cells["value"] == row["value"]
        for name, rule in space.items():
            cell = _read(cells[name], rule) if isinstance(cells[name], str) else cells[name]
            assert same(cell, row["params"][name])


@settings(max_examples=6, deadline=None)
@given(space=spaces(), numbers=st.lists(NUMBERS, min_size=1, max_size=4), seed=st.integers(0, 2**32))
def test_a_history_survives_the_export_to_optuna(space: Any, numbers: list[Any], seed: int) -> None:
    solver = told(space, numbers, seed)
    with tempfile.TemporaryDirectory() as folder:
        storage = f"sqlite:///{folder}/o.db"
        export_to_optuna(solver.run("r"), storage)
        trials = optuna.load_study(study_name="r", storage=storage).trials
    for trial, evaluation in zip(trials, solver.evaluations(), strict=True):
        assert trial.value == evaluation.value
        assert trial.params.keys() == evaluation.params.keys()
        for name, value in trial.params.items():
            choices = space[name].get("choices", [])
            meant = json.loads(value) if len(set(choices)) < len(choices) else value
            assert same(meant, evaluation.params[name])

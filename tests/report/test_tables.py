"""Tables have typed columns, none of which clash, and lose nothing."""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from arqon_ray import ArqonSolver
from arqon_ray.core.record.evaluation import Evaluation
from arqon_ray.core.record.run import Run
from arqon_ray.core.record.table import columns_of
from arqon_ray.report import to_arrow, to_pandas
from arqon_ray.report.history import history_text
from tests.report.runs import STUDY, T, halving, told

OWN = [
    *("id", "number", "origin", "status", "value", "cost", "step", "started", "ended", "seconds", "node", "pid"),
    *("attempt", "error_kind", "error"),
]
NAMES = st.sampled_from(["value", "error", "x", "metrics.x", "params.x", "id", "a/b", "", "values", "ü"])
METRICS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(-9, 9), max_size=3),
    st.lists(st.floats(), max_size=3),
)


def _run(metrics: list[dict[str, Any]], params: dict[str, Any] | None = None) -> Run:
    evaluations = tuple(
        Evaluation(str(k), params or {"x": 0.5}, 1.0, metrics=each, number=k, started=T + k, ended=T + k + 1.25, pid=7)
        for k, each in enumerate(metrics)
    )
    return Run("r", "loss", STUDY, evaluations)


@settings(max_examples=80)
@given(metrics=st.lists(st.dictionaries(NAMES, METRICS, max_size=4), min_size=1, max_size=4), name=NAMES)
def test_columns_never_clash_and_arrow_holds_every_metric(metrics: list[dict[str, Any]], name: str) -> None:
    run = _run(metrics, {name: 0.5})
    table = to_arrow(run)
    assert len(set(table.column_names)) == len(table.column_names)
    assert set(table.column_names) >= {*OWN, f"params.{name}"}
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer)
    back = pq.read_table(pa.BufferReader(buffer.getvalue()))
    for metric in {metric for each in metrics for metric in each}:
        column = back[f"metrics.{metric}"]
        kinds = {type(each[metric]) for each in metrics if each.get(metric) is not None}
        for cell, each in zip(column.to_pylist(), metrics, strict=True):
            value = each.get(metric)
            if (len(kinds - {int, float, list}) and len(kinds) > 1) or (list in kinds and len(kinds) > 1):
                cell = None if cell is None else json.loads(cell)
            assert repr(cell) == repr(value) or cell == value or _numbers(cell) == _numbers(value)


def _numbers(value: Any) -> Any:
    """Return numbers as floats, as a column has them in which not all are whole; NaN equals itself."""
    if isinstance(value, list):
        return [_numbers(each) for each in value]
    return repr(float(value)) if isinstance(value, int | float) and not isinstance(value, bool) else value


def test_kinds_of_columns() -> None:
    rows: list[dict[str, Any]] = [
        {"n": 2**53 + 1, "f": 0.5, "t": "a", "b": True, "l": [1, 2], "m": 1, "nan": math.nan, "nothing": None},
        {"n": 3, "f": 1, "b": False, "l": [3], "m": "one"},
    ]
    schema = to_arrow(_run(rows)).schema
    kinds = {name: schema.field(f"metrics.{name}").type for name in ("n", "f", "t", "b", "l", "m", "nan", "nothing")}
    assert kinds == {
        "n": pa.int64(),
        "f": pa.float64(),
        "t": pa.string(),
        "b": pa.bool_(),
        "l": pa.list_(pa.int64()),
        "m": pa.string(),
        "nan": pa.float64(),
        "nothing": pa.float64(),
    }
    assert schema.field("started").type == pa.timestamp("us", "UTC")
    frame = to_pandas(_run(rows))
    assert frame["metrics.n"].dtype == "int64"
    assert frame["metrics.n"][0] == 2**53 + 1
    assert frame["metrics.m"].to_list() == [1, "one"]
    assert frame["metrics.l"].to_list() == [[1, 2], [3]]
    assert str(frame["started"].dtype) == "datetime64[us, UTC]"
    assert frame["started"][0] == pd.Timestamp(T, unit="s", tz="UTC")
    assert (frame["ended"] - frame["started"]).dt.total_seconds().to_list() == [1.25, 1.25]


def test_a_whole_number_that_is_missing_does_not_become_a_float() -> None:
    frame = to_pandas(_run([{"n": 2**53 + 1, "b": True}, {}]))
    assert frame["metrics.n"][0] == 2**53 + 1
    assert frame["metrics.n"].isna().to_list() == [False, True]
    assert frame["metrics.b"].dtype == "boolean"


def test_choices_have_the_kind_of_all_of_them() -> None:
    bounds = {"a": {"choices": [None, 1, 2]}, "b": {"choices": ["1", 1]}, "c": {"min": 0, "max": 3, "type": "int"}}
    run = Run("r", "loss", {"bounds": bounds}, (Evaluation("0", {"a": 1, "b": 1, "c": 2}, 1.0),))
    schema = to_arrow(run).schema
    assert [schema.field(f"params.{name}").type for name in "abc"] == [pa.int64(), pa.string(), pa.int64()]
    assert to_arrow(run)["params.b"].to_pylist() == ["1"]
    assert to_pandas(run)["params.b"].to_list() == [1]


def test_a_parquet_file_has_the_table(tmp_path: Path) -> None:
    run = halving()
    path = run.to_parquet(tmp_path / "new" / "run.parquet")
    assert pq.read_table(path).equals(to_arrow(run))
    assert [file.name for file in path.parent.iterdir()] == ["run.parquet"]
    assert pq.read_table(path)["error_kind"].to_pylist() == [None] * 4 + ["out_of_memory"] + [None] * 2


def test_a_run_without_evaluations_has_an_empty_table() -> None:
    run = Run("r", "loss", STUDY)
    assert to_pandas(run).shape == (0, 16)
    assert to_arrow(run).num_rows == 0
    assert history_text(run).splitlines()[0].startswith("id,number,origin,status,params.x,value,")


def test_the_csv_tells_times_in_utc_and_keeps_lists_and_quotes() -> None:
    run = _run([{"error": 0.25, "l": [1.0, 2.5], "t": 'größer, "so";\n', "b": True}])
    (row,) = csv.DictReader(io.StringIO(history_text(run), newline=""))
    assert datetime.fromisoformat(row["started"]) == datetime.fromtimestamp(T, UTC)
    assert json.loads(row["metrics.l"]) == [1.0, 2.5]
    assert (row["metrics.t"], row["metrics.b"], row["metrics.error"]) == ('größer, "so";\n', "True", "0.25")
    assert (row["error"], row["error_kind"]) == ("", "")


def test_several_objectives_have_a_column_of_lists() -> None:
    solver = ArqonSolver({"bounds": STUDY["bounds"], "objectives": ["min", "max"]})
    solver.ask_one()
    solver.tell([{"eval_id": 0, "values": [1.5, 2.0]}])
    table = to_arrow(solver)
    assert table["values"].to_pylist() == [[1.5, 2.0]]
    assert table["value"].to_pylist() == [1.5]


def test_the_columns_are_those_of_the_documentation() -> None:
    names = [column.name for column in columns_of(told().evaluations(), told().config.bounds)]
    assert names == [*OWN[:4], "params.x", "value", "metrics.loss", "metrics.n", *OWN[5:]]

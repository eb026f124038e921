"""``sweep``: in the files, the tables, the best, and what was opened again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import arqon_ray
from arqon_ray import ConfigError, sweep
from tests.record.everything import METRIC, everything, wanted
from tests.record.outs import TYPES, shape

BOUNDS: dict[str, Any] = {
    "x": {"min": 0.0, "max": 1.0},
    "depth": {"min": 1, "max": 9, "type": "int"},
    "kind": {"choices": ["a", "b"]},
}
pytestmark = pytest.mark.usefixtures("cluster")


def check_table(table: pa.Table) -> None:
    assert table["status"].to_pylist() == ["complete"] * table.num_rows if "status" in table.column_names else True
    for name, kind in TYPES.items():
        assert table.schema.field(f"metrics.{name}").type == kind, name
    for row in table.to_pylist():
        metrics = {name.removeprefix("metrics."): row[name] for name in row if name.startswith("metrics.")}
        assert shape(metrics) == shape(wanted(row))
        assert row["value"] == metrics[METRIC]


def test_they_are_everywhere(tmp_path: Path) -> None:
    result = sweep(
        everything, {"bounds": BOUNDS}, 20, metric=METRIC, shard_size=8, output=tmp_path / "out", progress=False
    )
    check_table(pq.read_table(tmp_path / "out"))
    check_table(result.to_table())
    frame = result.to_pandas()
    assert len(frame) == 20
    assert frame["metrics.note"].nunique() == 1
    assert {"x", "depth", "kind", "value", "started", "node"} <= set(frame.columns)
    assert result.best is not None
    assert shape(result.best["metrics"]) == shape(wanted(result.best["params"]))
    opened = arqon_ray.open_sweep(tmp_path / "out")
    assert repr(opened.to_table().to_pylist()) == repr(result.to_table().to_pylist())  # NaN equals nothing
    assert repr(opened.best) == repr(result.best)
    in_memory = sweep(everything, {"bounds": BOUNDS}, 20, metric=METRIC, progress=False)
    check_table(in_memory.to_table())


def test_metrics_that_are_not_there_everywhere_make_one_table(tmp_path: Path) -> None:
    def sometimes(params: dict[str, Any]) -> dict[str, Any]:
        if params["x"] > 0.7:
            raise ValueError("too far")
        more = {"rare": 1} if params["x"] < 0.3 else {"rare": 0.5, "other": "text"}
        return {METRIC: params["x"], **more}

    result = sweep(
        sometimes, {"bounds": BOUNDS}, 32, metric=METRIC, shard_size=4, output=tmp_path / "out", progress=False
    )
    for row in result.to_table().to_pylist():
        if row["x"] > 0.7:
            assert (row["value"], row["metrics.rare"], row["metrics.other"]) == (None, None, None)
        else:
            assert row["metrics.rare"] == (1 if row["x"] < 0.3 else 0.5)
            assert row["metrics.other"] == (None if row["x"] < 0.3 else "text")
    assert arqon_ray.open_sweep(tmp_path / "out").to_table().equals(result.to_table())


def test_a_parameter_may_not_look_like_a_metric() -> None:
    with pytest.raises(ConfigError, match=r"metrics\.loss"):
        sweep(everything, {"bounds": {"metrics.loss": {"min": 0, "max": 1}}}, 4, progress=False)

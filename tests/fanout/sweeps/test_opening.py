"""Stored sweeps: what older versions wrote, what is no sweep, and tables of shards that differ."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import arqon_ray
from arqon_ray import ArqonProbe, ConfigError, open_sweep, sweep
from arqon_ray.core.config import load_config
from arqon_ray.core.record.evaluation import Error, Evaluation, Step
from arqon_ray.core.record.metrics import flatten
from arqon_ray.fanout.sweeps.directory import DirectoryStore
from arqon_ray.fanout.sweeps.manifest import MANIFEST
from arqon_ray.fanout.worker.outcome import Outcome
from arqon_ray.fanout.worker.shard_table import own_name, pack_rows

ASSETS = Path(__file__).parent.parent / "assets"
BOUNDS = load_config({"bounds": {"x": {"min": 0, "max": 1}}}).bounds
OWN = ["error_kind", "started", "ended", "node", "pid", "attempt"]
OLD: dict[str, Any] = {
    "seed": 7,
    "bounds": {
        "x": {"min": 0.0, "max": 1.0},
        "n": {"min": 1, "max": 9, "type": "int"},
        "kind": {"choices": ["a", "b"]},
        "depth": {"min": 2, "max": 5, "type": "int", "when": {"kind": "a"}},
        "node": {"choices": ["left", "right"]},
    },
}


@pytest.mark.parametrize(("name", "kind"), [("sweep-0.1.0", None), ("sweep-before-metrics", "raised")])
def test_what_older_versions_wrote_opens(name: str, kind: str | None) -> None:
    opened = open_sweep(ASSETS / name)
    assert (opened.num_done, opened.num_failed, opened.metric, opened.mode) == (48, 6, None, "min")
    assert opened.config["num_samples"] == 64
    points = ArqonProbe(OLD, seed=7).sample_range(0, 48)
    table = opened.to_table()
    names = ["index", *OLD["bounds"], "value", "error", "seconds"]
    # The sweep had a parameter of that name before there was such a column.
    assert table.column_names == [*names, *("evaluation.node" if own == "node" else own for own in OWN)]
    assert all(table[own_name(own, opened.config["bounds"])].null_count == 48 for own in OWN)
    for point, row in zip(points, table.to_pylist(), strict=True):
        assert {name: row[name] for name in OLD["bounds"] if row[name] is not None} == point
        assert row["value"] == (None if point["n"] == 3 else point["x"])
    least = min((row for row in table.to_pylist() if row["value"] is not None), key=lambda row: row["value"])
    assert opened.best is not None
    assert (opened.best["index"], opened.best["value"], opened.best["metrics"]) == (least["index"], least["value"], {})
    assert [failure["kind"] for failure in opened.failures] == [kind] * 6
    assert {failure["error"] for failure in opened.failures} == {"ValueError: three"}
    largest = open_sweep(str(ASSETS / name), mode="max")
    assert largest.best is not None
    assert largest.best["value"] == max(value for value in table["value"].to_pylist() if value is not None)


def test_a_parameter_that_has_the_name_of_a_metric_now_is_read_and_not_continued(tmp_path: Path) -> None:
    folder = shutil.copytree(ASSETS / "sweep-reserved-name", tmp_path / "out")
    opened = open_sweep(folder)
    assert set(opened.to_table(["metrics.of"])["metrics.of"].to_pylist()) == {"1", "2.5", "true", "auto"}
    config = {"seed": 7, "bounds": opened.config["bounds"]}
    with pytest.raises(ConfigError, match=r"bounds\.metrics\.of: in the table of a sweep metrics\."):
        sweep(lambda params: 0.0, config, 64, output=folder, progress=False)
    assert open_sweep(folder).num_done == 48


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("name", ["sweep-0.1.0", "sweep-before-metrics"])
def test_what_older_versions_began_goes_on(name: str, tmp_path: Path) -> None:
    folder = shutil.copytree(ASSETS / name, tmp_path / "out")
    before = {file.name: file.read_bytes() for file in folder.glob("*.parquet")}

    def evaluate(params: dict[str, Any]) -> dict[str, Any]:
        return {"loss": params["x"], "node": params["node"]}

    result = sweep(evaluate, OLD, 64, mode="max", output=folder, progress=False)
    assert {file: (folder / file).read_bytes() for file in before} == before
    assert result.num_done == 64
    opened = open_sweep(folder)
    assert opened.mode == "max"
    assert opened.best == result.best
    rows = opened.to_table().to_pylist()
    points = ArqonProbe(OLD, seed=7).sample_range(0, 64)
    assert [row["node"] for row in rows] == [point["node"] for point in points]
    assert [row["metrics.node"] for row in rows] == [None] * 48 + [point["node"] for point in points[48:]]
    assert [row["evaluation.node"] is None for row in rows] == [True] * 48 + [False] * 16
    assert [row["attempt"] for row in rows] == [None] * 48 + [1] * 16
    assert pq.read_table(folder).sort_by("index")["x"].to_pylist() == [point["x"] for point in points]


def _stored(folder: Path, *shards: list[Evaluation], bounds: Any = BOUNDS) -> arqon_ray.SweepResult:
    count = sum(map(len, shards))
    plain = {name: parameter.model_dump(exclude_none=True) for name, parameter in bounds.items()}
    manifest = {"num_samples": count, "seed": 1, "sequence": "sobol", "metric": None, "bounds": plain}
    store = DirectoryStore(folder, manifest, "min", resume=True)
    starts = [sum(map(len, shards[:i])) for i in range(len(shards))]
    for start, evaluations in reversed([*zip(starts, shards, strict=True)]):
        points = [dict.fromkeys(bounds, 0.5)] * len(evaluations)
        store.write(start, pack_rows(bounds, start, points, [Outcome(evaluation) for evaluation in evaluations]))
    store.close()
    return open_sweep(folder)


def _with(*metrics: Any) -> list[Evaluation]:
    return [Evaluation(None, {}, 1.0, metrics=flatten({} if each is ... else {"m": each})) for each in metrics]


@pytest.mark.parametrize(
    ("shards", "kind", "entries"),
    [
        ([[1, 2], [3]], pa.int64(), [1, 2, 3]),
        ([[1], [0.5], [2**53 + 1]], pa.float64(), [1.0, 0.5, float(2**53 + 1)]),
        ([[1, 0.5]], pa.float64(), [1.0, 0.5]),
        ([[True], [None, ...], [False]], pa.bool_(), [True, None, None, False]),
        ([[None], ["a"]], pa.string(), [None, "a"]),
        ([["a"], [3], [True, None]], pa.string(), ['"a"', "3", "true", None]),
        ([["a", 1], ["b"], [0.5]], pa.string(), ['"a"', "1", '"b"', "0.5"]),
        ([[True], [1]], pa.string(), ["true", "1"]),
        ([[[1, 2]], [[0.5]]], pa.list_(pa.float64()), [[1.0, 2.0], [0.5]]),
        ([[[1, 2]], [3]], pa.string(), ["[1, 2]", "3"]),
        ([[None], [...]], pa.float64(), [None, None]),
    ],
)
def test_a_metric_has_a_type_that_holds_all_its_entries(
    shards: list[list[Any]], kind: Any, entries: list[Any], tmp_path: Path
) -> None:
    opened = _stored(tmp_path / "out", *(_with(*each) for each in shards))
    table = opened.to_table(["metrics.m", "index"])
    assert table.column_names == ["metrics.m", "index"]
    assert table.schema.field("metrics.m").type == kind
    assert table["metrics.m"].to_pylist() == entries
    assert all(batch.schema == table.schema for batch in opened.batches(["metrics.m", "index"]))


def test_columns_are_in_the_order_of_the_indices_and_gaps_keep_whole_numbers_whole(tmp_path: Path) -> None:
    first = [Evaluation(None, {}, 1.0, metrics={"b": 2**60 + 1, "a": True})]
    second = [Evaluation(None, {}, 1.0, metrics={"c": math.nan, "b": 7}, steps=(Step(1, None, 2.5), Step(3, 0.5)))]
    failed = [Evaluation(None, {}, status="failed", error=Error("raised", "no"), started=1.5, pid=3, attempt=2)]
    opened = _stored(tmp_path / "out", first, second, failed)
    assert opened.to_table().column_names == [
        *["index", "x", "value", "error", "seconds", *OWN],
        *["metrics.b", "metrics.a", "metrics.c", "steps"],
    ]
    rows = opened.to_table().to_pylist()
    assert [row["steps"] is None for row in rows] == [True, False, True]
    assert [(step["step"], step["value"]) for step in rows[1]["steps"]] == [(1, None), (3, 0.5)]
    assert rows[1]["steps"][0]["time"].timestamp() == 2.5
    assert (rows[2]["error_kind"], rows[2]["started"].timestamp(), rows[2]["pid"], rows[2]["attempt"]) == (
        *("raised", 1.5),
        *(3, 2),
    )
    frame = opened.to_pandas()
    assert str(frame["metrics.b"].dtype) == "Int64"
    assert frame["metrics.b"].tolist()[:2] == [2**60 + 1, 7]
    assert str(frame["metrics.a"].dtype) == "boolean"
    assert opened.best is not None
    assert opened.best["metrics"] == {"b": 2**60 + 1, "a": True}


def test_own_columns_give_way_to_parameters(tmp_path: Path) -> None:
    names = ["node", "evaluation.node", "steps", "pid", "x"]
    bounds = load_config({"bounds": {name: {"min": 0, "max": 1} for name in names}}).bounds
    evaluation = Evaluation(None, {}, 1.0, node="10.0.0.1", pid=7, steps=(Step(1, 2.0),))
    (row,) = _stored(tmp_path / "out", [evaluation], bounds=bounds).to_table().to_pylist()
    assert {name: row[name] for name in names} == dict.fromkeys(names, 0.5)
    assert (row["evaluation.evaluation.node"], row["evaluation.pid"]) == ("10.0.0.1", 7)
    assert row["evaluation.steps"] == [{"step": 1, "value": 2.0, "time": None}]


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    opened = _stored(tmp_path / "out", _with(1.0))
    with pytest.raises(ConfigError, match=r"columns has 'metric\.m': .*did you mean 'metrics\.m'"):
        opened.to_table(["metric.m"])


def test_what_is_no_sweep_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere", ASSETS / "sweep-0.1.0" / MANIFEST):
        with pytest.raises(ConfigError, match="holds no sweep"):
            open_sweep(folder)
    with pytest.raises(ConfigError, match="mode is 'best'"):
        open_sweep(ASSETS / "sweep-0.1.0", mode="best")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ("{", "is damaged"),
        ({"format_version": 2}, "a sweep of format 2, and this version knows 1"),
        ({"bounds": None}, "is damaged .*bounds"),
        ({"bounds": {"x": {"min": 1, "max": 0}}}, "is damaged .*bounds.x"),
    ],
)
def test_a_manifest_that_cannot_be_read_is_named(changes: Any, words: str, tmp_path: Path) -> None:
    folder = shutil.copytree(ASSETS / "sweep-0.1.0", tmp_path / "out")
    stored = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(changes if isinstance(changes, str) else json.dumps({**stored, **changes}))
    with pytest.raises(ConfigError, match=words):
        open_sweep(folder)


def test_a_damaged_shard_is_named_and_left_alone(tmp_path: Path) -> None:
    folder = shutil.copytree(ASSETS / "sweep-0.1.0", tmp_path / "out")
    file = folder / "shard-000000000016-000000000032.parquet"
    file.write_bytes(file.read_bytes()[:-9])
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(ConfigError, match=rf"{file.name} is damaged .*: repeat the sweep to evaluate it again"):
        open_sweep(folder)
    assert sorted(path.name for path in folder.iterdir()) == before

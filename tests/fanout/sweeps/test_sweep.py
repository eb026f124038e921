"""Sweeps on a real cluster: every index has one row, whatever dies in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import ray

import arqon_ray
from arqon_ray import ArqonProbe, ConfigError, Context, SweepInterrupted, probe_shard, sweep
from arqon_ray.fanout.worker.context import seed_of

CONFIG: dict[str, Any] = {
    "seed": 7,
    "bounds": {
        "x": {"min": 0.0, "max": 1.0},
        "lr": {"min": 1e-4, "max": 0.1, "scale": "Log"},
        "n": {"min": 1, "max": 9, "type": "int"},
        "kind": {"choices": ["a", "b"]},
        "depth": {"min": 2, "max": 5, "type": "int", "when": {"kind": "a"}},
    },
}
pytestmark = pytest.mark.usefixtures("cluster")


def check_rows(path: Path, count: int) -> Any:
    """Read the files as any reader would, and compare them with the probe; return the table."""
    table = pq.read_table(path).sort_by("index")
    own = ["error_kind", "started", "ended", "node", "pid", "attempt"]
    assert table.column_names == ["index", *CONFIG["bounds"], "value", "error", "seconds", *own]
    assert table["index"].to_pylist() == list(range(count))
    points = ArqonProbe(CONFIG, seed=7).sample_range(0, count)
    for name in CONFIG["bounds"]:
        assert table[name].to_pylist() == [point.get(name) for point in points]
    failed = np.array([value is None for value in table["value"].to_pylist()])
    assert np.array_equal(failed, np.array([error is not None for error in table["error"].to_pylist()]))
    return table


@pytest.mark.parametrize("cut", [[(0, 64)], [(32, 32), (0, 32)], [(0, 1), (1, 60), (61, 3)]])
def test_samples_do_not_depend_on_the_shards(cut: list[tuple[int, int]]) -> None:
    whole = ArqonProbe(CONFIG, seed=3).sample_range(0, 64)
    shards = ray.get([arqon_ray.probe_shard.remote(CONFIG, 3, start, count) for start, count in cut])
    for (start, count), shard in zip(cut, shards, strict=True):
        assert shard == whole[start : start + count]


def test_a_shard_is_evaluated_point_by_point() -> None:
    def evaluate(params: dict[str, Any]) -> dict[str, float]:
        if params["kind"] == "b":
            raise RuntimeError("no b")
        return {"loss": params["x"], "other": 0.0}

    rows = ray.get(probe_shard.options(num_cpus=2).remote(CONFIG, 3, 8, 16, evaluate))
    points = ArqonProbe(CONFIG, seed=3).sample_range(8, 16)
    assert [(row["index"], row["params"]) for row in rows] == list(enumerate(points, start=8))
    for row in rows:
        good = row["params"]["kind"] == "a"
        assert row["value"] == (row["params"]["x"] if good else None)
        assert row["error"] == (None if good else "RuntimeError: no b")
        assert row["seconds"] >= 0
    assert {row["error"] for row in rows} == {None, "RuntimeError: no b"}


def test_a_function_is_given_its_context_in_a_sweep_and_in_shards(tmp_path: Path) -> None:
    def evaluate(params: dict[str, Any], context: Context) -> dict[str, Any]:
        for step in range(3):
            context.report(step, params["x"] + step, {"last": step})
        if params["kind"] == "b":
            raise RuntimeError("no b")
        own = {"index": context.index, "seed": context.seed, "first": context.attempt == 1}
        return {"loss": params["x"], "of": own, "none": context.id is None and context.replicate == 0}

    rows = ray.get(probe_shard.remote(CONFIG, 7, 8, 16, evaluate, "loss"))
    began = time.time()
    result = sweep(evaluate, CONFIG, 24, shard_size=8, metric="loss", output=tmp_path, progress=False)
    table = result.to_table().to_pylist()
    points = ArqonProbe(CONFIG, seed=7).sample_range(0, 24)
    assert {point["kind"] for point in points} == {"a", "b"}
    for index, (point, row) in enumerate(zip(points, table, strict=True)):
        assert [(step["step"], step["value"]) for step in row["steps"]] == [(i, point["x"] + i) for i in range(3)]
        assert began - 1 <= row["started"].timestamp() <= row["ended"].timestamp() <= time.time() + 1
        assert all(abs((step["time"] - row["started"]).total_seconds()) < 60 for step in row["steps"])
        assert (row["attempt"], row["metrics.last"]) == (1, 2)
        assert row["node"]
        assert row["pid"] != os.getpid()
        if point["kind"] == "b":
            assert (row["error"], row["error_kind"]) == ("RuntimeError: no b", "raised")
            assert row["metrics.of/seed"] is None
        else:
            assert (row["error_kind"], row["metrics.of/index"], row["metrics.of/first"]) == (None, index, True)
            assert row["metrics.of/seed"] == seed_of(7, index)
            assert row["metrics.none"] is True
    for row in rows:
        beside = table[row["index"]]
        metrics = {name: beside[f"metrics.{name}"] for name in row["metrics"]}
        assert row["metrics"] == metrics
        assert (row["value"], row["error"], row["error_kind"]) == tuple(
            beside[name] for name in ("value", "error", "error_kind")
        )
        assert [step[:2] for step in row["steps"]] == [[i, row["params"]["x"] + i] for i in range(3)]


def test_what_is_no_metric_is_named_once_and_the_rest_kept() -> None:
    def evaluate(params: dict[str, Any]) -> dict[str, Any]:
        return {"loss": params["x"], "model": object(), "note": "kept"}

    with pytest.warns(UserWarning, match="'model'") as caught:
        result = sweep(evaluate, CONFIG, 64, shard_size=8, progress=False)
    assert len([warning for warning in caught if "'model'" in str(warning.message)]) == 1
    assert set(result.to_table().column_names) >= {"metrics.loss", "metrics.note"}
    assert "metrics.model" not in result.to_table().column_names
    assert set(result.to_table(["metrics.note"])["metrics.note"].to_pylist()) == {"kept"}


def test_a_worker_imports_neither_tune_nor_scipy_stats() -> None:
    def evaluate(params: dict[str, Any]) -> float:
        return float("ray.tune" in sys.modules or "scipy.stats" in sys.modules)

    assert sweep(evaluate, CONFIG, 16, mode="max", progress=False).best["value"] == 0.0  # type: ignore[index]


def test_without_output_the_rows_are_kept_in_memory(capsys: pytest.CaptureFixture[str]) -> None:
    def evaluate(params: dict[str, Any]) -> float:
        if params["n"] == 3:
            raise ValueError("three")
        return float("nan") if params["n"] == 4 else float(params["x"])

    result = sweep(evaluate, {**CONFIG, "mode": "max"}, 3000, shard_size=256, max_in_flight=3)
    points = ArqonProbe(CONFIG, seed=7).sample_range(0, 3000)
    table = result.to_pandas()
    assert table["index"].tolist() == list(range(3000))
    best = max((i for i in range(3000) if points[i]["n"] not in (3, 4)), key=lambda i: points[i]["x"])
    assert result.best == {"index": best, "params": points[best], "value": points[best]["x"], "metrics": {}}
    failed = [i for i in range(3000) if points[i]["n"] in (3, 4)]
    assert (result.num_done, result.num_failed, len(result)) == (3000, len(failed), 3000)
    assert [failure["index"] for failure in result.failures] == failed[:20]
    assert {failure["error"] for failure in result.failures} == {
        "ValueError: three",
        "the value is nan: it must be finite",
    }
    assert table["index"][table["value"].isna()].tolist() == failed
    assert sum(len(batch) for batch in result.batches(["index"])) == 3000
    assert "sweep  3000/3000  best 0.99" in capsys.readouterr().err


def test_a_point_that_kills_its_worker_is_one_failed_row(
    tmp_path: Path, assert_died: Callable[[list[int]], None]
) -> None:
    points = ArqonProbe(CONFIG, seed=7).sample_range(0, 2000)
    poison, once, log = points[777]["x"], points[1500]["x"], tmp_path / "deaths"

    def evaluate(params: dict[str, Any]) -> float:
        if params["x"] == poison or (params["x"] == once and "once" not in log.read_text().split()):
            with log.open("a") as file:
                file.write(f"{os.getpid()} {'once' if params['x'] == once else ''}\n")
            os._exit(1)
        return float(params["x"])

    log.touch()
    result = sweep(evaluate, CONFIG, 2000, shard_size=256, output=tmp_path / "out", retries=1, progress=False)
    pids = [int(word) for word in log.read_text().split() if word != "once"]
    assert "once" in log.read_text()
    assert len(set(pids)) == len(pids) >= 4
    assert_died(pids)
    table = check_rows(tmp_path / "out", 2000)
    assert (result.num_done, result.num_failed) == (2000, 1)
    assert result.failures[0]["index"] == 777
    error = table["error"][777].as_py()
    assert error.startswith("the worker process died, tried 2 times: WorkerCrashedError")
    assert table["seconds"][777].as_py() is None
    assert table["error_kind"][777].as_py() == "died"
    attempts = table["attempt"].to_pylist()
    # Twice in its shard, once in each part that was cut out of it, and alone until it was given up.
    assert attempts[777] == max(attempts) >= 5
    assert attempts[0] == 1
    assert table["value"].to_pylist() == [None if i == 777 else point["x"] for i, point in enumerate(points)]


_DRIVER = """
import sys, time
import ray, arqon_ray
config, output, address = eval(sys.argv[1]), sys.argv[2], sys.argv[3]
def slow(params):
    time.sleep(0.002)
    return params["x"]
arqon_ray.init(address, log_to_driver=False)
arqon_ray.sweep(slow, config, 4096, shard_size=64, output=output, progress=False)
"""


def test_a_killed_driver_leaves_whole_shards_and_the_same_call_continues(tmp_path: Path, cluster: Any) -> None:
    out = tmp_path / "out"
    arguments = [sys.executable, "-c", _DRIVER, repr(CONFIG), str(out), cluster.address_info["gcs_address"]]
    with subprocess.Popen(arguments, cwd=Path(__file__).parents[3]) as driver:
        while len(list(out.glob("*.parquet"))) < 4:
            assert driver.poll() is None
            time.sleep(0.01)
        driver.send_signal(signal.SIGKILL)
    assert driver.returncode == -signal.SIGKILL
    kept = {file.name: (file.stat().st_ino, file.stat().st_mtime_ns) for file in out.glob("*.parquet")}
    assert 4 <= len(kept) < 64

    called = tmp_path / "called"

    def count(params: dict[str, Any]) -> float:
        with called.open("a") as file:
            file.write(".")
        return float(params["x"])

    with pytest.raises(ConfigError, match="num_samples was 4096 and is 4095"):
        sweep(count, CONFIG, 4095, output=out, progress=False)
    with pytest.raises(ConfigError, match="seed was 7 and is 8"):
        sweep(count, CONFIG, 4096, seed=8, output=out, progress=False)
    with pytest.raises(ConfigError, match="metric was None and is 'f1'"):
        sweep(count, CONFIG, 4096, metric="f1", output=out, progress=False)
    result = sweep(count, {**CONFIG, "budget": 5}, 4096, output=out, progress=False)
    assert len(called.read_text()) == 4096 - 64 * len(kept)
    table = check_rows(out, 4096)
    assert table["value"].to_pylist() == table["x"].to_pylist()
    assert (result.path, result.num_done) == (out, 4096)
    for name, identity in kept.items():
        assert ((out / name).stat().st_ino, (out / name).stat().st_mtime_ns) == identity


def test_ctrl_c_keeps_the_finished_rows_and_the_same_call_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from arqon_ray.fanout.sweeps.directory import DirectoryStore

    write = DirectoryStore.write

    def write_then_interrupt(self: DirectoryStore, *shard: Any) -> Any:
        summary = write(self, *shard)
        if len(self.finished) == 1:
            signal.raise_signal(signal.SIGINT)
        return summary

    monkeypatch.setattr(DirectoryStore, "write", write_then_interrupt)
    with pytest.raises(SweepInterrupted, match="repeat the call to continue") as caught:
        sweep(lambda params: params["x"], CONFIG, 4096, shard_size=64, output=tmp_path, progress=False)
    files = list(tmp_path.glob("*.parquet"))
    assert 1 <= len(files) < 64
    partial = caught.value.result
    assert partial.num_done == sum(pq.read_metadata(file).num_rows for file in files) < 4096
    assert len(partial.to_table()) == partial.num_done
    monkeypatch.undo()
    sweep(lambda params: params["x"], CONFIG, 4096, output=tmp_path, progress=False)
    check_rows(tmp_path, 4096)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"num_samples": 0}, "num_samples is 0"),
        ({"num_samples": 1e3}, r"num_samples is 1000\.0"),
        ({"num_samples": 2**53 + 1}, "num_samples is 9007199254740993: .* this sequence ends at"),
        ({"num_samples": 8, "shard_size": 0}, "shard_size is 0"),
        ({"num_samples": 8, "max_in_flight": 1.5}, "max_in_flight is 1.5"),
        ({"num_samples": 8, "mode": "best"}, "mode is 'best'"),
        ({"num_samples": 8, "seed": -1}, "seed is -1"),
        ({"num_samples": 8, "sequence": "halton"}, "sequence is 'halton'"),
        ({"num_samples": 8, "output": "s3://bucket/x"}, "it must be a local or mounted directory"),
    ],
)
def test_arguments_that_break_a_rule_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        sweep(lambda params: 0.0, CONFIG, progress=False, **arguments)


def test_a_function_that_the_workers_cannot_load_ends_the_sweep() -> None:
    with pytest.raises(ray.exceptions.RayTaskError, match="cannot be loaded"):
        sweep(_Unloadable(), CONFIG, 8, progress=False)


def _refuse_to_load() -> Any:
    raise RuntimeError("cannot be loaded")


class _Unloadable:
    def __call__(self, params: dict[str, Any]) -> float:
        return 0.0

    def __reduce__(self) -> Any:
        return _refuse_to_load, ()

"""The directory of a sweep: whole files, one manifest, one writer."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from arqon_ray.core.config import load_config
from arqon_ray.core.inputs.differences import differences
from arqon_ray.core.record.evaluation import Error, Evaluation
from arqon_ray.errors import ConfigError
from arqon_ray.fanout.sweeps.directory import DirectoryStore
from arqon_ray.fanout.sweeps.manifest import MANIFEST
from arqon_ray.fanout.worker.outcome import Outcome
from arqon_ray.fanout.worker.shard_summary import read_summary
from arqon_ray.fanout.worker.shard_table import check_names, pack_rows, schema

CONFIG = load_config({"bounds": {"x": {"min": 0, "max": 1}, "n": {"min": 1, "max": 9, "type": "int"}}})


def failed(message: str) -> Outcome:
    return Outcome(Evaluation(None, {}, status="failed", seconds=0.25, error=Error("raised", message)))


def _manifest(**changes: Any) -> dict[str, Any]:
    return {"num_samples": 16, "seed": 1, "bounds": CONFIG.to_dict()["bounds"], **changes}


def _rows(start: int, stop: int) -> bytes:
    points = [{"x": i / 100, "n": i % 9 + 1} for i in range(start, stop)]
    outcomes = [
        failed("bad") if i == 5 else Outcome(Evaluation(None, {}, float(-i), seconds=0.25)) for i in range(start, stop)
    ]
    return pack_rows(CONFIG.bounds, start, points, outcomes)


def _store(path: Path, *, resume: bool = True, **changes: Any) -> DirectoryStore:
    return DirectoryStore(path, _manifest(**changes), "min", resume=resume)


def test_what_was_written_is_found_again(tmp_path: Path) -> None:
    first = _store(tmp_path / "deep" / "out")
    first.write(0, _rows(0, 8))
    first.close()
    second = _store(tmp_path / "deep" / "out")
    assert second.finished == {(0, 8)}
    tally = second.tally
    assert (tally.count, tally.failed) == (8, 1)
    assert tally.best("min") == {"index": 7, "params": {"x": 0.07, "n": 8}, "value": -7.0, "metrics": {}}
    assert tally.best("max") == {"index": 0, "params": {"x": 0.0, "n": 1}, "value": 0.0, "metrics": {}}
    assert tally.errors == [{"index": 5, "params": {"x": 0.05, "n": 6}, "error": "bad", "kind": "raised"}]
    second.close()


def test_readers_of_data_sets_see_the_rows_alone(tmp_path: Path) -> None:
    store = _store(tmp_path)
    store.write(0, _rows(0, 8))
    store.write(8, _rows(8, 16))
    (tmp_path / ".shard-of-a-killed-driver.tmp").write_bytes(b"half")
    assert sorted(pq.read_table(tmp_path)["index"].to_pylist()) == list(range(16))
    store.close()
    _store(tmp_path).close()
    assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 2}, "seed was 1 and is 2"),
        ({"num_samples": 32}, "num_samples was 16 and is 32"),
        ({"bounds": {"x": {"min": 0, "max": 2}, "n": {"min": 1, "max": 9, "type": "int"}}}, r"bounds\.x\.max was"),
        ({"format_version": 9}, "format_version was 1 and is 9"),
    ],
)
def test_another_sweep_is_refused_and_what_differs_is_named(tmp_path: Path, changes: Any, words: str) -> None:
    _store(tmp_path).close()
    with pytest.raises(ConfigError, match=words):
        _store(tmp_path, **changes)


def test_the_order_of_the_parameters_is_part_of_a_sweep() -> None:
    assert differences({"bounds": {"a": 1, "b": 2}}, {"bounds": {"b": 2, "a": 1}}) == [
        "bounds: the order of the parameters differs"
    ]


def test_without_resume_nothing_is_overwritten(tmp_path: Path) -> None:
    _store(tmp_path).close()
    with pytest.raises(ConfigError, match="give resume=True"):
        _store(tmp_path, resume=False)


def test_a_second_sweep_at_the_same_time_is_refused(tmp_path: Path) -> None:
    first = _store(tmp_path)
    with pytest.raises(ConfigError, match="is in use by another sweep"):
        _store(tmp_path)
    first.close()
    _store(tmp_path).close()


def test_a_directory_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.parquet").write_bytes(b"")
    with pytest.raises(ConfigError, match=f"no {MANIFEST}"):
        _store(tmp_path)
    with pytest.raises(ConfigError, match="it must be a directory"):
        _store(tmp_path / "mine.parquet")


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_damaged_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(ConfigError, match="is damaged"):
        _store(tmp_path)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "short"])
def test_a_damaged_shard_is_set_aside_and_missing_again(tmp_path: Path, damage: str) -> None:
    store = _store(tmp_path)
    store.write(0, _rows(0, 8))
    store.close()
    file = tmp_path / "shard-000000000000-000000000008.parquet"
    whole = file.read_bytes()
    file.write_bytes({"cut": whole[:-9], "flipped": whole[:-1] + b"?", "empty": b"", "short": _rows(0, 7)}[damage])
    with pytest.warns(UserWarning, match="is damaged"):
        again = _store(tmp_path)
    assert again.finished == set()
    assert (tmp_path / f".damaged-{file.name}").exists()
    again.close()


def test_files_that_overlap_are_refused(tmp_path: Path) -> None:
    store = _store(tmp_path)
    store.write(0, _rows(0, 8))
    store.write(4, _rows(4, 6))
    store.close()
    with pytest.raises(ConfigError, match=r"0\.\.8 and 4\.\.6, which overlap"):
        _store(tmp_path)


def test_every_kind_of_parameter_has_its_type() -> None:
    bounds = load_config(
        {
            "bounds": {
                "real": {"min": 0, "max": 1, "scale": "Periodic"},
                "whole": {"min": 1, "max": 9, "type": "int", "scale": "Log"},
                "word": {"choices": ["a", "b"]},
                "flag": {"choices": [True, False, None]},
                "count": {"choices": [1, 2]},
                "share": {"choices": [1, 0.5]},
                "mixed": {"choices": ["auto", 3, True, None]},
            }
        }
    ).bounds
    types = {field.name: str(field.type) for field in schema(bounds)}
    assert types == {
        "index": "int64",
        "real": "double",
        "whole": "int64",
        "word": "string",
        "flag": "bool",
        "count": "int64",
        "share": "double",
        "mixed": "string",
        "value": "double",
        "error": "string",
        "seconds": "double",
        "error_kind": "string",
        "started": "timestamp[us, tz=UTC]",
        "ended": "timestamp[us, tz=UTC]",
        "node": "string",
        "pid": "int64",
        "attempt": "int64",
    }
    points = [{"mixed": choice} for choice in ("auto", 3, True, None)]
    packed = pack_rows(bounds, 0, points, [Outcome(Evaluation(None, {}, 1.0))] * 4)
    table = pq.read_table(io.BytesIO(packed))
    assert table["mixed"].to_pylist() == ["auto", "3", "true", None]
    assert table["real"].null_count == 4
    assert table["seconds"].null_count == 4
    assert json.dumps(read_summary(io.BytesIO(packed))["min"])


def test_a_parameter_with_the_name_of_a_column_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"bounds\.value"):
        check_names(load_config({"bounds": {"value": {"min": 0, "max": 1}}}).bounds)

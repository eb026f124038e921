"""``optimize``: in the callbacks, the result, what can be made of it, and the study that stays."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import arqon_ray
from arqon_ray import optimize
from tests.record.everything import BOUNDS, METRIC, everything, wanted
from tests.record.outs import check_rows, check_run, check_same, shape

CONFIG: dict[str, Any] = {"seed": 5, "budget": 8, "bounds": BOUNDS}
pytestmark = pytest.mark.usefixtures("cluster")


def test_they_are_everywhere(tmp_path: Path, unique_name: str) -> None:
    seen: list[dict[str, Any]] = []
    where = {"name": unique_name, "storage_path": str(tmp_path / "journals")}
    result = optimize(everything, CONFIG, metric=METRIC, progress=False, callbacks=[seen.append], **where)
    assert check_rows(seen) == check_rows(result.history) == 8
    for row in result.history:
        assert row["node"] is not None
        assert row["pid"] != os.getpid()
        assert row["ended"] >= row["started"]
        assert row["seconds"] >= 0.0
    assert result.best is not None
    assert shape(result.best["metrics"]) == shape(wanted(result.best["params"]))
    frame = result.to_pandas()
    assert {f"metrics.{name}" for name in result.best["metrics"]} <= set(frame.columns)
    assert frame["metrics.note"].tolist() == [row["metrics"]["note"] for row in result.history]
    run = result.run()
    check_run(run, tmp_path, least=8)
    check_same(arqon_ray.open_run(result), run)
    check_same(arqon_ray.open_run(tmp_path / "journals" / unique_name), run)


def test_a_function_with_a_context_tells_its_steps(tmp_path: Path) -> None:
    def stepwise(params: dict[str, Any], context: Any) -> dict[str, Any]:
        for step in range(1, 4):
            context.report(step, 1.0 / step, {"note": params["x"]})
        return everything(params)

    result = optimize(stepwise, CONFIG, metric=METRIC, progress=False)
    assert check_rows(result.history) == 8
    for row in result.history:
        assert [step[:2] for step in row["steps"]] == [[1, 1.0], [2, 0.5], [3, 1 / 3]]
        assert all(row["started"] <= step[2] <= row["ended"] for step in row["steps"])
    check_run(result.run(), tmp_path, least=8)


def test_a_failed_evaluation_says_why(tmp_path: Path) -> None:
    def sometimes(params: dict[str, Any]) -> dict[str, Any]:
        if params["x"] > 0.5:
            raise ValueError("too far")
        return everything(params)

    result = optimize(sometimes, CONFIG, metric=METRIC, progress=False)
    failed = [row for row in result.history if row["status"] == "failed"]
    assert 0 < len(failed) < 8
    for row in failed:
        assert (row["error"]["kind"], row["error"]["message"]) == ("raised", "ValueError: too far")
        assert "in sometimes" in row["error"]["trace"]
        assert row["seconds"] is not None
    check_run(result.run(), tmp_path, least=8 - len(failed))


def test_what_is_no_metric_is_left_out_and_named(capfd: pytest.CaptureFixture[str], recwarn: Any) -> None:
    def odd(params: dict[str, Any]) -> dict[Any, Any]:
        return {
            METRIC: params["x"],
            "an object": object(),
            7: 1.0,
            "too long": list(range(65)),
            "a text that is too long": "ö" * 3000,
            **{f"m{i}": i for i in range(80)},
        }

    result = optimize(odd, {**CONFIG, "budget": 3}, metric=METRIC, progress=True)
    for row in result.history:
        metrics = row["metrics"]
        assert len(metrics) == 64
        assert "an object" not in metrics
        assert metrics["too long"] == list(range(64))
        assert metrics["a text that is too long"] == "ö" * 2048
        assert json.dumps(metrics)
    said = capfd.readouterr().err + "".join(str(warning.message) for warning in recwarn)
    for name in ("an object", "'7'", "too long", "a text that is too long"):
        assert name in said
    assert said.count("an object") == 1

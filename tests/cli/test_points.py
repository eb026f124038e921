"""The metric and the first points of a job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from arqon_ray.cli.job import RunJob, load_job
from arqon_ray.errors import ConfigError
from tests.cli.commandline import arqon_ray

OBJECTIVE = """
def value(params):
    return {"error": (params["x"] - 0.3) ** 2, "twice": 2 * params["x"]}
"""


def job_in(folder: Path, **changes: Any) -> Path:
    (folder / "objective.py").write_text(OBJECTIVE)
    study = {"budget": 4, "bounds": {"x": {"min": 0.0, "max": 1.0}, "n": {"min": 1, "max": 9, "type": "int"}}}
    job = {"objective": "objective.py:value", "metric": "error", "study": study, **changes}
    path = folder / "job.yaml"
    path.write_text(json.dumps(job))
    return path


def test_the_metric_is_given_once(tmp_path: Path) -> None:
    study = {"budget": 4, "metric": "twice", "bounds": {"x": {"min": 0.0, "max": 1.0}}}
    path = job_in(tmp_path)
    assert load_job(path, RunJob).config.metric == "error"
    without = {key: value for key, value in json.loads(path.read_text()).items() if key != "metric"}
    path.write_text(json.dumps({**without, "study": study}))
    job = load_job(path, RunJob)
    assert (job.metric, job.config.metric) == ("twice", "twice")
    with pytest.raises(ConfigError, match=r"metric is 'error' and study.metric 'twice': give it once"):
        load_job(job_in(tmp_path, study=study), RunJob)


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([{"x": 2.0}], r"points_to_evaluate\[0\]: params.x is 2.0: it must lie in"),
        ([{"x": 0.5}, {"m": 1}], r"points_to_evaluate\[1\]: params has 'm'"),
        ({"x": 0.5}, "points_to_evaluate is "),
    ],
)
def test_a_wrong_point_is_refused_before_ray_starts(tmp_path: Path, points: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_job(job_in(tmp_path, points_to_evaluate=points), RunJob)


@pytest.mark.ray
def test_points_are_evaluated_first_and_once(tmp_path: Path) -> None:
    points = [{"x": 0.3125, "n": 2}, {"x": 0.75}]
    path, out = job_in(tmp_path, points_to_evaluate=points), tmp_path / "out"
    arqon_ray("run", str(path), "--output", str(out), "--max-concurrency", "1", "--no-progress")
    arqon_ray("run", str(path), "--output", str(out), "--resume", "--set", "study.budget=6", "--no-progress")
    record = json.loads((out / "results.json").read_text())
    rows = sorted(record["evaluations"], key=lambda row: row["number"])
    assert len(rows) == 6
    assert rows[0]["params"] == points[0]
    assert rows[1]["params"]["x"] == 0.75
    assert [row["origin"] for row in rows].count("enqueued") == 2
    assert rows[0]["metrics"] == {"error": rows[0]["value"], "twice": 0.625}

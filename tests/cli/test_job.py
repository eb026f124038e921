from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from arqon_ray.cli.job import RunJob, SweepJob, load_job
from arqon_ray.cli.objective import load_objective
from arqon_ray.errors import ConfigError

JOB: dict[str, Any] = {
    "objective": "package.module:function",
    "study": {"budget": 5, "bounds": {"x": {"min": 0.0, "max": 1.0}}},
}


def _write(folder: Path, job: Any) -> Path:
    path = folder / "job.yaml"
    path.write_text(yaml.safe_dump(job), encoding="utf-8")
    return path


def test_a_minimal_job_has_sensible_defaults(tmp_path: Path) -> None:
    job = load_job(_write(tmp_path, JOB), RunJob)
    assert job.name == "job"
    assert job.folder == Path("results/job")
    assert (job.metric, job.actor, job.resources) == ("loss", "arqon", {"cpu": 1.0})
    assert job.study.bounds["x"].max == 1.0


def test_settings_change_nested_keys_and_are_read_as_yaml(tmp_path: Path) -> None:
    settings = ["study.budget=7", "study.bounds.x.scale=Log", "study.bounds.x.min=0.5", "resources.gpu=0.5"]
    settings += ["study.bounds.lr={min: 1e-5, max: 1e-1, scale: log}", "study.bounds.early={choices: [on, off, 010]}"]
    job = load_job(_write(tmp_path, JOB), RunJob, settings, output="there", max_concurrency=None)
    assert (job.study.bounds["lr"].min, job.study.bounds["lr"].max) == (1e-5, 1e-1)
    assert job.study.bounds["early"].choices == ["on", "off", 10]
    assert job.study.budget == 7
    assert job.study.bounds["x"].scale == "Log"
    assert job.resources == {"gpu": 0.5}
    assert (job.folder, job.max_concurrency) == (Path("there"), None)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"objectiv": "a:b"}, "objectiv is 'a:b': unknown key (did you mean 'objective'?); the keys are name"),
        ({"objective": "module.function"}, "objective is 'module.function': it must be module:function"),
        ({"metric": 3}, "metric is 3"),
        ({"resources": {"cpu": -1}}, "resources.cpu is -1"),
        ({"max_concurrency": 0}, "max_concurrency is 0"),
        ({"name": "a/b"}, "name is 'a/b'"),
        ({"scheduler": {"type": "pbt"}}, "scheduler.type is 'pbt'"),
        ({"evaluation_timeout_s": 0}, "evaluation_timeout_s is 0"),
        ({"fail_fast": 0}, "fail_fast is 0"),
        ({"patience": 1.5}, "patience is 1.5"),
        ({"patience": 5, "scheduler": {"type": "asha"}}, "patience is 5: a job with a scheduler has none"),
        (
            {"scheduler": {"type": "asha", "maxt": 3}},
            "scheduler.maxt is 3: unknown key (did you mean 'max_t'?)",
        ),
        ({"scheduler": {"type": "asha", "max_t": 2, "grace_period": 3}}, "grace_period is 3"),
        ({"scheduler": {"type": "hyperband", "grace_period": 3}}, "grace_period is 3"),
        ({"study": {"bounds": {"x": {"min": 0, "max": 1}}}}, "study.budget is required"),
        ({"study": {"budget": 5, "bounds": {"x": {"min": 2, "max": 1}}}}, "study.bounds.x.min is 2.0 and max 1.0"),
        ({"study": {"budget": 5, "bounds": {"x": {"min": 0, "max": 1}}, "zzz": 1}}, "zzz is 1: unknown key"),
        ({"study": None}, "study.config is None"),
        ({"sweep": {"num_samples": 3}}, "use arqon-ray sweep"),
    ],
)
def test_a_bad_job_is_refused_with_key_value_and_rule(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_job(_write(tmp_path, {**JOB, **changes}), RunJob)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("missing", ["objective", "study"])
def test_a_missing_key_is_named(tmp_path: Path, missing: str) -> None:
    job = {key: value for key, value in JOB.items() if key != missing}
    with pytest.raises(ConfigError, match=f"{missing} is required"):
        load_job(_write(tmp_path, job), RunJob)


def test_a_bare_study_is_told_where_it_belongs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="under the key study"):
        load_job(_write(tmp_path, JOB["study"]), RunJob)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("study.budget", "key=value"),
        ("=3", "key=value"),
        ("name.deep=3", "has no keys"),
        ("name=[", r"--set 'name' is not valid YAML \(line 1\)"),
        ("stduy.budget=3", r"stduy is .*: unknown key \(did you mean 'study'\?\)"),
        ("study.bugdet=3", r"bugdet is 3: unknown key \(did you mean 'budget'\?\)"),
        ("study.bounds.xx.min=3", r"study.bounds has no xx \(did you mean 'x'\?\)"),
    ],
)
def test_a_bad_setting_is_refused(tmp_path: Path, setting: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_job(_write(tmp_path, {**JOB, "name": "a"}), RunJob, [setting])


def test_a_sweep_has_its_own_keys(tmp_path: Path) -> None:
    job = {**JOB, "sweep": {"num_samples": 10}}
    assert load_job(_write(tmp_path, job), SweepJob).sweep.num_samples == 10
    with pytest.raises(ConfigError, match=r"sweep.num_samples is 0"):
        load_job(_write(tmp_path, {**job, "sweep": {"num_samples": 0}}), SweepJob)
    with pytest.raises(ConfigError, match="use arqon-ray run"):
        load_job(_write(tmp_path, {**job, "scheduler": {"type": "asha"}}), SweepJob)


def test_an_objective_is_found_in_a_module_and_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("def score(params):\n    return params['x']\n", encoding="utf-8")
    assert load_objective("model.py:score", tmp_path)({"x": 3}) == 3
    assert load_objective("math:sqrt", tmp_path)(9) == 3


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("no_such_module_here:f", "No module named 'no_such_module_here'"),
        ("math:no_such_function", "math has no function no_such_function"),
        ("math:pi", "not a function"),
        ("missing.py:f", "there is no file"),
        ("broken.py:f", "ZeroDivisionError"),
    ],
)
def test_an_objective_that_is_not_there_is_refused(tmp_path: Path, spec: str, said: str) -> None:
    (tmp_path / "broken.py").write_text("1 / 0\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_objective(spec, tmp_path)
    assert said in str(caught.value)
    assert repr(spec) in str(caught.value)

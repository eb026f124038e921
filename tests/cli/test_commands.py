"""The commands that need no Ray, and how they refuse."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from arqon_ray.cli import RunJob, load_job, main
from arqon_ray.cli.objective import load_objective
from arqon_ray.cli.session import check_environment
from arqon_ray.core.record.evaluation import Error
from arqon_ray.fanout.driver.folder_lock import FolderLock
from arqon_ray.report import Evaluation, Run, write_run
from arqon_ray.service.storage.opening import check_storage_path

STUDY: dict[str, Any] = {"seed": 1, "budget": 4, "bounds": {"x": {"min": 0.0, "max": 1.0}}}
JOB: dict[str, Any] = {"objective": "math:fabs", "study": STUDY}


def _invoke(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def _write(folder: Path, job: Any) -> Path:
    path = folder / "job.yaml"
    path.write_text(yaml.safe_dump(job), encoding="utf-8")
    return path


def _refused(result: Result) -> str:
    """Check that a command ended with one line of error, exit code 2 and no traceback; return the line."""
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code == 2
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("Error: ")
    return line


@pytest.mark.parametrize("command", ["run", "sweep"])
@pytest.mark.parametrize(
    ("job", "said"),
    [
        ({**JOB, "zzz": 1}, "zzz is 1: unknown key"),
        ({**JOB, "objective": "math:nothing"}, "math has no function nothing"),
        ({**JOB, "study": {**STUDY, "bounds": {"x": {"min": 0, "max": 1, "scale": "Log"}}}}, "scale Log needs min > 0"),
        ([1, 2], "it must be a mapping"),
    ],
)
def test_a_bad_job_is_one_line_on_standard_error(tmp_path: Path, command: str, job: Any, said: str) -> None:
    if command == "sweep" and isinstance(job, dict):
        job = {**job, "sweep": {"num_samples": 4}}
    assert said in _refused(_invoke(command, _write(tmp_path, job), "--output", tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_missing_job_file_is_named(tmp_path: Path) -> None:
    assert "missing.yaml" in _refused(_invoke("run", tmp_path / "missing.yaml"))


def test_a_new_run_does_not_touch_an_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    write_run(Run("job", "loss", STUDY, (Evaluation("0", {"x": 0.5}, 1.0, origin="probe"),)), folder)
    before = (folder / "results.json").read_bytes()
    line = _refused(_invoke("run", _write(tmp_path, JOB), "--output", folder))
    assert "already holds a run; use --resume to continue it" in line
    assert (folder / "results.json").read_bytes() == before


STRANGE = """
import sys
def fails(params): return {"a": 1.0, "b": 2.0}
def unsent(params, frame=sys._getframe()): return 0.0
class Uncalled: pass
"""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"study": {**STUDY, "objectives": ["min", "max"]}},
            "objectives is ['min', 'max']",
        ),
        ({"study": {**STUDY, "strategy": "gausian"}}, "strategy is 'gausian'"),
        ({"objective": "strange.py:unsent"}, "cannot be sent to the workers"),
        ({"objective": "strange.py:Uncalled"}, "a class must have __call__"),
        ({"objective": "strange.py:fail"}, "strange.py has no function fail (did you mean 'fails'?)"),
        ({"runtime_env": {"working_dir": "no/such/folder"}}, "no/such/folder is not a valid path"),
        ({"runtime_env": {"env_vars": {"A": 3}}}, "Ray cannot set it up"),
        ({"storage_path": "ftp://host/folder"}, "storage_path is 'ftp://host/folder'"),
        ({"bugdet": 3}, "bugdet is 3: unknown key"),
    ],
)
def test_what_is_refused_is_refused_before_ray_starts_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "strange.py").write_text(STRANGE, encoding="utf-8")
    job = _write(tmp_path, {**JOB, **changes})
    before = sorted(tmp_path.rglob("*"))
    result = _invoke("run", job)
    assert said in _refused(result)
    assert "starting" not in result.stderr
    assert [path for path in sorted(tmp_path.rglob("*")) if "__pycache__" not in path.parts] == before


@pytest.mark.parametrize("resume", [["--resume"], []])
def test_a_folder_that_another_run_writes_is_refused(tmp_path: Path, resume: list[str]) -> None:
    folder = tmp_path / "results" / "out"
    with FolderLock(folder, "run"):
        line = _refused(_invoke("run", _write(tmp_path, JOB), *resume, "--output", folder))
        assert f"{folder} is in use by another run: wait for it" in line
        assert folder.exists()
    assert not folder.parent.exists()


def test_the_home_is_found_in_every_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_run(Run("job", "loss", STUDY, (Evaluation("0", {"x": 0.5}, 3.0, origin="probe"),)), tmp_path / "out")
    assert f"results: {tmp_path}/out/results.json" in _invoke("show", "~/out").stdout
    assert _invoke("report", "~/out", "-o", "~/page.html").exit_code == 0
    assert (tmp_path / "page.html").exists()
    (tmp_path / "f.py").write_text("def f(params):\n    return params['x']\n", encoding="utf-8")
    job = load_job(_write(tmp_path, {**JOB, "output": "~/there"}), RunJob)
    assert job.folder == tmp_path / "there"
    assert load_job("~/job.yaml", RunJob) == job
    assert load_objective("~/f.py:f", Path("/elsewhere"))({"x": 2}) == 2
    assert "already holds a run" in _refused(_invoke("run", "~/job.yaml", "--output", "~/out"))
    assert str(tmp_path / "study") in _refused(_invoke("verify", "~/study", "--no-progress"))
    check_environment({"working_dir": "~", "py_modules": ["~/out"]})
    assert check_storage_path("~/study") == str(tmp_path / "study")


@pytest.mark.parametrize(("command", "more"), [("run", {}), ("sweep", {"sweep": {"num_samples": 4}})])
def test_there_must_be_something_to_resume(tmp_path: Path, command: str, more: dict[str, Any]) -> None:
    line = _refused(_invoke(command, _write(tmp_path, {**JOB, **more}), "--resume", "--output", tmp_path / "out"))
    assert "start one without --resume" in line


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("study.bounds.x.max=2.0", "bounds.x.max was 1.0 and is 2.0"),
        ("study.bounds.y={min: 0, max: 1}", "bounds.y was None and is"),
        ("study.mode=max", "mode was 'min' and is 'max'"),
        ("metric=accuracy", "metric was 'loss' and is 'accuracy'"),
    ],
)
def test_another_study_is_not_resumed_and_ray_does_not_start_for_it(tmp_path: Path, change: str, said: str) -> None:
    folder, study = tmp_path / "out", {**STUDY, "metric": "loss"}
    write_run(Run("job", "loss", study, (Evaluation("0", {"x": 0.5}, 1.0, origin="probe"),)), folder)
    before = (folder / "results.json").read_bytes()
    line = _refused(_invoke("run", _write(tmp_path, JOB), "--resume", "--output", folder, "--set", change))
    assert said in line
    assert "another --output" in line
    assert "stop(" not in line
    assert (folder / "results.json").read_bytes() == before


def test_failures_are_counted_by_kind(tmp_path: Path) -> None:
    errors = [Error("raised", "ValueError: no"), Error("out_of_memory", "more than 3 GB"), Error("raised", "Other: no")]
    evaluations = tuple(Evaluation(str(i), {"x": 0.5}, None, "failed", error=e) for i, e in enumerate(errors))
    write_run(Run("job", "loss", STUDY, evaluations), tmp_path)
    assert "failed: 3 (2 raised, 1 out of memory)" in _invoke("show", tmp_path).stdout.splitlines()


def test_the_command_is_there_before_what_takes_long_to_import() -> None:
    code = "import sys, arqon_ray.cli; sys.exit(any(name in sys.modules for name in ('pydantic', 'numpy', 'ray')))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_show_tells_what_a_run_found(tmp_path: Path) -> None:
    evaluations = (
        Evaluation("0", {"x": 0.5}, 3.0, origin="probe"),
        Evaluation("1", {"x": 0.25}, None, "failed", origin="probe", error=Error("raised", "ValueError: no")),
        Evaluation("2", {"x": 0.125}, 1.5, origin="tpe"),
    )
    explain = {
        "phases": [{"strategy": "probe", "candidates": 2}, {"strategy": "tpe", "candidates": 1}],
        "landscape": "rugged",
        "reason": "because",
    }
    write_run(Run("job", "loss", STUDY, evaluations, state="interrupted", explain=explain, wall_seconds=2.0), tmp_path)
    result = _invoke("show", tmp_path)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "job: interrupted, 3 of 4 evaluations in 2.0 s",
        "best loss: 1.5 (candidate 2, proposed by tpe)",
        "  x  0.125",
        "phases: probe (2) -> tpe (1)",
        "landscape: rugged; because",
        "failed: 1 (1 raised)",
        "  1 x ValueError: no",
        f"results: {tmp_path / 'results.json'}",
        "path of the best loss:",
        "       1  3           probe: x=0.5",
        "       3  1.5         tpe: x=0.125",
    ]


def test_show_tells_metrics_and_at_which_step_a_value_was_taken(tmp_path: Path) -> None:
    metrics = {"loss": 2.0, "note": "größer", "sizes": [1, 2], "good": True, "long": "x" * 500}
    evaluations = (
        Evaluation("0", {"x": 0.5}, 1.0, "stopped", origin="probe", step=3),
        Evaluation("1", {"x": 0.25}, 0.5, "stopped", origin="probe", step=1),
        Evaluation("2", {"x": 0.125}, 2.0, origin="tpe", step=27, metrics=metrics),
    )
    write_run(Run("job", "loss", {"bounds": STUDY["bounds"]}, evaluations), tmp_path)
    assert _invoke("show", tmp_path).stdout.splitlines() == [
        "job: finished, 3 evaluations",
        "best loss: 2 (candidate 2, proposed by tpe, at step 27)",
        "  x  0.125",
        "with:",
        '  note   "größer"',
        "  sizes  [1, 2]",
        "  good   true",
        f'  long   "{"x" * 159} ... (502 characters)',
        "stopped early: 2, at steps 1 to 3; their values rank below those of the others",
        f"results: {tmp_path / 'results.json'}",
        "path of the best loss:",
        "       3  2           tpe at step 27: x=0.125",
    ]


def test_report_writes_a_page_beside_the_run(tmp_path: Path) -> None:
    write_run(Run("job", "loss", STUDY, (Evaluation("0", {"x": 0.5}, 3.0, origin="probe"),)), tmp_path)
    assert _invoke("report", tmp_path).exit_code == 0
    assert "<title>job</title>" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert _invoke("report", tmp_path, "-o", tmp_path / "other.html").exit_code == 0
    assert (tmp_path / "other.html").exists()


@pytest.mark.parametrize("command", ["show", "report"])
def test_a_folder_without_a_run_is_refused(tmp_path: Path, command: str) -> None:
    assert "holds no run" in _refused(_invoke(command, tmp_path))


def test_no_cluster_at_an_address_is_one_line() -> None:
    line = _refused(_invoke("status", "--address", "127.0.0.1:1"))
    assert "no Ray cluster answers there" in line


@pytest.mark.parametrize("where", ["asha-0.1.0", "asha-0.1.0/study", "asha-0.1.0/solver.json"])
def test_whatever_holds_a_run_is_shown_and_reported(tmp_path: Path, where: str) -> None:
    what = Path(__file__).parent.parent / "report" / "assets" / where
    shown = _invoke("show", what)
    assert shown.exit_code == 0
    assert ": 0.112467 (" in shown.stdout
    assert ("results: " in shown.stdout) == (where == "asha-0.1.0")
    assert _invoke("report", what, "-o", tmp_path / "page.html").exit_code == 0

"""Whatever has a run can be opened, without Ray and without writing anything."""

from __future__ import annotations

import asyncio
import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ray import cloudpickle

import arqon_ray
from arqon_ray import ArqonSolver, StateError, open_run
from arqon_ray.core.record.evaluation import Evaluation
from arqon_ray.core.versions import versions
from arqon_ray.report import Run, history_figure, read_run, to_pandas, write_html, write_run
from arqon_ray.service.log.manifest import write_study
from arqon_ray.service.server.study import Study
from arqon_ray.service.storage.local import LocalStore
from tests.report.runs import ASSETS, STUDY, halving, told

SERVICE = ASSETS.parent.parent / "service" / "assets"
SEARCHERS = ASSETS.parent.parent / "tune" / "assets"


def _study(root: Path, name: str = "s", evaluations: int = 3) -> Study:
    """Return a study that is open for writing, of which some candidates were told and one is held."""
    store = LocalStore(root, name)
    write_study(store, "0" * 32, STUDY)
    study = Study.open(store, {"pid": 1, "node": "n", "actor": "a", "versions": versions()})
    for candidate in study.ask(evaluations + 1, key="ask")[:evaluations]:
        study.tell(candidate["id"], candidate["params"]["x"])
    return study


def _tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return {str(file): (file.stat().st_mtime_ns, file.read_bytes()) for file in files}


def _first(run: Run) -> list[Evaluation]:
    """Return what a record of the first release knew: no reports, and no kinds of errors."""
    return [replace(e, error=None, steps=()) for e in run.evaluations]


def test_a_run_is_its_own() -> None:
    run = halving()
    assert open_run(run) is run


def test_a_solver_and_its_export_have_the_same_run(tmp_path: Path) -> None:
    solver = told()
    run = open_run(solver)
    assert (len(run.evaluations), len(run.running), run.metric, run.state) == (8, 1, "loss", "running")
    assert sum(phase["candidates"] for phase in run.phases) == 9
    assert run.versions["arqon_ray"] == arqon_ray.__version__
    assert open_run(solver.export()) == run
    (tmp_path / "arqon.json").write_text(solver.export(), encoding="utf-8")
    assert open_run(tmp_path / "arqon.json") == run


def test_a_folder_and_its_record_have_the_same_run(tmp_path: Path) -> None:
    run = halving()
    write_run(run, tmp_path)
    assert open_run(tmp_path) == open_run(str(tmp_path / "results.json")) == run


@pytest.mark.parametrize(
    ("folder", "count", "best", "stopped"), [("run-0.1.0", 16, "14", 0), ("asha-0.1.0", 12, "8", 6)]
)
def test_a_run_of_the_first_release_opens(folder: str, count: int, best: str, stopped: int) -> None:
    run = open_run(ASSETS / folder)
    assert (len(run.evaluations), run.metric, run.state, len(run.stopped)) == (count, "loss", "finished", stopped)
    assert run.best is not None
    assert run.best.id == best
    assert {e.step for e in run.comparable()} == ({9} if stopped else {None})
    # The same study lies beside the record, as the journal and as an export.
    for other in (f"{folder}/study", f"{folder}/study/arqon", f"{folder}/solver.json"):
        again = open_run(ASSETS / other)
        assert _first(again) == _first(run)
        assert again.explain == run.explain
        assert again.versions == {}
    if not stopped:
        assert [(e.id, e.error and e.error.message) for e in run.failures] == [
            ("5", "ValueError: lr is too small"),
            ("10", "the value is nan: it must be finite"),
        ]


@pytest.mark.parametrize(("name", "told", "held"), [("study-v1", 4, 2), ("study-v2", 7, 2), ("study-v3", 6, 2)])
def test_journals_of_older_formats_open_and_stay_as_they_are(tmp_path: Path, name: str, told: int, held: int) -> None:
    shutil.copytree(SERVICE / name, tmp_path / name)
    before = _tree(tmp_path)
    run = open_run(tmp_path / name)
    assert (run.name, len(run.evaluations), len(run.running)) == (name, told, held)
    assert open_run(tmp_path) == run
    assert open_run(f"file://{tmp_path}") == run
    assert _tree(tmp_path) == before


def test_a_journal_is_read_beside_its_writer_who_goes_on(tmp_path: Path) -> None:
    study = _study(tmp_path)
    before = _tree(tmp_path)
    run = open_run(tmp_path)
    assert _tree(tmp_path) == before
    assert (len(run.evaluations), len(run.running), run.state) == (3, 1, "running")
    assert run.versions == versions()
    study.tell("3", 0.5)
    assert [e.id for e in open_run(tmp_path / "s").evaluations] == ["0", "1", "2", "3"]
    study.close(RuntimeError("over"))


def test_a_torn_tail_is_passed_over_and_stays(tmp_path: Path) -> None:
    _study(tmp_path).close(RuntimeError("killed"))
    (log,) = (tmp_path / "s" / "segments").iterdir()
    with log.open("ab") as file:
        file.write(b"AQJ half a record")
    before = _tree(tmp_path)
    assert len(open_run(tmp_path).evaluations) == 3
    assert _tree(tmp_path) == before


def test_a_snapshot_shortens_the_reading_and_a_damaged_one_does_not_hinder_it(tmp_path: Path) -> None:
    study = _study(tmp_path)
    study.snapshotting.take()
    study.tell("3", 0.5)
    study.close(RuntimeError("over"))
    run = open_run(tmp_path)
    assert [e.id for e in run.evaluations] == ["0", "1", "2", "3"]
    (snapshot,) = (tmp_path / "s" / "snapshots").iterdir()
    snapshot.write_bytes(snapshot.read_bytes()[:-9])
    assert open_run(tmp_path) == run


def test_a_killed_run_shows_what_its_journal_knows(tmp_path: Path) -> None:
    study = _study(tmp_path / "study")
    record = Run("job", "loss", STUDY, open_run(tmp_path).evaluations[:1], "running", "f.py:f", wall_seconds=2.0)
    write_run(record, tmp_path)
    run = open_run(tmp_path)
    assert (run.name, run.metric, run.objective, run.wall_seconds) == ("job", "loss", "f.py:f", 2.0)
    assert [e.id for e in run.evaluations] == ["0", "1", "2"]
    assert [e.id for e in run.running] == ["3"]
    write_run(replace(record, evaluations=(*run.evaluations, *halving().evaluations)), tmp_path)
    assert len(open_run(tmp_path).evaluations) == 3, "the journal knows what was retracted"
    write_run(replace(record, study={**record.study, "seed": 9}), tmp_path)
    assert open_run(tmp_path).study["seed"] == 9, "the journal is another study's"
    study.close(RuntimeError("over"))


def test_a_damaged_journal_does_not_hide_the_record_beside_it(tmp_path: Path) -> None:
    _study(tmp_path / "study").close(RuntimeError("killed"))
    (tmp_path / "study" / "s" / "study.json").write_bytes(b"{")
    record = Run("job", "loss", STUDY, halving().evaluations, "running")
    write_run(record, tmp_path)
    with pytest.warns(UserWarning, match=r"study\.json is damaged"):
        assert open_run(tmp_path) == record


@pytest.mark.parametrize("file", ["searcher-0.1.0.pkl", "searcher-before-metrics.pkl", "shared-before-metrics.pkl"])
def test_an_experiment_opens_without_tune(tmp_path: Path, file: str) -> None:
    shutil.copy(SEARCHERS / file, tmp_path / "searcher-state-2026-01-01.pkl")
    code = (
        "import sys, arqon_ray, ray\n"
        f"run = arqon_ray.open_run({str(tmp_path)!r})\n"
        "assert 'ray.tune' not in sys.modules and not ray.is_initialized()\n"
        "print(len(run.evaluations), run.metric, run.objective, run.state)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, metric, objective, _ = done.stdout.split()
    assert int(count) > 0
    assert (metric, objective) == ("loss", "tune")


@pytest.mark.parametrize(
    ("states", "state"),
    [
        (["TERMINATED", "ERROR"], "finished"),
        (["TERMINATED", "RUNNING"], "running"),
        (["PAUSED"], "running"),
        ([], "running"),
        (None, "running"),
    ],
)
def test_an_experiment_has_ended_when_its_trials_have(tmp_path: Path, states: list[str] | None, state: str) -> None:
    shutil.copy(SEARCHERS / "searcher-0.1.0.pkl", tmp_path / "searcher-state-2026-01-01.pkl")
    trials = {"trial_data": [[json.dumps({"status": each}), "{}"] for each in states or ()]}
    text = "{" if states is None else json.dumps(trials)
    (tmp_path / "experiment_state-2026-01-01_00-00-00.json").write_text(text)
    assert open_run(tmp_path).state == state


def test_nothing_of_an_experiments_file_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "run"

    class Strange:
        def __reduce__(self) -> Any:
            return (Path.touch, (mark,))

    class Local:
        def __init__(self) -> None:
            self.of, self.items = Strange(), [1, 2]

    state = {"format": "arqon_ray.tune.ArqonSearcher", "version": 1, "objective": Local(), "trials": {"a": Local}}
    state |= {"strange": [Strange(), lambda: Strange(), {Local()}], "study": {"kind": "own", "export": told().export()}}
    data = cloudpickle.dumps(state)
    pickle.loads(data)
    assert mark.exists(), "whoever loads it runs it"
    mark.unlink()
    folder = tmp_path / "experiment"
    folder.mkdir()
    (folder / "searcher-state-2026.pkl").write_bytes(data)
    assert len(open_run(folder).evaluations) == 8
    assert not mark.exists()


def _sweep(folder: Path) -> None:
    arqon_ray.report.run.replace_text(folder / "_manifest.json", "{}")


def _several(folder: Path) -> None:
    for name in ("a", "b"):
        _study(folder, name).close(RuntimeError("over"))


def _broken_record(folder: Path) -> None:
    (folder / "results.json").write_text('{"format": "arqon-run/2"}', encoding="utf-8")


def _broken_study(folder: Path) -> None:
    _study(folder).close(RuntimeError("over"))
    (log,) = (folder / "s" / "segments").iterdir()
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 1
    log.write_bytes(data)


def _newer_study(folder: Path) -> None:
    store = LocalStore(folder, "s")
    write_study(store, "0" * 32, STUDY)
    described = json.loads((store.path / "study.json").read_text(encoding="utf-8"))
    del described["crc"]
    (store.path / "study.json").write_text(json.dumps({**described, "format": 99}), encoding="utf-8")


def _foreign_experiment(folder: Path) -> None:
    (folder / "tuner.pkl").write_bytes(pickle.dumps({}))
    (folder / "searcher-state-1.pkl").write_bytes(pickle.dumps({"a": 1}))


def _damaged_experiment(folder: Path) -> None:
    (folder / "searcher-state-1.pkl").write_bytes(b"\x80\x05nothing")


def _other_searchers_experiment(folder: Path) -> None:
    (folder / "tuner.pkl").write_bytes(pickle.dumps({}))


def _elsewhere(folder: Path) -> None:
    state = {"format": "arqon_ray.tune.ArqonSearcher", "version": 1, "objective": None}
    study = {"kind": "shared", "name": "there", "snapshot": None}
    (folder / "searcher-state-1.pkl").write_bytes(pickle.dumps({**state, "study": study}))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: None, "holds no run: give the folder of a run"),
        (_sweep, "open it with arqon_ray.open_sweep"),
        (_several, "holds 2 studies: name one of a, b, as .*/a"),
        (_broken_record, "is not a run's record"),
        (_broken_study, "damaged at offset"),
        (_newer_study, "format 99"),
        (_foreign_experiment, "is not the checkpoint of an ArqonSearcher"),
        (_damaged_experiment, "cannot be read as the checkpoint of an ArqonSearcher"),
        (_other_searchers_experiment, "without a checkpoint of a searcher"),
        (_elsewhere, "shared study 'there'"),
    ],
)
def test_a_folder_that_holds_no_run_is_refused(tmp_path: Path, make: Callable[[Path], None], said: str) -> None:
    make(tmp_path)
    with pytest.raises(StateError, match=said):
        open_run(tmp_path)


@pytest.mark.parametrize("what", [None, 3, [], {}, "", "no/such/folder", ArqonSolver, "ftp://a/b", "{", "\0", object()])
def test_what_has_no_run_is_refused(what: Any) -> None:
    with pytest.raises(StateError):
        open_run(what)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    for text in ("a: 1", "[]", "{}", '{"format": "arqon_ray.solver"}'):
        (tmp_path / "file.json").write_text(text, encoding="utf-8")
        with pytest.raises(StateError, match=r"file\.json|state has version"):
            open_run(tmp_path / "file.json")


def test_the_reports_take_whatever_can_be_opened(tmp_path: Path) -> None:
    write_run(halving(), tmp_path / "run")
    for what in (halving(), tmp_path / "run", str(tmp_path / "run"), told(), told().export()):
        assert history_figure(what).data
        assert len(to_pandas(what)) in (7, 8)
        assert "<html" in write_html(what, tmp_path / "page.html").read_text(encoding="utf-8")
    with pytest.raises(StateError, match="there is nothing at"):
        history_figure("no/such/folder")


@pytest.mark.usefixtures("cluster")
def test_a_live_study_is_read_through_its_client_and_beside_its_actor(tmp_path: Path, unique_name: str) -> None:
    client = arqon_ray.start({**STUDY, "metric": "loss"}, unique_name, storage_path=str(tmp_path))
    first, second = client.ask(2)
    client.tell(first["id"], 0.5)
    client.report(second["id"], 1, 0.75)
    before = client.status()
    run, beside = open_run(client), open_run(tmp_path)
    assert (run.name, run.metric, [e.value for e in run.evaluations]) == (unique_name, "loss", [0.5])
    assert [[(s.step, s.value) for s in e.steps] for e in run.running] == [[(1, 0.75)]]
    assert beside == run
    assert asyncio.run(client.aio.run()) == run
    with pytest.raises(StateError, match=r"its run\(\) is asynchronous"):
        open_run(client.aio)  # type: ignore[arg-type]
    assert {key: client.status()[key] for key in ("epoch", "seq", "restarts")} == {
        key: before[key] for key in ("epoch", "seq", "restarts")
    }
    client.stop()
    assert open_run(tmp_path / unique_name) == run


def test_a_strict_record_keeps_what_json_has_not(tmp_path: Path) -> None:
    solver = told(1)
    solver.tell([{"eval_id": 1, "value": 1.0, "metrics": {"nan": float("nan"), "list": [float("-inf"), 1]}}])
    write_run(solver.run(), tmp_path)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    json.loads((tmp_path / "results.json").read_text(encoding="utf-8"), parse_constant=refuse)
    metrics = read_run(tmp_path).evaluations[-1].metrics
    assert repr(metrics["nan"]) == "nan"
    assert metrics["list"] == [float("-inf"), 1]

"""Searchers that earlier releases wrote, as files and as whole pickled objects, continue with the same candidates."""

from __future__ import annotations

import json
import pickle
import pickletools
import shutil
from pathlib import Path
from typing import Any

import pytest
from ray import cloudpickle

from arqon_ray import ArqonSearcher
from arqon_ray.report import open_run
from arqon_ray.tune.run import checkpoint
from arqon_ray.tune.study import connection, shared
from tests.tune.run.test_record import Begun

ASSETS = Path(__file__).parent.parent / "assets" / "former"
EXPECTED = {
    name: expected
    for file in sorted(ASSETS.glob("expected-*.json"))
    for name, expected in json.loads(file.read_text()).items()
}
"""What the release that wrote a searcher answered then: written by it beside the searchers."""


def plain(config: Any) -> Any:
    """Return a config as the expectations have it: classes and functions by name."""
    if isinstance(config, dict):
        return {key: plain(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return [plain(value) for value in config]
    return config if isinstance(config, str | int | float | None) else config.__name__


def check(searcher: ArqonSearcher, expected: dict[str, Any]) -> None:
    assert (searcher.metric, searcher.mode) == (expected["metric"], expected["mode"])
    assert plain(searcher.suggest("held")) == expected["held"]
    assert [plain(searcher.suggest(f"n{i}")) for i in range(3)] == expected["next"]
    best = searcher.solver.best()
    assert best is not None
    assert best["value"] == expected["best"]
    names = [searcher.metric] if isinstance(searcher.metric, str) else searcher.metric or []
    searcher.on_trial_complete("held", dict.fromkeys(names, 0.125), error=False)
    assert searcher.solver.history()[-1]["value"] == 0.125


def restored(name: str, file: Path) -> ArqonSearcher:
    metric, mode = EXPECTED[name]["metric"], EXPECTED[name]["mode"]
    searcher = ArqonSearcher(metric=metric, mode=mode)
    searcher.restore(str(file))
    return searcher


def test_there_are_some() -> None:
    kinds = ("conditional", "config-space", "objectives")
    assert set(EXPECTED) == {f"{kind}-{release}" for kind in kinds for release in ("0.1.0", "before-rooms")}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_file_continues(name: str) -> None:
    check(restored(name, ASSETS / f"{name}.pkl"), EXPECTED[name])


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_an_object_continues(name: str) -> None:
    check(pickle.loads((ASSETS / f"{name}-object.pkl").read_bytes()), EXPECTED[name])


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_what_is_read_is_written_in_todays_form_and_continues(name: str, tmp_path: Path) -> None:
    searcher = restored(name, ASSETS / f"{name}.pkl")
    searcher.save(str(tmp_path / "file"))
    check(restored(name, tmp_path / "file"), EXPECTED[name])
    data = cloudpickle.dumps(searcher)  # type: ignore[no-untyped-call]
    texts = [text for _, text, _ in pickletools.genops(data) if isinstance(text, str) and text.startswith("arqon_ray")]
    assert texts == ["arqon_ray.tune.searcher"]
    check(pickle.loads(data), EXPECTED[name])


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_report_reads_both(name: str, tmp_path: Path) -> None:
    searcher = restored(name, ASSETS / f"{name}.pkl")
    files = [tmp_path / form / "searcher-state-2026-01-01.pkl" for form in ("former", "today")]
    for file in files:
        file.parent.mkdir()
    shutil.copy(ASSETS / f"{name}.pkl", files[0])
    searcher.save(str(files[1]))
    for file in files:
        run = open_run(file.parent)
        assert len(run.completed) == 2
        assert run.metric == "loss"


@pytest.mark.parametrize("form", ["file", "object", "today"])
def test_what_a_shared_study_had_not_been_sent_is_sent(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = ASSETS / "shared-before-rooms.pkl"
    kept = checkpoint.read(str(file))["study"]
    client = Begun(tmp_path, kept)
    monkeypatch.setattr(connection, "reattach", lambda kept: None)
    monkeypatch.setattr(shared, "SolverClient", lambda name: client)
    if form == "object":
        searcher = pickle.loads((ASSETS / "shared-before-rooms-object.pkl").read_bytes())
    else:
        searcher = ArqonSearcher(actor="local")
        searcher.restore(str(file))
    if form == "today":
        searcher = pickle.loads(pickle.dumps(searcher))
    held = searcher.suggest("t2")
    assert held == kept_config(file)
    searcher.on_trial_complete("t2", {"loss": 0.125, "training_iteration": 1})
    searcher._session.study.flush()
    rows = {row["id"]: row for row in client.history()}
    assert [rows[number]["value"] for number in ("0", "1", "2")] == [0.5, 0.25, 0.125]
    assert rows["1"]["steps"][0][:2] == [1, 0.75]
    searcher.end_run()


def kept_config(file: Path) -> Any:
    """Return what the file says that trial t2 was given."""
    return checkpoint.read(str(file))["trials"]["t2"].config

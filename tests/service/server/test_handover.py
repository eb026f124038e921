"""A snapshot is checked whole before a study is begun from it; a refused one leaves name and storage as they were."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import ray

import arqon_ray
from arqon_ray.core import ArqonSolver
from arqon_ray.errors import (
    ArqonError,
    ConfigError,
    IdentityError,
    StateError,
    StudyNotFoundError,
    StudyRefusedError,
)
from arqon_ray.service.client import launch
from arqon_ray.service.server.host import ActorSpec, StudyHost
from tests.service.conftest import CONFIG
from tests.service.live import studies


def _snapshot() -> dict[str, Any]:
    solver = ArqonSolver(CONFIG)
    for _ in range(3):
        solver.ask_one()
    solver.tell([{"eval_id": 0, "value": 1.0}])
    return {"uuid": "a" * 32, "seq": 4, "export": solver.export(), "keys": {"trial": "1"}}


def _with(**changes: Any) -> dict[str, Any]:
    snapshot = _snapshot()
    export = json.dumps({**json.loads(snapshot["export"]), **changes})
    return {**snapshot, "export": export}


BAD: dict[str, Any] = {
    "empty": {},
    "no export": {"uuid": "a", "seq": 1},
    "garbage": {**_snapshot(), "export": "garbage"},
    "an export that is no text": {**_snapshot(), "export": 5},
    "no uuid": {**_snapshot(), "uuid": None},
    "a number past 64 bits": {**_snapshot(), "seq": 2**70},
    "a bool for a number": {**_snapshot(), "seq": True},
    "a key of no candidate": {**_snapshot(), "keys": {"trial": 999}},
    "a key of no number": {**_snapshot(), "keys": {"trial": "x"}},
    "a negative count": _with(handed_out=-3),
    "an absurd count": _with(handed_out=2**40),
    "a memory of another shape": _with(memory={"gaussian_process": {"theta": "x"}}),
}


def _host(path: Path, awaited: bool) -> StudyHost:
    spec = ActorSpec("arqon", "t1", resume=True, awaited=awaited)
    return StudyHost(spec, str(path), False, {"pid": 1, "node": "n1"})


@pytest.mark.parametrize("name", BAD)
def test_a_malformed_snapshot_begins_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(StateError, match=r"snapshot|state"):
        _host(tmp_path, awaited=True).begin(CONFIG, "t1", BAD[name])
    assert not [*tmp_path.rglob("study.json")]
    assert _host(tmp_path, awaited=False).begin(CONFIG, "t1")["counts"]["asked"] == 0


def test_a_snapshot_of_another_study_begins_nothing(tmp_path: Path) -> None:
    other = ArqonSolver({**CONFIG, "bounds": {"y": {"min": 5, "max": 6}}}).export()
    with pytest.raises(IdentityError, match="bounds"):
        _host(tmp_path, awaited=True).begin(CONFIG, "t1", {**_snapshot(), "export": other})
    assert not [*tmp_path.rglob("study.json")]


def test_a_good_snapshot_goes_on(tmp_path: Path) -> None:
    status = _host(tmp_path, awaited=True).begin(CONFIG, "t1", _snapshot())
    assert status["imported"] == {"uuid": "a" * 32, "seq": 4}
    assert (status["counts"]["asked"], status["counts"]["told"]) == (3, 1)


def test_a_snapshot_stays_with_its_config_whoever_begins_first(tmp_path: Path) -> None:
    host = _host(tmp_path, awaited=True)
    with pytest.raises(StudyRefusedError, match="about to be begun from a snapshot"):
        host.begin({**CONFIG, "bounds": {"y": {"min": 5, "max": 6}}}, "another")
    assert host.begin(CONFIG, "t1", _snapshot())["counts"]["asked"] == 3


def test_a_snapshot_is_not_lost_to_who_brings_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = _host(tmp_path, awaited=True)
    real, attempts, joined = StudyHost._open, 0, []

    def fails_once(self: StudyHost, creating: bool) -> Any:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise OSError("the storage is away")
        return real(self, creating)

    monkeypatch.setattr(StudyHost, "_open", fails_once)
    monkeypatch.setattr(
        "arqon_ray.service.server.host.time.sleep", lambda _: joined.append(host.begin(CONFIG, "another"))
    )
    for status in (host.begin(CONFIG, "t1", _snapshot()), *joined):
        assert status["imported"] == {"uuid": "a" * 32, "seq": 4}
    assert len(joined) == 1


def test_a_creator_who_comes_late_and_is_refused_takes_nobody_s_actor_away(
    cluster: Any, tmp_path: Path, unique_name: str
) -> None:
    spec = {"name": unique_name, "token": "t1", "resume": True, "awaited": False}
    created = launch._actor_class(unique_name, None, {}, anywhere=False).remote(spec, str(tmp_path))
    with studies() as start:
        study = start(CONFIG, unique_name, storage_path=str(tmp_path))
        assert study.ask_one(key="k") is not None
        pid = study.status()["pid"]
        for _ in range(2):
            with pytest.raises(ray.exceptions.RayTaskError, match="another identity"):
                ray.get(created.begin.remote({**CONFIG, "bounds": {"y": {"min": 5, "max": 6}}}, "t1", None, None))
        time.sleep(1.0)  # an actor that leaves is gone 0.3 s after its answer
        assert study.status()["pid"] == pid
        assert study.ask_one(key="k")["id"] == "0"  # type: ignore[index]


@pytest.mark.parametrize("name", ["garbage", "a memory of another shape", "empty"])
def test_a_refused_snapshot_leaves_the_name_free(cluster: Any, tmp_path: Path, unique_name: str, name: str) -> None:
    with pytest.raises(StateError):
        arqon_ray.start(CONFIG, unique_name, storage_path=str(tmp_path), snapshot=BAD[name])
    with studies() as start:
        assert start(CONFIG, unique_name, storage_path=str(tmp_path)).status()["counts"]["asked"] == 0


def test_what_is_no_snapshot_starts_no_actor(cluster: Any, unique_name: str) -> None:
    with pytest.raises(ArqonError, match="is a str"):
        arqon_ray.start(CONFIG, unique_name, snapshot="x")  # type: ignore[arg-type]
    with pytest.raises(StudyNotFoundError):
        arqon_ray.connect(unique_name)


@pytest.mark.parametrize("path", ["file", "file/x", "dangling", "loop"])
def test_a_storage_path_that_cannot_be_leaves_no_actor(
    cluster: Any, tmp_path: Path, unique_name: str, path: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere" / "deep")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(StudyRefusedError, match=path.partition("/")[0]):
        arqon_ray.start(CONFIG, unique_name, storage_path=str(tmp_path / path))
    with pytest.raises(StudyNotFoundError):
        arqon_ray.connect(unique_name)


def test_a_storage_path_with_a_zero_byte_is_refused_before_there_is_an_actor(cluster: Any, unique_name: str) -> None:
    with pytest.raises(ConfigError, match="storage_path"):
        arqon_ray.start(CONFIG, unique_name, storage_path="x\0y")


def test_an_actor_of_somebody_else_is_left_alone(cluster: Any, unique_name: str) -> None:
    @ray.remote(num_cpus=0)
    class Foreign:
        def hello(self) -> int:
            return 1

    foreign = Foreign.options(name=unique_name, namespace="arqon").remote()  # type: ignore[attr-defined]
    with pytest.raises(StudyRefusedError, match="is no study"):
        arqon_ray.start(CONFIG, unique_name)
    assert ray.get(foreign.hello.remote()) == 1


def test_a_study_whose_folder_is_a_link_can_be_purged(tmp_path: Path) -> None:
    _host(tmp_path, awaited=False).begin(CONFIG, "t1")
    (tmp_path / "arqon").rename(tmp_path / "elsewhere")
    (tmp_path / "arqon").symlink_to(tmp_path / "elsewhere")
    host = _host(tmp_path, awaited=False)
    host.begin(CONFIG, "t2")
    host.stop(purge=True)
    assert [*tmp_path.iterdir()] == []

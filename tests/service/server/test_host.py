from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arqon_ray.core.config import load_config
from arqon_ray.core.export.frozen import Frozen
from arqon_ray.errors import IdentityError, ResultsError, StudyRefusedError
from arqon_ray.service.server.host import ActorSpec, StudyHost
from arqon_ray.service.server.study import Study
from arqon_ray.service.storage.local import LocalStore
from arqon_ray.service.storage.opening import check_storage_path
from arqon_ray.service.storage.paths import same_place
from tests.service.conftest import CONFIG

Make = Callable[..., StudyHost]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return what an actor's process holds, as it is created or as Ray restarts it."""

    def maker(token: str = "t1", restarted: bool = False, resume: bool = True, config: Any = CONFIG) -> StudyHost:
        return StudyHost(
            ActorSpec("arqon", token, resume, config=config), str(tmp_path), restarted, {"pid": 1, "node": "n1"}
        )

    return maker


def test_the_first_call_begins_the_study(make: Make) -> None:
    host = make()
    assert host.call(lambda study: study.ask_one(key="k"))["id"] == "0"
    status = host.status()
    assert (status["name"], status["state"], status["pid"], status["node"]) == ("arqon", "running", 1, "n1")


def test_a_restart_continues(make: Make) -> None:
    first = make().call(lambda study: study.ask_one(key="k"))
    assert make(restarted=True).call(lambda study: study.ask_one(key="k")) == first


def test_a_restart_without_a_journal_refuses_and_says_where(make: Make, tmp_path: Path) -> None:
    host = make(restarted=True)
    for _ in range(2):
        with pytest.raises(StudyRefusedError, match=rf"no journal in {tmp_path}/arqon on node n1"):
            host.call(lambda study: study.ask_one())
    status = host.status()
    assert status["state"] == "refused"
    assert "no journal" in status["reason"]
    assert not (tmp_path / "arqon").exists()


def test_a_restart_before_anything_was_acknowledged_may_begin(make: Make) -> None:
    host = make(restarted=True)
    assert host.begin(CONFIG, "t1")["counts"]["asked"] == 0


def test_a_stranger_may_not_begin_in_place_of_a_lost_study(make: Make) -> None:
    with pytest.raises(StudyRefusedError, match="no journal"):
        make(restarted=True).begin(CONFIG, "t2")


def test_a_stored_study_is_resumed_by_a_new_actor(make: Make) -> None:
    make().call(lambda study: study.ask_one(key="k"))
    assert make(token="t2").begin(CONFIG, "t2")["counts"]["asked"] == 1


def test_without_resume_a_stored_study_is_moved_aside_once(make: Make, tmp_path: Path) -> None:
    make().call(lambda study: study.ask_one(key="k"))
    host = make(token="t2", resume=False)
    assert host.begin(CONFIG, "t2")["counts"]["asked"] == 0
    host.call(lambda study: study.ask(2, key="k"))
    (aside,) = tmp_path.glob("arqon.aside-*")
    assert (aside / "study.json").exists()
    again = make(token="t2", resume=False, restarted=True)
    assert again.status()["counts"]["asked"] == 2


def test_another_identity_is_refused_and_the_study_served_on(make: Make) -> None:
    host = make()
    with pytest.raises(IdentityError, match="seed is 7 there and 8 here"):
        host.begin({**CONFIG, "seed": 8}, "t9")
    assert host.status()["state"] == "running"


@pytest.mark.parametrize("method", ["write", "fsync"])
def test_a_write_that_fails_once_reaches_no_caller(make: Make, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    host = make()
    host.call(lambda study: study.ask_one(key="a"))
    original, failures = getattr(os, method), []

    def fails_once(*args: Any) -> Any:
        if not failures:
            failures.append(1)
            raise OSError(5, "Input/output error")
        return original(*args)

    monkeypatch.setattr(os, method, fails_once)
    assert host.call(lambda study: study.ask_one(key="b"))["id"] == "1"
    assert failures
    assert host.status()["counts"]["asked"] == 2
    assert host.status()["epoch"] == 2
    assert make(restarted=True).call(lambda study: study.ask_one(key="b"))["id"] == "1"


def test_storage_that_keeps_failing_is_named_and_the_study_survives(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = make()
    host.call(lambda study: study.ask_one(key="a"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("arqon_ray.service.server.host._PATIENCE", 0.3)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(StudyRefusedError, match="No space left on device"):
            host.call(lambda study: study.ask_one(key="b"))
    assert host.call(lambda study: study.ask_one(key="b"))["id"] == "1"


def test_damage_is_refused_for_good(make: Make, tmp_path: Path) -> None:
    make().call(lambda study: study.ask_one(key="k"))
    (segment,) = (tmp_path / "arqon" / "segments").iterdir()
    data = bytearray(segment.read_bytes())
    data[5] ^= 0xFF
    segment.write_bytes(data)
    host = make(restarted=True)
    with pytest.raises(StudyRefusedError, match="damaged at offset 0"):
        host.call(lambda study: study.ask_one())
    segment.write_bytes(b"")
    assert host.status()["state"] == "refused"


def test_a_fenced_actor_refuses_and_cannot_purge(make: Make, tmp_path: Path) -> None:
    old, new = make(), make(restarted=True)
    old.call(lambda study: study.ask_one(key="a"))
    new.call(lambda study: study.ask_one(key="b"))
    with pytest.raises(StudyRefusedError, match="fenced"):
        old.call(lambda study: study.ask_one(key="c"))
    with pytest.raises(StudyRefusedError, match="fenced"):
        old.stop(purge=True)
    assert new.status()["counts"]["asked"] == 2


def test_stop_leaves_the_study_and_purge_deletes_it(make: Make, tmp_path: Path) -> None:
    host = make()
    host.call(lambda study: study.ask_one(key="a"))
    host.stop(purge=False)
    with pytest.raises(StudyRefusedError, match="was stopped"):
        host.call(lambda study: study.ask_one(key="b"))
    host = make(token="t2")
    assert host.status()["counts"]["asked"] == 1
    host.stop(purge=True)
    assert not (tmp_path / "arqon").exists()


def test_a_purge_that_was_cut_short_is_ended_by_a_new_start_alone(make: Make, tmp_path: Path) -> None:
    make().call(lambda study: study.ask_one(key="a"))
    LocalStore(tmp_path, "arqon").replace("TOMBSTONE", b"{}")
    with pytest.raises(StudyRefusedError, match="was purged"):
        make(restarted=True).call(lambda study: study.ask_one())
    assert make(token="t2").status()["counts"]["asked"] == 0


def test_a_study_whose_birth_failed_twice_is_begun_at_the_third_attempt(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, left = os.fsync, [1, 1]

    def fails_at_segments(descriptor: int) -> None:
        if left and os.readlink(f"/proc/self/fd/{descriptor}").endswith(".log"):
            left.pop()
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fails_at_segments)
    assert make().begin(CONFIG, "t1")["epoch"] == 3
    assert not left


def test_a_study_whose_folder_is_away_for_a_while_is_served_again(make: Make, tmp_path: Path) -> None:
    host = make()
    first = host.call(lambda study: study.ask_one(key="k"))
    (tmp_path / "arqon").rename(tmp_path / "elsewhere")
    with pytest.raises(StudyRefusedError, match="no journal in"):
        host.call(lambda study: study.tell(first["id"], 1.0, key="t"))
    (tmp_path / "elsewhere").rename(tmp_path / "arqon")
    assert host.call(lambda study: study.tell(first["id"], 1.0, key="t"))["accepted"]
    assert host.status()["counts"]["told"] == 1


def test_a_fenced_actor_repeats_no_answer_from_memory(make: Make) -> None:
    old = make()
    asked = old.call(lambda study: study.ask_one(key="k"))
    make(restarted=True).call(lambda study: study.tell(asked["id"], 1.0))
    calls: list[Callable[[Study], Any]] = [lambda s: s.ask_one("k"), lambda s: s.history(), lambda s: s.renew("a")]
    for call in calls:
        with pytest.raises(StudyRefusedError, match="fenced"):
            old.call(call)


@pytest.mark.parametrize("spelling", ["{0}", "{0}/", "{0}/../{1}", "file://{0}", "{0}/link", "{2}", None])
def test_every_spelling_of_its_place_joins_a_study(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: str | None
) -> None:
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    monkeypatch.chdir(tmp_path.parent)
    host = make()
    place = spelling and check_storage_path(spelling.format(tmp_path, tmp_path.name, f"./{tmp_path.name}"))
    host.begin(CONFIG, "t1")
    assert host.begin({**CONFIG, "budget": 9}, "t2", storage_path=place)["budget"] == 9


def test_a_study_that_lies_elsewhere_is_not_joined(make: Make, tmp_path: Path) -> None:
    host = make()
    before = host.begin(CONFIG, "t1")
    with pytest.raises(IdentityError) as caught:
        host.begin({**CONFIG, "budget": 9}, "t2", storage_path=str(tmp_path / "elsewhere"))
    assert f"stored in {tmp_path}/arqon, not in {tmp_path}/elsewhere/arqon" in str(caught.value)
    assert host.status() == before


def test_who_logs_in_does_not_make_another_place_of_a_bucket() -> None:
    assert same_place("s3://user:secret@bucket/a?region=eu", "s3://bucket/a")
    assert not same_place("s3://bucket/a", "s3://bucket/b")
    assert not same_place("s3://bucket/a", "s3://bucket/a?endpoint_override=minio:9000")
    assert not same_place("s3://bucket/a", "/bucket/a")


def test_reading_the_config_exports_nothing(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    host = make()
    host.call(lambda study: study.extend_budget(9))
    monkeypatch.setattr(Frozen, "export", lambda _: pytest.fail("the study was exported"))
    assert load_config(host.call(lambda study: study.config())) == load_config({**CONFIG, "budget": 9})


def test_a_snapshot_is_made_only_when_the_log_has_moved_on(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    host = make()
    host.call(lambda study: study.ask_one())
    first = host.snapshot()
    assert first is not None
    at = {"uuid": first["uuid"], "seq": first["seq"]}
    with monkeypatch.context() as patched:
        patched.setattr(Frozen, "export", lambda _: pytest.fail("the study was exported"))
        assert host.snapshot(since=first) is None
        assert host.snapshot(since=at) is None
    host.call(lambda study: study.tell("0", 1.0))
    second = host.snapshot(since=at)
    assert second is not None
    assert second["seq"] > first["seq"]
    another = host.snapshot(since={**at, "uuid": "another", "seq": second["seq"]})
    assert another == second


@pytest.mark.parametrize("since", [3, "u", {}, {"uuid": "u"}, {"uuid": "u", "seq": 1.5}, {"uuid": 3, "seq": 1}])
def test_an_earlier_snapshot_is_one(make: Make, since: Any) -> None:
    with pytest.raises(ResultsError, match="since"):
        make().snapshot(since)

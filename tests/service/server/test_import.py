"""A study begun from another's snapshot: once, by who brings it, and never over one that is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from arqon_ray.errors import StudyRefusedError
from arqon_ray.service import verify
from arqon_ray.service.server.host import ActorSpec, StudyHost

CONFIG = {"seed": 7, "budget": 8, "bounds": {"x": {"min": 0.0, "max": 1.0}, "y": {"min": 0.0, "max": 1.0}}}


def host(root: Path, token: str = "creator", awaited: bool = False, restarted: bool = False) -> StudyHost:
    root.mkdir(exist_ok=True)
    return StudyHost(ActorSpec("study", token, True, awaited, config=CONFIG), str(root), restarted, {"pid": 1})


def used(root: Path) -> tuple[StudyHost, dict[str, Any]]:
    """A study with two results and two candidates in flight, and its snapshot."""
    there = host(root, "first")
    there.begin(CONFIG, "first")
    for number in range(4):
        there.call(lambda study: study.ask_one(key=f"t{number}"))
    there.call(lambda study: study.tell([{"id": "0", "value": 1.0}, {"id": "1", "value": None}]))
    return there, {**there.call(lambda study: study.snapshot()), "keys": {"t2": "2", "t3": "3"}}


def test_it_goes_on_where_the_snapshot_stood(tmp_path: Path) -> None:
    there, snapshot = used(tmp_path / "a")
    here = host(tmp_path / "b", awaited=True)
    status = here.begin(CONFIG, "creator", snapshot)
    assert (status["uuid"], status["imported"]) == ("creator", {"uuid": "first", "seq": snapshot["seq"]})
    assert status["counts"] == {
        "asked": 4,
        "told": 2,
        "failed": 1,
        "pending": 0,
        "released": 2,
        "seeded": 0,
        "retracted": 0,
        "enqueued": 0,
    }
    # In this log all of it came with one record.
    assert here.call(lambda study: study.history()) == [
        {**row, "seq": 2} for row in there.call(lambda study: study.history())
    ]
    assert (
        here.call(lambda study: study.ask_one(key="t3"))["id"] == "3"
    )  # a trial in flight finds its candidate by its key
    fresh = [here.call(lambda study: study.ask_one(key=f"u{number}")) for number in range(4)]
    assert [each["id"] for each in fresh] == ["4", "5", "6", "7"]
    here.call(lambda study: study.tell([{"id": each["id"], "value": each["params"]["x"]} for each in fresh]))
    assert verify(str(tmp_path / "b"), "study").ok
    history = here.call(lambda study: study.history())
    again = host(tmp_path / "b", restarted=True)
    assert again.call(lambda study: study.history()) == history
    assert again.status()["imported"] == status["imported"]


def test_nobody_else_begins_it_and_it_is_imported_once(tmp_path: Path) -> None:
    _, snapshot = used(tmp_path / "a")
    here = host(tmp_path / "b", awaited=True)
    with pytest.raises(StudyRefusedError, match="about to be begun from a snapshot"):
        here.call(lambda study: study.ask_one())
    here.begin(CONFIG, "creator", snapshot)
    here.call(lambda study: study.ask_one(key="new"))
    here.begin(CONFIG, "other", snapshot)
    assert here.status()["counts"]["asked"] == 5


def test_a_creator_that_died_in_between_left_nothing_that_is_served(tmp_path: Path) -> None:
    _, snapshot = used(tmp_path / "a")
    empty = host(tmp_path / "b")
    empty.begin(CONFIG, "creator")  # the journal as it is between its beginning and the import
    here = host(tmp_path / "b", awaited=True, restarted=True)
    with pytest.raises(StudyRefusedError, match="about to be begun from a snapshot"):
        here.call(lambda study: study.history())
    here.begin(CONFIG, "another driver", snapshot)
    assert len(here.call(lambda study: study.history())) == 2


def test_a_study_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    _, snapshot = used(tmp_path / "a")
    own = host(tmp_path / "b", "own")
    own.begin(CONFIG, "own")
    here = host(tmp_path / "b", awaited=True)
    status = here.begin(CONFIG, "creator", snapshot)
    assert (status["uuid"], status["imported"], status["counts"]["asked"]) == ("own", None, 0)

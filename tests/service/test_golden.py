"""Format version 1 of the journal, as the first release wrote it: every later release opens it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from arqon_ray.service.local_store import LocalStore
from arqon_ray.service.study import Study

ASSETS = Path(__file__).parent / "assets"


@pytest.fixture
def golden(tmp_path: Path) -> LocalStore:
    """A copy of the stored study, which opening writes to."""
    shutil.copytree(ASSETS / "study-v1", tmp_path / "study-v1")
    return LocalStore(tmp_path, "study-v1")


def test_a_study_of_format_1_opens_as_it_was(golden: LocalStore) -> None:
    expected = json.loads((ASSETS / "study-v1.json").read_text())
    study = Study.open(golden, {"pid": 103, "node": "node-2", "actor": "actor-2"})
    status = study.status()
    assert {
        "counts": status["counts"],
        "history": study.history(),
        "pending": study.pending(),
        "budget": status["budget"],
    } == expected
    assert (status["epoch"], status["restarts"], status["torn"]) == (3, 0, [])


def test_its_operation_ids_are_known(golden: LocalStore) -> None:
    study = Study.open(golden, {"pid": 103})
    assert study.tell([{"id": "1", "value": 9.0}, {"id": "0", "value": 9.0}], key="tell-2") == [
        {"id": "1", "accepted": True},
        {"id": "0", "accepted": False, "note": "already told: this result was ignored"},
    ]
    assert study.release("2", key="release-1") == {"id": "2", "accepted": True}
    assert [each["id"] for each in study.ask(2, key="ask-3")] == ["4", "5"]
    assert [each["id"] for each in study.ask(9, timeout=0)] == ["6", "7", "8", "2"]

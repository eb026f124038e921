"""``arqon-ray verify``: a log that says what it must, and one that does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from arqon_ray.service.log.records import encode
from arqon_ray.service.log.segments import accepted_records, read_segments
from arqon_ray.service.server.host import ActorSpec, StudyHost
from arqon_ray.service.server.verification import verify
from arqon_ray.service.storage.local import LocalStore
from tests.cli.commandline import arqon_ray

CONFIG = {"seed": 2, "budget": 30, "bounds": {"x": {"min": 0.0, "max": 1.0}, "k": {"choices": ["a", "b"]}}}


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """A storage path with a study of two epochs, proposers of several candidates, a failure and a release."""
    for pid in (1, 2):
        host = StudyHost(ActorSpec("arqon", "t", True, config=CONFIG), str(tmp_path), pid > 1, {"pid": pid})
        for _ in range(6):
            asked = host.call(lambda study: study.ask_one(owner=None))
            host.call(lambda study: study.tell(asked["id"], (asked["params"]["x"] - 0.3) ** 2))
        batch = host.call(lambda study: study.ask(4))
        host.call(lambda study: study.tell([{"id": each["id"], "value": None} for each in batch[:2]]))
        host.call(lambda study: study.release(batch[2]["id"]))
        host.stop(purge=False)
    return tmp_path


def test_a_whole_study_is_recomputed_while_its_actor_may_run(storage: Path) -> None:
    before = sorted(storage.rglob("*"))
    seen: list[tuple[int, int]] = []
    found = verify(str(storage), progress=lambda done, total: seen.append((done, total)))
    assert (found.ok, found.candidates) == (True, 20)
    assert seen == [(k, 20) for k in range(1, 21)]
    assert sorted(storage.rglob("*")) == before
    out = arqon_ray("verify", storage)
    assert "20 candidates recomputed\nevery candidate is as recorded" in out


def test_a_candidate_that_comes_out_otherwise_is_named(storage: Path) -> None:
    store = LocalStore(storage, "arqon")
    (segment, *_) = store.names("segments")
    records = [r for part in read_segments(store)[0][:1] for r in part.records]
    third = next(
        r for r in accepted_records(read_segments(store)[0]) if r.body["op"] == "ask" and r.body["number"] == 3
    )
    third.body["params"][0]["x"] = 0.123
    changed = [third if record.seq == third.seq else record for record in records]
    store.replace(f"segments/{segment}", b"".join(encode(record.seq, record.body) for record in changed))
    out = arqon_ray("verify", storage, "--no-progress", expected=1)
    assert "candidate 3 (record" in out
    assert "0.123" in out
    assert "candidates differ" in out


def test_what_cannot_be_verified_is_one_line(storage: Path) -> None:
    for words in (("verify", storage / "nowhere"), ("verify", storage, "--name", "other"), ("verify", "nosuch://x/y")):
        arqon_ray(*words, expected=2)

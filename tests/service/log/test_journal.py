from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from arqon_ray.errors import StudyRefusedError
from arqon_ray.service.log.journal import FencedError, Journal
from arqon_ray.service.log.manifest import begin_purge, is_purging, read_study, write_study
from arqon_ray.service.log.records import HEADER_SIZE
from arqon_ray.service.storage.local import LocalLog, LocalStore

HOST = {"pid": 1, "node": "n", "actor": "a"}


def opened(store: LocalStore) -> Journal:
    return Journal.open(store, HOST).journal


def bodies(store: LocalStore) -> list[Any]:
    """Open the log and return what each record of it says, epochs as their number."""
    return [r.body["n"] if r.body["op"] == "epoch" else r.body["op"] for r in Journal.open(store, HOST).records]


def written(store: LocalStore, *operations: str) -> Journal:
    journal = opened(store)
    for operation in operations:
        journal.sync(journal.append({"op": operation}))
    return journal


def newest(store: LocalStore) -> Path:
    return store.path / "segments" / [n for n in store.names("segments") if n.endswith(".log")][-1]


def test_every_epoch_continues_the_one_before(store: LocalStore) -> None:
    written(store, "a", "b")
    written(store, "c")
    assert bodies(store) == [1, "a", "b", 2, "c", 3]
    assert [r.seq for r in Journal.open(store, HOST).records] == list(range(1, 8))
    assert len(store.names("segments")) == 4


def test_an_epoch_names_what_it_accepted_of_the_one_before(store: LocalStore) -> None:
    first = written(store, "a")
    record = Journal.open(store, HOST).records[-1]
    assert record.body["previous"] == [first.position.segment, 2]
    assert record.body["host"] == HOST


def test_an_older_writer_cannot_acknowledge_and_what_it_wrote_does_not_count(store: LocalStore) -> None:
    old = written(store, "a")
    new = written(store, "b")
    seq = old.append({"op": "ghost"})
    with pytest.raises(FencedError, match=r"fenced: .* belongs to epoch 2 now, this actor is epoch 1"):
        old.sync(seq)
    with pytest.raises(FencedError):
        old.append({"op": "ghost"})
    new.sync(new.append({"op": "c"}))
    assert bodies(store) == [1, "a", 2, "b", "c", 3]


def test_a_writer_whose_store_vanished_acknowledges_nothing(store: LocalStore) -> None:
    journal = written(store, "a")
    store.remove("EPOCH")
    with pytest.raises(FileNotFoundError, match="EPOCH is gone"):
        journal.sync(journal.append({"op": "b"}))


def test_two_claims_at_once_leave_one_writer(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = LocalStore.replace

    def beaten(self: LocalStore, name: str, data: bytes) -> None:
        replace(self, name, data)
        replace(self, name, json.dumps({"n": 1, "uuid": "somebody else"}).encode())

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "replace", beaten)
        with pytest.raises(FencedError, match="at the same moment"):
            opened(store)
    assert store.names("segments") == []


def test_a_torn_tail_is_cut_kept_and_named(store: LocalStore) -> None:
    written(store, "a")
    with newest(store).open("ab") as file:
        file.write(b"AQJ\x01 half a record")
    found = Journal.open(store, HOST)
    journal, records = found.journal, found.records
    assert [r.seq for r in records] == [1, 2, 3]
    (torn,) = journal.torn
    assert Path(torn).read_bytes() == b"AQJ\x01 half a record"
    assert bodies(store) == [1, "a", 2, 3]
    assert opened(store).torn == [torn]


def test_the_newest_segment_cut_at_any_byte_opens_as_a_prefix(store: LocalStore) -> None:
    written(store, "a")
    written(store, "b", "c")
    file, begun = newest(store), store.read("BEGUN")
    assert begun is not None
    whole = file.read_bytes()
    ends = [r.end for r in Journal.open(store, HOST).records[2:5]]
    epoch = store.read("EPOCH")
    for length in range(len(whole) + 1):
        for other in store.path.glob("segments/*"):
            if other.name > file.name:
                other.unlink()
        store.replace("BEGUN", begun)
        file.write_bytes(whole[:length])
        kept = [2, "b", "c"][: sum(end <= length for end in ends)]
        assert bodies(store)[:-1] == [1, "a", *kept]
    assert store.read("EPOCH") != epoch


def test_damage_before_a_valid_record_is_refused_with_file_and_offset(store: LocalStore) -> None:
    written(store, "a", "b")
    file = newest(store)
    offset = Journal.open(store, HOST).records[0].end
    newest(store).unlink()
    broken = bytearray(file.read_bytes())
    broken[offset + HEADER_SIZE] ^= 0xFF
    file.write_bytes(broken)
    with pytest.raises(StudyRefusedError, match=rf"{file.name} is damaged at offset {offset}: .*Restore"):
        opened(store)
    assert file.read_bytes() == broken


@pytest.mark.parametrize("length", [0, 40, 150])
def test_an_older_segment_that_lost_records_is_refused(store: LocalStore, length: int) -> None:
    written(store, "a", "b")
    file = newest(store)
    written(store, "c")
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(StudyRefusedError, match=r"a later epoch builds on its record 3|is damaged"):
        opened(store)


@pytest.mark.parametrize("lost", ["EPOCH", "study.json", "segment", "segments"])
def test_what_is_missing_is_refused_and_never_begun_anew(store: LocalStore, lost: str) -> None:
    write_study(store, "u", {})
    written(store, "a")
    file = newest(store)
    written(store, "b")
    if lost == "segments":
        for each in store.path.glob("segments/*"):
            each.unlink()
    elif lost == "segment":
        file.unlink()
    else:
        store.remove(lost)

    def serve() -> None:
        read_study(store)
        opened(store)

    with pytest.raises(StudyRefusedError, match=r"missing|lacks what epoch 2 wrote"):
        serve()


@pytest.mark.parametrize("emptied", [True, False])
def test_the_first_epochs_log_is_missed_as_any_other(store: LocalStore, emptied: bool) -> None:
    write_study(store, "u", {})
    written(store, "a")
    if emptied:
        newest(store).write_bytes(b"")
    else:
        newest(store).unlink()
    with pytest.raises(StudyRefusedError, match="lacks what epoch 1 wrote"):
        opened(store)


def test_a_study_that_was_never_opened_may_be_empty(store: LocalStore) -> None:
    assert read_study(store) is None
    write_study(store, "u", {"seed": 1})
    assert read_study(store) == {"format": 3, "uuid": "u", "config": {"seed": 1}}
    assert bodies(store) == [1]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"format": 4, "uuid": "u", "config": {}}', b'{"format": 1, "uuid": "u"}']
)
def test_a_description_that_cannot_be_read_is_refused(store: LocalStore, content: bytes) -> None:
    store.replace("study.json", content)
    with pytest.raises(StudyRefusedError, match=r"study\.json is"):
        read_study(store)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"n": "1", "uuid": "u"}'])
def test_an_epoch_that_cannot_be_read_is_refused(store: LocalStore, content: bytes) -> None:
    journal = written(store, "a")
    store.replace("EPOCH", content)
    with pytest.raises(StudyRefusedError, match="EPOCH is damaged"):
        opened(store)
    with pytest.raises(StudyRefusedError, match="EPOCH is damaged"):
        journal.sync(journal.append({"op": "b"}))


def test_many_callers_share_one_sync_of_the_storage(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = opened(store)
    entered, go_on, syncs = threading.Event(), threading.Event(), []
    sync = LocalLog.sync

    def slow(self: LocalLog) -> None:
        syncs.append(journal.last_seq)
        entered.set()
        assert go_on.wait(60)
        sync(self)

    monkeypatch.setattr(LocalLog, "sync", slow)
    first = threading.Thread(target=journal.sync, args=(journal.append({"op": "x"}),))
    first.start()
    assert entered.wait(60)
    rest = [threading.Thread(target=journal.sync, args=(journal.append({"op": "x"}),)) for _ in range(20)]
    for thread in rest:
        thread.start()
    go_on.set()
    for thread in [first, *rest]:
        thread.join(60)
        assert not thread.is_alive()
    assert syncs == [2, 22]


def test_a_failed_sync_reaches_every_caller_and_ends_the_journal(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(store)

    def fail(_: LocalLog) -> None:
        raise OSError(5, "Input/output error")

    seq = journal.append({"op": "x"})
    with monkeypatch.context() as patch:
        patch.setattr(LocalLog, "sync", fail)
        with pytest.raises(OSError, match="Input/output"):
            journal.sync(seq)
    for call in (lambda: journal.sync(seq), lambda: journal.append({"op": "y"})):
        with pytest.raises(OSError, match="Input/output"):
            call()
    assert bodies(store)[0] == 1


def test_a_tombstone_stands_until_all_else_is_gone(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    written(store, "a")
    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "delete", lambda *_, **__: None)
        begin_purge(store)
    assert is_purging(store)
    begin_purge(store)
    assert not store.path.exists()

"""What every store of studies must do; see :class:`arqon_ray.service.storage.base.Store`.

>>> from arqon_ray.testing.stores import StoreTestCase
>>> class TestMine(StoreTestCase):
...     def make(self, tmp_path):
...         return MyStore(tmp_path, "study")
"""

from __future__ import annotations

import contextlib
import threading
from abc import ABC, abstractmethod
from pathlib import Path

import pytest

from arqon_ray.service.storage.base import Log, Store

LOG = "segments/00000001-a.log"
"""A log as a study names it."""


def record(seq: int) -> bytes:
    """Return the bytes of one record."""
    return f"record {seq};".encode()


def records(seqs: range) -> bytes:
    """Return the bytes of several records."""
    return b"".join(map(record, seqs))


def content(store: Store, after: int = 0, offset: int = 0) -> bytes:
    """Return the bytes of the log."""
    return b"".join(chunk.data for chunk in store.read_log(LOG, after, offset) or ())


def begun(store: Store, seqs: range) -> Log:
    """Begin the log and write records, three with each sync."""
    log = store.begin_log(LOG)
    for seq in seqs:
        log.append(record(seq), seq)
        if seq % 3 == 0:
            log.sync()
    log.sync()
    return log


class StoreTestCase(ABC):
    """The conformance tests of one kind of store; collected by pytest where a subclass is named ``Test...``."""

    @abstractmethod
    def make(self, tmp_path: Path) -> Store:
        """Return a store of one study, which is empty in each test.

        Args:
            tmp_path: pytest's, for stores in a directory.
        """

    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        """The store under test."""
        return self.make(tmp_path)

    def test_nothing_is_there_at_first(self, store: Store) -> None:
        assert store.read("study.json") is None
        assert store.read_log(LOG) is None
        assert store.names("segments") == []
        assert store.move_aside() is None

    def test_objects_come_back_and_are_replaced_as_a_whole(self, store: Store) -> None:
        for data in (b"one", b"", b"more than before", bytes(3 << 20) + b"large", b"x"):
            store.replace("study.json", data)
            assert store.read("study.json") == data
        store.replace("snapshots/a.snap", b"deep")
        assert store.read("snapshots/a.snap") == b"deep"

    def test_a_reader_never_sees_a_part_of_an_object(self, store: Store) -> None:
        whole = [bytes([byte]) * 300_000 for byte in range(20)]
        store.replace("study.json", whole[0])
        done = threading.Event()
        seen: list[bytes | None] = []

        def read() -> None:
            while not done.is_set():
                with contextlib.suppress(OSError):  # it may refuse to read what changes meanwhile
                    seen.append(store.read("study.json"))

        reader = threading.Thread(target=read)
        reader.start()
        for data in whole:
            store.replace("study.json", data)
        done.set()
        reader.join()
        seen.append(store.read("study.json"))
        assert whole[-1] in seen
        assert all(data in whole for data in seen)

    def test_names_are_sorted_and_those_of_objects_and_logs(self, store: Store) -> None:
        store.replace("segments/b", b"x")
        begun(store, range(1, 5)).close()
        store.replace("study.json", b"x")
        assert store.names("segments") == [LOG.rpartition("/")[2], "b"]
        assert "study.json" in store.names("")

    def test_what_is_removed_is_gone(self, store: Store) -> None:
        store.remove("study.json")
        store.replace("study.json", b"x")
        begun(store, range(1, 5)).close()
        for name in ("study.json", LOG, LOG):
            store.remove(name)
        assert store.read("study.json") is None
        assert store.read_log(LOG) is None

    def test_a_log_comes_back_in_order(self, store: Store) -> None:
        log = begun(store, range(1, 11))
        assert content(store) == records(range(1, 11))
        log.append(record(11), 11)
        log.sync()
        log.close()
        log.close()
        assert content(store) == records(range(1, 12))

    def test_a_log_is_read_on_from_a_record(self, store: Store) -> None:
        begun(store, range(1, 11)).close()
        for after in range(1, 11):
            rest = content(store, after, len(records(range(1, after + 1))))
            wanted = records(range(after + 1, 11))
            assert rest.endswith(wanted)
            assert records(range(1, 11)).endswith(rest)

    def test_a_log_begins_once(self, store: Store) -> None:
        begun(store, range(1, 2)).close()
        with pytest.raises(FileExistsError):
            store.begin_log(LOG)

    def test_compacting_changes_no_byte(self, store: Store) -> None:
        log = store.begin_log(LOG)
        for seq in range(1, 81):
            log.append(record(seq), seq)
            log.sync()
            log.compact()
        log.close()
        assert content(store) == records(range(1, 81))

    def test_one_thread_appends_while_another_syncs(self, store: Store) -> None:
        log = store.begin_log(LOG)
        done = threading.Event()

        def append() -> None:
            for seq in range(1, 501):
                log.append(record(seq), seq)
            done.set()

        appending = threading.Thread(target=append)
        appending.start()
        while not done.is_set():
            log.sync()
        appending.join()
        log.sync()
        log.close()
        assert content(store) == records(range(1, 501))

    def test_a_log_whose_writer_died_is_synced_and_truncated(self, store: Store) -> None:
        begun(store, range(1, 7))
        store.fsync(LOG)
        chunks = store.read_log(LOG)
        assert chunks
        last = chunks[-1]
        keep = last.offset + len(last.data) - 4
        rest = store.truncate(last.name, keep)
        assert store.read(rest) == records(range(1, 7))[-4:]
        assert content(store) == records(range(1, 7))[:-4]
        assert rest.rpartition("/")[2] in store.names("segments")

    def test_a_study_is_set_aside_whole(self, store: Store) -> None:
        store.replace("study.json", b"x")
        begun(store, range(1, 5)).close()
        assert store.move_aside()
        assert store.read("study.json") is None
        assert store.read_log(LOG) is None
        assert store.move_aside() is None
        begun(store, range(1, 3)).close()
        assert content(store) == records(range(1, 3))

    def test_a_study_is_deleted_whole_and_again(self, store: Store) -> None:
        for name in ("TOMBSTONE", "EPOCH", "snapshots/a"):
            store.replace(name, b"x")
        begun(store, range(1, 5)).close()
        for _ in range(2):
            store.delete(last="TOMBSTONE")
            assert store.names("") == []
            assert store.read("TOMBSTONE") is None

    def test_messages_can_name_what_is_meant(self, store: Store) -> None:
        assert str(store)
        assert "study.json" in store.where("study.json")

"""The object store, against a real S3 server, and against a folder where any kind of storage must do the same."""

from __future__ import annotations

import dataclasses
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from arqon_ray.errors import ConfigError
from arqon_ray.service import failpoints
from arqon_ray.service.storage import objects as object_store
from arqon_ray.service.storage import pyarrow_files as remote_files
from arqon_ray.service.storage.objects import MERGE_FROM, ObjectLog, ObjectStore, check_uri
from arqon_ray.service.storage.opening import check_storage_path, open_store

if TYPE_CHECKING:
    from tests.service.s3 import S3Server

pytest_plugins = ["tests.service.s3"]

LOG = "segments/00000001-a.log"


@pytest.fixture
def store(s3: S3Server) -> ObjectStore:
    """An empty store on S3."""
    return ObjectStore(s3.uri, "arqon")


@pytest.fixture(params=["s3", "folder"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """An empty store on each kind of storage that can be had here."""
    if request.param == "s3":
        return ObjectStore(request.getfixturevalue("s3").uri, "arqon")
    return ObjectStore(f"file://{tmp_path}", "arqon")


@pytest.fixture
def arm(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Arm a failpoint for the length of a test."""
    yield lambda point: failpoints.arm(f"{tmp_path};{point}")
    failpoints.arm("")


def record(seq: int) -> bytes:
    return f"record {seq};".encode()


def write(log: ObjectLog, seqs: range, per_sync: int = 1) -> None:
    """Write records, so many with each sync."""
    for place, seq in enumerate(seqs, start=1):
        log.append(record(seq), seq)
        if place % per_sync == 0:
            log.sync()


def begun(store: ObjectStore, seqs: range, per_sync: int = 1) -> ObjectLog:
    log = store.begin_log(LOG)
    write(log, seqs, per_sync)
    return log


def content(store: ObjectStore, after: int = 0) -> bytes:
    return b"".join(chunk.data for chunk in store.read_log(LOG, after) or ())


def records(seqs: range) -> bytes:
    return b"".join(map(record, seqs))


def sizes(store: ObjectStore) -> list[tuple[int, int]]:
    return [(part.first, part.last) for part in store.parts(LOG)]


# --- URIs


@pytest.mark.parametrize(
    ("given", "returned"),
    [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/a/b/", "s3://bucket/a/b"),
        ("s3://bucket/a%20b", "s3://bucket/a%20b"),
        (
            "s3://key:secret@bucket/a/?endpoint_override=127.0.0.1:5000&scheme=http&region=us-east-1",
            "s3://key:secret@bucket/a?endpoint_override=127.0.0.1:5000&scheme=http&region=us-east-1",
        ),
        ("s3://bucket/?tls_verify_certificates=false", "s3://bucket?tls_verify_certificates=false"),
        ("gs://bucket/a/", "gs://bucket/a"),
        ("abfs://container@account.dfs.core.windows.net/a/", "abfs://container@account.dfs.core.windows.net/a"),
    ],
)
def test_a_uri_that_pyarrow_knows_is_kept_with_its_options(given: str, returned: str) -> None:
    assert check_uri(given) == returned
    assert check_storage_path(given) == returned


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("", "empty scheme"),
        ("s3://", "name a bucket"),
        ("gs://", "name a bucket"),
        ("s3:///a", "bucket"),
        ("nosuch://x/y", "Unrecognized filesystem"),
        ("s3://bucket/a b", "Cannot parse"),
        ("s3://bucket//a", "empty component"),
        ("s3://bucket/a#b", "written as %23"),
        ("s3://bucket/a?regoin=x", "Unexpected query parameter in S3 URI: 'regoin'"),
    ],
)
def test_any_other_uri_is_refused_with_the_reason(uri: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=rf"storage_path is '{uri}'.*".replace("?", r"\?")) as caught:
        check_uri(uri)
    assert reason in str(caught.value)
    assert "supported are a plain path" in str(caught.value)


def test_a_refusal_does_not_tell_the_secret() -> None:
    with pytest.raises(ConfigError) as caught:
        check_uri("s3://key:sec/ret@bucket/a b")
    assert "s3://key:***@bucket/a b" in str(caught.value)
    assert "sec/ret" not in str(caught.value)


def test_neither_the_check_nor_a_new_store_asks_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        address = f"127.0.0.1:{server.getsockname()[1]}"
        for options in (f"endpoint_override={address}&scheme=http", f"endpoint_override={address}&region=x"):
            uri = f"s3://bucket/a?{options}"
            store = open_store(check_uri(uri), "arqon")
            assert str(store) == "s3://bucket/a/arqon"
        with pytest.raises(BlockingIOError):
            server.accept()


def test_pyarrow_is_imported_at_the_first_use_only() -> None:
    code = (
        "import sys; before = 'pyarrow' in sys.modules\n"
        "from arqon_ray.service.storage.objects import ObjectStore\n"
        "ObjectStore('s3://b/a', 'n').where('x'); assert ('pyarrow' in sys.modules) == before == False\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_messages_name_places_without_credentials_and_options() -> None:
    store = ObjectStore("s3://key:secret@bucket/a?region=x", "arqon")
    assert str(store) == "s3://bucket/a/arqon"
    assert store.where("EPOCH") == "s3://bucket/a/arqon/EPOCH"
    azure = ObjectStore("abfs://container:secret@account.dfs.core.windows.net/a", "arqon")
    assert str(azure) == "abfs://container@account.dfs.core.windows.net/a/arqon"


# --- Objects


def test_objects_come_back(any_store: ObjectStore) -> None:
    assert any_store.read("study.json") is None
    any_store.replace("study.json", b"")
    assert any_store.read("study.json") == b""
    for data in (b"one", b"two", b"more than before", bytes(9 << 20) + b"large", b"x"):
        any_store.replace("study.json", data)
        assert any_store.read("study.json") == data
        assert any_store.read("study.json") == data
    any_store.replace("snapshots/a.snap", b"deep")
    assert any_store.read("snapshots/a.snap") == b"deep"


def test_names_are_those_of_objects_and_logs(any_store: ObjectStore) -> None:
    assert any_store.names("segments") == []
    begun(any_store, range(1, 3))
    any_store.replace("segments/00000001-b.log.torn-3-aa", b"x")
    any_store.replace("study.json", b"x")
    assert any_store.names("segments") == ["00000001-a.log", "00000001-b.log.torn-3-aa"]
    assert any_store.names("") == ["segments", "study.json"]


def test_what_is_removed_is_gone_an_object_or_a_log(any_store: ObjectStore) -> None:
    any_store.remove("study.json")
    any_store.replace("study.json", b"x")
    begun(any_store, range(1, 4))
    for name in ("study.json", LOG, LOG):
        any_store.remove(name)
    assert any_store.read("study.json") is None
    assert any_store.read_log(LOG) is None
    assert any_store.names("segments") == []


def test_a_storage_that_empties_files_first_is_written_by_way_of_another(store: ObjectStore) -> None:
    files = store._files
    files.__dict__["_storage"] = dataclasses.replace(files._storage, kind="abfs")
    store.replace("study.json", b"x")
    assert store.read("study.json") == b"x"
    assert [name for name, _ in files.listing("")] == ["study.json"]


@pytest.mark.parametrize("now", [b"shorter", b"", b"so much longer than it was before"])
def test_a_read_sees_no_mixture_when_the_object_is_replaced_meanwhile(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch, now: bytes
) -> None:
    store.replace("EPOCH", b"as it was before")
    meanwhile(store, monkeypatch, lambda: store.replace("EPOCH", now))
    assert store.read("EPOCH") == now


def test_a_read_sees_that_the_object_is_deleted_meanwhile(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.replace("EPOCH", b"as it was before")
    meanwhile(store, monkeypatch, lambda: store.remove("EPOCH"))
    assert store.read("EPOCH") is None


def test_an_object_that_is_never_the_same_is_not_believed(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.replace("EPOCH", b"0")
    numbers = iter(range(1, 100))
    meanwhile(store, monkeypatch, lambda: store.replace("EPOCH", b"%d" % next(numbers)), times=9)
    with pytest.raises(OSError, match="was replaced at each of 4 attempts"):
        store.read("EPOCH")


def meanwhile(store: ObjectStore, patch: pytest.MonkeyPatch, action: Callable[[], None], times: int = 1) -> None:
    """Do something between pyarrow's two requests for an object, at the first reads."""
    opener = store._files._open
    left = iter(range(times))

    class Stream:
        def __init__(self, stream: Any) -> None:
            self.metadata = stream.metadata
            self._stream = stream

        def read(self) -> Any:
            if next(left, None) is not None:
                action()
            return self._stream.read()

    def opened(path: str) -> Any:
        stream = opener(path)
        return stream and Stream(stream)

    patch.setattr(store._files, "_open", opened)


# --- What it costs


def test_a_commit_is_one_put_and_one_look_at_the_owner(s3: S3Server, store: ObjectStore) -> None:
    store.replace("EPOCH", b"mine")
    log = begun(store, range(1, 3), per_sync=2)
    store.read("EPOCH")
    with s3.recorded() as requests:
        for seq in range(3, 8):
            log.append(record(seq), seq)
        log.sync()
        assert store.read("EPOCH") == b"mine"
        log.sync()
    assert [line.split("/")[0] + line.rpartition("/")[2] for line in requests] == [
        "PUT 0000000000000003-0000000000000007 200",
        "HEAD EPOCH 200",
    ]


def test_a_small_object_is_one_put_and_a_large_one_an_upload(s3: S3Server, store: ObjectStore) -> None:
    with s3.recorded() as requests:
        store.replace("small", bytes((8 << 20) - 1))
    assert [line.split()[0] for line in requests] == ["PUT"]
    with s3.recorded() as requests:
        store.replace("large", bytes(8 << 20))
    assert [line.split()[0] for line in requests] == ["POST", "PUT", "POST"]


# --- Logs


def test_a_log_comes_back_in_parts_in_order(any_store: ObjectStore) -> None:
    assert any_store.read_log(LOG) is None
    log = begun(any_store, range(1, 13), per_sync=4)
    chunks = any_store.read_log(LOG)
    assert chunks is not None
    assert [(chunk.name, chunk.offset, chunk.data) for chunk in chunks] == [
        (f"{LOG}/{first:016d}-{first + 3:016d}", 0, records(range(first, first + 4))) for first in (1, 5, 9)
    ]
    assert content(any_store, after=4) == records(range(5, 13))
    assert content(any_store, after=6) == records(range(5, 13))
    assert any_store.read_log(LOG, after=12, offset=7) == []
    log.append(record(13), 13)
    log.close()
    log.close()
    assert content(any_store) == records(range(1, 13))


def test_a_long_log_comes_back(store: ObjectStore) -> None:
    begun(store, range(1, 121))
    chunks = store.read_log(LOG)
    assert chunks is not None
    assert len(chunks) == 120
    assert content(store) == records(range(1, 121))


def test_a_log_begins_once(any_store: ObjectStore) -> None:
    any_store.begin_log(LOG).close()
    begun(any_store, range(1, 2))
    with pytest.raises(FileExistsError, match="00000001-a"):
        any_store.begin_log(LOG)


def test_one_thread_appends_while_another_syncs(store: ObjectStore) -> None:
    log = store.begin_log(LOG)
    done = threading.Event()

    def append() -> None:
        for seq in range(1, 2001):
            log.append(record(seq), seq)
        done.set()

    thread = threading.Thread(target=append)
    thread.start()
    while not done.is_set():
        log.sync()
    thread.join()
    log.sync()
    assert content(store) == records(range(1, 2001))


def test_the_point_after_the_write_is_the_same_as_on_a_disk(
    store: ObjectStore, arm: Callable[[str], None], tmp_path: Path
) -> None:
    log = store.begin_log(LOG)
    arm("written=EIO")
    log.append(record(1), 1)
    with pytest.raises(OSError, match="failpoint"):
        log.sync()
    assert (tmp_path / "written-0").exists()
    assert content(store) == record(1)


def test_parts_inside_a_larger_one_are_dropped(store: ObjectStore) -> None:
    begun(store, range(1, 7))
    store.write_part(LOG, 2, 5, records(range(2, 6)))
    store.write_part(LOG, 2, 3, records(range(2, 4)))
    assert content(store) == records(range(1, 7))
    assert content(store, after=2) == records(range(2, 7))


# --- Tidying


def test_many_small_parts_are_merged_into_one(any_store: ObjectStore) -> None:
    log = begun(any_store, range(1, MERGE_FROM))
    log.compact()
    assert len(sizes(any_store)) == MERGE_FROM - 1
    write(log, range(MERGE_FROM, 2 * MERGE_FROM))
    log.compact()
    assert sizes(any_store) == [(1, 2 * MERGE_FROM - 1)]
    write(log, range(2 * MERGE_FROM, 2 * MERGE_FROM + 3))
    log.compact()
    assert len(sizes(any_store)) == 4
    assert content(any_store) == records(range(1, 2 * MERGE_FROM + 3))


def test_an_interrupted_merge_loses_nothing_and_is_finished(
    store: ObjectStore, arm: Callable[[str], None], tmp_path: Path
) -> None:
    log = begun(store, range(1, MERGE_FROM + 1))
    arm("compaction=EIO")
    with pytest.raises(OSError, match="failpoint"):
        log.compact()
    assert (tmp_path / "compaction-0").exists()
    assert len(sizes(store)) == MERGE_FROM + 1
    assert content(store) == records(range(1, MERGE_FROM + 1))
    log.compact()
    assert sizes(store) == [(1, MERGE_FROM)]
    assert content(store) == records(range(1, MERGE_FROM + 1))


def test_parts_between_which_records_lack_are_not_merged(store: ObjectStore) -> None:
    log = begun(store, range(1, 41))
    write(log, range(42, 82))
    log.compact()
    assert sizes(store) == [(1, 40), (42, 81)]


def test_large_parts_are_left_and_a_merged_one_is_bounded(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "_SMALL", 100)
    monkeypatch.setattr(object_store, "_LARGEST", 30 * len(record(10)))
    log = store.begin_log(LOG)
    write(log, range(10, 70))
    log.append(bytes(100), 70)
    log.sync()
    write(log, range(71, 81))
    log.compact()
    assert sizes(store) == [(10, 39), (40, 69), (70, 70), (71, 80)]
    assert content(store) == records(range(10, 70)) + bytes(100) + records(range(71, 81))


def test_merging_writes_a_small_multiple_of_the_log() -> None:
    parts: list[Any] = []
    written = 0
    for seq in range(1, 20_001):
        parts.append(object_store._Part(seq, seq, 300, str(seq)))
        for group in [group for group in object_store._to_merge(parts) if len(group) > 1]:
            weight = sum(part.size for part in group)
            written += weight
            place = parts.index(group[0])
            parts[place : place + len(group)] = [object_store._Part(group[0].first, group[-1].last, weight, "m")]
        assert len(parts) <= 2 * MERGE_FROM
    assert written < 10 * 300 * 20_000


def test_a_reader_looks_again_when_parts_are_merged_meanwhile(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = begun(store, range(1, MERGE_FROM + 1))
    reader = ObjectStore(store._files._uri, "arqon")
    listed = reader.parts
    merges = iter([log.compact])

    def parts(name: str) -> list[Any]:
        found = listed(name)
        next(merges, lambda: None)()
        return found

    monkeypatch.setattr(reader, "parts", parts)
    assert content(reader) == records(range(1, MERGE_FROM + 1))


def test_a_reader_looks_again_when_a_listing_has_a_gap(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(store, range(1, 6))
    listed = store.parts
    lists = iter([lambda: [part for part in listed(LOG) if part.first != 3]])
    monkeypatch.setattr(store, "parts", lambda name: next(lists, lambda: listed(name))())
    assert content(store) == records(range(1, 6))


def test_a_gap_that_stays_is_shown(store: ObjectStore) -> None:
    begun(store, range(1, 6))
    store.remove(f"{LOG}/{3:016d}-{3:016d}")
    assert content(store) == record(1) + record(2) + record(4) + record(5)


def test_parts_that_go_at_each_look_are_an_error(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(store, range(1, 3))
    gone = [*store.parts(LOG), object_store._Part(3, 3, 1, f"{LOG}/gone")]
    monkeypatch.setattr(store, "parts", lambda name: gone)
    with pytest.raises(OSError, match="parts went while they were read"):
        store.read_log(LOG)


def test_writing_reading_and_tidying_go_on_at_once(store: ObjectStore) -> None:
    log = store.begin_log(LOG)
    log.append(record(1), 1)
    log.sync()
    problems: list[BaseException] = []
    done = threading.Event()

    def repeat(action: Callable[[], None]) -> None:
        try:
            while not done.is_set():
                action()
        except BaseException as error:
            problems.append(error)

    def look() -> None:
        data = content(store)
        assert data == records(range(1, data.count(b";") + 1))

    threads = [threading.Thread(target=repeat, args=(action,)) for action in (log.compact, look, look)]
    for thread in threads:
        thread.start()
    write(log, range(2, 111))
    done.set()
    for thread in threads:
        thread.join()
    assert problems == []
    assert content(store) == records(range(1, 111))
    assert len(sizes(store)) < 110


# --- Cutting, setting aside, deleting


def test_what_is_cut_lies_beside_the_log(any_store: ObjectStore) -> None:
    begun(any_store, range(1, 7), per_sync=3)
    name = f"{LOG}/{4:016d}-{6:016d}"
    rest = any_store.truncate(name, 4)
    assert rest.startswith(f"{LOG}.torn-4-")
    assert any_store.names("segments") == [LOG.rpartition("/")[2], rest.rpartition("/")[2]]
    assert any_store.read(rest) == records(range(4, 7))[4:]
    assert content(any_store) == records(range(1, 4)) + records(range(4, 7))[:4]
    all_of_it = any_store.truncate(name, 0)
    assert any_store.read(all_of_it) == records(range(4, 7))[:4]
    assert content(any_store) == records(range(1, 4))
    with pytest.raises(FileNotFoundError, match=name):
        any_store.truncate(name, 0)


@pytest.mark.parametrize("offset", [0, 4])
def test_an_interrupted_cut_loses_nothing(store: ObjectStore, monkeypatch: pytest.MonkeyPatch, offset: int) -> None:
    begun(store, range(1, 4), per_sync=3)
    name = f"{LOG}/{1:016d}-{3:016d}"

    def fail(*_: object, **__: object) -> None:
        raise OSError("the storage is away")

    with monkeypatch.context() as patch:
        patch.setattr(store._files, "delete", fail)
        patch.setattr(store, "replace", fail)
        with pytest.raises(OSError, match="away"):
            store.truncate(name, offset)
    torn = [each for each in store.names("segments") if ".torn-" in each]
    assert store.read(f"segments/{torn[0]}") == records(range(1, 4))[offset:]
    assert content(store) == records(range(1, 4))


def test_a_study_is_set_aside_whole(any_store: ObjectStore) -> None:
    assert any_store.move_aside() is None
    any_store.replace("study.json", b"x")
    begun(any_store, range(1, 5))
    aside = any_store.move_aside()
    assert aside is not None
    assert aside.startswith(f"{any_store}.aside-")
    assert any_store.names("") == []
    there = ObjectStore(any_store._files._uri, aside.rpartition("/")[2])
    assert there.names("") == ["segments", "study.json"]
    assert content(there) == records(range(1, 5))
    assert any_store.move_aside() is None


def test_the_last_object_is_deleted_last(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("A", "TOMBSTONE", "Z", "segments/a", "snapshots/b"):
        store.replace(name, b"x")
    delete = store._files.delete
    left: list[str] = []

    def noted(name: str, folder: bool = False) -> None:
        delete(name, folder)
        left.append(" ".join(store.names("")))

    monkeypatch.setattr(store._files, "delete", noted)
    store.delete(last="TOMBSTONE")
    assert left == [
        "TOMBSTONE Z segments snapshots",
        "TOMBSTONE segments snapshots",
        "TOMBSTONE snapshots",
        "TOMBSTONE",
        "",
    ]


def test_an_interrupted_deletion_is_repeated(any_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TOMBSTONE", "EPOCH", "segments/a", "segments/b"):
        any_store.replace(name, b"x")
    delete = any_store._files.delete
    with monkeypatch.context() as patch:

        def fail_at_segments(name: str, folder: bool = False) -> None:
            if name == "segments":
                raise OSError("the storage is away")
            delete(name, folder)

        patch.setattr(any_store._files, "delete", fail_at_segments)
        with pytest.raises(OSError, match="away"):
            any_store.delete(last="TOMBSTONE")
    assert any_store.names("") == ["TOMBSTONE", "segments"]
    any_store.delete(last="TOMBSTONE")
    assert any_store.names("") == []
    any_store.delete(last="TOMBSTONE")


# --- Storage that fails


def operations(store: ObjectStore) -> dict[str, Callable[[], object]]:
    def sync() -> None:
        log = ObjectLog(store, LOG)
        log.append(record(1), 1)
        log.sync()

    return {
        "read": lambda: store.read("EPOCH"),
        "names": lambda: store.names("segments"),
        "read_log": lambda: store.read_log(LOG),
        "begin_log": lambda: store.begin_log(LOG),
        "remove": lambda: store.remove("EPOCH"),
        "replace": lambda: store.replace("EPOCH", b"x"),
        "large": lambda: store.replace("EPOCH", bytes(9 << 20)),
        "sync": sync,
        "move_aside": store.move_aside,
        "delete": lambda: store.delete("TOMBSTONE"),
    }


OPERATIONS = sorted(operations(ObjectStore("s3://bucket", "n")))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_bucket_that_does_not_exist_is_an_error(s3: S3Server, operation: str) -> None:
    store = ObjectStore(f"s3://no-such-bucket/a?{s3.options}", "arqon")
    with pytest.raises(OSError, match=r"no-such-bucket") as caught:
        operations(store)[operation]()
    assert not isinstance(caught.value, FileNotFoundError)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_storage_that_is_away_is_an_error(s3: S3Server, operation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_files, "ATTEMPTS", 1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        uri = f"s3://bucket/a?endpoint_override=127.0.0.1:{taken.getsockname()[1]}&scheme=http&region=us-east-1"
        with pytest.raises(OSError, match="NETWORK_CONNECTION"):
            operations(ObjectStore(uri, "arqon"))[operation]()


def test_what_pyarrow_raises_else_is_an_os_error_too(store: ObjectStore) -> None:
    with pytest.raises(OSError, match=r"s3://arqon/.*ArrowInvalid: Empty path component"):
        store.read("a//b")


@pytest.mark.faults
def test_a_storage_that_hangs_is_an_error_in_bounded_time(
    s3: S3Server, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"CONNECT_SECONDS": 1.0, "REQUEST_SECONDS": 1.0, "ATTEMPTS": 1}.items():
        monkeypatch.setattr(remote_files, name, value)
    store.replace("EPOCH", b"x")
    took = {}
    with s3.paused():
        for operation in ("read", "read_log", "sync", "large"):
            begin = time.monotonic()
            with pytest.raises(OSError, match="Timeout was reached"):
                operations(store)[operation]()
            took[operation] = time.monotonic() - begin
    assert max(took.values()) < 40, took
    assert store.read("EPOCH") == b"x"


def test_the_waits_are_those_that_the_module_names(store: ObjectStore) -> None:
    for files in (store._files._storage.files, store._files._storage.once, store._files._storage.large):
        options = files.__reduce__()[1][0]
        assert (options["connect_timeout"], options["request_timeout"]) == (5.0, 15.0)


def test_options_that_pyarrow_takes_by_uri_alone_work(s3: S3Server) -> None:
    store = ObjectStore(f"{s3.uri}&smart_defaults=standard", "arqon")
    with s3.recorded() as requests:
        store.replace("EPOCH", b"x")
    assert [line.split()[0] for line in requests] == ["PUT"]
    assert store.read("EPOCH") == b"x"


def test_one_store_serves_many_threads(store: ObjectStore) -> None:
    problems: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for k in range(20):
                data = b"%d-%d" % (number, k) * 50
                store.replace(f"objects/{number}", data)
                assert store.read(f"objects/{number}") == data
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert store.names("objects") == [str(number) for number in range(8)]


def test_a_killed_server_begins_anew_with_an_empty_bucket(tmp_path: Path, s3: S3Server) -> None:
    server = type(s3)(tmp_path / "log")
    try:
        port = server.port
        store = ObjectStore(server.uri, "arqon")
        store.replace("EPOCH", b"x")
        server.restart()
        assert server.port == port
        assert store.read("EPOCH") is None
    finally:
        server.kill()

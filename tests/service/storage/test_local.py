from __future__ import annotations

import os
from pathlib import Path

import pytest

from arqon_ray.errors import ConfigError
from arqon_ray.service.storage.local import LocalStore
from arqon_ray.service.storage.opening import check_storage_path
from arqon_ray.service.storage.paths import check_name


def test_a_plain_path_and_a_file_uri_name_the_same_directory(tmp_path: Path) -> None:
    assert (
        check_storage_path(str(tmp_path))
        == check_storage_path(f"file://{tmp_path}")
        == check_storage_path(tmp_path)
        == str(tmp_path)
    )
    assert check_storage_path("file:///a%20b") == "/a b"
    assert os.path.isabs(check_storage_path("relative"))


@pytest.mark.parametrize("path", ["s3://", "file://host/x", "file:relative", "", 3])
def test_any_other_storage_is_refused_with_what_is_supported(path: object) -> None:
    with pytest.raises(ConfigError, match=r"a plain path or file://"):
        check_storage_path(path)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "-a", "x" * 129, None, 3])
def test_a_name_that_cannot_be_a_folder_is_refused(name: object) -> None:
    with pytest.raises(ConfigError, match="study's name is"):
        check_name(name)


def test_replace_is_all_or_nothing(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.replace("EPOCH", b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(OSError, match="No space"):
            store.replace("EPOCH", b"new")
    assert store.read("EPOCH") == b"old"
    assert os.listdir(store.path) == ["EPOCH"]


def test_what_is_cut_lies_beside(store: LocalStore) -> None:
    store.replace("segments/a.log", b"0123456789")
    rest = store.truncate("segments/a.log", 4)
    assert store.read("segments/a.log") == b"0123"
    assert store.read(rest) == b"456789"
    assert rest.startswith("segments/a.log.torn-4-")


def test_a_study_is_moved_aside_whole(store: LocalStore) -> None:
    assert store.move_aside() is None
    store.replace("segments/a.log", b"x")
    aside = store.move_aside()
    assert aside is not None
    assert store.names("segments") == []
    assert (Path(aside) / "segments" / "a.log").read_bytes() == b"x"


def test_two_writers_cannot_begin_the_same_object(store: LocalStore) -> None:
    store.begin_log("segments/a.log").close()
    with pytest.raises(FileExistsError):
        store.begin_log("segments/a.log")


def test_the_last_object_is_deleted_last(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TOMBSTONE", "EPOCH", "segments/a.log"):
        store.replace(name, b"x")
    removed = []
    remove = Path.unlink
    monkeypatch.setattr(Path, "unlink", lambda path, **kw: (removed.append(path.name), remove(path, **kw)))
    store.delete(last="TOMBSTONE")
    assert removed[-1] == "TOMBSTONE"
    assert not store.path.exists()


def test_folders_that_are_missing_far_above_are_made(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "a" / "b" / "c" / "root", "arqon")
    store.replace("segments/a.log", b"x")
    assert store.read("segments/a.log") == b"x"

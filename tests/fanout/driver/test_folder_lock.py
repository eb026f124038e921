"""One writer for a folder: while it lives, and no longer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from arqon_ray.errors import ConfigError
from arqon_ray.fanout.driver.folder_lock import LOCK, FolderLock

HOLD = """
import sys, time
from pathlib import Path
from arqon_ray.fanout.driver.folder_lock import FolderLock
lock = FolderLock(Path(sys.argv[1]), "run")
print("held", flush=True)
time.sleep(600)
"""


def test_a_killed_holder_keeps_nobody_out(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(ConfigError, match="is in use by another run"):
        FolderLock(folder, "run")
    assert (folder / LOCK).exists()
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    assert (folder / LOCK).exists()
    with FolderLock(folder, "run"), pytest.raises(ConfigError):
        FolderLock(folder, "run")
    FolderLock(folder, "sweep").release()


def test_what_was_made_for_nothing_is_removed_and_nothing_else(tmp_path: Path) -> None:
    FolderLock(tmp_path / "a" / "b" / "c", "run").release()
    assert not (tmp_path / "a").exists()
    (tmp_path / "empty").mkdir()
    FolderLock(tmp_path / "empty", "run").release()
    assert list((tmp_path / "empty").iterdir()) == []
    lock = FolderLock(tmp_path / "kept" / "run", "run")
    (tmp_path / "kept" / "other").touch()
    (tmp_path / "kept" / "run" / "results.json").touch()
    lock.release()
    lock.release()
    assert [path.name for path in (tmp_path / "kept" / "run").iterdir()] == ["results.json"]


def test_a_lock_whose_file_was_removed_meanwhile_is_taken_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between opening and locking the file its last holder may remove it: a lock on that one excludes nobody."""
    taken = []

    def removed_meanwhile(lock: FolderLock, file: object) -> bool:
        if not taken:
            (tmp_path / LOCK).unlink()
        taken.append(original(lock, file))
        return True

    original = FolderLock._lock
    monkeypatch.setattr(FolderLock, "_lock", removed_meanwhile)
    with FolderLock(tmp_path, "run"):
        assert len(taken) == 2
        assert (tmp_path / LOCK).exists()
        with pytest.raises(ConfigError):
            FolderLock(tmp_path, "run")


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="it cannot be written"):
        FolderLock(tmp_path / "file" / "out", "run")

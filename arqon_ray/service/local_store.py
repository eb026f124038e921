"""A study's objects in a directory of a local or mounted file system."""

from __future__ import annotations

import os
import shutil
import threading
import time
import uuid
from pathlib import Path

from arqon_ray.service.failpoints import reach
from arqon_ray.service.store import Chunk, check_name


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes | bytearray) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


class LocalLog:
    """A file that grows. What is appended waits in memory, so that one write and one fsync serve many records."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        _sync_folder(path.parent)
        self._waiting = bytearray()
        self._lock = threading.Lock()

    def append(self, record: bytes, seq: int) -> None:
        """Take one record; see ``store.Log``."""
        with self._lock:
            self._waiting += record

    def sync(self) -> None:
        """Write and fsync what was appended; see ``store.Log``."""
        with self._lock:
            data, self._waiting = self._waiting, bytearray()
        _write_all(self._descriptor, data)
        reach("written")
        os.fsync(self._descriptor)

    def tidy(self) -> None:
        """Do nothing: one file is as tidy as a log can be."""

    def close(self) -> None:
        """Give the file back; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class LocalStore:
    """One study's objects in a directory; see ``store.Store``."""

    def __init__(self, root: str | Path, name: str) -> None:
        self.path = Path(root) / check_name(name)
        self._base = str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def where(self, name: str) -> str:
        """Return how a message calls the object ``name``."""
        return str(self.path / name)

    def read(self, name: str) -> bytes | None:
        """Return the bytes of an object, or None when there is none of this name."""
        try:
            # Plain strings: the journal reads one small object at each commit.
            with open(f"{self._base}/{name}", "rb", buffering=0) as file:
                return file.readall()
        except FileNotFoundError:
            return None

    def replace(self, name: str, data: bytes) -> None:
        """Write an object in one atomic, durable step; whoever reads it sees all of it or what was before."""
        target = self.path / name
        self._make(target.parent)
        temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            try:
                _write_all(descriptor, data)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(target.parent)

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder, sorted, without temporary ones; empty when there is no folder."""
        try:
            return sorted(n for n in os.listdir(self.path / folder) if not n.startswith("."))
        except FileNotFoundError:
            return []

    def begin_log(self, name: str) -> LocalLog:
        """Begin a log; FileExistsError when there is one of this name."""
        target = self.path / name
        self._make(target.parent)
        return LocalLog(target)

    def read_log(self, name: str, after: int = 0, offset: int = 0) -> list[Chunk] | None:
        """Return a log's bytes from ``offset`` on as one piece, or None when there is no such log."""
        try:
            with (self.path / name).open("rb") as file:
                file.seek(offset)
                return [Chunk(name, offset, file.read())]
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> None:
        """Delete one object; nothing happens when there is none."""
        (self.path / name).unlink(missing_ok=True)

    def cut(self, name: str, offset: int) -> str:
        """Cut an object at ``offset`` and keep the rest beside it; returns the name of the rest."""
        data = (self.path / name).read_bytes()
        rest = f"{name}.torn-{offset}-{uuid.uuid4().hex[:8]}"
        self.replace(rest, data[offset:])
        descriptor = os.open(self.path / name, os.O_WRONLY)
        try:
            os.ftruncate(descriptor, offset)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return rest

    def move_aside(self) -> str | None:
        """Rename the whole study so that its name is free; returns where it is now, None if there was none."""
        if not self.path.exists():
            return None
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        aside = self.path.with_name(f"{self.path.name}.aside-{stamp}-{uuid.uuid4().hex[:8]}")
        os.rename(self.path, aside)
        _sync_folder(self.path.parent)
        return str(aside)

    def delete(self, last: str) -> None:
        """Delete the whole study, the object ``last`` after all others."""
        for entry in list(self.path.iterdir()) if self.path.exists() else []:
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != last:
                entry.unlink(missing_ok=True)
        if self.path.exists():
            self.remove(last)
            self.path.rmdir()

    def _make(self, folder: Path) -> None:
        """Create a folder durably, with the parents that are missing."""
        missing = [folder]
        while not missing[-1].exists():
            missing.append(missing[-1].parent)
        folder.mkdir(parents=True, exist_ok=True)
        for parent in reversed(missing[1:]):
            _sync_folder(parent)

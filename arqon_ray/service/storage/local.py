"""A study's objects in a directory of a local or mounted file system."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from arqon_ray.service.failpoints import failpoint
from arqon_ray.service.storage.base import Chunk
from arqon_ray.service.storage.paths import check_name

_SMALL = 4096


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes | bytearray) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


class LocalLog:
    """A log in one file. Appended records wait in memory, so that one write and one fsync serve many of them.

    Args:
        path: that of the file, which must not exist.
        failed: called with the size up to which the file is durable when a sync fails.
    """

    def __init__(self, path: Path, failed: Callable[[int], None] = lambda _: None) -> None:
        self._failed = failed
        self._size = 0
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        self._waiting = bytearray()
        self._lock = threading.Lock()
        try:
            _sync(path.parent)
        except BaseException:
            self.close()
            raise

    def append(self, record: bytes, seq: int) -> None:
        """Append one record; see :class:`.base.Log`."""
        with self._lock:
            self._waiting += record

    def sync(self) -> None:
        """Write and fsync what was appended; see :class:`.base.Log`."""
        with self._lock:
            data, self._waiting = self._waiting, bytearray()
        try:
            _write_all(self._descriptor, data)
            failpoint("written")
            os.fsync(self._descriptor)
        except OSError:
            self._failed(self._size)
            raise
        self._size += len(data)

    def compact(self) -> None:
        """Do nothing: the log is a single file."""

    def close(self) -> None:
        """Close the file; a second call, even at the same time, does nothing."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, -1
        # Closing twice would close whatever file has got the descriptor since, perhaps the log of the next epoch. An
        # error at the close is ignored: each sync has raised its own.
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(descriptor)


class LocalStore:
    """One study's objects in a directory; see :class:`.base.Store`."""

    def __init__(self, root: str | Path, name: str) -> None:
        self.path = Path(root) / check_name(name)
        self._base = str(self.path)
        self._durable: set[Path] = set()
        self._failed: dict[str, int] = {}

    def __str__(self) -> str:
        return str(self.path)

    def where(self, name: str) -> str:
        return str(self.path / name)

    def read(self, name: str) -> bytes | None:
        try:
            # Few calls and plain strings, because the journal reads one small object at each commit.
            descriptor = os.open(f"{self._base}/{name}", os.O_RDONLY)
        except FileNotFoundError:
            self._check_there()
            return None
        try:
            data = os.read(descriptor, _SMALL)
            while len(data) >= _SMALL and (more := os.read(descriptor, 1 << 24)):
                data += more
            return data
        finally:
            os.close(descriptor)

    def replace(self, name: str, data: bytes) -> None:
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
            failpoint(f"replace-{name.split('/')[0]}")
            os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync(target.parent)

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder, sorted, without temporary ones; empty if there is no folder."""
        try:
            return sorted(n for n in os.listdir(self.path / folder) if not n.startswith("."))
        except FileNotFoundError:
            self._check_there()
            return []

    def begin_log(self, name: str) -> LocalLog:
        """Begin a log; raises FileExistsError if there is one of this name."""
        target = self.path / name
        self._make(target.parent)
        return LocalLog(target, lambda size: self._failed.update({name: size}))

    def read_log(self, name: str, after: int = 0, offset: int = 0) -> list[Chunk] | None:
        """Return a log's bytes from ``offset`` on as one piece; None if there is no such log."""
        try:
            with (self.path / name).open("rb") as file:
                file.seek(offset)
                data = file.read()
                if name in self._failed:
                    # After a failed fsync the page cache may show data that is not on disk; nobody was answered for it.
                    data = data[: max(0, self._failed[name] - offset)]
                return [Chunk(name, offset, data)]
        except FileNotFoundError:
            self._check_there()
            return None

    def fsync(self, name: str) -> None:
        _sync(self.path / name)

    def remove(self, name: str) -> None:
        """Delete one object, if there is one of this name."""
        (self.path / name).unlink(missing_ok=True)

    def truncate(self, name: str, offset: int) -> str:
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
        if not self.path.exists():
            return None
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        aside = self.path.with_name(f"{self.path.name}.aside-{stamp}-{uuid.uuid4().hex[:8]}")
        os.rename(self.path, aside)
        _sync(self.path.parent)
        return str(aside)

    def delete(self, last: str) -> None:
        for entry in list(self.path.iterdir()) if self.path.exists() else []:
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != last:
                entry.unlink(missing_ok=True)
        if self.path.exists():
            self.remove(last)
            self.path.resolve().rmdir()
            if self.path.is_symlink():
                self.path.unlink()

    def _make(self, folder: Path) -> None:
        """Create a folder durably, with its missing parents.

        Once in each process, existing parents are synced too: whoever made them may have died before doing so.
        """
        self._check_there()
        made = [folder]
        top = self.path.parent.parent
        while not made[-1].exists() or (made[-1] not in self._durable and top in made[-1].parents):
            made.append(made[-1].parent)
        folder.mkdir(parents=True, exist_ok=True)
        for parent in reversed(made[1:]):
            with contextlib.suppress(PermissionError):  # the folder belongs to somebody else
                _sync(parent)
        self._durable.update(made[:-1])

    def _check_there(self) -> None:
        """Check that the directory of all studies still exists, so that a missing file means a missing file.

        Raises:
            FileNotFoundError: it is gone, such as an unmounted file system.
        """
        if self._durable and not self.path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, "the storage is unavailable", str(self.path.parent))

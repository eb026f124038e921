"""Where a study's log lies: a small store of named objects, here a local directory.

The journal asks five things of a store: read an object, replace one atomically, list a folder, append to a
new object, and move bytes or a whole study aside. Another kind of storage is another class with these.
"""

from __future__ import annotations

import os
import re
import shutil
import time
import uuid
from pathlib import Path
from urllib.parse import unquote, urlparse

from arqon_ray.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")


def check_name(name: object) -> str:
    """Return a study's name, or raise ConfigError when it cannot be the name of an actor and a folder."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigError(
            f"a study's name is {name!r}: use 1 to 128 letters, digits, '.', '_', '-', the first a letter or digit"
        )
    return name


def local_path(storage_path: object) -> str:
    """Return the absolute local directory that a ``storage_path`` names.

    Args:
        storage_path: a plain path, ``~`` allowed, or a ``file://`` URI.

    Raises:
        ConfigError: for anything else.
    """
    supported = "supported are a plain path and file:// (a local disk, or a file system that is mounted, such as NFS)"
    if isinstance(storage_path, os.PathLike):
        storage_path = os.fspath(storage_path)
    if not isinstance(storage_path, str) or not storage_path:
        raise ConfigError(f"storage_path is {storage_path!r}: {supported}")
    scheme = _SCHEME.match(storage_path)
    if scheme is None:
        return os.path.abspath(os.path.expanduser(storage_path))
    parts = urlparse(storage_path)
    if scheme.group(1).lower() != "file" or parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
        raise ConfigError(f"storage_path is {storage_path!r}: {supported}")
    return os.path.abspath(unquote(parts.path))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


class Appender:
    """A new object that grows; one thread writes, any thread may sync."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        _sync_folder(path.parent)

    def write(self, data: bytes) -> None:
        """Append ``data``; durable only after the next ``sync``."""
        _write_all(self._descriptor, data)

    def sync(self) -> None:
        """Return when all that was written before the call is on the storage."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Give the file back; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class LocalStore:
    """One study's objects in a directory of a local or mounted file system."""

    def __init__(self, root: str | Path, name: str) -> None:
        self.path = Path(root) / check_name(name)

    def __str__(self) -> str:
        return str(self.path)

    def where(self, name: str) -> str:
        """Return how a message calls the object ``name``."""
        return str(self.path / name)

    def read(self, name: str) -> bytes | None:
        """Return the bytes of an object, or None when there is none of this name."""
        try:
            return (self.path / name).read_bytes()
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

    def appender(self, name: str) -> Appender:
        """Begin a new object that grows; FileExistsError when there is one."""
        target = self.path / name
        self._make(target.parent)
        return Appender(target)

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

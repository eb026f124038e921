"""Where a study's log lies: named objects, and logs that grow, on whatever storage.

Two kinds: ``local_store.LocalStore`` for a directory (a local disk, or a file system that is mounted), and
``object_store.ObjectStore`` for everything that ``pyarrow.fs`` reaches by URI. Nothing is asked of a storage but
that a read sees the last completed write, and that ``replace`` is seen whole or not at all.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlparse

from arqon_ray.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
SUPPORTED = (
    "supported are a plain path or file:// (a local disk, or a file system that is mounted, such as NFS), and the "
    "URIs that pyarrow.fs knows, such as s3://bucket/folder and gs://bucket/folder"
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a log.

    Attributes:
        name: the object in which it lies.
        offset: where in that object it begins.
        data: its bytes.
    """

    name: str
    offset: int
    data: bytes


class Log(Protocol):
    """A log that is being written. One thread appends; one, perhaps another, syncs."""

    def append(self, record: bytes, seq: int) -> None:
        """Take one record; it is durable only after the next ``sync``."""
        ...

    def sync(self) -> None:
        """Return when all that was appended before the call is on the storage.

        Raises:
            OSError: the storage failed; how much of it is there is unknown.
        """
        ...

    def tidy(self) -> None:
        """Merge what lies in many small objects, where the storage makes them; the log's bytes stay the same."""
        ...

    def close(self) -> None:
        """Give back what the log holds open; a second call does nothing. Nothing is synced."""
        ...


class Store(Protocol):
    """One study's objects. Names are relative, with ``/`` between folder and object.

    Every method raises OSError when the storage fails.
    """

    def __str__(self) -> str: ...

    def where(self, name: str) -> str:
        """Return how a message calls the object ``name``."""
        ...

    def read(self, name: str) -> bytes | None:
        """Return the bytes of an object, or None when there is none of this name."""
        ...

    def replace(self, name: str, data: bytes) -> None:
        """Write an object in one atomic, durable step; whoever reads it sees all of it or what was before."""
        ...

    def names(self, folder: str) -> list[str]:
        """Return the names of the objects and logs in a folder, sorted, without temporary ones."""
        ...

    def remove(self, name: str) -> None:
        """Delete one object or log; nothing happens when there is none."""
        ...

    def begin_log(self, name: str) -> Log:
        """Begin a log; FileExistsError when there is one of this name.

        Where nothing can be appended to, the log is there only after its first ``sync``.
        """
        ...

    def read_log(self, name: str, after: int = 0, offset: int = 0) -> list[Chunk] | None:
        """Return the pieces of a log in order, or None when there is no such log.

        Args:
            name: the log's.
            after: records up to this sequence number may be left out.
            offset: the number of bytes up to and including that record.
        """
        ...

    def settle(self, name: str) -> None:
        """Make durable what is read of a log: its writer may have died before it did."""
        ...

    def cut(self, name: str, offset: int) -> str:
        """Cut an object of a log at ``offset`` and keep the rest beside the log; returns the name of the rest.

        The object keeps its name, whatever the name says of the records in it.
        """
        ...

    def move_aside(self) -> str | None:
        """Rename the whole study so that its name is free; returns where it is now, None if there was none."""
        ...

    def delete(self, last: str) -> None:
        """Delete the whole study, the object ``last`` after all others."""
        ...


def check_name(name: object) -> str:
    """Return a study's name, or raise ConfigError when it cannot be the name of an actor and a folder."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigError(
            f"a study's name is {name!r}: use 1 to 128 letters, digits, '.', '_', '-', the first a letter or digit"
        )
    return name


def check_storage_path(storage_path: object) -> str:
    """Return a ``storage_path`` as an absolute local path, or as a URI for ``pyarrow.fs``.

    Args:
        storage_path: a plain path, ``~`` allowed, or a URI.

    Raises:
        ConfigError: it is neither.
    """
    if isinstance(storage_path, os.PathLike):
        storage_path = os.fspath(storage_path)
    if not isinstance(storage_path, str) or not storage_path or "\0" in storage_path:
        raise ConfigError(f"storage_path is {storage_path!r}: {SUPPORTED}")
    scheme = _SCHEME.match(storage_path)
    if scheme is None:
        return os.path.abspath(os.path.expanduser(storage_path))
    parts = urlparse(storage_path)
    if scheme.group(1).lower() == "file":
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            raise ConfigError(f"storage_path is {storage_path!r}: {SUPPORTED}")
        return os.path.abspath(unquote(parts.path))
    if not parts.netloc:
        raise ConfigError(f"storage_path is {storage_path!r}: {SUPPORTED}")
    from arqon_ray.service.storage.objects import check_uri

    return check_uri(storage_path)


def is_shared(storage_path: str | None) -> bool:
    """Tell whether a checked ``storage_path`` is reached from every node alike."""
    return storage_path is not None and _SCHEME.match(storage_path) is not None


def same_place(storage_path: str, other: str) -> bool:
    """Tell whether two checked ``storage_path`` mean one place, as seen from this node."""
    return _place(storage_path) == _place(other)


def _place(storage_path: str) -> tuple[str, ...]:
    if not is_shared(storage_path):
        return ("file", os.path.realpath(storage_path))
    # Who logs in, and how, says nothing of where.
    parts = urlparse(storage_path)
    endpoint = parse_qs(parts.query).get("endpoint_override", [])
    return (parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), *endpoint)


def open_store(storage_path: str, name: str) -> Store:
    """Return the store of one study under a checked ``storage_path``; nothing is touched yet."""
    if is_shared(storage_path):
        from arqon_ray.service.storage.objects import ObjectStore

        return ObjectStore(storage_path, check_name(name))
    from arqon_ray.service.storage.local import LocalStore

    return LocalStore(storage_path, name)

"""The interface of a study's storage: named objects, and logs that are appended to.

Two classes implement it: :class:`.local.LocalStore` for a directory (on a local disk or a mounted file system), and
:class:`.objects.ObjectStore` for everything that ``pyarrow.fs`` reaches by URI. A storage has to provide two things: a
read sees the last completed write, and ``replace`` is atomic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a log.

    Attributes:
        name: the object that contains it.
        offset: the byte of that object at which it begins.
        data: its bytes.
    """

    name: str
    offset: int
    data: bytes


class Log(Protocol):
    """A log that is being written. One thread at a time appends; one, perhaps another, syncs."""

    def append(self, record: bytes, seq: int) -> None:
        """Append one record; it is durable only after the next ``sync``.

        Args:
            record: its bytes.
            seq: its sequence number.
        """
        ...

    def sync(self) -> None:
        """Make everything durable that was appended before the call.

        Raises:
            OSError: the storage failed; how much of it was written is unknown.
        """
        ...

    def compact(self) -> None:
        """Merge small objects, on a storage where a log consists of several; the log's bytes stay the same."""
        ...

    def close(self) -> None:
        """Close the log without syncing it; a second call does nothing."""
        ...


class Store(Protocol):
    """One study's objects. Names are relative, with ``/`` between folder and object.

    Every method raises OSError if the storage fails.
    """

    def __str__(self) -> str: ...

    def where(self, name: str) -> str:
        """Return an object's full name, for messages."""
        ...

    def read(self, name: str) -> bytes | None:
        """Return the bytes of an object; None if there is none of this name."""
        ...

    def replace(self, name: str, data: bytes) -> None:
        """Write an object durably and atomically: a reader sees either the old object or the whole new one."""
        ...

    def names(self, folder: str) -> list[str]:
        """Return the names of the objects and logs in a folder, sorted, without temporary ones."""
        ...

    def remove(self, name: str) -> None:
        """Delete one object or log, if there is one of this name."""
        ...

    def begin_log(self, name: str) -> Log:
        """Begin a log.

        On an object store, it exists only after its first ``sync``.

        Raises:
            FileExistsError: there is a log of this name.
        """
        ...

    def read_log(self, name: str, after: int = 0, offset: int = 0) -> list[Chunk] | None:
        """Return the pieces of a log in order; None if there is no such log.

        Args:
            name: that of the log.
            after: records up to this sequence number may be left out.
            offset: where the record of that number ends, in bytes.
        """
        ...

    def fsync(self, name: str) -> None:
        """Make a log durable as it is read: its writer may have died before it had done so."""
        ...

    def truncate(self, name: str, offset: int) -> str:
        """Truncate an object of a log at ``offset``, and keep the rest beside the log; returns the name of the rest.

        The object keeps its name, even if the name tells which records were in it.
        """
        ...

    def move_aside(self) -> str | None:
        """Rename the whole study so that its name is free; returns its new full name, None if there was no study."""
        ...

    def delete(self, last: str) -> None:
        """Delete the whole study; the object ``last`` is deleted after all others."""
        ...

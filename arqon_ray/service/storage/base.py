"""Where a study's log lies: named objects, and logs that grow, on whatever storage.

Two kinds: :class:`.local.LocalStore` for a directory (a local disk or a mounted file system), and
:class:`.objects.ObjectStore` for everything that ``pyarrow.fs`` reaches by URI. A storage must show each read the last
completed write, and show a ``replace`` as a whole or not at all; nothing more is required of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


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

    def compact(self) -> None:
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

    def fsync(self, name: str) -> None:
        """Make durable what is read of a log: its writer may have died before it did."""
        ...

    def truncate(self, name: str, offset: int) -> str:
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

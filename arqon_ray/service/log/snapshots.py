"""Snapshots: a study's state at a position of its log. They shorten replay and can be deleted safely.

``snapshots/<seq, 16 digits>-<epoch, 8 digits>.snap`` is a sequence of records, framed and checksummed like those of the
log: the position, the parts of the state, and the number of parts. It is written atomically. A snapshot that is
damaged, or whose position the accepted log does not contain, is ignored. The newest two are kept, and the whole log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from typing import Any

from arqon_ray.errors import StudyRefusedError
from arqon_ray.service.failpoints import failpoint
from arqon_ray.service.log.records import encode, scan
from arqon_ray.service.log.segments import Position
from arqon_ray.service.storage.base import Store

FOLDER = "snapshots"
_KEPT = 2


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot, read and checked.

    Attributes:
        name: the object's name.
        at: the position at which it was taken.
        parts: the state, see :meth:`.LoggedState.freeze`.
    """

    name: str
    at: Position
    parts: list[dict[str, Any]]

    def take(self) -> Iterator[dict[str, Any]]:
        """Yield the parts and drop each, so that they do not stay in memory beside what is built from them."""
        self.parts.reverse()
        while self.parts:
            yield self.parts.pop()


def write_snapshot(store: Store, epoch: int, at: Position, parts: Iterable[dict[str, Any]]) -> str:
    """Write a snapshot, delete all but the newest two, and return its name.

    Raises:
        OSError: the storage failed; the study is unharmed.
    """
    bodies: list[dict[str, Any]] = [{"op": "snapshot", "at": list(astuple(at))}]
    data = bytearray(encode(1, bodies[0]))
    count = 1
    for part in parts:
        count += 1
        data += encode(count, part)
    data += encode(count + 1, {"op": "end", "parts": count - 1})
    name = f"{FOLDER}/{at.seq:016d}-{epoch:08d}.snap"
    store.replace(name, bytes(data))
    failpoint("snapshot-pruning")
    for old in _names(store)[_KEPT:]:
        store.remove(old)
    return name


def read_snapshots(store: Store) -> Iterator[Snapshot | str]:
    """Yield the snapshots, newest first; a text that says what is wrong in place of one that cannot be read."""
    for name in _names(store):
        try:
            data = store.read(name)
            if data is not None:
                yield _parse(name, data)
        except (OSError, StudyRefusedError, LookupError, TypeError) as error:
            # A bad sector in a snapshot must not make a study unusable whose log is whole.
            yield f"{store.where(name)}: {error}"


def _names(store: Store) -> list[str]:
    """Return the names of the snapshots, newest epoch first: a fenced one may have higher, unaccepted numbers."""
    names = sorted(store.names(FOLDER), key=lambda name: name.split("-")[::-1], reverse=True)
    return [f"{FOLDER}/{name}" for name in names if name.endswith(".snap")]


def _parse(name: str, data: bytes) -> Snapshot:
    read = scan(data)
    bodies = [record.body for record in read.records]
    if read.torn or read.damage or len(bodies) < 2 or bodies[-1].get("op") != "end":
        raise StudyRefusedError(f"damaged at offset {read.end}")
    if bodies[-1]["parts"] != len(bodies) - 2:
        raise StudyRefusedError(f"it has {len(bodies) - 2} parts of {bodies[-1]['parts']}")
    return Snapshot(name, Position(*bodies[0]["at"]), bodies[1:-1])

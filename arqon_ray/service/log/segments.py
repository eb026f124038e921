"""The accepted records of a study: which segments count, in which order, and up to where.

The first record of an epoch names the segment and the record up to which it accepted the one before, so the chain
is walked from the newest segment backwards, to the beginning or to the position from which records are wanted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from arqon_ray.errors import StudyRefusedError
from arqon_ray.service.log.fencing import Epoch, epoch_of, last_begun, segments
from arqon_ray.service.log.manifest import SEGMENTS
from arqon_ray.service.log.records import Record, scan
from arqon_ray.service.storage.base import Store

_REPAIR = (
    "Restore it from a copy, or stop() its actor and start(..., resume=False) to set the study aside and begin anew"
)


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the log, after a record.

    Attributes:
        segment: the log that holds the record.
        seq: the record's.
        offset: how many bytes of the segment there are up to its end.
    """

    segment: str
    seq: int
    offset: int


@dataclass(frozen=True, slots=True)
class Torn:
    """The rest of an interrupted write: the object that holds it, and where it begins there."""

    name: str
    offset: int


@dataclass(frozen=True, slots=True)
class Part:
    """The records that count of one segment."""

    segment: str
    records: list[Record]


class OffChainError(StudyRefusedError):
    """The records after a position are wanted, and the accepted log does not pass through it."""


def read_chain(
    store: Store, since: Position | None = None, epoch: Epoch | None = None
) -> tuple[list[Part], list[Torn]]:
    """Return the accepted records, oldest first, and the torn tails of the segments that may be the newest.

    Args:
        store: the study's.
        since: only what comes after this position is wanted.
        epoch: the one that opens the study: only those before it are looked at.

    Raises:
        OffChainError: the accepted log does not pass through ``since``.
        StudyRefusedError: the log is damaged or something of it is missing; the message names object and offset.
        OSError: the storage failed.
    """
    newest, torn = _newest(store, since, epoch)
    _check_begun(store, newest, epoch)
    chain: list[Part] = [] if newest is None else [newest]
    while chain and not (since and chain[0].segment == since.segment):
        previous = chain[0].records[0].body.get("previous")
        if previous is None:
            break
        name, upto = previous
        if since and name == since.segment and upto < since.seq:
            break
        chain.insert(0, Part(name, _read(store, name, since, upto)[0]))
    if since and not (chain and chain[0].segment == since.segment):
        raise OffChainError(f"the log in {store} does not pass through record {since.seq} of {since.segment}")
    _check_order(store, chain, since)
    return chain, torn


def _newest(store: Store, since: Position | None, epoch: Epoch | None) -> tuple[Part | None, list[Torn]]:
    """Return the newest segment that has records, the last owner's first where an epoch has several."""
    names = [name for name in segments(store) if epoch is None or epoch_of(name) < epoch.n]
    owner = epoch.before if epoch else None
    names.sort(key=lambda name: (epoch_of(name), owner is not None and owner in name), reverse=True)
    tails: list[Torn] = []
    for name in (f"{SEGMENTS}/{each}" for each in names):
        records, torn = _read(store, name, since)
        tails += [torn] if torn else []
        if records or (since and name == since.segment):
            return Part(name, records), tails
    return None, tails


def _check_begun(store: Store, newest: Part | None, epoch: Epoch | None) -> None:
    """Refuse a log that lacks the newest epoch which is known to have written."""
    begun = last_begun(store)
    there = segments(store)
    if begun is not None and (newest is None or not any(begun[1] in name for name in there)):
        raise StudyRefusedError(f"{store.where(SEGMENTS)} lacks what epoch {begun[0]} wrote. {_REPAIR}")
    if newest is None and epoch is not None and epoch.begun_before:
        raise StudyRefusedError(
            f"{store.where(SEGMENTS)} holds no record though an epoch before {epoch.n} wrote some. {_REPAIR}"
        )


def _check_order(store: Store, chain: list[Part], since: Position | None) -> None:
    seq = since.seq if since else 0
    for part in chain:
        for record in part.records[:1]:
            if record.seq != seq + 1:
                problem = f"record {record.seq} where {seq + 1} must be"
                raise _damaged(store, Torn(part.segment, 0), problem)
        seq = part.records[-1].seq if part.records else seq


def _read(store: Store, name: str, since: Position | None, upto: int | None = None) -> tuple[list[Record], Torn | None]:
    """Read one segment, to its end or up to a record that a later epoch accepted."""
    known, offset = (since.seq, since.offset) if since and since.segment == name else (0, 0)
    chunks = store.read_log(name, known, offset)
    if chunks is None:
        raise StudyRefusedError(f"{store.where(name)} is missing though a later epoch builds on it: restore it")
    records: list[Record] = []
    torn: Torn | None = None
    end = Torn(name, offset)
    last = 0
    for chunk in chunks:
        if upto is not None and max(last, known) >= upto:
            break
        read = scan(chunk.data, upto, last)
        end = Torn(chunk.name, chunk.offset + read.end)
        if read.damage:
            raise _damaged(store, end, read.damage)
        if torn and read.records:
            raise _damaged(store, torn, "a bad record with valid records after it")
        torn = torn or (end if read.torn else None)
        records += read.records
        last = records[-1].seq if records else 0
    if upto is not None and last != upto and not last == 0 == upto - known:
        raise _damaged(store, end, f"it ends with record {last} though a later epoch builds on its record {upto}")
    if not known and records and records[0].body.get("op") != "epoch":
        raise _damaged(store, Torn(name, 0), "its first record does not begin an epoch")
    return [record for record in records if record.seq > known], torn


def _damaged(store: Store, at: Torn, problem: str) -> StudyRefusedError:
    return StudyRefusedError(f"{store.where(at.name)} is damaged at offset {at.offset}: {problem}. {_REPAIR}")


def accepted(parts: list[Part]) -> Iterator[Record]:
    """Yield the records of a chain, oldest first."""
    for part in parts:
        yield from part.records

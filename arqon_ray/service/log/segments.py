"""The accepted records of a study: which segments count, in which order, and up to which record.

The first record of an epoch names the segment before it and the last record that it accepted there. So segments are
read from the newest one backwards, to the beginning of the log or to the position from which records are wanted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from arqon_ray.errors import StudyRefusedError
from arqon_ray.service.log.fencing import Epoch, epoch_of, last_begun, segment_names
from arqon_ray.service.log.manifest import SEGMENTS
from arqon_ray.service.log.records import Record, scan
from arqon_ray.service.storage.base import Store

_REPAIR = (
    "Restore it from a copy, or stop() its actor and start(..., resume=False) to set the study aside and begin anew"
)


@dataclass(frozen=True, slots=True)
class Position:
    """A position in the log, right after a record.

    Attributes:
        segment: the name of the segment that holds the record.
        seq: the record's sequence number.
        offset: the byte in the segment at which the record ends.
    """

    segment: str
    seq: int
    offset: int


@dataclass(frozen=True, slots=True)
class Location:
    """A byte of an object, at which a torn tail begins or damage was found."""

    name: str
    offset: int


@dataclass(frozen=True, slots=True)
class SegmentRecords:
    """The accepted records of one segment."""

    segment: str
    records: list[Record]


class PositionError(StudyRefusedError):
    """The accepted log does not contain the position after which records were wanted."""


def read_segments(
    store: Store, since: Position | None = None, epoch: Epoch | None = None
) -> tuple[list[SegmentRecords], list[Location]]:
    """Return the accepted records, oldest segment first, and where the torn tails of the newest segments begin.

    Args:
        store: the study's.
        since: return only what comes after this position.
        epoch: the epoch that is being opened; only the epochs before it are read.

    Raises:
        PositionError: the accepted log does not contain ``since``.
        StudyRefusedError: the log is damaged or incomplete; the message names object and offset.
        OSError: the storage failed.
    """
    newest, torn = _newest(store, since, epoch)
    _check_begun(store, newest, epoch)
    segments: list[SegmentRecords] = [] if newest is None else [newest]
    while segments and not (since and segments[0].segment == since.segment):
        previous = segments[0].records[0].body.get("previous")
        if previous is None:
            break
        name, upto = previous
        if since and name == since.segment and upto < since.seq:
            break
        segments.insert(0, SegmentRecords(name, _read(store, name, since, upto)[0]))
    if since and not (segments and segments[0].segment == since.segment):
        raise PositionError(f"the log in {store} does not contain record {since.seq} of {since.segment}")
    _check_order(store, segments, since)
    return segments, torn


def _newest(store: Store, since: Position | None, epoch: Epoch | None) -> tuple[SegmentRecords | None, list[Location]]:
    """Return the newest segment that has records, and the torn tails found on the way.

    Where an epoch has several segments, after claims at the same moment, the last owner's comes first.
    """
    names = [name for name in segment_names(store) if epoch is None or epoch_of(name) < epoch.n]
    owner = epoch.previous_uuid if epoch else None
    names.sort(key=lambda name: (epoch_of(name), owner is not None and owner in name), reverse=True)
    tails: list[Location] = []
    for name in (f"{SEGMENTS}/{each}" for each in names):
        records, torn = _read(store, name, since)
        tails += [torn] if torn else []
        if records or (since and name == since.segment):
            return SegmentRecords(name, records), tails
    return None, tails


def _check_begun(store: Store, newest: SegmentRecords | None, epoch: Epoch | None) -> None:
    """Check that the log contains the newest epoch that is known to have had a durable record.

    Raises:
        StudyRefusedError: it does not.
    """
    begun = last_begun(store)
    there = segment_names(store)
    if begun is not None and (newest is None or not any(begun[1] in name for name in there)):
        raise StudyRefusedError(f"{store.where(SEGMENTS)} lacks what epoch {begun[0]} wrote. {_REPAIR}")
    if newest is None and epoch is not None and epoch.begun_before:
        raise StudyRefusedError(
            f"{store.where(SEGMENTS)} holds no record though an epoch before {epoch.n} wrote some. {_REPAIR}"
        )


def _check_order(store: Store, segments: list[SegmentRecords], since: Position | None) -> None:
    seq = since.seq if since else 0
    for segment in segments:
        for record in segment.records[:1]:
            if record.seq != seq + 1:
                problem = f"record {record.seq} where {seq + 1} must be"
                raise _damaged(store, Location(segment.segment, 0), problem)
        seq = segment.records[-1].seq if segment.records else seq


def _read(
    store: Store, name: str, since: Position | None, upto: int | None = None
) -> tuple[list[Record], Location | None]:
    """Return the records of one segment after ``since``, and where its torn tail begins, if it has one.

    Args:
        store: the study's.
        name: the segment's.
        since: as for :func:`read_segments`.
        upto: the last record that a later epoch accepted; None to read to the end.
    """
    known, offset = (since.seq, since.offset) if since and since.segment == name else (0, 0)
    chunks = store.read_log(name, known, offset)
    if chunks is None:
        raise StudyRefusedError(f"{store.where(name)} is missing though a later epoch builds on it: restore it")
    records: list[Record] = []
    torn: Location | None = None
    end = Location(name, offset)
    last = 0
    for chunk in chunks:
        if upto is not None and max(last, known) >= upto:
            break
        read = scan(chunk.data, upto, last)
        end = Location(chunk.name, chunk.offset + read.end)
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
        raise _damaged(store, Location(name, 0), "its first record does not begin an epoch")
    return [record for record in records if record.seq > known], torn


def _damaged(store: Store, at: Location, problem: str) -> StudyRefusedError:
    return StudyRefusedError(f"{store.where(at.name)} is damaged at offset {at.offset}: {problem}. {_REPAIR}")


def accepted_records(segments: list[SegmentRecords]) -> Iterator[Record]:
    """Yield the records of the segments that :func:`read_segments` returned."""
    for segment in segments:
        yield from segment.records

"""One record of the log: how it is encoded, decoded and distinguished from damage.

::

    magic "AQJ" | format version (u8) | seq (u64) | body length (u32) | CRC-32 of the body | CRC-32 of the header
    body: msgpack of plain Python

All integers are little-endian. Header and body have a checksum each, so that a damaged length is never trusted.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgpack

from arqon_ray.errors import ResultsError

MAGIC = b"AQJ"
FORMAT = 3
MAX_BODY = 1 << 30
_COMFORTABLE = 1 << 26
_FRONT = struct.Struct("<3sBQII")
_CHECK = struct.Struct("<I")
HEADER_SIZE = _FRONT.size + _CHECK.size


@dataclass(frozen=True, slots=True)
class Record:
    """One entry of the log.

    Attributes:
        seq: its sequence number in the study's log, from 1 over all segments.
        body: what happened, plain Python.
        end: the offset of the first byte after it in its segment.
    """

    seq: int
    body: dict[str, Any]
    end: int


@dataclass(frozen=True, slots=True)
class Scan:
    """What was read of one segment.

    Attributes:
        records: the valid records from its beginning on.
        end: the offset at which they end.
        torn: whether bytes without any valid record follow ``end``: the remains of an interrupted write.
        damage: what is wrong at ``end`` if valid records follow the bad bytes, or None.
    """

    records: list[Record]
    end: int
    torn: bool
    damage: str | None


def pack(value: Any) -> bytes:
    """Return plain Python as msgpack.

    Raises:
        ResultsError: msgpack cannot encode it, such as a lone surrogate, an integer beyond 64 bits, an object that is
            not plain Python, or endless nesting.
    """
    try:
        packed: bytes = msgpack.packb(value, use_bin_type=True)
    except (OverflowError, RecursionError, TypeError, ValueError) as error:
        raise ResultsError(f"this cannot be written into the study's log, so it was not taken: {error}") from None
    return packed


def comfortable(items: Sequence[Any]) -> int:
    """Return how many of these items, from the first on and at least one, fit into a record of 64 MiB."""
    left = _COMFORTABLE
    for index, item in enumerate(items[:-1]):
        left -= len(pack(item))
        if left < 0:
            return max(1, index)
    return len(items)


def encode(seq: int, body: dict[str, Any]) -> bytes:
    """Return the bytes of one record.

    Raises:
        ResultsError: it is too large, or msgpack cannot encode it.
    """
    packed = pack(body)
    if len(packed) > MAX_BODY:
        raise ResultsError(
            f"this would make a record of {len(packed):,} bytes in the study's log, so it was not taken: a record "
            f"holds at most {MAX_BODY:,}. Split it"
        )
    front = _FRONT.pack(MAGIC, FORMAT, seq, len(packed), zlib.crc32(packed))
    return front + _CHECK.pack(zlib.crc32(front)) + packed


def _frame(data: bytes, offset: int) -> tuple[int, int, int, int] | None:
    """Return (version, seq, start, end) of the record at ``offset`` if its two checksums are right, else None."""
    start = offset + HEADER_SIZE
    if start > len(data):
        return None
    front = data[offset : offset + _FRONT.size]
    magic, version, seq, length, body_check = _FRONT.unpack(front)
    (front_check,) = _CHECK.unpack_from(data, offset + _FRONT.size)
    if magic != MAGIC or zlib.crc32(front) != front_check or length > MAX_BODY:
        return None
    end = start + length
    if end > len(data) or zlib.crc32(memoryview(data)[start:end]) != body_check:
        return None
    return version, seq, start, end


def _another_follows(data: bytes, offset: int) -> bool:
    """Tell whether any valid record begins after ``offset``."""
    found = data.find(MAGIC, offset + 1)
    while found >= 0:
        if _frame(data, found) is not None:
            return True
        found = data.find(MAGIC, found + 1)
    return False


def scan(data: bytes, upto: int | None = None, last: int = 0) -> Scan:
    """Read a segment from its beginning.

    Args:
        data: the segment's bytes.
        upto: the last sequence number to read; what follows it is not looked at.
        last: the sequence number of the record before these; 0 if any may come first.

    Returns:
        The valid records, and whether what follows them is a torn tail (no valid record after it) or damage.
    """
    records: list[Record] = []
    offset = 0
    while offset < len(data) and (upto is None or last < upto):
        frame = _frame(data, offset)
        if frame is None:
            if _another_follows(data, offset):
                return Scan(records, offset, False, "a bad record with valid records after it")
            return Scan(records, offset, True, None)
        version, seq, start, end = frame
        if version > FORMAT:
            problem = f"a record of format {version}, this arqon_ray reads up to {FORMAT}: install a newer one"
            return Scan(records, offset, False, problem)
        if last and seq != last + 1:
            return Scan(records, offset, False, f"record {seq} after record {last}")
        try:
            body = msgpack.unpackb(data[start:end], raw=False, strict_map_key=False)
        except (ValueError, msgpack.exceptions.UnpackException) as error:
            return Scan(records, offset, False, f"a record that is no msgpack ({error})")
        records.append(Record(seq, body, end))
        offset, last = end, seq
    return Scan(records, offset, False, None)

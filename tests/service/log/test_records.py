from __future__ import annotations

import struct
import zlib
from itertools import product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from arqon_ray.service.log.records import FORMAT, HEADER_SIZE, MAGIC, encode, scan

BODIES: list[dict[str, Any]] = [{"op": "epoch", "n": 1}, {"op": "ask", "x": [0.1, 1e-300]}, {"op": "tell", "v": None}]
LOG = b"".join(encode(seq, body) for seq, body in enumerate(BODIES, 1))
ENDS = [0, *(record.end for record in scan(LOG).records)]


def test_what_was_written_is_read() -> None:
    read = scan(LOG)
    assert [record.body for record in read.records] == BODIES
    assert [record.seq for record in read.records] == [1, 2, 3]
    assert (read.end, read.torn, read.damage) == (len(LOG), False, None)


def test_a_log_cut_at_any_byte_is_the_whole_records_before_it() -> None:
    for length in range(len(LOG)):
        read = scan(LOG[:length])
        whole = sum(end <= length for end in ENDS[1:])
        assert [record.body for record in read.records] == BODIES[:whole], length
        assert read.damage is None, length
        assert read.torn == (length not in ENDS), length


def test_a_flipped_byte_is_a_prefix_or_is_refused_and_never_another_value() -> None:
    for offset, mask in product(range(len(LOG)), (0x01, 0x80, 0xFF)):
        broken = bytearray(LOG)
        broken[offset] ^= mask
        read = scan(bytes(broken))
        hit = sum(end <= offset for end in ENDS[1:])
        assert [record.body for record in read.records] == BODIES[:hit], (offset, mask)
        assert read.end == ENDS[hit], (offset, mask)
        last = hit == len(BODIES) - 1
        assert (read.torn, read.damage is not None) == (last, not last), (offset, mask)


def test_a_missing_record_in_the_middle_is_damage() -> None:
    read = scan(LOG[: ENDS[1]] + LOG[ENDS[2] :])
    assert read.damage == "record 3 after record 1"
    assert read.end == ENDS[1]


def test_a_newer_format_is_not_guessed_at() -> None:
    body = encode(1, {})[HEADER_SIZE:]
    front = struct.pack("<3sBQII", MAGIC, FORMAT + 1, 1, len(body), zlib.crc32(body))
    read = scan(front + struct.pack("<I", zlib.crc32(front)) + body)
    assert read.damage is not None
    assert f"format {FORMAT + 1}" in read.damage


def test_reading_stops_at_the_record_that_is_wanted() -> None:
    read = scan(LOG[: ENDS[2]] + b"what a fenced writer left", upto=2)
    assert [record.seq for record in read.records] == [1, 2]
    assert read.damage is None


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), plain, max_size=5), st.integers(0, 2**64 - 1))
def test_plain_python_comes_back_as_it_went(body: dict[str, Any], seq: int) -> None:
    (record,) = scan(encode(seq, body)).records
    assert record.body == body
    assert record.seq == seq

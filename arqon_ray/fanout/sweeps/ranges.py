"""Ranges of indices, which identify the shards of a sweep."""

from __future__ import annotations

from collections.abc import Iterator

Range = tuple[int, int]
"""A half-open range of indices: start, stop."""


def gaps(finished: list[Range], total: int) -> Iterator[Range]:
    """Yield the ranges in ``0 .. total`` that no finished one covers, in order."""
    at = 0
    for start, stop in sorted(finished):
        if at < start:
            yield at, start
        at = stop
    if at < total:
        yield at, total

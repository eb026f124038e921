"""How the indices of a sweep are divided into shards."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from arqon_ray.fanout.sweeps.ranges import Range, gaps

_TARGET = 5.0  # seconds of one shard: long compared with the overhead of a task, short enough to lose in a crash
_MOST = 4096  # points of one shard, unless that makes more files than _FILES
_FILES = 8192
_FIRST = 8  # points of the first shards, whose speed is unknown
_PIECES = 8


class ShardPlan:
    """Hands out the missing ranges in order, in blocks whose size is a power of two and divides their start.

    An automatic size follows the speed: a few seconds per shard, and smaller ones towards the end, so that all workers
    finish together. The points do not depend on the sizes.
    """

    def __init__(self, finished: Sequence[Range], total: int, size: int | None) -> None:
        """Find the missing ranges.

        Args:
            finished: the ranges that are already stored.
            total: the number of indices.
            size: points of a shard; None for an automatic size.
        """
        self._gaps = deque(gaps(list(finished), total))
        self._left = sum(stop - start for start, stop in self._gaps)
        self._size = size
        self._least = _power_above(total / _FILES)
        self._most = max(_MOST, self._least)
        self._count = 0
        self._seconds = 0.0

    def learn(self, count: int, seconds: float) -> None:
        """Add how many seconds a worker needed for some points, for the automatic size."""
        self._count += count
        self._seconds += seconds

    def next(self, slots: int) -> Range | None:
        """Return the next range, or None if all have been handed out.

        Args:
            slots: how many shards run at once.
        """
        if not self._gaps:
            return None
        start, end = self._gaps.popleft()
        size = self._size or self._automatic(start, slots)
        stop = min(end, (start // size + 1) * size)
        if stop < end:
            self._gaps.appendleft((stop, end))
        self._left -= stop - start
        return start, stop

    def _automatic(self, start: int, slots: int) -> int:
        speed = self._count / max(self._seconds, 1e-9)  # points per second of one worker
        wanted = min(_TARGET * speed, self._most) if self._count else _FIRST
        share = self._left / (2 * slots)
        size = _power_below(min(max(wanted, self._least), share))
        return min(size, start & -start) if start else size


def split(start: int, stop: int) -> list[Range]:
    """Split a shard whose process died into at most eight parts."""
    size = max(1, _power_above((stop - start) / _PIECES))
    return [(at, min(at + size, stop)) for at in range(start, stop, size)]


def _power_below(number: float) -> int:
    return int(2 ** math.floor(math.log2(max(number, 1.0))))


def _power_above(number: float) -> int:
    return int(2 ** math.ceil(math.log2(max(number, 1.0))))

"""How the indices of a sweep are cut into shards."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from arqon_ray.fanout.sweeps.ranges import Range, gaps

_TARGET = 5.0  # seconds of one shard: long beside a task's milliseconds, short beside what a crash may cost
_MOST = 4096  # points of one shard, when that leaves no more files than _FILES
_FILES = 8192
_FIRST = 8  # points, while the speed is unknown
_PIECES = 8


class ShardPlan:
    """Hands out the ranges that are missing, in order, in blocks that are powers of two and aligned to their size.

    An automatic size follows the speed: a few seconds a shard, smaller towards the end so that all workers end
    together. The points do not depend on the cut.
    """

    def __init__(self, finished: Sequence[Range], total: int, size: int | None) -> None:
        """Find what is missing.

        Args:
            finished: the ranges that are there.
            total: the number of indices.
            size: points of a shard; None to let it follow the speed.
        """
        self._gaps = deque(gaps(list(finished), total))
        self._left = sum(stop - start for start, stop in self._gaps)
        self._size = size
        self._least = _power_above(total / _FILES)
        self._most = max(_MOST, self._least)
        self._count = 0
        self._seconds = 0.0

    def learn(self, count: int, seconds: float) -> None:
        """Note how long some points took in a worker."""
        self._count += count
        self._seconds += seconds

    def next(self, slots: int) -> Range | None:
        """Return the next range, or None when all are handed out.

        Args:
            slots: shards that run at once.
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
        speed = self._count / max(self._seconds, 1e-9)  # points a second, of one worker
        wanted = min(_TARGET * speed, self._most) if self._count else _FIRST
        share = self._left / (2 * slots)
        size = _power_below(min(max(wanted, self._least), share))
        return min(size, start & -start) if start else size


def split(start: int, stop: int) -> list[Range]:
    """Cut a shard that killed its process into at most eight parts."""
    size = max(1, _power_above((stop - start) / _PIECES))
    return [(at, min(at + size, stop)) for at in range(start, stop, size)]


def _power_below(number: float) -> int:
    return int(2 ** math.floor(math.log2(max(number, 1.0))))


def _power_above(number: float) -> int:
    return int(2 ** math.ceil(math.log2(max(number, 1.0))))

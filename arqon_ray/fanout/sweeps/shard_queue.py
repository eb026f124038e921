"""The shards of a sweep in flight, and those that wait."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from arqon_ray.fanout.driver.pool import TaskPool
from arqon_ray.fanout.driver.resources import slots
from arqon_ray.fanout.sweeps.plan import ShardPlan, split
from arqon_ray.fanout.sweeps.ranges import Range

_TICK = 1.0  # seconds of one wait
_LOOK_AGAIN = 10.0  # seconds after which the size of the cluster is read again, which may have grown


class ShardQueue:
    """Keeps the cluster busy with the ranges of a plan, and with parts of those whose process died."""

    def __init__(
        self,
        pool: TaskPool[Range],
        plan: ShardPlan,
        options: dict[str, Any],
        stored: list[Any],
        retries: int,
        max_in_flight: int | None,
    ) -> None:
        """Prepare a queue without tasks.

        Args:
            pool: runs the tasks.
            plan: hands out the missing ranges.
            options: Ray's options of one task.
            stored: the reference to a large function, see :class:`.ShippedFunction`.
            retries: how often a single point is started again if its process dies.
            max_in_flight: tasks at once; None for twice what the cluster runs at once.
        """
        self._pool, self._plan, self._options, self._stored = pool, plan, options, stored
        self._retries, self._max_in_flight = retries, max_in_flight
        self._pieces: deque[tuple[Range, int]] = deque()  # each with its retries
        self._tried: dict[Range, int] = {}  # how often parts of a split range were started before
        self._slots = 1
        self._slots_read = float("-inf")

    def fill(self) -> bool:
        """Start as many shards as there is room for; return whether any are in flight."""
        if time.monotonic() - self._slots_read > _LOOK_AGAIN:
            self._slots, self._slots_read = slots(self._options), time.monotonic()
        while len(self._pool) < (self._max_in_flight or 2 * self._slots):
            if self._pieces:
                (start, stop), retries = self._pieces.popleft()
            elif (shard := self._plan.next(self._slots)) is not None:
                (start, stop), retries = shard, 1
            else:
                break
            retries = self._retries if stop - start == 1 else min(self._retries, retries)
            mailbox, tried = self._pool.mailbox((start, stop)), self.tried((start, stop))
            self._pool.submit((start, stop), start, stop, self._stored, mailbox, tried, retries=retries)
        return bool(self._pool)

    def take(self) -> list[tuple[Range, Any]]:
        """Wait for shards to end, for a second at most, see :meth:`TaskPool.take`."""
        return self._pool.take(_TICK)

    def wind_down(self) -> list[tuple[Range, Any]]:
        """End the shards in flight and return the results that still came, see :meth:`TaskPool.wind_down`."""
        return self._pool.wind_down()

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C came during :meth:`wind_down`."""
        return self._pool.interrupted

    def requeue(self, start: int, stop: int) -> None:
        """Evaluate the rest of a range next; it may be empty."""
        if start < stop:
            self._pieces.appendleft(((start, stop), 1))

    def split(self, start: int, stop: int, attempts: int) -> None:
        """Evaluate a range whose process died in parts.

        Args:
            start: its first index.
            stop: the index after its last.
            attempts: how often it was started.
        """
        parts = split(start, stop)
        self._tried.update(dict.fromkeys(parts, self.tried((start, stop)) + attempts))
        self._pieces.extendleft((part, 0) for part in reversed(parts))

    def tried(self, shard: Range) -> int:
        """Return how often the points of a range were started as part of larger ranges."""
        return self._tried.get(shard, 0)

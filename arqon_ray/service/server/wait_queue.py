"""Who waits for a candidate: first come, first served."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Waiter:
    """One ask in the queue.

    Attributes:
        count: how many candidates it wants.
        since: the clock's reading when it came.
        told: the number of the newest failure of computing that somebody had been told of when it came.
    """

    def __init__(self, lock: threading.Lock, count: int, since: float, told: int) -> None:
        self.count = count
        self.since = since
        self.told = told
        self.called = threading.Condition(lock)


class WaitQueue:
    """The asks that wait; every method is called under the lock.

    Args:
        lock: the study's.
        clock: returns seconds, never going back.
    """

    def __init__(self, lock: threading.Lock, clock: Callable[[], float]) -> None:
        self._lock = lock
        self._clock = clock
        self._waiting: deque[Waiter] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def wanted(self) -> int:
        """How many candidates are waited for."""
        return sum(waiter.count for waiter in self._waiting)

    @contextmanager
    def join(self, count: int, told: int) -> Iterator[Waiter]:
        """Stand in the queue within the block; whoever comes next is called after it."""
        waiter = Waiter(self._lock, count, self._clock(), told)
        self._waiting.append(waiter)
        try:
            yield waiter
        finally:
            self._waiting.remove(waiter)
            self.call()

    def is_first(self, waiter: Waiter) -> bool:
        """Tell whether it is this one's turn."""
        return self._waiting[0] is waiter

    def call(self) -> None:
        """Let the first look again whether there is something for it."""
        if self._waiting:
            self._waiting[0].called.notify()

    def call_all(self) -> None:
        """Let everybody look: nothing is served any more."""
        for waiter in self._waiting:
            waiter.called.notify()

"""The queue of asks that wait for a candidate: first come, first served."""

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
        told: what ``CandidateWorker.told`` was when it came.
        called: notified when the ask should look again.
    """

    def __init__(self, lock: threading.Lock, count: int, since: float, told: int) -> None:
        self.count = count
        self.since = since
        self.told = told
        self.called = threading.Condition(lock)


class WaitQueue:
    """The asks that wait; call every method under the lock.

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
        """How many candidates all asks in the queue want together."""
        return sum(waiter.count for waiter in self._waiting)

    @contextmanager
    def join(self, count: int, told: int) -> Iterator[Waiter]:
        """Wait in the queue within the block; at its end the next ask is called."""
        waiter = Waiter(self._lock, count, self._clock(), told)
        self._waiting.append(waiter)
        try:
            yield waiter
        finally:
            self._waiting.remove(waiter)
            self.call()

    def is_first(self, waiter: Waiter) -> bool:
        """Tell whether an ask is the first in the queue."""
        return self._waiting[0] is waiter

    def call(self) -> None:
        """Wake the first ask, so that it looks for candidates again."""
        if self._waiting:
            self._waiting[0].called.notify()

    def call_all(self) -> None:
        """Wake every ask: the study has been closed."""
        for waiter in self._waiting:
            waiter.called.notify()

"""Group commit: of all callers that wait for the storage, one leads, and its fsync serves them all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class GroupCommit:
    """Who leads the present commit, and who waits for which record.

    Only threads that have something to do are woken: on a busy machine a needless wake-up costs more than a thread's
    share of an fsync.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._leading = False
        self._waiting: list[tuple[int, threading.Lock]] = []
        self._coming: set[int] = set()

    def announce(self) -> None:
        """Announce that this thread may soon append a record, until ``withdraw``."""
        self._coming.add(threading.get_ident())

    def withdraw(self) -> None:
        """Announce that this thread has appended its record, or will append none for now."""
        self._coming.discard(threading.get_ident())

    def gather(self, longest: float) -> None:
        """Wait for the threads that are about to append a record, so that one fsync serves them too.

        Args:
            longest: how many seconds to wait at most.
        """
        until = time.monotonic() + longest
        while self._coming and time.monotonic() < until:
            time.sleep(longest / 5)

    def lead(self, seq: int, settled: Callable[[], bool]) -> bool:
        """Wait until this caller leads the next commit, or its record is settled; returns whether it leads.

        Args:
            seq: the record that it waits for.
            settled: tells whether the record is durable, or never will be.
        """
        while True:
            with self._lock:
                if settled():
                    return False
                if not self._leading:
                    self._leading = True
                    return True
                called = threading.Lock()
                called.acquire()
                self._waiting.append((seq, called))
            called.acquire()

    def done(self, synced: int, failed: bool) -> None:
        """End this caller's lead: wake those whose records are durable, and one of the others to lead next.

        Args:
            synced: the newest durable record.
            failed: whether no further record will become durable; then all are woken.
        """
        with self._lock:
            self._leading = False
            waiting, self._waiting = self._waiting, []
            over = [called for seq, called in waiting if failed or seq <= synced]
            rest = [each for each in waiting if not failed and each[0] > synced]
            if rest:
                over.append(rest.pop(0)[1])
            self._waiting = rest
        for called in over:
            called.release()

    def end(self) -> None:
        """Wake all who wait, and return when nobody leads any more."""
        while True:
            with self._lock:
                waiting, self._waiting = self._waiting, []
                called = threading.Lock()
                called.acquire()
                leading = self._leading
                if leading:
                    self._waiting.append((0, called))
            for _, each in waiting:
                each.release()
            if not leading:
                return
            called.acquire()

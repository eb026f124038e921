"""Group commit: of many callers that wait for the storage, one leads and does its work for all."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Commits:
    """Whose turn it is to lead, and who waits for which record.

    Exactly those are woken that have something to do: on a busy machine a thread that wakes for nothing costs more
    than its share of an fsync.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._leading = False
        self._waiting: list[tuple[int, threading.Lock]] = []
        self.crowded = False

    def lead(self, seq: int, settled: Callable[[], bool]) -> bool:
        """Wait until there is nothing to wait for, or it is this caller's turn; returns True for the turn.

        Args:
            seq: the record that is waited for.
            settled: tells whether it is durable, or never will be.
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
        """End one's turn: wake those whose records are durable, and one of the others to lead.

        Args:
            synced: the newest durable record.
            failed: whether nothing more will become durable: all are woken.
        """
        with self._lock:
            self._leading = False
            waiting, self._waiting = self._waiting, []
            self.crowded = len(waiting) > 1
            over = [called for seq, called in waiting if failed or seq <= synced]
            rest = [each for each in waiting if not failed and each[0] > synced]
            if rest:
                over.append(rest.pop(0)[1])
            self._waiting = rest
        for called in over:
            called.release()

    def end(self) -> None:
        """Wake everybody, and return when nobody leads any more."""
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

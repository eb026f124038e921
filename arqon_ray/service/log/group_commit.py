"""Group commit: of many callers that wait for the storage, one leads and does its work for all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class GroupCommit:
    """Whose turn it is to lead, and who waits for which record.

    Exactly those are woken that have something to do: on a busy machine a thread that wakes for nothing costs more
    than its share of an fsync.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._leading = False
        self._waiting: list[tuple[int, threading.Lock]] = []
        self._coming: set[int] = set()

    def announce(self) -> None:
        """Say that this thread may soon have a record to wait for, until ``withdraw``."""
        self._coming.add(threading.get_ident())

    def withdraw(self) -> None:
        """Say that this thread has its record, or will have none for now."""
        self._coming.discard(threading.get_ident())

    def gather(self, longest: float) -> None:
        """Let those come along who are about to have a record: an fsync costs more than a moment's wait.

        Args:
            longest: seconds.
        """
        until = time.monotonic() + longest
        while self._coming and time.monotonic() < until:
            time.sleep(longest / 5)

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

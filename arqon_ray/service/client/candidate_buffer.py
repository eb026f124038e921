"""Leases candidates in blocks, for threads that take one at a time."""

from __future__ import annotations

import math
import threading
import time
from collections import deque

from arqon_ray.errors import ArqonError, AskTimeoutError, PoisonedCallError
from arqon_ray.service.answers import AskedCandidate
from arqon_ray.service.calls import StudyCalls
from arqon_ray.service.client.heartbeat import Heartbeat
from arqon_ray.service.protocol import operation_id

CLOSED = "this batched client is closed: client.batched() gives a new one"
_SLICE = 1.0


def _timed_out() -> AskTimeoutError:
    return AskTimeoutError(
        "every candidate is held by somebody and none came free in time: ask again, or with a longer timeout"
    )


class CandidateBuffer:
    """Candidates that are leased but not handed out yet, and the queue of threads that want one.

    Args:
        client: the study.
        size: the most candidates to lease at once.
        beat: the heartbeat of their owner; started with the first ask.
    """

    def __init__(self, client: StudyCalls, size: int, beat: Heartbeat) -> None:
        self._client = client
        self._size = self._wanted = size
        self._beat = beat
        self._changed = threading.Condition()
        self._items: deque[AskedCandidate] = deque()
        self._since = 0.0
        self._lapsed: list[str] = []
        self._queue: deque[object] = deque()
        self._key: str | None = None
        self._closed = False

    def take(self, timeout: float | None) -> AskedCandidate | None:
        """Return the next candidate; None if the study is finished."""
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        ticket = object()
        with self._changed:
            self._beat.start()
            self._queue.append(ticket)
        try:
            while (item := self._wait(ticket, deadline)) is None:
                if self._fetch(deadline):
                    return None
            return item
        finally:
            with self._changed:
                self._queue.remove(ticket)
                self._changed.notify_all()

    def close(self) -> list[str]:
        """Hand out no more candidates; return the ids of those that are left."""
        with self._changed:
            self._closed = True
            rest = [item["id"] for item in self._items] + self._lapsed
            self._items.clear()
            self._lapsed = []
            self._changed.notify_all()
            return rest

    def _wait(self, ticket: object, deadline: float) -> AskedCandidate | None:
        """Return a candidate, or None if the caller is the first in the queue and has to fetch a block."""
        with self._changed:
            while not self._closed:
                if self._may_have_lapsed():
                    self._lapsed += [item["id"] for item in self._items]
                    self._items.clear()
                position = self._queue.index(ticket)
                if position < len(self._items):
                    return self._items.popleft()
                if position == 0:
                    return None
                left = deadline - time.monotonic()
                if left <= 0:
                    raise _timed_out()
                self._changed.wait(min(left, threading.TIMEOUT_MAX))
        raise ArqonError(CLOSED)

    def _may_have_lapsed(self) -> bool:
        """Tell whether beats failed for as long as a lease, now or in the meantime."""
        beat = self._beat
        return time.monotonic() - max(self._since, beat.renewed) >= beat.lease or beat.revived > self._since

    def _fetch(self, deadline: float) -> bool:
        """Ask for a block, waiting at most a second; returns whether the study is finished."""
        if self._lapsed:
            # Others may hold some of them by now; the rest goes back to the pool.
            self._client.release(self._lapsed, self._beat.owner)
            self._lapsed = []
        self._key = self._key or operation_id()
        since = time.monotonic()
        wait = max(0.0, min(_SLICE, deadline - since))
        try:
            answer = self._client.ask(self._wanted, self._key, self._beat.owner, self._beat.lease, wait)
        except AskTimeoutError:
            if time.monotonic() >= deadline:
                raise _timed_out() from None
            return False
        except PoisonedCallError:
            self._key = None
            raise
        self._key = None
        # A short block means that few are left or that others ask too: take fewer, so that they do not wait for these.
        self._wanted = min(2 * self._wanted, self._size) if len(answer) == self._wanted else max(1, self._wanted // 2)
        block = [item for item in answer if "note" not in item]
        with self._changed:
            if not self._closed:
                self._items.extend(block)
                self._since = since
                self._changed.notify_all()
                return not answer
        if block:
            self._client.release([item["id"] for item in block], self._beat.owner)
        raise ArqonError(CLOSED)

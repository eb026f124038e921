"""Keeps the leases of one owner alive, from a thread or in an event loop."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import socket
import time
import uuid
from types import TracebackType
from typing import Any, Protocol

from arqon_ray.service.background import Background
from arqon_ray.service.calls import StudyCalls
from arqon_ray.service.validation import check_seconds, check_text

LEASE = 60.0
_BEATS_A_LEASE = 4
_PAUSE = 1.0
_STOP_TIMEOUT = 5.0
_log = logging.getLogger(__name__)


def _unique_owner() -> str:
    """Return a unique name for an owner."""
    return f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


class Heartbeat:
    """Renews an owner's leases until it is stopped; make one with ``SolverClient.heartbeat``.

    Pass ``owner=heartbeat.owner, lease=heartbeat.lease`` to each ask. A beat that fails (the actor is restarting, the
    network is down) is logged and retried; leases survive three lost beats.

    Args:
        client: the study.
        owner: the owner's name; None for a unique one.
        lease: seconds after the last beat until what the owner holds goes back to the pool.

    Raises:
        ResultsError: if the lease is not a finite number above 0, or the owner is not a name.

    Attributes:
        renewed: when the last successful beat began, by ``time.monotonic``; the start counts as one.
        revived: when the last beat began that came too late: others may hold the owner's candidates since.
        background: the thread that beats, and its last error.
    """

    def __init__(self, client: StudyCalls, owner: str | None = None, lease: float = LEASE) -> None:
        self.owner = check_text("owner", owner) or _unique_owner()
        self.lease = check_seconds("lease", lease) or LEASE
        self.renewed = self.revived = -math.inf
        self._client = client
        self._next = 0.0
        beat = self.lease / _BEATS_A_LEASE
        work = f"renewing the leases of {self.owner}"
        self.background = Background(work, self._beat, pauses=(min(_PAUSE, beat), beat))

    def start(self) -> Heartbeat:
        """Start to beat, or go on; returns itself."""
        if self.renewed == -math.inf:
            self.renewed = time.monotonic()
            self._next = self.renewed + self.lease / _BEATS_A_LEASE
        self.background.wake()
        return self

    def stop(self, release: bool = False) -> None:
        """Stop beating.

        Args:
            release: release at once what the owner still holds, instead of when its lease runs out.
        """
        self.background.close()
        # A beat may be retrying an actor that is away: it is not waited for, and a late one does no harm.
        self.background.join(min(self.lease, _STOP_TIMEOUT))
        if release:
            self._client.release(owner=self.owner)

    def __enter__(self) -> Heartbeat:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _beat(self) -> float:
        began = time.monotonic()
        if began < self._next:
            return self._next - began
        self._client.renew(self.owner)
        if began - self.renewed >= self.lease:
            self.revived = began
        self.renewed, self._next = began, began + self.lease / _BEATS_A_LEASE
        return 0.0


class Renews(Protocol):
    """The calls of an asynchronous client that a heartbeat makes."""

    async def renew(self, owner: str) -> int:
        """Give all that an owner holds its full lease again."""
        ...

    async def release(self, *, owner: str) -> Any:
        """Give back all that an owner holds."""
        ...


class AsyncHeartbeat:
    """Renews an owner's leases until it is stopped; make one with ``AsyncSolverClient.heartbeat``.

    It beats in the event loop: if an evaluation blocks the loop for longer than the lease, use the thread of
    ``SolverClient.heartbeat`` instead.

    Args:
        client: the study.
        owner: the owner's name; None for a unique one.
        lease: seconds after the last beat until what the owner holds goes back to the pool.
    """

    def __init__(self, client: Renews, owner: str | None = None, lease: float = LEASE) -> None:
        self.owner = check_text("owner", owner) or _unique_owner()
        self.lease = check_seconds("lease", lease) or LEASE
        self._client = client
        self._task: asyncio.Task[None] | None = None

    def start(self) -> AsyncHeartbeat:
        """Start to beat in the running event loop; returns itself."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._beat())
        return self

    async def stop(self, release: bool = False) -> None:
        """Stop beating.

        Args:
            release: release at once what the owner still holds, instead of when its lease runs out.
        """
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if release:
            await self._client.release(owner=self.owner)

    async def __aenter__(self) -> AsyncHeartbeat:
        return self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.stop()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self.lease / _BEATS_A_LEASE)
            try:
                await self._client.renew(self.owner)
            except Exception as error:
                _log.warning("the leases of %s were not renewed this time: %s", self.owner, error)

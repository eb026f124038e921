"""One thread that keeps all the leases of one owner alive."""

from __future__ import annotations

import logging
import os
import socket
import threading
import uuid
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arqon_ray.service.client import SolverClient

LEASE = 60.0
_BEATS_A_LEASE = 4
_log = logging.getLogger(__name__)


class Heartbeat:
    """Renews an owner's leases until it is stopped; make one with ``SolverClient.heartbeat``.

    Pass ``owner=heartbeat.owner, lease=heartbeat.lease`` to each ask. A beat that fails (the actor restarts, the
    network is away) is logged and tried again; the leases outlive three lost beats.

    Args:
        client: the study.
        owner: the owner's name; None for one that nobody else has.
        lease: seconds after the last beat at which what the owner holds goes back to the pool.
    """

    def __init__(self, client: SolverClient, owner: str | None = None, lease: float = LEASE) -> None:
        self.owner = owner or f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.lease = lease
        self._client = client
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> Heartbeat:
        """Begin to beat; returns itself."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._beat, name=f"arqon-heartbeat-{self.owner}", daemon=True)
            self._thread.start()
        return self

    def stop(self, release: bool = False) -> None:
        """Beat no more.

        Args:
            release: give back at once what the owner still holds, instead of when its lease runs out.
        """
        self._stopped.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=self.lease)
        if release:
            self._client.release(owner=self.owner)

    def __enter__(self) -> Heartbeat:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def _beat(self) -> None:
        while not self._stopped.wait(self.lease / _BEATS_A_LEASE):
            try:
                self._client.renew(self.owner)
            except Exception as error:
                _log.warning("the leases of %s were not renewed this time: %s", self.owner, error)

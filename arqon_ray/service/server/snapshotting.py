"""Takes snapshots and compacts the log in the background, each when the log has grown enough to be worth it."""

from __future__ import annotations

import logging
import math
import threading

from arqon_ray.service.background import Background, short
from arqon_ray.service.log.journal import Journal
from arqon_ray.service.log.snapshots import write_snapshot
from arqon_ray.service.server.state import LoggedState

_EVERY = 5_000
_SHARE = 8
"""A snapshot is due after this many records or an eighth of the log, whichever is more. That bounds both the cost of
snapshots, as a share of what is written, and the length of a replay."""

_COMPACT_EVERY = 256
_PAUSES = (1.0, 600.0)
"""Seconds until failed work is tried again, at first and at most. There is no hurry, since the log holds everything,
and each attempt takes the study's lock for a moment and loads the storage."""

_CLOSING = 10.0
"""Seconds for which closing a study waits for a snapshot that is being taken."""

_log = logging.getLogger(__name__)


class Snapshotting:
    """Keeps the replay of a study's log short.

    Args:
        lock: the study's.
        state: the study's.
        journal: the study's.
        snapshot_seq: the record after which the newest snapshot was taken; 0 without one.

    Attributes:
        newest: that record's number, as it is by now.
    """

    def __init__(self, lock: threading.Lock, state: LoggedState, journal: Journal, snapshot_seq: int) -> None:
        self._lock = lock
        self._state = state
        self._journal = journal
        self.newest = snapshot_seq
        self._compacted = journal.last_seq
        self._snapshots = Background("taking a snapshot of the study", self._shorten, pauses=_PAUSES)
        self._merges = Background("merging the parts of the log", self._merge, pauses=_PAUSES)

    @property
    def works(self) -> tuple[Background, ...]:
        """The background work, for its troubles."""
        return self._snapshots, self._merges

    def look(self) -> None:
        """Start the work that is due, without the study's lock; a failure of it fails no call."""
        if self._due():
            self._snapshots.wake()
        if self._fragmented():
            self._merges.wake()

    def settle(self, timeout: float) -> bool:
        """Wait at most ``timeout`` seconds until the work that is due is done; returns whether it is."""
        return all(each.settle(timeout) for each in self.works)

    def finish(self) -> None:
        """Take a last snapshot if there is more than a little to replay; for a study that is closed in order.

        It waits at most ten seconds for one that is being taken. A failure is logged only: the log holds everything.
        """
        self.close()
        if self._snapshots.join(_CLOSING) and self._journal.last_seq - self.newest > _EVERY // 10:
            try:
                self.take()
            except Exception as error:
                _log.warning("no snapshot was taken of the study in %s: %s", self._journal.store, short(error))

    def close(self) -> None:
        """Start no further work."""
        for each in self.works:
            each.close()

    def _due(self) -> bool:
        seq = self._journal.last_seq
        return seq - self.newest >= max(_EVERY, seq // _SHARE)

    def _fragmented(self) -> bool:
        return self._journal.last_seq - self._compacted >= _COMPACT_EVERY

    def _shorten(self) -> float:
        if not self._due():
            return math.inf
        self.take()
        return 0.0

    def _merge(self) -> float:
        if not self._fragmented():
            return math.inf
        at = self._journal.last_seq
        self._journal.compact()
        self._compacted = at
        return 0.0

    def take(self) -> None:
        """Write a snapshot of the study as it stands; the log goes on meanwhile."""
        with self._lock:
            at = self._journal.position
            parts = self._state.freeze()
        # A snapshot may contain only what is durable, and written by an epoch that was not fenced.
        self._journal.sync(at.seq)
        write_snapshot(self._journal.store, self._journal.epoch, at, parts)
        self.newest = at.seq

"""Snapshots and tidying, in a thread of its own, when the log has grown by so much that it pays."""

from __future__ import annotations

import logging
import math
import threading

from arqon_ray.service.background import Background, short
from arqon_ray.service.log.journal import Journal
from arqon_ray.service.log.snapshots import write_snapshot
from arqon_ray.service.server.state import StudyState

_EVERY = 5_000
_SHARE = 8
"""A snapshot is due after this many records, or after an eighth of all, whichever is more: it costs no more than that
share of what was written, and a replay is never longer."""

_TIDY_EVERY = 256
_PAUSES = (1.0, 600.0)
"""Seconds until what failed is tried again, at first and at most. It is not needed, the log holds everything, but it
takes the study's lock for a moment and may take the storage's time."""

_PARTING = 10.0
"""Seconds for which whoever leaves waits for what is under way."""

_log = logging.getLogger(__name__)


class Snapshotting:
    """Keeps the log short to read.

    Args:
        lock: the study's.
        state: the study's.
        journal: the study's.
        snapshot_seq: the record after which the newest snapshot was taken; 0 without one.
    """

    def __init__(self, lock: threading.Lock, state: StudyState, journal: Journal, snapshot_seq: int) -> None:
        self._lock = lock
        self._state = state
        self._journal = journal
        self._snapshot = snapshot_seq
        self._tidied = journal.last_seq
        self._snapshots = Background("taking a snapshot of the study", self._shorten, pauses=_PAUSES)
        self._merges = Background("merging the parts of the log", self._merge, pauses=_PAUSES)

    @property
    def works(self) -> tuple[Background, ...]:
        """What goes on in the background."""
        return self._snapshots, self._merges

    def look(self) -> None:
        """Begin what is due; called often, without the study's lock. What goes wrong fails no call."""
        if self._due():
            self._snapshots.wake()
        if self._untidy():
            self._merges.wake()

    def settle(self, timeout: float) -> bool:
        """Wait until what is due is done, at most so many seconds; returns whether it is."""
        return all(each.settle(timeout) for each in self.works)

    def finish(self) -> None:
        """Take a snapshot now, if there is more than a little to replay; for whoever leaves in order.

        What is under way is waited for, ten seconds at most. What goes wrong is logged: the log holds everything.
        """
        self.close()
        if self._snapshots.join(_PARTING) and self._journal.last_seq - self._snapshot > _EVERY // 10:
            try:
                self._take()
            except Exception as error:
                _log.warning("no snapshot was taken of the study in %s: %s", self._journal.store, short(error))

    def close(self) -> None:
        """Begin nothing more."""
        for each in self.works:
            each.close()

    def _due(self) -> bool:
        seq = self._journal.last_seq
        return seq - self._snapshot >= max(_EVERY, seq // _SHARE)

    def _untidy(self) -> bool:
        return self._journal.last_seq - self._tidied >= _TIDY_EVERY

    def _shorten(self) -> float:
        if not self._due():
            return math.inf
        self._take()
        return 0.0

    def _merge(self) -> float:
        if not self._untidy():
            return math.inf
        at = self._journal.last_seq
        self._journal.compact()
        self._tidied = at
        return 0.0

    def _take(self) -> None:
        with self._lock:
            at = self._journal.position
            parts = self._state.freeze()
        # Only what is durable, and acknowledged by an epoch that was not fenced, may stand in a snapshot.
        self._journal.sync(at.seq)
        write_snapshot(self._journal.store, self._journal.epoch, at, parts)
        self._snapshot = at.seq

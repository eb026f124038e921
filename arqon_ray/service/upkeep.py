"""Snapshots and tidying, in a thread of its own, when the log has grown by so much that it pays."""

from __future__ import annotations

import logging
import threading

from arqon_ray.errors import StudyRefusedError
from arqon_ray.service.journal import Journal
from arqon_ray.service.snapshots import write_snapshot
from arqon_ray.service.state import StudyState

_EVERY = 5_000
_SHARE = 8
"""A snapshot is due after this many records, or after an eighth of all, whichever is more: it costs no more than that
share of what was written, and a replay is never longer."""

_TIDY_EVERY = 256
_log = logging.getLogger(__name__)


class Upkeep:
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
        self._busy = threading.Lock()
        self._closed = False

    def look(self) -> None:
        """Begin what is due; called often, without the study's lock."""
        if (self._due() or self._untidy()) and self._busy.acquire(blocking=False):
            threading.Thread(target=self._run, name="arqon-upkeep", daemon=True).start()

    def finish(self) -> None:
        """Take a snapshot now, if there is more than a little to replay; for whoever leaves in order."""
        with self._busy:
            if self._journal.last_seq - self._snapshot > _EVERY // 10:
                self._take()

    def close(self) -> None:
        """Begin nothing more."""
        self._closed = True

    def _due(self) -> bool:
        seq = self._journal.last_seq
        return not self._closed and seq - self._snapshot >= max(_EVERY, seq // _SHARE)

    def _untidy(self) -> bool:
        return not self._closed and self._journal.last_seq - self._tidied >= _TIDY_EVERY

    def _run(self) -> None:
        try:
            if self._untidy():
                self._tidied = self._journal.last_seq
                self._journal.tidy()
            if self._due():
                self._take()
        except (OSError, StudyRefusedError) as error:
            # Neither is needed: the log holds everything. The next due time tries again.
            _log.warning("the log in %s was not made shorter: %s", self._journal.store, error)
            self._snapshot = max(self._snapshot, self._journal.last_seq - _EVERY // 2)
        finally:
            self._busy.release()

    def _take(self) -> None:
        with self._lock:
            at = self._journal.position
            parts = self._state.freeze()
        # Only what is durable, and acknowledged by an epoch that was not fenced, may stand in a snapshot.
        self._journal.sync(at.seq)
        write_snapshot(self._journal.store, self._journal.epoch, at, parts)
        self._snapshot = at.seq

"""A study's state and its log behind one lock, which every call of the study uses.

A call that changes something appends a record and applies it to the state under the lock; then, without the lock, it
waits until the record is durable. Opening a study applies the same records in the same way, and computes nothing.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

from arqon_ray.core import ArqonSolver
from arqon_ray.core.config import load_config
from arqon_ray.errors import ArqonError, StateError, StudyRefusedError
from arqon_ray.service.answers import TroubleRow
from arqon_ray.service.background import troubles
from arqon_ray.service.failpoints import failpoint
from arqon_ray.service.log.journal import Journal, Opened
from arqon_ray.service.log.manifest import read_study
from arqon_ray.service.log.records import Record
from arqon_ray.service.log.segments import Position, accepted_records, read_segments
from arqon_ray.service.server.candidate_worker import CandidateWorker
from arqon_ray.service.server.changes import Change, Release, replay
from arqon_ray.service.server.crash_guard import CrashGuard
from arqon_ray.service.server.snapshotting import Snapshotting
from arqon_ray.service.server.state import LoggedState
from arqon_ray.service.server.wait_queue import WaitQueue
from arqon_ray.service.storage.base import Store


class DurableState:
    """A study's state, and the log that makes every change of it durable; make one with ``open``.

    Args:
        state: what a replay of the log built.
        journal: the log, open for writing.
        clock: returns seconds, never going back.
        guard: knows which calls killed the process.
        snapshot_seq: the last record that the newest snapshot contains.
        uuid: the study's.
    """

    def __init__(
        self,
        state: LoggedState,
        journal: Journal,
        clock: Callable[[], float] = time.monotonic,
        guard: CrashGuard | None = None,
        snapshot_seq: int = 0,
        uuid: str = "",
    ) -> None:
        self._state = state
        self._journal = journal
        self._clock = clock
        self._uuid = uuid
        self._guard = guard or CrashGuard(None)
        self._lock = threading.Lock()
        self._queue = WaitQueue(self._lock, clock)
        self._worker = CandidateWorker(self._lock, state.solver, self._guard, lambda: journal.last_seq, self._queue)
        self.snapshotting = Snapshotting(self._lock, state, journal, snapshot_seq)

    @classmethod
    def open(
        cls,
        store: Store,
        host: Mapping[str, Any],
        clock: Callable[[], float] = time.monotonic,
        guard: CrashGuard | None = None,
        own: set[str] | None = None,
    ) -> Self:
        """Open a stored study for writing.

        Args:
            store: the store in which ``manifest.write_study`` began it.
            host: who opens it: pid, node, actor.
            clock: returns seconds, never going back.
            guard: knows which calls killed the process.
            own: the claims of the actor that opens it, see :func:`.fencing.claim`.

        Raises:
            StudyRefusedError: it is missing, damaged, of a newer format or owned by another actor.
            OSError: the storage failed; opening again may succeed.
        """
        described = read_study(store)
        if described is None:
            raise StudyRefusedError(f"{store} has to hold a study and holds none: restore its journal there")
        opened = Journal.open(store, host, own)
        try:
            state, snapshot_seq = _restored(described["config"], opened, clock)
        except BaseException as error:
            opened.journal.close(error)
            raise
        state.leases.restart()
        return cls(state, opened.journal, clock, guard, snapshot_seq, described["uuid"])

    def drain(self, error: BaseException) -> None:
        """Refuse new calls, wait until those that are running are durable, and then ``close``."""
        with self._lock:
            self._journal.seal(error)
            seq = self._journal.last_seq
            self._queue.call_all()
        # A call that waits for one of these records gets the same failure from its own sync.
        with contextlib.suppress(OSError, StudyRefusedError):
            self._journal.sync(seq)
            self.snapshotting.finish()
        self.close(error)

    def close(self, error: BaseException) -> None:
        """Close the study: calls that wait and later calls raise ``error``."""
        self._journal.close(error)
        with self._lock:
            self._worker.close()
            self.snapshotting.close()
            self._queue.call_all()

    @property
    def position(self) -> Position:
        """The log's position after the newest record."""
        with self._lock:
            return self._journal.position

    @property
    def trouble(self) -> list[TroubleRow]:
        """The background work that fails at present."""
        return troubles(*self._worker.works, *self.snapshotting.works)

    @property
    def problem(self) -> BaseException | None:
        """Why the log accepts no further record, so that the study must be opened again; None if it does."""
        return self._journal.problem

    def _commit(self, change: Change, resolved: Any = ...) -> None:
        """Append a change's record to the log, then apply it to the memory; the lock is held.

        Args:
            change: the change.
            resolved: what its ``resolve`` returned under this hold of the lock; resolved here by default.

        Raises:
            ArqonError: the change cannot be made, or its record cannot be written; nothing was changed.
        """
        if resolved is ...:
            resolved = change.resolve(self._state)
        self._state.seq = self._journal.append(change.body())
        try:
            change.apply(self._state, resolved)
        except BaseException as error:
            self._journal.fail(error)
            raise

    @contextmanager
    def _working(self) -> Iterator[None]:
        """Mark the block as this call's work, in case it kills the process; the lock is held and never released.

        Raises:
            BaseException: the error that closed or sealed the journal, if there was one.
        """
        self._journal.check_open()
        slot = self._guard.enter()
        try:
            failpoint("apply")
            yield
        finally:
            self._guard.leave(slot)

    @contextmanager
    def _durably(self) -> Iterator[None]:
        """Hold the lock within the block; at its end, release it and wait until all that the block saw is durable.

        A value that the block returns reaches the caller only after that. The block may release the lock while it
        waits for something; what it does in between belongs within ``_working``.

        Raises:
            StudyRefusedError: another actor has claimed the study since.
            OSError: the storage failed; whether the change was written is unknown until the study is opened again.
        """
        commits = self._journal.commits
        commits.announce()
        try:
            with self._lock:
                before = self._journal.last_seq
                yield
                seq = self._journal.last_seq
        finally:
            commits.withdraw()
        self._journal.sync(seq)
        if seq == before:
            # The call appended no record, so its answer is right only if nobody has claimed the study since.
            self._journal.check_owner()
        self.snapshotting.look()

    def _expire(self) -> None:
        numbers = self._state.leases.expired()
        if numbers:
            self._commit(Release(numbers, "expired"))
            self._queue.call()


def _restored(config: Mapping[str, Any], opened: Opened, clock: Callable[[], float]) -> tuple[LoggedState, int]:
    """Return the state that a snapshot and the records after it build, and the snapshot's last record."""
    journal, snapshot = opened.journal, opened.snapshot
    if snapshot is not None:
        try:
            state = LoggedState.thaw(snapshot.take(), clock, snapshot.at.seq)
        except StateError as error:
            # Undamaged, but another release wrote it. The log holds everything.
            journal.passed_over.append(f"{journal.store.where(snapshot.name)}: {error}")
        else:
            return replayed(state, opened.records, journal.store), snapshot.at.seq
    records = opened.records if snapshot is None else list(accepted_records(read_segments(journal.store)[0]))
    return replayed(LoggedState(ArqonSolver(load_config(config)), clock), records, journal.store), 0


def replayed(state: LoggedState, records: list[Record], store: Store) -> LoggedState:
    """Apply records to a state, and return it.

    Raises:
        StudyRefusedError: one of them cannot be applied.
    """
    for record in records:
        try:
            replay(state, record)
        except (ArqonError, LookupError, TypeError, ValueError) as error:
            problem = f"record {record.seq} of the study in {store} cannot be applied: {error!r}"
            raise StudyRefusedError(f"{problem}. Was it written by another version of arqon_ray?") from error
    return state

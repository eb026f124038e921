"""The durable log of one study: everything that was acknowledged is in it, and all else is derived from it.

Objects of a study::

    study.json                             uuid, config and format version; written once, at the beginning
    EPOCH, BEGUN                           who may write, see ``fencing``
    segments/<epoch, 8 digits>-<uuid>.log  the records of one epoch, one writer each, see ``records`` and ``segments``
    segments/*.torn-*                      torn tails, which were cut off and kept
    snapshots/*.snap                       the state at some record, see ``snapshots``
    TOMBSTONE                              the study is being deleted
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from arqon_ray.errors import StudyRefusedError
from arqon_ray.service.failpoints import failpoint
from arqon_ray.service.log.fencing import Epoch, FencedError, claim
from arqon_ray.service.log.group_commit import GroupCommit
from arqon_ray.service.log.manifest import SEGMENTS
from arqon_ray.service.log.records import Record, encode
from arqon_ray.service.log.segments import Position, PositionError, SegmentRecords, read_segments
from arqon_ray.service.log.snapshots import Snapshot, read_snapshots
from arqon_ray.service.storage.base import Store

_GATHER = 0.001
"""Seconds that the leader of a commit waits at most for calls that are about to append."""

__all__ = ["FencedError", "Journal", "Opened"]


@dataclass(frozen=True, slots=True)
class Opened:
    """What ``Journal.open`` returns.

    Attributes:
        journal: the log, open for writing.
        snapshot: the state that ``records`` continue; None if they are the whole log.
        records: all accepted records after the snapshot, in order, including this epoch's first one.
    """

    journal: Journal
    snapshot: Snapshot | None
    records: list[Record]


class Journal:
    """The log, opened for writing by one epoch with ``Journal.open``.

    ``append`` is called under the study's lock; ``sync`` outside it, by any number of threads, one of which writes for
    all of them (group commit).

    Attributes:
        commits: who waits for the storage, and who will soon.
        passed_over: snapshots that could not be used, and why.
        last_seq: the number of the newest record.
    """

    def __init__(self, epoch: Epoch, last_seq: int, passed_over: list[str]) -> None:
        self.store = epoch.store
        self.epoch = epoch.n
        self.last_seq = last_seq
        self.passed_over = passed_over
        self._epoch = epoch
        self._log = epoch.store.begin_log(epoch.segment)
        self._size = 0
        self._synced = last_seq
        self._error: BaseException | None = None
        self._sealed: BaseException | None = None
        self.commits = GroupCommit()

    @classmethod
    def open(cls, store: Store, host: Mapping[str, Any], own: set[str] | None = None) -> Opened:
        """Claim the next epoch, read the log and begin a segment.

        Args:
            store: the store of a study that ``write_study`` has begun.
            host: who opens it (pid, node, actor); kept in the epoch's first record.
            own: see :func:`.fencing.claim`.

        Raises:
            StudyRefusedError: the log is damaged (the message names object and offset) or another actor claims it.
            OSError: the storage failed; opening again may succeed.
        """
        epoch = claim(store, own)
        snapshot, segments, passed_over = _read(store, epoch)
        if segments:
            store.fsync(segments[-1].segment)
        records = [record for segment in segments for record in segment.records]
        last = records[-1].seq if records else snapshot.at.seq if snapshot else 0
        journal = cls(epoch, last, passed_over)
        previous = [segments[-1].segment, last] if segments else None
        body = {"op": "epoch", "n": epoch.n, "uuid": epoch.uuid, "previous": previous, "host": dict(host)}
        try:
            journal.sync(journal.append(body))
            epoch.begun()
        except BaseException as error:
            journal.close(error)
            raise
        records.append(Record(journal.last_seq, body, 0))
        return Opened(journal, snapshot, records)

    @property
    def torn(self) -> list[str]:
        """Where the torn tails are kept that were cut off when the log was opened, now or earlier."""
        names = self.store.names(SEGMENTS)
        return [self.store.where(f"{SEGMENTS}/{name}") for name in names if ".torn-" in name]

    @property
    def position(self) -> Position:
        """The position after the newest record; read it under the study's lock."""
        return Position(self._epoch.segment, self.last_seq, self._size)

    def append(self, body: dict[str, Any]) -> int:
        """Append one record and return its sequence number; it is durable once ``sync`` of that number returns.

        Raises:
            ResultsError: the record cannot be encoded; the journal is unchanged. After any other error it accepts no
                further record and must be opened again.
        """
        self.check_open()
        record = encode(self.last_seq + 1, body)
        try:
            self._log.append(record, self.last_seq + 1)
        except BaseException as error:
            self.fail(error)
            raise
        self._size += len(record)
        self.last_seq += 1
        return self.last_seq

    def sync(self, seq: int) -> None:
        """Wait until the record ``seq`` and all before it are durable, and this epoch was still the owner afterwards.

        Raises:
            StudyRefusedError: another actor has claimed the study since.
            OSError: the storage failed; whether the record was written is unknown until the journal is opened again.
        """
        if self._synced >= seq:
            return
        if not self.commits.lead(seq, lambda: self._synced >= seq or self._error is not None):
            if self._synced < seq and self._error is not None:
                raise self._error
            return
        try:
            self._commit()
        except BaseException as error:
            self.fail(error)
            raise
        finally:
            self.commits.done(self._synced, self._error is not None)

    def _commit(self) -> None:
        self.commits.gather(_GATHER)
        target = self.last_seq
        self._log.sync()
        self._epoch.check()
        failpoint("synced")
        self._synced = target

    def compact(self) -> None:
        """Merge small objects of the log, on a storage where it consists of several."""
        self._log.compact()

    @property
    def problem(self) -> BaseException | None:
        """The error that closed the journal, or None."""
        return self._error

    def fail(self, error: BaseException) -> None:
        """Close the journal after an error, because the state in memory may differ from the log.

        Running calls raise this error or, unless it is a refusal or an error of the storage, an OSError that names it,
        so that they are repeated once the study is open again.
        """
        if not isinstance(error, OSError | StudyRefusedError):
            anew = OSError(f"the study is opened again from its log, after {type(error).__name__}: {error}")
            anew.__cause__ = error
            error = anew
        self._error = self._error or error

    def check_open(self) -> None:
        """Raise the error that closed or sealed the journal, if there was one."""
        error = self._error or self._sealed
        if error is not None:
            raise error

    def check_owner(self) -> None:
        """Check that no other actor has claimed the study since; for answers that appended no record.

        Raises:
            FencedError: one has.
        """
        try:
            self._epoch.check()
        except (OSError, StudyRefusedError) as error:
            self.fail(error)
            raise

    def seal(self, error: BaseException) -> None:
        """Accept no further record: later calls raise ``error``; what was appended can still be synced."""
        self._sealed = error

    def close(self, error: BaseException) -> None:
        """Close the log: every later call raises ``error``."""
        self._error = self._error or error
        self.commits.end()
        self._log.close()


def _read(store: Store, epoch: Epoch) -> tuple[Snapshot | None, list[SegmentRecords], list[str]]:
    """Return the newest usable snapshot, the accepted records after it and the ignored ones; cut off torn tails."""
    passed_over: list[str] = []
    snapshot: Snapshot | None = None
    for found in read_snapshots(store):
        if isinstance(found, str):
            passed_over.append(found)
            continue
        try:
            segments, torn = read_segments(store, found.at, epoch)
        except PositionError as error:
            passed_over.append(f"{store.where(found.name)}: {error}")
            continue
        snapshot = found
        break
    else:
        segments, torn = read_segments(store, None, epoch)
    for tail in torn:
        store.truncate(tail.name, tail.offset)
    return snapshot, segments, passed_over

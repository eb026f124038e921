"""The durable log of one study: what was acknowledged is in it, and it is the truth.

Objects of a study::

    study.json                             uuid, config and format version; written once, at the beginning
    EPOCH                                  {"n", "uuid"}: who may write; claimed by every opening
    BEGUN                                  {"n", "uuid"}: the newest epoch whose first record is durable
    segments/<epoch, 8 digits>-<uuid>.log  the records of one epoch, one writer each
    segments/*.torn-*                      tails that were cut, kept
    TOMBSTONE                              the study is being deleted

Fencing needs nothing but read-after-write consistency. An opening claims the next epoch and only then
reads the log; a writer acknowledges only if EPOCH is still its own after the write. So either the old
writer sees the claim, or the new one sees the record. The first record of an epoch names the segment and
the record up to which it accepted the one before.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from arqon_ray.errors import StudyRefusedError
from arqon_ray.service.description import SEGMENTS, read_json, write_json
from arqon_ray.service.records import Record, Scan, encode, scan
from arqon_ray.service.storage import LocalStore

_EPOCH = "EPOCH"
_BEGUN = "BEGUN"
_EPOCH_KEYS = {"n": int, "uuid": str}


class FencedError(StudyRefusedError):
    """Another actor owns the study now; this one can acknowledge nothing more."""


def _segment_epoch(name: str) -> int:
    return int(name.split("-", 1)[0])


def _segments(store: LocalStore) -> list[str]:
    return [name for name in store.names(SEGMENTS) if name.endswith(".log") and name[:8].isdigit()]


def _claim(store: LocalStore) -> tuple[int, str, str | None]:
    """Claim the next epoch; returns its number, its uuid and the uuid of the one before."""
    before = read_json(store, _EPOCH, _EPOCH_KEYS)
    owner = before["uuid"] if before else None
    lowest = before["n"] if before else 0
    if before is None and _segments(store):
        raise StudyRefusedError(f"{store.where(_EPOCH)} is missing beside its segments: restore it from a copy")
    while True:
        n = max([lowest, *map(_segment_epoch, _segments(store))]) + 1
        mine = {"n": n, "uuid": uuid.uuid4().hex}
        write_json(store, _EPOCH, mine)
        if read_json(store, _EPOCH, _EPOCH_KEYS) != mine:
            raise FencedError(f"fenced: another actor claimed the study in {store} at the same moment")
        if all(_segment_epoch(name) < n for name in _segments(store)):
            return n, str(mine["uuid"]), owner
        lowest = n


class Journal:
    """The log, opened for writing by one epoch. Make one with ``Journal.open``.

    ``append`` is called under the study's lock; ``sync`` outside it, by any number of threads, of which one
    does the storage's work for all.
    """

    def __init__(self, store: LocalStore, n: int, epoch_uuid: str, last_seq: int) -> None:
        self.store = store
        self.epoch = n
        self.uuid = epoch_uuid
        self.last_seq = last_seq
        self._segment = f"{SEGMENTS}/{n:08d}-{epoch_uuid}.log"
        self._file = store.appender(self._segment)
        self._synced = 0
        self._leading = False
        self._error: BaseException | None = None
        self._sealed: BaseException | None = None
        self._turn = threading.Condition()

    @classmethod
    def open(cls, store: LocalStore, host: Mapping[str, Any]) -> tuple[Journal, list[Record]]:
        """Claim the next epoch, read the log and begin a segment.

        Args:
            store: where a study lies (``write_study`` made it).
            host: who opens it (pid, node, actor); kept in the epoch's first record.

        Returns:
            The journal, and every accepted record in order.

        Raises:
            StudyRefusedError: the log is damaged (the message names file and offset) or another actor claims it.
            OSError: the storage failed; opening again may succeed.
        """
        n, epoch_uuid, owner_before = _claim(store)
        chain = _accepted(store, owner_before, n)
        records = [record for _, part in chain for record in part]
        journal = cls(store, n, epoch_uuid, records[-1].seq if records else 0)
        previous = [chain[-1][0], journal.last_seq] if chain else None
        body = {"op": "epoch", "n": n, "uuid": epoch_uuid, "previous": previous, "host": dict(host)}
        try:
            journal.sync(journal.append(body))
            # From here on a log without this record is one that lost records, and never an empty study.
            write_json(store, _BEGUN, {"n": n, "uuid": epoch_uuid})
        except BaseException as error:
            journal.close(error)
            if isinstance(error, FencedError):
                store.remove(journal._segment)
            raise
        records.append(Record(journal.last_seq, body, 0))
        return journal, records

    @property
    def torn(self) -> list[str]:
        """Where the tails lie that were cut when the log was opened, now or earlier."""
        names = self.store.names(SEGMENTS)
        return [self.store.where(f"{SEGMENTS}/{name}") for name in names if ".torn-" in name]

    def append(self, body: dict[str, Any]) -> int:
        """Write one record and return its sequence number; it is durable when ``sync`` of it returns.

        After an error the journal takes nothing more: open it again.
        """
        self.check_open()
        record = encode(self.last_seq + 1, body)
        try:
            self._file.write(record)
        except BaseException as error:
            self._fail(error)
            raise
        self.last_seq += 1
        return self.last_seq

    def sync(self, seq: int) -> None:
        """Return when the record ``seq`` and all before it are durable and this epoch was still the owner after.

        Raises:
            StudyRefusedError: another actor has claimed the study since.
            OSError: the storage failed; whether the record is there is open until the journal is opened again.
        """
        with self._turn:
            while self._synced < seq and self._leading and self._error is None:
                self._turn.wait()
            if self._synced >= seq:
                return
            if self._error is not None:
                raise self._error
            self._leading = True
        target = self.last_seq
        problem: BaseException | None = None
        try:
            self._file.sync()
            self._check_owner()
            self._synced = target
        except BaseException as error:
            problem = error
            raise
        finally:
            with self._turn:
                self._error, self._leading = self._error or problem, False
                self._turn.notify_all()

    @property
    def problem(self) -> BaseException | None:
        """The error after which the journal takes nothing more, or None."""
        return self._error

    def check_open(self) -> None:
        """Raise the error after which the journal takes nothing more, if there was one."""
        error = self._error or self._sealed
        if error is not None:
            raise error

    def seal(self, error: BaseException) -> None:
        """Append nothing more, every later call raises ``error``; what was appended can still be synced."""
        self._sealed = error

    def close(self, error: BaseException) -> None:
        """Take nothing more; every later call raises ``error``."""
        self._fail(error)
        with self._turn:
            while self._leading:
                self._turn.wait()
        self._file.close()

    def _fail(self, error: BaseException) -> None:
        with self._turn:
            self._error = self._error or error
            self._turn.notify_all()

    def _check_owner(self) -> None:
        now = read_json(self.store, _EPOCH, _EPOCH_KEYS)
        if now is None or now.get("uuid") != self.uuid:
            epoch = now.get("n") if now else "none"
            raise FencedError(
                f"fenced: the study in {self.store} belongs to epoch {epoch} now, this actor is epoch {self.epoch} "
                "and can acknowledge nothing more; connect() again"
            )


def _accepted(store: LocalStore, owner: str | None, n: int) -> list[tuple[str, list[Record]]]:
    """Return the accepted records of the epochs before ``n``, oldest segment first."""
    chain: list[tuple[str, list[Record]]] = []
    there = _segments(store)
    for name, read in _newest(store, owner):
        if read.torn:
            store.cut(name, read.end)
        if read.records:
            chain.append((name, read.records))
            break
    begun = read_json(store, _BEGUN, _EPOCH_KEYS)
    if begun is not None and (not chain or not any(begun["uuid"] in name for name in there)):
        raise StudyRefusedError(
            f"{store.where(SEGMENTS)} lacks what epoch {begun['n']} wrote: restore it from a copy, "
            "or stop() its actor and start(..., resume=False) to begin anew"
        )
    if not chain and n > 2:
        raise StudyRefusedError(
            f"{store.where(SEGMENTS)} holds no record though {n - 1} epochs were begun: restore it from a copy, "
            "or stop() its actor and start(..., resume=False) to begin anew"
        )
    while (previous := chain[0][1][0].body.get("previous") if chain else None) is not None:
        name, upto = previous
        chain.insert(0, (name, _read(store, name, upto).records))
    return chain


def _newest(store: LocalStore, owner: str | None) -> Iterator[tuple[str, Scan]]:
    """Yield the segments that may be the newest accepted one, the likeliest first."""
    names = _segments(store)
    names.sort(key=lambda name: (_segment_epoch(name), owner is not None and owner in name), reverse=True)
    for name in names:
        yield f"{SEGMENTS}/{name}", _read(store, f"{SEGMENTS}/{name}")


def _read(store: LocalStore, name: str, upto: int | None = None) -> Scan:
    """Read one segment, to its end or up to a record that a later epoch accepted."""
    data = store.read(name)
    if data is None:
        raise StudyRefusedError(f"{store.where(name)} is missing though a later epoch builds on it: restore it")
    result = scan(data, upto)
    problem = result.damage
    last = result.records[-1].seq if result.records else 0
    if problem is None and upto is not None and last != upto:
        problem = f"it ends with record {last} though a later epoch builds on its record {upto}"
    if problem is None and result.records and result.records[0].body.get("op") != "epoch":
        problem = "its first record does not begin an epoch"
    if problem is not None:
        raise StudyRefusedError(
            f"{store.where(name)} is damaged at offset {result.end}: {problem}. Restore it from a copy, or "
            "stop() its actor and start(..., resume=False) to set the study aside and begin anew"
        )
    return result

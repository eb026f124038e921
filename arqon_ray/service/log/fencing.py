"""Fencing: one epoch may write at a time, ensured by read-after-write consistency alone; ``fencing.md`` says why.

The object ``EPOCH`` holds ``{"n", "uuid", "begun"}`` of the newest claim; ``begun`` tells whether any earlier epoch had
a durable record. Whoever opens a study claims the next epoch and only then reads the log; a writer acknowledges only if
``EPOCH`` is still its own after the write. So either the old writer sees the claim, or the new one sees the record.
``BEGUN`` names the newest epoch whose first record is durable: a log without that record has lost data and is not a new
study.
"""

from __future__ import annotations

import errno
import uuid
from dataclasses import dataclass
from functools import cached_property

from arqon_ray.errors import StudyRefusedError
from arqon_ray.service.failpoints import failpoint
from arqon_ray.service.log.manifest import SEGMENTS, encode_json, read_json
from arqon_ray.service.storage.base import Store

_EPOCH = "EPOCH"
_BEGUN = "BEGUN"
_KEYS = {"n": int, "uuid": str}


class FencedError(StudyRefusedError):
    """Another actor owns the study now; this one cannot acknowledge anything any more."""


@dataclass(frozen=True)
class Epoch:
    """A claim to be the study's only writer.

    Attributes:
        store: the study's.
        n: the epoch's number, from 1.
        uuid: unique to this claim.
        previous_uuid: that of the claim before; None for the first one.
        begun_before: whether an earlier epoch had a durable record.
    """

    store: Store
    n: int
    uuid: str
    previous_uuid: str | None
    begun_before: bool

    @property
    def segment(self) -> str:
        """The name of the segment that this epoch alone writes."""
        return f"{SEGMENTS}/{self.n:08d}-{self.uuid}.log"

    @cached_property
    def _mine(self) -> bytes:
        return encode_json({"n": self.n, "uuid": self.uuid, "begun": self.begun_before})

    def check(self) -> None:
        """Check that this epoch may still acknowledge.

        Raises:
            FencedError: another actor has claimed the study since.
            OSError: ``EPOCH`` is gone, with the whole storage or alone; opening the study again tells which.
        """
        if self.store.read(_EPOCH) == self._mine:
            return
        now = read_json(self.store, _EPOCH, _KEYS)
        if now is None:
            raise FileNotFoundError(errno.ENOENT, "the study's EPOCH is gone", self.store.where(_EPOCH))
        if now["uuid"] != self.uuid:
            raise FencedError(
                f"fenced: the study in {self.store} belongs to epoch {now['n']} now, this actor is epoch {self.n} and "
                "cannot acknowledge anything any more; connect() again"
            )

    def begun(self) -> None:
        """Write to the storage that this epoch's first record is durable."""
        self.store.replace(_BEGUN, self._mine)


def segment_names(store: Store) -> list[str]:
    """Return the names of a study's segments, without the folder, oldest epoch first."""
    return [name for name in store.names(SEGMENTS) if name.endswith(".log") and name[:8].isdigit()]


def epoch_of(segment: str) -> int:
    """Return the number of the epoch that wrote a segment."""
    return int(segment.split("-", 1)[0])


def claim(store: Store, own: set[str] | None = None) -> Epoch:
    """Claim the next epoch.

    Args:
        store: the study's.
        own: the uuids of all claims that this actor has made, and of the one that it found first; empty at first, and
            added to here.

    Raises:
        FencedError: another actor claimed the study after this one did, or at the same moment.
        StudyRefusedError: ``EPOCH`` is damaged, or missing although there are segments.
    """
    before = read_json(store, _EPOCH, _KEYS)
    owner = before["uuid"] if before else None
    lowest = before["n"] if before else 0
    if before and own and owner not in own:
        # An older actor whose storage failed for a moment must not take the study back from a newer one.
        raise FencedError(
            f"fenced: the study in {store} belongs to epoch {lowest} of another actor now, this one cannot acknowledge "
            "anything any more; connect() again"
        )
    begun = last_begun(store) is not None or (before is not None and bool(before.get("begun", lowest > 1)))
    if before is None and segment_names(store):
        raise StudyRefusedError(f"{store.where(_EPOCH)} is missing although there are segments: restore it from a copy")
    while True:
        n = max([lowest, *map(epoch_of, segment_names(store))]) + 1
        mine = {"n": n, "uuid": uuid.uuid4().hex, "begun": begun}
        if own is not None:
            own.update({str(mine["uuid"]), owner or ""})
        store.replace(_EPOCH, encode_json(mine))
        if read_json(store, _EPOCH, _KEYS) != mine:
            raise FencedError(f"fenced: another actor claimed the study in {store} at the same moment")
        if all(epoch_of(name) < n for name in segment_names(store)):
            failpoint("claim")
            return Epoch(store, n, str(mine["uuid"]), owner, begun)
        lowest = n


def last_begun(store: Store) -> tuple[int, str] | None:
    """Return number and uuid of the newest epoch whose first record is durable; None before any."""
    begun = read_json(store, _BEGUN, _KEYS)
    return None if begun is None else (begun["n"], begun["uuid"])

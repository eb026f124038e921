"""Who may write: one epoch at a time, by read-after-write consistency alone.

``EPOCH`` is ``{"n", "uuid", "begun"}`` of the newest claim; ``begun`` tells whether any epoch had a durable record
before. An opening claims the next epoch and only then reads the log; a writer acknowledges only if EPOCH is still its
own after the write. So either the old writer sees the claim, or the new one sees the record. ``BEGUN`` is the newest
epoch whose first record is durable: a log without that record has lost it, and is no empty study.
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
    """Another actor owns the study now; this one can acknowledge nothing more."""


@dataclass(frozen=True)
class Epoch:
    """One claim of a study.

    Attributes:
        store: the study's.
        n: counted from 1.
        uuid: no other claim has it.
        before: the uuid of the claim before, or None.
        begun_before: whether an epoch before this one had a durable record.
    """

    store: Store
    n: int
    uuid: str
    before: str | None
    begun_before: bool

    @property
    def segment(self) -> str:
        """The log that this epoch writes, and nobody else."""
        return f"{SEGMENTS}/{self.n:08d}-{self.uuid}.log"

    @cached_property
    def _mine(self) -> bytes:
        return encode_json({"n": self.n, "uuid": self.uuid, "begun": self.begun_before})

    def check(self) -> None:
        """Raise when this epoch may acknowledge nothing.

        Raises:
            FencedError: another actor has claimed the study since.
            OSError: the claims are gone, with the storage or alone: opening again tells.
        """
        if self.store.read(_EPOCH) == self._mine:
            return
        now = read_json(self.store, _EPOCH, _KEYS)
        if now is None:
            raise FileNotFoundError(errno.ENOENT, "the study's claims are gone", self.store.where(_EPOCH))
        if now["uuid"] != self.uuid:
            raise FencedError(
                f"fenced: the study in {self.store} belongs to epoch {now['n']} now, this actor is epoch {self.n} and "
                "can acknowledge nothing more; connect() again"
            )

    def begun(self) -> None:
        """Note that this epoch's first record is durable."""
        self.store.replace(_BEGUN, self._mine)


def segments(store: Store) -> list[str]:
    """Return the names of a study's logs, without the folder, oldest epoch first."""
    return [name for name in store.names(SEGMENTS) if name.endswith(".log") and name[:8].isdigit()]


def epoch_of(segment: str) -> int:
    """Return the epoch that wrote a segment of this name."""
    return int(segment.split("-", 1)[0])


def claim(store: Store, own: set[str] | None = None) -> Epoch:
    """Claim the next epoch.

    Args:
        store: the study's.
        own: the uuids of all claims that this actor made, and of the one that it found; empty at first.

    Raises:
        FencedError: another actor claimed the study since this one did, or at the same moment.
        StudyRefusedError: EPOCH is damaged, or missing beside segments.
    """
    before = read_json(store, _EPOCH, _KEYS)
    owner = before["uuid"] if before else None
    lowest = before["n"] if before else 0
    if before and own and owner not in own:
        # An older actor whose storage failed for a moment must not take the study back from the newer one.
        raise FencedError(
            f"fenced: the study in {store} belongs to epoch {lowest} of another actor now, this one can acknowledge "
            "nothing more; connect() again"
        )
    begun = last_begun(store) is not None or (before is not None and bool(before.get("begun", lowest > 1)))
    if before is None and segments(store):
        raise StudyRefusedError(f"{store.where(_EPOCH)} is missing beside its segments: restore it from a copy")
    while True:
        n = max([lowest, *map(epoch_of, segments(store))]) + 1
        mine = {"n": n, "uuid": uuid.uuid4().hex, "begun": begun}
        if own is not None:
            own.update({str(mine["uuid"]), owner or ""})
        store.replace(_EPOCH, encode_json(mine))
        if read_json(store, _EPOCH, _KEYS) != mine:
            raise FencedError(f"fenced: another actor claimed the study in {store} at the same moment")
        if all(epoch_of(name) < n for name in segments(store)):
            failpoint("claim")
            return Epoch(store, n, str(mine["uuid"]), owner, begun)
        lowest = n


def last_begun(store: Store) -> tuple[int, str] | None:
    """Return the number and the uuid of the newest epoch whose first record was durable; None before any."""
    begun = read_json(store, _BEGUN, _KEYS)
    return None if begun is None else (begun["n"], begun["uuid"])

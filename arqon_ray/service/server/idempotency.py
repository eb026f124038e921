"""Which operations were done already, and what they were answered: the memory behind "the effect happens once"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from itertools import chain, islice
from typing import Any

from arqon_ray.errors import ResultsError
from arqon_ray.service.log.records import pack
from arqon_ray.service.protocol import GENERATED

_HEX = re.compile(f"{GENERATED}(?:[0-9a-f][0-9a-f])+")

WINDOW = 100_000
"""Answers of operations without a chosen key that are remembered; a batch has one an entry."""

_RIVALS = {"tell": ("release", "retract"), "release": ("tell", "retract"), "retract": ("tell", "release")}
"""Kinds of operations that share their keys; asks have keys of their own, so that a trial's id may name both its ask
and its result."""

Done = tuple[str, str, list[Any], bytes | None]
"""Kind, key, answer, and the digest of the arguments; None where that is not known."""


def digest_of(*arguments: Any) -> bytes:
    """Return what tells the arguments of one operation from those of another; they are plain Python.

    Raises:
        ResultsError: something among them cannot be written down.
    """
    return blake2b(pack(arguments), digest_size=8).digest()


def to_record(key: str | None, digest: bytes | None) -> dict[str, Any]:
    """Return an operation's id and the digest of its arguments as a record holds them; a generated id as its bytes."""
    record: dict[str, Any] = {}
    if key is not None:
        record["key"] = bytes.fromhex(key[len(GENERATED) :]) if _HEX.fullmatch(key) else key
    if digest is not None:
        record["digest"] = digest
    return record


def from_record(record: Mapping[str, Any]) -> tuple[str | None, bytes | None]:
    """Return the id and the digest that a record holds, None where it has none."""
    key = record.get("key")
    return GENERATED + key.hex() if isinstance(key, bytes) else key, record.get("digest")


def _shortened(answer: Any) -> Any:
    """Return an answer as it is kept: of what was taken the candidate's number, None of a point from outside."""
    if not isinstance(answer, dict) or answer.keys() != {"id", "accepted"} or answer["accepted"] is not True:
        return answer
    return None if answer["id"] is None else int(answer["id"])


def _in_full(kept: Any) -> Any:
    if kept is not None and type(kept) is not int:
        return kept
    return {"id": None if kept is None else str(kept), "accepted": True}


def reused(key: str) -> ResultsError:
    """Return the error of a call under a key that another one was made under."""
    return ResultsError(
        f"key {key!r} was used before, for another call or with other arguments: a key names one call and its "
        "repetitions, so give this one a key of its own"
    )


def differs(digest: bytes | None, done: Done) -> bool:
    """Tell whether an operation had other arguments than these; False where one of the digests is not known."""
    return digest is not None and done[3] is not None and digest != done[3]


class Operations:
    """Answers by kind and key.

    An answer is a list, of numbers to an ask and of dicts to all else, which are kept in short; how many entries it has
    is what it weighs in the window.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Done] = {}
        # The same, in a list that grows at its end alone: whoever writes it down needs no copy.
        self._order: list[Done] = []
        self._recent: dict[tuple[str, str], Done] = {}
        self._weight = 0

    def find(self, kind: str, key: str | None) -> Done | None:
        """Return an operation that was done; None when it was not, or too long ago to be known."""
        if key is None:
            return None
        return (self._recent if key.startswith(GENERATED) else self._kept).get((kind, key))

    def get(self, kind: str, key: str | None, digest: bytes | None = None) -> list[Any] | None:
        """Return what an operation was answered; None when it was not done, or too long ago to be known.

        Args:
            kind: the operation's.
            key: its id; None for one that nobody repeats.
            digest: of its arguments.

        Raises:
            ResultsError: one with other arguments was done under this key.
        """
        done = self.find(kind, key)
        others = [done] if done is not None else [self.find(rival, key) for rival in _RIVALS.get(kind, ())]
        for other in others:
            if other is not None and differs(digest, other):
                raise reused(other[1])
        if done is None:
            return None
        return done[2] if kind == "ask" else [_in_full(answer) for answer in done[2]]

    def put(self, kind: str, key: str, answer: list[Any], digest: bytes | None = None) -> None:
        """Remember an answer, in full or as ``items`` has it; the first one of a key stays."""
        done = (kind, key, answer if kind not in _RIVALS else [_shortened(each) for each in answer], digest)
        if not key.startswith(GENERATED):
            if self._kept.setdefault((kind, key), done) is done:
                self._order.append(done)
            return
        if (kind, key) in self._recent:
            return
        self._recent[kind, key] = done
        self._weight += max(1, len(answer))
        while self._weight > WINDOW and len(self._recent) > 1:
            oldest = next(iter(self._recent))
            self._weight -= max(1, len(self._recent.pop(oldest)[2]))

    def items(self) -> Iterator[Done]:
        """Return all that is remembered now, in an order in which ``put`` makes the same of it.

        Only what is within the window is copied at the call, however many keys are kept.
        """
        return chain(islice(self._order, len(self._order)), list(self._recent.values()))

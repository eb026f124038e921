"""Idempotency: which operations were done already, and their answers, so that a repeated call has no second effect."""

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
"""How many answers of operations with a generated key are remembered; a batch has one for each entry."""

_RIVALS = {"tell": ("release", "retract"), "release": ("tell", "retract"), "retract": ("tell", "release")}
"""Kinds of operations that share a name space of keys. Asks have one of their own, so that a trial's id may be the key
of both its ask and its result."""

Done = tuple[str, str, list[Any], bytes | None]
"""Kind, key, answer, and the digest of the arguments; None if it is unknown."""


def digest_of(*arguments: Any) -> bytes:
    """Return a digest of an operation's arguments, which are plain Python.

    Raises:
        ResultsError: an argument cannot be encoded.
    """
    return blake2b(pack(arguments), digest_size=8).digest()


def to_record(key: str | None, digest: bytes | None) -> dict[str, Any]:
    """Return an operation's id and the digest of its arguments as a record holds them: a generated id as bytes."""
    record: dict[str, Any] = {}
    if key is not None:
        record["key"] = bytes.fromhex(key[len(GENERATED) :]) if _HEX.fullmatch(key) else key
    if digest is not None:
        record["digest"] = digest
    return record


def from_record(record: Mapping[str, Any]) -> tuple[str | None, bytes | None]:
    """Return the id and the digest that a record holds; None for what it lacks."""
    key = record.get("key")
    return GENERATED + key.hex() if isinstance(key, bytes) else key, record.get("digest")


def _shortened(answer: Any) -> Any:
    """Return an answer as it is kept: if it is a plain acceptance, only the number, None for a point from outside."""
    if not isinstance(answer, dict) or answer.keys() != {"id", "accepted"} or answer["accepted"] is not True:
        return answer
    return None if answer["id"] is None else int(answer["id"])


def _in_full(kept: Any) -> Any:
    if kept is not None and type(kept) is not int:
        return kept
    return {"id": None if kept is None else str(kept), "accepted": True}


def reused(key: str) -> ResultsError:
    """Return the error of a call whose key was used for a different one."""
    return ResultsError(
        f"key {key!r} was used before, for another call or with other arguments: a key names one call and its "
        "repetitions, so give this one a key of its own"
    )


def differs(digest: bytes | None, done: Done) -> bool:
    """Tell whether an operation had other arguments than these; False if one of the digests is unknown."""
    return digest is not None and done[3] is not None and digest != done[3]


class Operations:
    """The answers of operations, by kind and key.

    An answer is a list: of numbers for an ask, else of dicts, which are kept in a short form. Its length is its weight
    in the window.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Done] = {}
        # The same answers, in a list that only grows at its end: a snapshot of it needs no copy.
        self._order: list[Done] = []
        self._recent: dict[tuple[str, str], Done] = {}
        self._weight = 0

    def find(self, kind: str, key: str | None) -> Done | None:
        """Return an operation that was done; None if it was not, or is forgotten."""
        if key is None:
            return None
        return (self._recent if key.startswith(GENERATED) else self._kept).get((kind, key))

    def get(self, kind: str, key: str | None, digest: bytes | None = None) -> list[Any] | None:
        """Return the answer of an operation that was done; None if it was not, or is forgotten.

        Args:
            kind: the kind of the operation.
            key: its id; None for one that is never repeated.
            digest: of its arguments.

        Raises:
            ResultsError: an operation with other arguments was done under this key.
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
        """Remember an answer, given in full or as ``items`` returns it; the first one of a key is kept."""
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
        """Return all that is remembered now, in an order in which ``put`` restores it.

        Only the window is copied by the call, however many chosen keys are kept.
        """
        return chain(islice(self._order, len(self._order)), list(self._recent.values()))

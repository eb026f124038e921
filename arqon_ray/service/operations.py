"""Which operations were done already, and what they were answered: the memory behind "the effect happens once"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

GENERATED = "op:"
"""How an operation id begins that nobody chose: the client's own, and Ray's task id. Nobody repeats it but the
client and Ray, and not for long, so it is remembered within a window; a key that a user chose is kept for ever."""

WINDOW = 100_000
"""Answers of operations without a chosen key that are remembered; a batch has one an entry."""


class Operations:
    """Answers by kind and key.

    An answer is any plain list; how many entries it has is what it weighs in the window.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], list[Any]] = {}
        self._recent: dict[tuple[str, str], list[Any]] = {}
        self._weight = 0

    def get(self, kind: str, key: str | None) -> list[Any] | None:
        """Return what an operation was answered; None when it was not done, or too long ago to be known."""
        if key is None:
            return None
        return (self._recent if key.startswith(GENERATED) else self._kept).get((kind, key))

    def put(self, kind: str, key: str, answer: list[Any]) -> None:
        """Remember an answer; the first one of a key stays."""
        if not key.startswith(GENERATED):
            self._kept.setdefault((kind, key), answer)
            return
        if (kind, key) in self._recent:
            return
        self._recent[kind, key] = answer
        self._weight += max(1, len(answer))
        while self._weight > WINDOW and len(self._recent) > 1:
            oldest = next(iter(self._recent))
            self._weight -= max(1, len(self._recent.pop(oldest)))

    def items(self) -> Iterator[tuple[str, str, list[Any]]]:
        """Yield kind, key and answer of all that is remembered, in an order in which ``put`` makes the same of them."""
        for there in (self._kept, self._recent):
            for (kind, key), answer in there.items():
                yield kind, key, answer

"""Asks of the shared study that have no answer yet.

Each is for one purpose: a point of the user, a trial that the checkpoint did not know, or whatever the model proposes
next. Its answer, however late it comes, goes to that purpose alone. Tune forgets a trial that was not given a candidate
at once and comes back with another, so the model's next candidate is for whichever trial asks then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

FRESH = "the next candidate"
"""The purpose of an ask that brings no point."""


class Asks:
    """The open asks by purpose.

    Args:
        prefix: what the operation ids of this run begin with.
        keys: the operation ids of asks that a former process made and had no answer to: under the same id the study
            gives the same answer.
    """

    def __init__(self, prefix: str, keys: Mapping[str, str]) -> None:
        self._prefix = prefix
        self._keys = dict(keys)
        self._futures: dict[str, Future[Any]] = {}
        self._numbers: dict[str, int] = {}

    def answer_to(self, purpose: str, trial: str, send: Callable[[str], Future[Any]]) -> tuple[str, Future[Any]]:
        """Return the operation id and the future of the ask for a purpose, which is made where there is none."""
        key = self._keys.get(purpose)
        if key is None:
            key = self._keys[purpose] = self._new_key(trial)
        if purpose not in self._futures:
            self._futures[purpose] = send(key)
        return key, self._futures[purpose]

    def close(self, purpose: str) -> Future[Any] | None:
        """Take an ask out, be it answered or not wanted any more; None when there is none under way."""
        self._keys.pop(purpose, None)
        return self._futures.pop(purpose, None)

    def clear(self) -> None:
        """Take all out."""
        self._keys.clear()
        self._futures.clear()

    def keys(self) -> dict[str, str]:
        """Return the operation ids by purpose, for :meth:`SharedStudy.state`."""
        return dict(self._keys)

    def _new_key(self, trial: str) -> str:
        """Return an id that no ask of this process had: a trial's own, unless it asked before and got nothing."""
        number = self._numbers[trial] = self._numbers.get(trial, -1) + 1
        return f"{self._prefix}/{trial}" if number == 0 else f"{self._prefix}/{trial}/{number}"

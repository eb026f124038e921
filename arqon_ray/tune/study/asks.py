"""Asks of the shared study that have no answer yet.

Each ask has a purpose: a point of the user, a trial that is missing from the checkpoint, or the model's next candidate.
Its answer, however late it comes, is used for that purpose only. Tune drops a trial that was not given a candidate
at once and comes back with another one, so the model's next candidate goes to whichever trial asks then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

FRESH = "the next candidate"
"""The purpose of an ask for the model's next candidate."""


class Asks:
    """The open asks by purpose.

    Args:
        prefix: common prefix of this run's operation ids.
        keys: the operation ids of asks that a former process made and that were not answered: for the same id the
            study returns the same answer.
    """

    def __init__(self, prefix: str, keys: Mapping[str, str]) -> None:
        self._prefix = prefix
        self._keys = dict(keys)
        self._futures: dict[str, Future[Any]] = {}
        self._numbers: dict[str, int] = {}

    def answer_to(self, purpose: str, trial: str, send: Callable[[str], Future[Any]]) -> tuple[str, Future[Any]]:
        """Return the operation id and the future of the ask for a purpose; send one if there is none."""
        key = self._keys.get(purpose)
        if key is None:
            key = self._keys[purpose] = self._new_key(trial)
        if purpose not in self._futures:
            self._futures[purpose] = send(key)
        return key, self._futures[purpose]

    def close(self, purpose: str) -> Future[Any] | None:
        """Remove an ask and return its future; None if there is none under way."""
        self._keys.pop(purpose, None)
        return self._futures.pop(purpose, None)

    def clear(self) -> None:
        """Remove all asks."""
        self._keys.clear()
        self._futures.clear()

    def keys(self) -> dict[str, str]:
        """Return the operation ids by purpose, for :meth:`SharedStudy.state`."""
        return dict(self._keys)

    def _new_key(self, trial: str) -> str:
        """Return a new operation id: the trial's own, with a counter if the trial asked before and got nothing."""
        number = self._numbers[trial] = self._numbers.get(trial, -1) + 1
        return f"{self._prefix}/{trial}" if number == 0 else f"{self._prefix}/{trial}/{number}"

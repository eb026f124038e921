"""Noticing that every evaluation fails of the same cause, before a night is spent on it."""

from __future__ import annotations

from arqon_ray.core.record.error_kinds import INTERRUPTED, NODE_LOST
from arqon_ray.fanout.worker.fingerprint import fingerprint

_NO_FAILURES = frozenset({NODE_LOST, INTERRUPTED})


class FailFast:
    """Counts the first evaluations of a call while all of them fail alike.

    Attributes:
        count: how many did; lost nodes are left out.
        error: the message of the first, one line.
        trace: its traceback, or None.
    """

    def __init__(self, most: int | None) -> None:
        """Begin to count.

        Args:
            most: how many are enough to give up; None for never.
        """
        self._most = most
        self._fingerprint: str | None = None
        self._watching = most is not None
        self.count = 0
        self.error = ""
        self.trace: str | None = None

    @property
    def reached(self) -> bool:
        """Whether that many of the first evaluations, and all of them, failed alike."""
        return self._watching and self._most is not None and self.count >= self._most

    def add(self, kind: str | None, error: str | None, trace: str | None) -> None:
        """Note the next evaluation; ``error`` is None where it succeeded."""
        if kind in _NO_FAILURES or not self._watching or self.reached:
            return
        self.add_many(1, None if error is None else fingerprint(kind, error), error or "", trace)

    def add_many(self, count: int, alike: str | None, error: str, trace: str | None) -> None:
        """Note several evaluations; ``alike`` is None when one of them succeeded or two failed otherwise."""
        if not self._watching or self.reached:
            return
        if alike is None or self._fingerprint not in (None, alike):
            self._watching = False
            return
        if self._fingerprint is None:
            self._fingerprint, self.error, self.trace = alike, error, trace
        self.count += count

    def message(self) -> str:
        """Return what to tell: how many and the error, in the first line, what to do, and the traceback."""
        line = f"the first {self.count} evaluations all failed alike: {self.error}"
        advice = "\nfail_fast=None goes on whatever fails"
        return line + advice + (f"\n\nThe first one:\n{self.trace}" if self.trace else "")

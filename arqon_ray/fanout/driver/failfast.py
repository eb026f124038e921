"""Giving up early if every evaluation fails for the same reason."""

from __future__ import annotations

from arqon_ray.core.record.error_kinds import INTERRUPTED, NODE_LOST
from arqon_ray.fanout.worker.fingerprint import fingerprint

_NO_FAILURES = frozenset({NODE_LOST, INTERRUPTED})


class FailFast:
    """Counts the first evaluations of a call as long as all of them fail alike.

    Attributes:
        count: how many did, apart from lost nodes.
        error: the message of the first failure, one line.
        trace: its traceback; None if there is none.
    """

    def __init__(self, most: int | None) -> None:
        """Start counting.

        Args:
            most: the number of failures after which to give up; None for never.
        """
        self._most = most
        self._fingerprint: str | None = None
        self._watching = most is not None
        self.count = 0
        self.error = ""
        self.trace: str | None = None

    @property
    def reached(self) -> bool:
        """Whether so many evaluations, the first of the call, all failed alike."""
        return self._watching and self._most is not None and self.count >= self._most

    def add(self, kind: str | None, error: str | None, trace: str | None) -> None:
        """Count the next evaluation; ``error`` is None if it succeeded."""
        if kind in _NO_FAILURES or not self._watching or self.reached:
            return
        self.add_many(1, None if error is None else fingerprint(kind, error), error or "", trace)

    def add_many(self, count: int, alike: str | None, error: str, trace: str | None) -> None:
        """Count several evaluations; ``alike`` is their fingerprint, None if they have none in common."""
        if not self._watching or self.reached:
            return
        if alike is None or self._fingerprint not in (None, alike):
            self._watching = False
            return
        if self._fingerprint is None:
            self._fingerprint, self.error, self.trace = alike, error, trace
        self.count += count

    def message(self) -> str:
        """Return the message: the number and the error in the first line, then what to do, then the traceback."""
        line = f"the first {self.count} evaluations all failed alike: {self.error}"
        advice = "\nset fail_fast=None to continue regardless"
        return line + advice + (f"\n\nThe first one:\n{self.trace}" if self.trace else "")

"""Warnings about metrics, once for each metric of a run. The driver gives them, since the output of workers is lost."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable

_PACKAGE = __name__.partition(".")[0]


class WarnOnce:
    """The warnings of one call of ``optimize``, ``sweep`` or ``probe_shard``."""

    def __init__(self) -> None:
        """Begin without any."""
        self._warned: set[str] = set()

    def warn(self, notes: Iterable[tuple[str, str]]) -> None:
        """Warn of each metric that was not warned of before, at the line of the user's code that called the run.

        Args:
            notes: names of metrics, each with the warning.
        """
        for name, message in notes:
            if name not in self._warned:
                self._warned.add(name)
                warnings.warn(message, stacklevel=_depth_of_user())


def _depth_of_user() -> int:
    """Return the number of frames from :meth:`WarnOnce.warn` to the first one outside of this package."""
    frame, depth = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        frame, depth = frame.f_back, depth + 1
    return depth

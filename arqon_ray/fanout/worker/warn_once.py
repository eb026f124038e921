"""What a run warns of, once for each metric, in the driver: workers are many, and what they print is lost."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable

_PACKAGE = __name__.partition(".")[0]


class WarnOnce:
    """The warnings of one call of ``optimize`` or ``sweep``."""

    def __init__(self) -> None:
        """Begin with none."""
        self._warned: set[str] = set()

    def warn(self, notes: Iterable[tuple[str, str]]) -> None:
        """Warn of each metric that was not warned of before, at the line of the user's that called the run.

        Args:
            notes: names of metrics with what is to be said of them.
        """
        for name, message in notes:
            if name not in self._warned:
                self._warned.add(name)
                warnings.warn(message, stacklevel=_depth_of_user())


def _depth_of_user() -> int:
    """Return how many frames above :meth:`WarnOnce.warn` the first one outside of this package is."""
    frame, depth = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        frame, depth = frame.f_back, depth + 1
    return depth

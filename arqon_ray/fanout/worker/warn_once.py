"""Warnings about metrics, once for each metric of a run. The driver gives them, since the output of workers is lost."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from arqon_ray.core.inputs.callers import stacklevel_of_user


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
                warnings.warn(message, stacklevel=stacklevel_of_user())

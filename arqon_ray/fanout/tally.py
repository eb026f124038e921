"""What a sweep knows of its rows without reading them, in memory that does not grow with their number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arqon_ray.fanout.table import KEPT_ERRORS

Summary = Mapping[str, Any]
"""What :func:`arqon_ray.fanout.table.summarize` says of one shard."""


class Tally:
    """The sum of the shards' summaries.

    Attributes:
        count: the rows.
        failed: how many of them failed.
        errors: the failures of the lowest indices, at most :data:`~arqon_ray.fanout.table.KEPT_ERRORS`, in order.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.count = self.failed = 0
        self.errors: list[dict[str, Any]] = []
        self._extremes: dict[str, dict[str, Any] | None] = {"min": None, "max": None}

    def add(self, summary: Summary) -> None:
        """Add one shard."""
        self.count += summary["count"]
        self.failed += summary["failed"]
        if summary["errors"]:
            both = sorted([*self.errors, *summary["errors"]], key=lambda error: error["index"])
            self.errors = both[:KEPT_ERRORS]
        for mode, row in self._extremes.items():
            self._extremes[mode] = _better(mode, row, summary[mode])

    def best(self, mode: str) -> dict[str, Any] | None:
        """Return the best row, the one of the lowest index of equal ones; None when nothing succeeded."""
        return self._extremes[mode]


def _better(mode: str, one: dict[str, Any] | None, other: dict[str, Any] | None) -> dict[str, Any] | None:
    sign = -1.0 if mode == "max" else 1.0
    rows = [row for row in (one, other) if row is not None]
    return min(rows, key=lambda row: (sign * row["value"], row["index"]), default=None)

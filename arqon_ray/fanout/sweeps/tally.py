"""Counts, best rows and first failures of a sweep, in memory that does not grow with the number of rows."""

from __future__ import annotations

from typing import Any

from arqon_ray.fanout.worker.shard_summary import KEPT_ERRORS, Summary
from arqon_ray.tables import Kind, widest


class Tally:
    """The sum of the shards' summaries.

    Attributes:
        count: the number of rows.
        failed: how many of them failed.
        errors: the failures with the lowest indices, in order, at most :data:`.shard_summary.KEPT_ERRORS`.
        steps: whether there are intermediate reports.
    """

    def __init__(self) -> None:
        """Begin without shards."""
        self.count = self.failed = 0
        self.errors: list[dict[str, Any]] = []
        self.steps = False
        self._extremes: dict[str, dict[str, Any] | None] = {"min": None, "max": None}
        self._metrics: dict[str, tuple[tuple[int, int], set[Kind]]] = {}

    def add(self, summary: Summary) -> None:
        """Add the summary of a shard."""
        self.count += summary["count"]
        self.failed += summary["failed"]
        if summary["errors"]:
            both = sorted([*self.errors, *summary["errors"]], key=lambda error: error["index"])
            self.errors = both[:KEPT_ERRORS]
        for mode, row in self._extremes.items():
            self._extremes[mode] = _better(mode, row, summary[mode])
        self.steps = self.steps or summary["steps"]
        for position, (name, kind) in enumerate(summary["metrics"].items()):
            at = summary["start"], position
            first, kinds = self._metrics.get(name, (at, set()))
            self._metrics[name] = min(first, at), kinds if kind is None else kinds | {Kind[kind]}

    def metrics(self) -> dict[str, Kind]:
        """Return the columns of metrics in the order of first occurrence, each with a kind for all its entries."""
        named = sorted(self._metrics.items(), key=lambda item: item[1][0])
        return {name: widest(kinds) if kinds else Kind.FLOAT for name, (_, kinds) in named}

    def best(self, mode: str) -> dict[str, Any] | None:
        """Return the best row, among equal ones that with the lowest index; None if nothing succeeded."""
        return self._extremes[mode]


def _better(mode: str, one: dict[str, Any] | None, other: dict[str, Any] | None) -> dict[str, Any] | None:
    sign = -1.0 if mode == "max" else 1.0
    rows = [row for row in (one, other) if row is not None]
    return min(rows, key=lambda row: (sign * row["value"], row["index"]), default=None)

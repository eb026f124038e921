"""The kept runs: one file a solver, one line a run, so that a solver is forgotten by removing its file.

Several commands may write at once: a line is written in one piece under a lock.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.benchmarks.problems.memo import folder


class Key(NamedTuple):
    """Which run."""

    solver: str
    problem: str
    budget: int
    seed: int
    in_flight: int


class Run(NamedTuple):
    """What a run found after each evaluation, and the CPU seconds of its asks and tells."""

    key: Key
    curve: list[float]
    cpu: float


def _path(solver: str) -> Path:
    path = folder() / "runs"
    path.mkdir(exist_ok=True)
    return path / f"{solver}.jsonl"


def solvers() -> list[str]:
    """Return the solvers of which runs are kept."""
    return sorted(path.stem for path in _path("any").parent.glob("*.jsonl"))


def forget(solver: str) -> None:
    """Remove a solver's runs."""
    _path(solver).unlink(missing_ok=True)


def keep(run: Run) -> None:
    """Add a run."""
    row = {"key": list(run.key), "curve": run.curve, "cpu": round(run.cpu, 4)}
    with _path(run.key.solver).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(json.dumps(row) + "\n")


def kept(solver: str) -> Iterator[Run]:
    """Yield a solver's runs; of two of the same key the later."""
    if not _path(solver).exists():
        return
    rows: dict[Key, dict[str, Any]] = {}
    for line in _path(solver).read_text().splitlines():
        if line.endswith("}"):  # else a process was killed while it wrote
            row = json.loads(line)
            rows[Key(*row["key"])] = row
    for key, row in rows.items():
        yield Run(key, row["curve"], row["cpu"])

"""Values kept from run to run: an evaluation of a learner takes longer than a look into a file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from functools import cache
from pathlib import Path

from tests.benchmarks.problems.problem import Params


def folder() -> Path:
    """Return where everything measured is kept; git passes it over."""
    path = Path(os.environ.get("ARQON_QUALITY", ".quality"))
    path.mkdir(parents=True, exist_ok=True)
    ignored = path / ".gitignore"
    if not ignored.exists():
        ignored.write_text("*\n")
    return path


@cache
def _base(process: int) -> sqlite3.Connection:
    """Return the file's connection; a connection must not cross a fork."""
    base = sqlite3.connect(folder() / "values.sqlite", timeout=60.0, isolation_level=None)
    base.execute("pragma journal_mode = wal")
    base.execute("pragma synchronous = off")  # a lost value is computed again
    base.execute("create table if not exists kept (key text primary key, value real) without rowid")
    return base


def lowest(name: str, part: str) -> float:
    """Return the lowest value kept under a name, of the keys that hold ``part``; infinity when there is none."""
    query = "select min(value) from kept where substr(key, 1, ?) = ? and instr(key, ?)"
    found = _base(os.getpid()).execute(query, (len(name) + 1, f"{name} ", part)).fetchone()[0]
    return float("inf") if found is None else float(found)


def remembered(name: str, value: Callable[[Params], float]) -> Callable[[Params], float]:
    """Return the function, which computes each value once."""

    def kept(params: Params) -> float:
        base = _base(os.getpid())
        key = f"{name} {sorted(params.items())!r}"
        found = base.execute("select value from kept where key = ?", (key,)).fetchone()
        if found is None:
            found = (value(params),)
            base.execute("insert or replace into kept values (?, ?)", (key, found[0]))
        return float(found[0])

    return kept

"""What a study keeps in memory of what is over, and how long a snapshot holds its lock.

::

    python -m tests.benchmarks.kept            # everything, a minute
    python -m tests.benchmarks.kept leases freeze reports
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from typing import Any

from arqon_ray.core import ArqonSolver
from arqon_ray.core.ledger.results import parse_results
from arqon_ray.service.server.changes import Ask, Change
from arqon_ray.service.server.leases import Leases
from arqon_ray.service.server.outcomes import Report, Reported, Tell
from arqon_ray.service.server.state import StudyState

CONFIG = {"strategy": "probe", "bounds": {f"x{i}": {"min": 0, "max": 1} for i in range(4)}}


def figure_leases() -> None:
    """200 000 leases without an owner, 100 a second, each told at once, beside 2 000."""
    for count in (2_000, 200_000):
        now = [0.0]
        leases = Leases(lambda now=now: now[0])  # type: ignore[misc]
        tracemalloc.start()
        for number in range(count):
            now[0] += 0.01
            leases.grant(number)
            leases.drop(number)
            leases.expired()
        kept = tracemalloc.get_traced_memory()[0] / 1e6
        tracemalloc.stop()
        print(f"{count:,} leases asked and told: {kept:.2f} MB kept; goal under 10")


def figure_freeze() -> None:
    """The part of a snapshot that is taken under the study's lock, with a chosen key a call, 8 in flight."""
    first = 0.0
    for count in (1_000, 10_000, 100_000):
        state = lived(count, reports=0)
        took = min(_seconds(state.freeze) for _ in range(5))
        first = first or took
        print(f"{count:,} candidates told: {1e3 * took:.2f} ms under the lock, {took / first:.1f} x the first")


def figure_reports() -> None:
    """Intermediate values kept in the live state, 100 a candidate, of candidates that were told."""
    for count in (30, 3_000):
        state = lived(count, reports=100)
        took = min(_seconds(state.freeze) for _ in range(5))
        kept = sum(len(each.steps) for each in state.solver.running())
        print(f"{count:,} candidates told: {kept} reports kept, {1e3 * took:.2f} ms under the lock for a snapshot")


def lived(count: int, reports: int) -> StudyState:
    """Return the state of a study in which so many candidates were told, each under a key of its own."""
    state = StudyState(ArqonSolver(CONFIG), time.monotonic)
    for number in range(count + 8):
        candidate = state.solver.proposer().propose()
        assert candidate is not None
        plain = {"number": number, "params": candidate.params, "origin": candidate.origin, "memory": {}}
        _make(state, Ask([candidate], [plain], [], f"ask-{number}", None, None, b"12345678"))
        if number < count:
            for step in range(reports):
                _make(state, Report([Reported(number, step + 1, 1.0 / (step + 1))]))
            entries = parse_results([{"id": number, "value": 0.5}])
            _make(state, Tell(entries, f"tell-{number}", b"12345678"))
    return state


def _make(state: StudyState, change: Change) -> None:
    change.apply(state, change.resolve(state))


def _seconds(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


FIGURES = {"leases": figure_leases, "freeze": figure_freeze, "reports": figure_reports}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", nargs="*", choices=[*FIGURES, []], metavar="FIGURE", help=", ".join(FIGURES))
    for name in parser.parse_args().figures or list(FIGURES):
        print(f"\n== {name}: {(FIGURES[name].__doc__ or '').strip()}", flush=True)
        FIGURES[name]()


if __name__ == "__main__":
    main()

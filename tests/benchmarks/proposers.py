"""What evidence with many intermediate results costs: a proposer, a copy for export, and the proposal itself.

    python -m tests.benchmarks.proposers [--trials 3000 --reports 100]

A study with rungs beside a small one (30 trials x 100 reports) in the same run, CPU of the process, medians.
``proposer`` and ``freeze`` are what a service does while it holds its lock; ``evidence`` is what a proposer carries
from rung to rung when it is first asked, with one report more than before; ``propose`` is the whole ask.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import click
import numpy as np
from threadpoolctl import threadpool_limits

from arqon_ray.core import ArqonSolver
from arqon_ray.core.ledger.view import Candidate

CONFIG: dict[str, Any] = {"seed": 1, "bounds": {name: {"min": 0.0, "max": 1.0} for name in ("x", "y", "z")}}
SMALL = (30, 100)


def study(trials: int, reports: int) -> ArqonSolver:
    """Return a solver that was told trials with so many reports each; two in three were stopped on the way."""
    solver, rng = ArqonSolver(CONFIG), np.random.default_rng(0)
    for number in range(trials):
        x = rng.random(3)
        solver.adopt(Candidate(number, dict(zip("xyz", x.tolist(), strict=True)), "user"))
        value = float(np.sum((x - 0.3) ** 2))
        for step in range(1, reports + 1):
            solver.report(number, step, value + 1.0 / step)
        end = (reports // 9, reports // 3, reports)[number % 3]
        solver.observe(number, value + 1.0 / end, step=end)
    return solver


def cpu(call: Callable[[], Any]) -> float:
    """Return the milliseconds of CPU that a call takes."""
    began = time.process_time_ns()
    call()
    return (time.process_time_ns() - began) / 1e6


def measure(solver: ArqonSolver, repeats: int) -> dict[str, float]:
    """Return the median milliseconds of each part, with a report between any two."""
    candidate = solver.propose()
    assert candidate is not None
    times: dict[str, list[float]] = {"proposer": [], "freeze": [], "evidence": [], "propose": []}
    for repeat in range(repeats):
        solver.report(candidate.number, repeat % 2, 1.0 + repeat)
        times["proposer"].append(cpu(solver.proposer))
        times["freeze"].append(cpu(solver.freeze))
        proposer = solver.proposer()
        times["evidence"].append(cpu(proposer.evidence))
        times["propose"].append(cpu(proposer.propose))
    return {name: float(np.median(each)) for name, each in times.items()}


@click.command()
@click.option("--trials", default=3000)
@click.option("--reports", default=100)
@click.option("--repeats", default=41)
def main(trials: int, reports: int, repeats: int) -> None:
    """Measure a large study beside a small one."""
    with threadpool_limits(1):
        small, large = measure(study(*SMALL), repeats), measure(study(trials, reports), repeats)
    for name, base in small.items():
        beside = f"{SMALL[0]} x {SMALL[1]}: {base:7.3f} ms, {large[name] / base:.1f} x"
        click.echo(f"{name:8} {trials} x {reports}: {large[name]:7.3f} ms, {beside}")


if __name__ == "__main__":
    main()

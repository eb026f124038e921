"""How good the points are that a solver finds: normalized regret, ours beside the peers'.

    python -m tests.benchmarks.quality run --solvers arqon,optuna-tpe --seeds 3
    python -m tests.benchmarks.quality table

Runs are kept in ``.quality.jsonl`` and not repeated; ``--fresh arqon`` forgets a solver's. Regret is
(best - optimum) / (median of random search after 100 - optimum), with a floor; the mean is geometric over seeds
and problems, with a paired bootstrap interval of the ratio to the first solver.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import click
import numpy as np
from threadpoolctl import threadpool_limits

from tests.benchmarks.peers import SOLVERS, run_random
from tests.benchmarks.problems import Problem, problems

CACHE = Path(".quality.jsonl")
PROBLEMS: dict[str, Problem] = {problem.name: problem for problem in problems()}


def _run(task: tuple[str, str, int, int, int]) -> dict[str, Any]:
    solver, problem, budget, seed, in_flight = task
    with threadpool_limits(1):
        began = time.process_time()
        curve = SOLVERS[solver](PROBLEMS[problem], budget, seed, in_flight)
        seconds = time.process_time() - began
    return {"key": [solver, problem, budget, seed, in_flight], "curve": curve, "cpu": seconds}


def _cached() -> dict[tuple[Any, ...], dict[str, Any]]:
    if not CACHE.exists():
        return {}
    rows = [json.loads(line) for line in CACHE.read_text().splitlines()]
    return {tuple(row["key"]): row for row in rows}


def _random_median(problem: Problem) -> float:
    return float(np.median([run_random(problem, 100, 10_000 + seed)[-1] for seed in range(31)]))


@click.group()
def main() -> None:
    """Measure the quality of the search."""


@main.command()
@click.option("--solvers", default="arqon,random")
@click.option("--seeds", default=3)
@click.option("--first-seed", default=0)
@click.option("--budget", default=100)
@click.option("--in-flight", default=1)
@click.option("--processes", default=2)
@click.option("--only", default="", help="problems whose name or group contains this")
@click.option("--fresh", default="", help="solvers whose kept runs are forgotten first")
def run(
    solvers: str, seeds: int, first_seed: int, budget: int, in_flight: int, processes: int, only: str, fresh: str
) -> None:
    """Run what is not kept yet."""
    if fresh:
        kept = [row for key, row in _cached().items() if key[0] not in fresh.split(",")]
        CACHE.write_text("".join(json.dumps(row) + "\n" for row in kept))
    done = _cached()
    chosen = [name for name, problem in PROBLEMS.items() if only in name or only in problem.group]
    tasks = [
        task
        for seed in range(first_seed, first_seed + seeds)
        for name in chosen
        for solver in solvers.split(",")
        if (task := (solver, name, budget, seed, in_flight)) not in done
    ]
    with CACHE.open("a") as cache, ProcessPoolExecutor(processes) as pool:
        for row in pool.map(_run, tasks):
            cache.write(json.dumps(row) + "\n")
            cache.flush()


@main.command()
@click.option("--solvers", default=",".join(SOLVERS))
@click.option("--budget", default=100)
@click.option("--at", default=100, help="after so many evaluations")
@click.option("--in-flight", default=1)
@click.option("--floor", default=1e-3)
@click.option("--each", is_flag=True, help="a line for each problem, not each group")
def table(solvers: str, budget: int, at: int, in_flight: int, floor: float, each: bool) -> None:
    """Print regrets: a line for each group of problems, a column for each solver."""
    regrets = _regrets(budget, at, in_flight, floor)
    names = [name for name in solvers.split(",") if name in regrets]
    groups: dict[str, list[str]] = defaultdict(list)
    for problem in PROBLEMS.values():
        groups[problem.name if each else problem.group].append(problem.name)
    groups["ALL"] = list(PROBLEMS)
    click.echo(f"{'':22}" + "".join(f"{name:>14}" for name in names))
    for group, members in groups.items():
        cells = [_mean(r for p in members for r in regrets[name].get(p, {}).values()) for name in names]
        click.echo(f"{group:22}" + "".join(f"{cell:14.4f}" for cell in cells))
    for name in names[1:]:
        click.echo(f"{names[0]} / {name}: {_interval(regrets[names[0]], regrets[name])}")


def _regrets(budget: int, at: int, in_flight: int, floor: float) -> dict[str, dict[str, dict[int, float]]]:
    """Return the regret by solver, problem and seed."""
    regrets: dict[str, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    medians = {name: _random_median(problem) for name, problem in PROBLEMS.items()}
    for (solver, name, of, seed, flying), row in _cached().items():
        if (of, flying) == (budget, in_flight) and name in PROBLEMS:
            optimum = PROBLEMS[name].optimum
            regret = (row["curve"][at - 1] - optimum) / (medians[name] - optimum)
            regrets[solver][name][seed] = max(regret, floor)
    return regrets


def _mean(values: Iterable[float]) -> float:
    logs = np.log(list(values))
    return float(np.exp(np.mean(logs))) if len(logs) else float("nan")


def _interval(ours: dict[str, dict[int, float]], theirs: dict[str, dict[int, float]]) -> str:
    """Return the ratio of the means on the shared runs, and its bootstrap interval over problems."""
    shared = [p for p in ours if set(ours[p]) & set(theirs.get(p, {}))]
    logs = np.array([np.mean([np.log(ours[p][s] / theirs[p][s]) for s in ours[p] if s in theirs[p]]) for p in shared])
    draws = np.random.default_rng(0).integers(0, len(logs), (2000, len(logs)))
    low, high = np.exp(np.percentile(logs[draws].mean(axis=1), [2.5, 97.5]))
    return f"{np.exp(logs.mean()):.3f} [{low:.3f}, {high:.3f}] on {len(shared)} problems"


if __name__ == "__main__":
    main()

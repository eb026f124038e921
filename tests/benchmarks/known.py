"""The best known values of problems without a formula, and the scale of each problem's regret.

Best known is the least of what random search, a local search from its best points, and all kept runs of all solvers
found. The scale is the median of random search after 100 evaluations.
"""

from __future__ import annotations

import json
import math

import numpy as np

from arqon_ray.core import ArqonProbe
from arqon_ray.core.space.space import Space
from tests.benchmarks import store
from tests.benchmarks.peers import run_random
from tests.benchmarks.problems import KNOWN, Problem, known

RUNS, STARTS, STEPS = 31, 6, 120


def random_median(problem: Problem) -> float:
    """Return the median of what random search recommends after 100 evaluations."""
    return float(np.median([run_random(problem, 100, 10_000 + seed).curve[-1] for seed in range(RUNS)]))


def search(problem: Problem, runs: int) -> float:
    """Return the least true value of the points of some random runs, and of a local search from the best of them."""
    space = ArqonProbe({"bounds": problem.bounds}).space
    rng = np.random.default_rng(20_000)
    # The runs of random_median, whose values are kept.
    drawn = np.concatenate([np.random.default_rng(10_000 + seed).random((100, space.d)) for seed in range(runs)])
    values = np.array([problem.true(params) for params in space.decode_array(drawn)])
    return min(_descend(problem, space, drawn[i], values[i], rng) for i in np.argsort(values)[:STARTS])


def _descend(problem: Problem, space: Space, point: np.ndarray, value: float, rng: np.random.Generator) -> float:
    """Move a few coordinates at a time, less and less far."""
    for radius in np.geomspace(0.3, 0.003, STEPS):
        moved = rng.random(space.d) < max(0.4, 1.0 / space.d)
        step = np.where(rng.random(space.d) < 0.15, rng.random(space.d) - point, radius * rng.normal(size=space.d))
        trial = np.clip(np.where(moved, point + step, point), 0.0, 1.0 - 1e-12)
        reached = problem.true(space.decode(trial))
        if reached <= value:
            point, value = trial, reached
    return value


def update(problems: dict[str, Problem], only: str) -> None:
    """Fill in what is missing, lower what runs have undercut, and write the file."""
    entries = known()
    for name, problem in problems.items():
        entry = entries.setdefault(name, {})
        if only in name and "median" not in entry:
            entry["median"] = random_median(problem)
        if only in name and problem.floor and "optimum" not in entry:
            entry["optimum"] = search(problem, RUNS if problem.group == "ml" else 5)
        write(entries, problems)
    for solver in store.solvers():
        for run in store.kept(solver):
            entry = entries.get(run.key.problem, {})
            if "optimum" in entry:
                entry["optimum"] = min(entry["optimum"], *run.curve)
    write(entries, problems)


def write(entries: dict[str, dict[str, float]], problems: dict[str, Problem]) -> None:
    """Write the file, a line a problem."""
    lines = [
        f"  {json.dumps(name)}: {json.dumps({key: _short(value) for key, value in entries[name].items()})}"
        for name in problems
        if entries.get(name)
    ]
    part = KNOWN.with_suffix(".part")
    part.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    part.replace(KNOWN)  # others read meanwhile


def _short(value: float) -> float:
    """Drop digits that no figure shows, downwards so that nothing falls below an optimum."""
    if value == float(f"{value:.9g}"):
        return value
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - 8)
    return float(f"{math.floor(value / unit) * unit:.9g}")

"""Several objectives: the hypervolume that searchers dominate, ArqonSearcher beside OptunaSearch.

    python -m tests.benchmarks.objectives --seeds 5

Each searcher is driven as Tune drives it, one trial at a time. The hypervolume is a share of that of the true front (of
the best that all runs found together, where it is not known), below 1.1 times the front's worst corner.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click
import numpy as np

from arqon_ray.core.objectives.pareto import non_dominated
from tests.benchmarks.problems import estimators as make
from tests.benchmarks.problems.learning import TASKS, _splits
from tests.benchmarks.problems.memo import folder, remembered
from tests.benchmarks.problems.problem import Array, Bounds, Params

METRICS = ["a", "b"]


@dataclass(frozen=True)
class Problem:
    """Two objectives to be minimized, and points of the true front; none where it is not known."""

    bounds: Bounds
    values: Callable[[Params], tuple[float, float]]
    front: Array | None


def _cube(d: int, values: Callable[[Array], tuple[float, float]], front: Array) -> Problem:
    bounds = {f"x{j}": {"min": 0.0, "max": 1.0} for j in range(d)}
    return Problem(bounds, lambda p: values(np.array([p[f"x{j}"] for j in range(d)])), front)


def _zdt(shape: Callable[[Any, Any], Any]) -> Problem:
    """Return one of Zitzler, Deb and Thiele's problems, in 6 parameters."""

    def values(x: Array) -> tuple[float, float]:
        g = 1.0 + 9.0 * float(np.mean(x[1:]))
        return float(x[0]), float(g * shape(x[0], g))

    first = np.linspace(0.0, 1.0, 2001)
    every = np.stack([first, shape(first, 1.0)], axis=1)
    return _cube(6, values, every[non_dominated(every)])


def _dtlz2() -> Problem:
    def values(x: Array) -> tuple[float, float]:
        g, angle = float(np.sum((x[1:] - 0.5) ** 2)), 0.5 * np.pi * x[0]
        return float((1.0 + g) * np.cos(angle)), float((1.0 + g) * np.sin(angle))

    angle = np.linspace(0.0, 0.5 * np.pi, 2001)
    return _cube(6, values, np.stack([np.cos(angle), np.sin(angle)], axis=1))


def _forest() -> Problem:
    """Return a random forest on the digits: its error, and the logarithm of how many nodes it has (its latency)."""
    task = TASKS["forest-digits"]

    def nodes(params: Params) -> float:
        (x, y, _, _) = _splits(task.data, task.rows, 1, 0)[0]
        fitted = make.forest_classifier(params).fit(x, y)
        return float(np.log10(sum(tree.tree_.node_count for tree in fitted.estimators_)))

    error = remembered("forest-digits", lambda params: task.value(params, 3, 0))
    size = remembered("forest-digits-nodes", nodes)
    return Problem(task.bounds, lambda p: (error(p), size(p)), None)


PROBLEMS: dict[str, Problem] = {
    "zdt1": _zdt(lambda f, g: 1.0 - np.sqrt(f / g)),
    "zdt2": _zdt(lambda f, g: 1.0 - (f / g) ** 2),
    "zdt3": _zdt(lambda f, g: 1.0 - np.sqrt(f / g) - f / g * np.sin(10.0 * np.pi * f)),
    "dtlz2": _dtlz2(),
    "forest-size": _forest(),
}


def _searcher(name: str, space: dict[str, Any], seed: int) -> Any:
    from tests.benchmarks import simulated

    if name == "random":
        return simulated.RandomSearch(space, seed)
    if name == "optuna":
        import optuna
        from ray.tune.search.optuna import OptunaSearch

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        return OptunaSearch(space, metric=METRICS, mode=["min", "min"], seed=seed)
    from arqon_ray.tune import ArqonSearcher

    return ArqonSearcher(space, metric=METRICS, mode=["min", "min"], seed=seed)


def _run(problem: Problem, name: str, seed: int, evaluations: int) -> list[tuple[float, float]]:
    from tests.benchmarks import simulated

    searcher = _searcher(name, simulated.tune_space(problem.bounds), seed)
    told = []
    for number in range(evaluations):
        trial_id = f"t{number:06d}"
        values = problem.values(simulated.ask(searcher, trial_id))
        result = {**dict(zip(METRICS, values, strict=True)), "training_iteration": 1}
        searcher.on_trial_complete(trial_id, result={**result, "done": True})
        told.append(values)
    return told


def hypervolume(V: Array, corner: Array) -> float:
    """Return the area that the values ``V (n, 2)`` dominate below a corner."""
    inside = V[np.all(corner > V, axis=1)]
    area, upper = 0.0, float(corner[1])
    for a, b in inside[np.argsort(inside[:, 0])]:
        area += float(corner[0] - a) * max(upper - float(b), 0.0)
        upper = min(upper, float(b))
    return area


@click.command()
@click.option("--searchers", default="arqon,optuna,random")
@click.option("--seeds", default=5)
@click.option("--evaluations", default=100)
@click.option("--only", default="")
@click.option("--as", "label", default="", help="keep the runs of the one searcher under this name")
def main(searchers: str, seeds: int, evaluations: int, only: str, label: str) -> None:
    """Run what is not kept yet, and print the table."""
    path = folder() / "objectives.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    kept = {(row["searcher"], row["problem"], row["seed"]): row["told"] for row in rows}
    for name, problem in PROBLEMS.items():
        for searcher in searchers.split(",") if not only or name in only.split(",") else ():
            for seed in range(seeds):
                key = (label or searcher, name, seed)
                if key not in kept:
                    kept[key] = _run(problem, searcher, seed, evaluations)
                    row = dict(zip(("searcher", "problem", "seed"), key, strict=True), told=kept[key])
                    with path.open("a") as file:
                        file.write(json.dumps(row) + "\n")
    names = list(dict.fromkeys(searcher for searcher, _, _ in kept))
    shares = {name: _shares(kept, name, evaluations) for name in names}
    click.echo(f"{'':14}" + "".join(f"{name:>14}" for name in names))
    for j, problem_name in enumerate(PROBLEMS):
        click.echo(f"{problem_name:14}" + "".join(f"{np.nanmean(shares[name][j]):14.3f}" for name in names))
    for name in names[1:]:
        low, middle, high = _difference(shares[names[0]], shares[name])
        click.echo(f"{names[0]} - {name}: {middle:+.3f} ({low:+.3f} to {high:+.3f})")


def _shares(kept: dict[tuple[str, str, int], Any], searcher: str, evaluations: int) -> Array:
    """Return the ``(problems, seeds)`` hypervolumes as shares, NaN where a run is missing."""
    seeds = 1 + max(seed for _, _, seed in kept)
    shares = np.full((len(PROBLEMS), seeds), np.nan)
    for j, (name, problem) in enumerate(PROBLEMS.items()):
        found = [np.array(told) for (_, p, _), told in kept.items() if p == name]
        if not found:
            continue
        every = np.concatenate(found)
        front = problem.front if problem.front is not None else every[non_dominated(every)]
        low, high = np.min(front, axis=0), np.max(front, axis=0)
        corner = high + 0.1 * (high - low)
        for seed in range(seeds):
            told = kept.get((searcher, name, seed))
            if told is not None:
                mine = np.array(told[:evaluations])
                shares[j, seed] = hypervolume(mine, corner) / hypervolume(front, corner)
    return shares


def _difference(ours: Array, theirs: Array, draws: int = 4000) -> tuple[float, float, float]:
    """Return the mean difference and its 95 % interval; seeds are drawn anew within each problem."""
    gain = ours - theirs
    rng = np.random.default_rng(0)
    problems, seeds = gain.shape
    picks = rng.integers(seeds, size=(draws, problems, seeds))
    drawn = np.nanmean(gain[np.arange(problems)[None, :, None], picks], axis=(1, 2))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(np.nanmean(gain)), float(high)


if __name__ == "__main__":
    main()

"""Figures of kept runs: regrets, their means, intervals of ratios, ranks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from tests.benchmarks import store
from tests.benchmarks.peers import OURS
from tests.benchmarks.problems import Problem, halves, known, problems
from tests.benchmarks.problems.problem import Array

PROBLEMS: dict[str, Problem] = {problem.name: problem for problem in problems()}
HALF = halves()
REPORTED = 100  # seeds from here on report; those below choose
DRAWS = 2000

Logs = dict[str, dict[int, float]]  # by problem and seed, the logarithm of the regret


@dataclass(frozen=True)
class View:
    """Which regrets are looked at."""

    at: int = 100
    floor: float = 1e-3
    half: str = "all"
    budget: int = 100
    in_flight: int = 1

    def with_(self, **changes: float) -> View:
        """Return it with changes."""
        return replace(self, **changes)


@cache
def _runs(solver: str) -> list[store.Run]:
    return list(store.kept(solver))


@cache
def scales() -> dict[str, dict[str, float]]:
    """Return what is known of each problem."""
    return known()


def seen(key: store.Key, view: View) -> bool:
    """Whether a run counts; ours was chosen on some seeds and must not report on them, a peer never was."""
    if (key.budget, key.in_flight) != (view.budget, view.in_flight) or key.problem not in PROBLEMS:
        return False
    if view.half != "all" and HALF[key.problem] != view.half:
        return False
    ours = key.solver.startswith(OURS)
    return not (ours and view.half == "report" and key.seed < REPORTED)


def regrets(solver: str, view: View) -> Logs:
    """Return the logarithms of a solver's regrets."""
    logs: Logs = {}
    for run in _runs(solver):
        if not seen(run.key, view) or "median" not in scales().get(run.key.problem, {}):
            continue
        problem = PROBLEMS[run.key.problem]
        if np.isnan(problem.optimum):
            continue
        best = run.curve[min(view.at, len(run.curve)) - 1]
        scale = scales()[problem.name]["median"] - problem.optimum
        regret = (best - problem.optimum) / scale
        logs.setdefault(problem.name, {})[run.key.seed] = float(np.log(max(regret, view.floor, problem.floor)))
    return logs


def mean(logs: Logs, names: Iterable[str]) -> float:
    """Return the geometric mean over problems of each one's over seeds."""
    each = [np.mean(list(logs[name].values())) for name in names if name in logs]
    return float(np.exp(np.mean(each))) if each else float("nan")


def ratio(ours: Logs, theirs: Logs, within: Iterable[str]) -> tuple[float, float, float, int]:
    """Return the ratio of the means on shared problems, its bootstrap interval, and how many those are.

    Problems are drawn again, and runs within each: in pairs where seeds are shared.
    """
    names = [name for name in within if name in ours and name in theirs]
    if not names:
        return float("nan"), float("nan"), float("nan"), 0
    rng = np.random.default_rng(0)
    middle, drawn = np.array([_differences(ours[name], theirs[name], rng) for name in names], object).T
    draws = np.stack(drawn)
    chosen = rng.integers(0, len(names), (DRAWS, len(names)))
    means = draws[chosen, np.arange(DRAWS)[:, None]].mean(axis=1)
    low, high = np.exp(np.percentile(means, [2.5, 97.5]))
    return float(np.exp(np.mean(middle.astype(float)))), float(low), float(high), len(names)


def _differences(ours: dict[int, float], theirs: dict[int, float], rng: np.random.Generator) -> tuple[float, Array]:
    """Return the mean difference of two solvers' logarithms on a problem, and draws of it."""
    shared = [seed for seed in ours if seed in theirs]
    if shared:
        pairs = np.array([ours[seed] - theirs[seed] for seed in shared])
        return float(pairs.mean()), _draws(pairs, rng)
    a, b = np.array(list(ours.values())), np.array(list(theirs.values()))
    return float(a.mean() - b.mean()), _draws(a, rng) - _draws(b, rng)


def _draws(values: Array, rng: np.random.Generator) -> Array:
    return np.asarray(values[rng.integers(0, len(values), (DRAWS, len(values)))].mean(axis=1))


def ranks(all_logs: dict[str, Logs], names: list[str]) -> tuple[dict[str, float], dict[str, float]]:
    """Return each solver's mean rank and its share of the problems won; equals share a rank and a win."""
    table = np.array([[np.mean(list(logs[name].values())) for logs in all_logs.values()] for name in names])
    if not len(table):
        return dict.fromkeys(all_logs, np.nan), dict.fromkeys(all_logs, np.nan)
    table = table.round(9)
    below = (table[:, None, :] < table[:, :, None]).sum(axis=2)
    level = (table[:, None, :] == table[:, :, None]).sum(axis=2)
    rank = below + (level + 1) / 2
    won = (below == 0) / (below == 0).sum(axis=1, keepdims=True)
    solvers = list(all_logs)
    return (
        dict(zip(solvers, rank.mean(axis=0), strict=True)),
        dict(zip(solvers, won.mean(axis=0), strict=True)),
    )


def cpu(solver: str, view: View, fits: Callable[[Problem], bool]) -> float:
    """Return the mean milliseconds of CPU of an ask and a tell."""
    each = [
        run.cpu / len(run.curve) for run in _runs(solver) if seen(run.key, view) and fits(PROBLEMS[run.key.problem])
    ]
    return 1e3 * float(np.mean(each)) if each else float("nan")

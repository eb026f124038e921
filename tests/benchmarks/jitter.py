"""What rounding costs: regret when values differ in their last digits from one evaluation to the next.

    python -m tests.benchmarks.jitter [--seeds 8] [--first-seed 100] [--evaluations 100] [--strategy auto]

Rugged and smooth functions of 4 and 6 parameters, each value multiplied by ``1 + jitter * N(0, 1)``, as sums on a GPU
are. Regret is that of the best point evaluated, without the jitter; ratios are geometric means over functions,
dimensions and seeds beside the same studies without jitter, floor 1e-6 of the median of random points, with a
bootstrap interval. Constants were chosen on seeds below 100.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import click
import numpy as np
from numpy.typing import NDArray

from arqon_ray import ArqonSolver

Array = NDArray[np.float64]


def rastrigin(x: Array) -> float:
    return float(10.0 * len(x) + np.sum(x * x - 10.0 * np.cos(2.0 * np.pi * x)))


def ackley(x: Array) -> float:
    return float(-20.0 * np.exp(-0.2 * np.sqrt(np.mean(x * x))) - np.exp(np.mean(np.cos(2.0 * np.pi * x))) + 20 + np.e)


def rosenbrock(x: Array) -> float:
    return float(np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2))


def griewank(x: Array) -> float:
    return float(1.0 + np.sum(x * x) / 4000.0 - np.prod(np.cos(x / np.sqrt(np.arange(1, len(x) + 1)))))


FUNCTIONS: dict[str, tuple[Callable[[Array], float], float]] = {
    "rastrigin": (rastrigin, 5.12),
    "ackley": (ackley, 15.0),
    "rosenbrock": (rosenbrock, 2.5),
    "griewank": (griewank, 30.0),
}


def study(name: str, d: int, seed: int, jitter: float, evaluations: int, strategy: str) -> tuple[float, str]:
    """Return the regret of one study on a shifted function plus 3, and the landscape that it found."""
    function, limit = FUNCTIONS[name]
    place = np.random.default_rng([seed, 1])
    shift = place.uniform(-0.5, 0.5, d) * limit
    random = [function(place.uniform(-limit, limit, d) - shift) for _ in range(200)]
    noise, best = np.random.default_rng([seed, 2]), np.inf
    bounds = {f"x{j}": {"min": -limit, "max": limit} for j in range(d)}
    solver = ArqonSolver({"seed": seed, "budget": evaluations, "strategy": strategy, "bounds": bounds})
    while (params := solver.ask_one()) is not None:
        value = function(np.array(list(params.values())) - shift)
        best = min(best, value)
        told = (value + 3.0) * (1.0 + jitter * noise.standard_normal())
        solver.tell([{"params": params, "value": told}])
    lowest = 0.0
    return max((best - lowest) / float(np.median(random)), 1e-6), solver.explain()["landscape"]


@click.command()
@click.option("--seeds", default=8)
@click.option("--first-seed", default=100)
@click.option("--evaluations", default=100)
@click.option("--dimensions", default="4,6")
@click.option("--jitters", default="0,1e-8,1e-6")
@click.option("--strategy", default="auto")
def main(seeds: int, first_seed: int, evaluations: int, dimensions: str, jitters: str, strategy: str) -> None:
    """Print the regret of each function and jitter, and the ratios to none."""
    levels = [float(text) for text in jitters.split(",")]
    logs = {level: [] for level in levels}  # type: dict[float, list[float]]
    for name in FUNCTIONS:
        for d in (int(text) for text in dimensions.split(",")):
            for level in levels:
                runs = [
                    study(name, d, seed, level, evaluations, strategy) for seed in range(first_seed, first_seed + seeds)
                ]
                logs[level] += [float(np.log(regret)) for regret, _ in runs]
                mean = np.exp(np.mean([np.log(regret) for regret, _ in runs]))
                found = dict(Counter(landscape for _, landscape in runs))
                click.echo(f"{name} {d}-d, jitter {level:g}: regret {mean:.2e} {found}")
    rng = np.random.default_rng(0)
    for level in levels[1:]:
        gain = np.array(logs[level]) - np.array(logs[levels[0]])
        drawn = [np.mean(rng.choice(gain, len(gain))) for _ in range(4000)]
        low, high = np.exp(np.percentile(drawn, [2.5, 97.5]))
        click.echo(f"jitter {level:g} / {levels[0]:g}: {np.exp(np.mean(gain)):.2f} ({low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()

"""Spaces of many switches: what an ask costs, and what it is worth.

    python -m tests.benchmarks.switches cost [--beside CHECKOUT]
    python -m tests.benchmarks.switches quality [--sizes 20,60 --seeds 5 --beside CHECKOUT]

``cost`` prints the CPU seconds of an ask, mean and largest, over the first 60 and from 100 observations on. ``quality``
prints the regret after 100 evaluations, relative to that of random points; the means are geometric. With ``--beside``
another checkout of this repository is measured in the same run, and the ratio to it is printed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from typing import Any

import click
import numpy as np
from threadpoolctl import threadpool_limits

import arqon_ray
from arqon_ray.core import ArqonSolver

Params = dict[str, Any]
SWITCH: Params = {"choices": [False, True]}
KINDS: dict[str, Params] = {
    "two-way": SWITCH,
    "three-way": {"choices": ["a", "b", "c"]},
    "integers": {"min": 1, "max": 100, "type": "int"},
}
EVALUATIONS = 100
FLOOR = 1e-3


def linear(d: int, rng: np.random.Generator) -> tuple[Params, Callable[[Params], float], float]:
    """Return switches that each add a weight."""
    w = rng.normal(size=d)
    return bounds(d, SWITCH), lambda p: float(w @ list(p.values())), float(np.sum(np.minimum(w, 0.0)))


def sparse(d: int, rng: np.random.Generator) -> tuple[Params, Callable[[Params], float], float]:
    """Return switches of which eight count, alone and in pairs."""
    columns, Q = rng.choice(d, 8, replace=False), np.triu(rng.normal(size=(8, 8)))
    every = (np.arange(256)[:, None] >> np.arange(8) & 1).astype(float)

    def value(p: Params) -> float:
        b = np.array(list(p.values()), dtype=float)[columns]
        return float(b @ Q @ b)

    return bounds(d, SWITCH), value, float(np.min(np.sum(every @ Q * every, axis=1)))


def leading(d: int, rng: np.random.Generator) -> tuple[Params, Callable[[Params], float], float]:
    """Return switches that count from the first one to the first wrong one, in an order of their own; the best is 0."""
    order, right = rng.permutation(d), rng.random(d) < 0.5

    def value(p: Params) -> float:
        same = (np.array(list(p.values())) == right)[order]
        return float(d - (d if same.all() else np.argmin(same)))

    return bounds(d, SWITCH), value, 0.0


def ring(d: int, rng: np.random.Generator) -> tuple[Params, Callable[[Params], float], float]:
    """Return three-way choices that add a weight each, and less where two neighbors agree."""
    w, bonus = rng.normal(size=(d, 3)), 0.3

    def value(p: Params) -> float:
        k = np.array(["abc".index(choice) for choice in p.values()])
        return float(np.sum(w[np.arange(d), k]) - bonus * np.sum(k[1:] == k[:-1]))

    cost = w[0].copy()
    for row in w[1:]:  # the best chain, one link after another
        cost = row + np.min(cost[:, None] - bonus * np.eye(3), axis=0)
    return bounds(d, KINDS["three-way"]), value, float(np.min(cost))


def integers(d: int, rng: np.random.Generator) -> tuple[Params, Callable[[Params], float], float]:
    """Return a bowl of integers, steeper in some than in others."""
    best, a = rng.integers(1, 101, size=d), 10.0 ** rng.uniform(-1.0, 1.0, size=d)
    return bounds(d, KINDS["integers"]), lambda p: float(a @ ((np.array(list(p.values())) - best) / 99.0) ** 2), 0.0


def mixed(d: int, rng: np.random.Generator) -> tuple[Params, Callable[[Params], float], float]:
    """Return switches, and one real number for every three of them whose best place a switch moves."""
    floats = d // 4
    w, best = rng.normal(size=d - floats), rng.uniform(0.2, 0.5, size=floats)

    def value(p: Params) -> float:
        b, x = (np.array([p[name] for name in p if name[0] == kind], dtype=float) for kind in "bx")
        return float(w @ b + 4.0 * np.sum((x - best - 0.3 * b[:floats]) ** 2))

    space = bounds(d - floats, SWITCH) | {f"x{j:04d}": {"min": 0.0, "max": 1.0} for j in range(floats)}
    return space, value, float(np.sum(np.minimum(w, 0.0)))


PROBLEMS = {each.__name__: each for each in (linear, sparse, leading, ring, integers, mixed)}


def bounds(d: int, parameter: Params) -> Params:
    """Return the bounds of so many parameters of one kind."""
    return {f"b{j:04d}": parameter for j in range(d)}


def regret(problem: str, d: int, seed: int) -> float:
    """Return how far the best of 100 evaluations is from the optimum, relative to the mean of random points."""
    rng = np.random.default_rng(zlib.crc32(f"{problem} {d} {seed}".encode()))
    space, value, optimum = PROBLEMS[problem](d, rng)
    solver = ArqonSolver({"seed": seed, "budget": EVALUATIONS, "bounds": space})
    drawn = [value(params) for params in solver.space.decode_array(rng.random((200, d)))]
    found = np.inf
    while (candidate := solver.propose()) is not None:
        at = value(candidate.params)
        solver.observe(candidate.number, at)
        found = min(found, at)
    return max(float((found - optimum) / (np.mean(drawn) - optimum)), FLOOR)


def seconds(kind: str, d: int, told: int, asks: int) -> list[float]:
    """Return the CPU seconds of each of so many asks, after so many points from outside."""
    solver = ArqonSolver({"seed": 1, "bounds": bounds(d, KINDS[kind])})
    w, rng = np.random.default_rng(0).normal(size=d), np.random.default_rng(1)
    points = solver.space.decode_array(rng.random((told, d)))
    solver.seed([{"params": p, "value": float(w @ solver.space.encode(p))} for p in points])
    times = []
    for _ in range(asks):
        began = time.process_time()
        candidate = solver.propose()
        times.append(time.process_time() - began)
        assert candidate is not None
        solver.observe(candidate.number, float(w @ solver.space.encode(candidate.params)))
    return times


def each_checkout(command: list[Any], beside: str | None) -> list[Any]:
    """Return a figure of this checkout and of the other one, each from a process of its own with these problems."""
    found = []
    for path in filter(None, (os.getcwd(), beside)):
        call = [sys.executable, "-P", __file__, "part", json.dumps(command)]
        env = {**os.environ, "PYTHONPATH": path}
        out = subprocess.run(call, env=env, capture_output=True, text=True, check=True).stdout
        package, figure = json.loads(out)
        if not package.startswith(os.path.abspath(path) + os.sep):
            raise click.ClickException(f"{package} was imported: it must lie in {path}")
        found.append(figure)
    return found


@click.group()
def main() -> None:
    """Measure the search among many switches."""


@main.command(hidden=True)
@click.argument("command")
def part(command: str) -> None:
    """Print the package's place and one figure, for the process that compares them."""
    what, *given = json.loads(command)
    with threadpool_limits(1):
        click.echo(json.dumps([arqon_ray.__file__, {"regret": regret, "seconds": seconds}[what](*given)]))


@main.command()
@click.option("--sizes", default="200")
@click.option("--kinds", default=",".join(KINDS))
@click.option("--beside", default=None, help="another checkout of this repository, measured too")
@click.option("--first", default=60, help="asks from the beginning")
@click.option("--later", default=40, help="asks from 100 observations on")
def cost(sizes: str, kinds: str, beside: str | None, first: int, later: int) -> None:
    """Print the CPU seconds of an ask."""
    for d in map(int, sizes.split(",")):
        for kind in kinds.split(","):
            for told, asks in ((0, first), (100, later)):
                rows = each_checkout(["seconds", kind, d, told, asks], beside)
                shown = [f"mean {np.mean(row):.3f}, largest {max(row):.3f}" for row in rows]
                ratio = f" ({np.mean(rows[1]) / np.mean(rows[0]):.0f} times)" if beside else ""
                click.echo(f"{d} {kind}, {asks} asks from {told} on: {', beside '.join(shown)} s{ratio}")


@main.command()
@click.option("--sizes", default="20,60,200")
@click.option("--problems", default=",".join(PROBLEMS))
@click.option("--seeds", default=5)
@click.option("--beside", default=None, help="another checkout of this repository, measured too")
def quality(sizes: str, problems: str, seeds: int, beside: str | None) -> None:
    """Print the regret after 100 evaluations."""
    gains = []
    for d in map(int, sizes.split(",")):
        for problem in problems.split(","):
            rows = [each_checkout(["regret", problem, d, seed], beside) for seed in range(seeds)]
            means = np.exp(np.mean(np.log(rows), axis=0))
            ratio = f", ratio {means[0] / means[1]:.2f}" if beside else ""
            click.echo(f"{d} {problem}: {' beside '.join(f'{mean:.3f}' for mean in means)}{ratio}")
            gains.append(np.log(means[0] / means[-1]))
    if beside:
        click.echo(f"all: ratio {np.exp(np.mean(gains)):.2f}")


if __name__ == "__main__":
    main()

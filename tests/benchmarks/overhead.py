"""What the solver costs beside the evaluations: CPU of ask and tell, memory, export and import.

    python -m tests.benchmarks.overhead [asks batch tells memory keeping]

All on ten continuous parameters and an objective that is neither smooth nor separable. CPU time of the process, one
BLAS thread; every figure that belongs to a ratio is taken in the same run.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import click
import numpy as np
from threadpoolctl import threadpool_limits

from arqon_ray.core import ArqonProbe, ArqonSolver

D = 10
BOUNDS = {f"x{j}": {"min": -5.0, "max": 5.0} for j in range(D)}
CONFIG = {"seed": 1, "bounds": BOUNDS}


def objective(params: dict[str, float]) -> float:
    """Return a bent valley with ripples."""
    z = np.array(list(params.values())) - np.linspace(-3.0, 3.0, D)
    return float(np.sum(z**2) + 10.0 * np.sum((z[1:] - 0.1 * z[:-1] ** 2) ** 2) + np.sum(np.cos(3.0 * z)))


def solver_with(count: int) -> ArqonSolver:
    """Return a solver that was told ``count`` points: half spread out, half round the optimum, as a search leaves."""
    points = ArqonProbe(CONFIG).sample_array(0, count)
    near = np.random.default_rng(0).normal(size=(count, D)) * np.geomspace(0.3, 1e-3, count)[:, None]
    points[count // 2 :] = np.clip(0.5 + np.linspace(-0.3, 0.3, D) + near[count // 2 :], 0.0, 1.0)
    solver = ArqonSolver(CONFIG)
    rows = solver.space.decode_array(points)
    solver.seed([{"params": params, "value": objective(params)} for params in rows])
    return solver


def cpu(call: Callable[[], Any]) -> float:
    """Return the milliseconds of CPU that a call takes."""
    began = time.process_time()
    call()
    return 1e3 * (time.process_time() - began)


def cycle(solver: ArqonSolver) -> None:
    """Ask and tell once."""
    candidate = solver.propose()
    assert candidate is not None
    solver.observe(candidate.number, objective(candidate.params))


def asks() -> None:
    """Time ask_one at 100, 1000 and 10 000 observations, a hundred cycles each, so that refits are among them."""
    for count in (100, 1000, 10_000):
        solver, times, strategies = solver_with(count), [], []
        for _ in range(120):
            times.append(cpu(solver.propose))
            pending = next(iter(solver.pending.values()))
            strategies.append(pending.origin)
            solver.observe(pending.number, objective(pending.params))
        for name in dict.fromkeys(strategies):
            some = [t for t, s in zip(times, strategies, strict=True) if s == name]
            median, p95 = np.percentile(some, [50, 95])
            click.echo(
                f"ask_one n={count} {name} ({len(some)}): median {median:.1f} ms, p95 {p95:.1f} ms"
                f" ({p95 / median:.1f} x), mean {np.mean(some):.1f} ms"
            )


def run() -> None:
    """Time ask and tell, mean over runs of 100."""
    total = []
    for seed in range(5):
        solver = ArqonSolver({**CONFIG, "seed": seed, "budget": 100})
        total.append(sum(cpu(partial(cycle, solver)) for _ in range(100)) / 100)
    click.echo(f"ask + tell, mean over a run of 100: {np.mean(total):.2f} ms ({min(total):.2f} - {max(total):.2f})")


def batch() -> None:
    """Time ask(64) with 64 in flight against one ask, before a population takes over."""
    for count in (30, 50, 80):
        ones, many = [], []
        for repeat in range(5):
            solver = solver_with(count + repeat)
            solver.ask(64)
            ones.append(np.median([cpu(partial(cycle, solver)) for _ in range(9)]))
            solver.ask(9)
            many.append(cpu(partial(solver.ask, 64)))
        click.echo(
            f"n={count}, 64 in flight: ask(64) {np.median(many):.0f} ms, ask_one {np.median(ones):.1f} ms:"
            f" {np.median(many) / np.median(ones):.1f} x"
        )


def tells() -> None:
    """Time tell at 10 000 observations."""
    solver = solver_with(10_000)
    candidates = [solver.propose() for _ in range(50)]
    times = [cpu(partial(solver.tell, [{"params": c.params, "value": 1.0}])) for c in candidates if c]
    click.echo(f"tell n=10000: median {np.median(times):.3f} ms, max {np.max(times):.3f} ms")


def memory() -> None:
    """Measure what 100 000 observations add to a process."""
    code = (
        "from tests.benchmarks import overhead as o; o.solver_with(100); a = o.resident(); s = o.grown(100_000); "
        "print(f'100 000 observations: {o.resident() - a:.0f} MB resident more, peak {o.peak() - a:.0f} MB more')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def grown(count: int) -> ArqonSolver:
    """Return a solver that was told so many points, a thousand at a time."""
    solver, probe = ArqonSolver(CONFIG), ArqonProbe(CONFIG)
    for start in range(0, count, 1000):
        rows = probe.sample_range(start, 1000)
        solver.seed([{"params": params, "value": params["x0"]} for params in rows])
    return solver


def resident() -> float:
    """Return the resident memory of this process in MB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


def peak() -> float:
    """Return the largest resident memory so far in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def keeping() -> None:
    """Time export and from_state at 100 000 observations."""
    solver = grown(100_000)
    began = time.process_time()
    text = solver.export()
    click.echo(f"export of 100 000: {time.process_time() - began:.2f} s, {len(text) / 1e6:.0f} MB")
    began = time.process_time()
    ArqonSolver.from_state(text)
    click.echo(f"from_state: {time.process_time() - began:.2f} s")


PARTS = {"run": run, "asks": asks, "batch": batch, "tells": tells, "memory": memory, "keeping": keeping}


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(list(PARTS)))
def main(parts: tuple[str, ...]) -> None:
    """Measure the parts that are named, or all."""
    with threadpool_limits(1):
        for name in parts or PARTS:
            PARTS[name]()


if __name__ == "__main__":
    main()

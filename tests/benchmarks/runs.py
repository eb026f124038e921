"""Running what is not kept yet."""

from __future__ import annotations

import json
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, NamedTuple

import click
from threadpoolctl import threadpool_limits

from tests.benchmarks import store
from tests.benchmarks.figures import HALF, PROBLEMS, REPORTED
from tests.benchmarks.peers import OURS, SOLVERS

# On which 1000 evaluations are affordable and tell solvers apart.
LONG = (
    "rosenbrock-5d-2",
    "rastrigin-5d-6",
    "ackley-10d-5",
    "ellipsoid-10d-1",
    "rosenbrock-20d-1",
    "levy-20d-3",
    "network-0",
    "svr-diabetes",
)
# Those that take seconds a suggestion run on a handful.
SLOW = ("hebo", "smac")
HANDFUL = (
    "boosting-diabetes",
    "mlp-digits",
    "sgd-digits",
    "svc-kernels",
    "grades-6d",
    "network-0",
    "angles-5d",
    "levy-4d-0-noisy",
    "rosenbrock-5d-2",
)


class Task(NamedTuple):
    """A run to be made: which solver under which name, and what of its config is other than the default."""

    key: store.Key
    solver: str
    config: str


def tasks(
    solvers: list[str],
    half: str,
    only: str,
    seeds: int,
    first_seed: int | None,
    budget: int,
    in_flight: int,
    label: str,
    config: dict[str, Any],
) -> list[Task]:
    """Return what is asked for and not kept: seed by seed, so that an early stop leaves a table of everything."""
    names = [
        name
        for name, problem in PROBLEMS.items()
        if half in ("all", HALF[name])
        and any(part in name or part in problem.group for part in only.split(","))
        and (budget <= 100 or name in LONG)
    ]
    done = {run.key for solver in {*solvers, label} for run in store.kept(solver)}
    asked = []
    for offset in range(seeds):
        for solver in solvers:
            named = label or solver
            # A peer is chosen by nobody, so its runs may always report.
            first = (0 if solver == OURS and half == "choose" else REPORTED) if first_seed is None else first_seed
            mine = [name for name in names if solver not in SLOW or name in HANDFUL]
            keys = (store.Key(named, name, budget, first + offset, in_flight) for name in mine)
            asked += [Task(key, solver, json.dumps(config)) for key in keys if key not in done]
    return asked


def run_all(asked: list[Task], processes: int) -> None:
    """Make the runs; one that fails is reported and leaves no trace."""
    began = time.monotonic()
    if processes == 1:
        for number, task in enumerate(asked, 1):
            _report(number, len(asked), task, began, _run(task))
        return
    with ProcessPoolExecutor(processes) as pool:
        futures = {pool.submit(_run, task): task for task in asked}
        for number, future in enumerate(as_completed(futures), 1):
            _report(number, len(asked), futures[future], began, future.result())


def _run(task: Task) -> str:
    key = task.key
    with threadpool_limits(1):
        began = time.process_time()
        try:
            trace = SOLVERS[task.solver](
                PROBLEMS[key.problem], key.budget, key.seed, key.in_flight, **json.loads(task.config)
            )
        except Exception as error:
            return f"FAILED: {type(error).__name__}: {error}"
        spent = time.process_time() - began - trace.spent
    store.keep(store.Run(key, trace.curve, spent))
    return f"{trace.curve[-1]:.6g}, {1e3 * spent / len(trace.curve):.1f} ms"


def _report(number: int, total: int, task: Task, began: float, outcome: str) -> None:
    key = task.key
    label = f"{key.solver} {key.problem} seed {key.seed}, {key.budget} evaluations, {key.in_flight} in flight"
    click.echo(f"[{number}/{total} {time.monotonic() - began:.0f} s] {label}: {outcome}")

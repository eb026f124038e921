"""How good the points are that a solver finds: normalized regret, ours beside the peers'.

    python -m tests.benchmarks.quality run --solvers arqon --half choose
    python -m tests.benchmarks.quality run --solvers arqon --half choose --as arqon-b --set strategy='"gp"'
    python -m tests.benchmarks.quality compare arqon-b arqon
    python -m tests.benchmarks.quality run --solvers arqon,ngopt,optuna-tpe --half report --processes 2
    python -m tests.benchmarks.quality table --half report

Problems are split into a half to choose by and a half to report on, seeds likewise: ours are 0, 1, .. for the one
and 100, 101, .. for the other. Runs are kept in ``.quality``, or where ``ARQON_QUALITY`` says, and not repeated.
Regret is (best - optimum) / (median of random search after 100 - optimum), with a floor; the mean is geometric.
"""

from __future__ import annotations

import json
from typing import Any

import click

from tests.benchmarks import store, tables
from tests.benchmarks.figures import HALF, PROBLEMS, View
from tests.benchmarks.known import update
from tests.benchmarks.peers import OURS
from tests.benchmarks.runs import run_all, tasks

HALVES = click.Choice(["choose", "report", "all"])


@click.group()
def main() -> None:
    """Measure the quality of the search."""


@main.command()
@click.option("--solvers", default=OURS)
@click.option("--half", type=HALVES, default="all", help="of the problems")
@click.option("--seeds", default=3)
@click.option("--first-seed", type=int, help="default: 0 for ours on the choosing half, else 100")
@click.option("--budget", default=100, help="beyond 100 only on the long problems")
@click.option("--in-flight", default=1)
@click.option("--processes", default=1)
@click.option("--only", default="", help="problems whose name or group contains one of these")
@click.option("--fresh", default="", help="solvers whose kept runs are forgotten first")
@click.option("--as", "label", default="", help="keep the runs under this name")
@click.option("--set", "settings", multiple=True, metavar="KEY=JSON", help="a config entry of ours")
def run(
    solvers: str,
    half: str,
    seeds: int,
    first_seed: int | None,
    budget: int,
    in_flight: int,
    processes: int,
    only: str,
    fresh: str,
    label: str,
    settings: tuple[str, ...],
) -> None:
    """Run what is not kept yet."""
    config: dict[str, Any] = {key: json.loads(value) for key, _, value in (each.partition("=") for each in settings)}
    if (config or label) and solvers != OURS:
        raise click.UsageError(f"--as and --set are for {OURS} alone")
    if config and not label:
        raise click.UsageError("--set needs a name to keep the runs under: --as NAME")
    if label and not label.startswith(OURS):
        raise click.UsageError(f"--as is {label!r}: it must begin with {OURS}")
    for solver in filter(None, fresh.split(",")):
        store.forget(solver)
    run_all(
        tasks(solvers.split(","), half, only, seeds, first_seed, budget, in_flight, label, config),
        processes,
    )


@main.command()
@click.option("--solvers", default="", help="default: all of which runs are kept")
@click.option("--half", type=HALVES, default="all")
@click.option("--markdown", is_flag=True, help="as in the README")
@click.option("--each", is_flag=True, help="a line a problem")
@click.option("--at", default=100, help="with --each: after so many evaluations")
@click.option("--in-flight", default=1, help="with --each")
def table(solvers: str, half: str, markdown: bool, each: bool, at: int, in_flight: int) -> None:
    """Print the tables."""
    names = tables.names_of(solvers)
    if each:
        budget = max(100, at)
        click.echo(tables.each(names, View(at=at, half=half, budget=budget, in_flight=in_flight), markdown))
    else:
        click.echo(tables.everything(names, half, markdown))


@main.command()
@click.argument("a")
@click.argument("b")
@click.option("--half", type=HALVES, default="choose")
@click.option("--budget", default=100)
@click.option("--in-flight", default=1)
def compare(a: str, b: str, half: str, budget: int, in_flight: int) -> None:
    """Print the ratio of A's regret to B's, in pairs of runs; below 1, A is better."""
    click.echo(tables.compared(a, b, View(at=budget, half=half, budget=budget, in_flight=in_flight)))


@main.command()
@click.option("--only", default="", help="problems whose name contains this")
def known(only: str) -> None:
    """Search for the best known values that are missing, lower those that runs undercut; for all, half an hour."""
    update(PROBLEMS, only)


@main.command()
def progress() -> None:
    """Print how many runs are kept."""
    for solver in store.solvers():
        counts: dict[str, int] = {}
        for key, _, _ in store.kept(solver):
            label = f"{HALF.get(key.problem, 'gone')}, {key.budget} evaluations, {key.in_flight} in flight"
            counts[label] = counts.get(label, 0) + 1
        for label, count in sorted(counts.items()):
            click.echo(f"{solver:24} {count:6}  {label}")


if __name__ == "__main__":
    main()

"""Searchers under ASHA: the best final value for equal epochs, in simulated time.

    python -m tests.benchmarks.fidelity run --searchers arqon,arqon-blind,optuna,random --seeds 10
    python -m tests.benchmarks.fidelity table
    python -m tests.benchmarks.fidelity through-tune

Ray's own AsyncHyperBandScheduler (grace period 1, reduction factor 3, at most 27 epochs) with 4 trials at once, 432
epochs in all. Regret is (best final value - optimum) / (median of random under ASHA - optimum), with a floor; the mean
is geometric, its interval that of a bootstrap over problems and seeds. ``arqon-blind`` is told every trial's last value
without its step; ``arqon-cut`` hears no value above 10, because a training that diverges must cost nothing. TuneBOHB is
told the rungs, which only HyperBandForBOHB tells it in Tune.

Ours was chosen with the seeds from 0 on and is reported with those from 100 on. Runs are kept in ``.quality``, or where
``ARQON_QUALITY`` says, and not repeated.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from tests.benchmarks.problems.curves import FLOORS, MAX_T, curves
from tests.benchmarks.problems.memo import folder, lowest

EPOCHS = 16 * MAX_T


def _file() -> Path:
    return folder() / "fidelity.jsonl"


def _kept() -> dict[tuple[str, str, int], dict[str, Any]]:
    lines = _file().read_text().splitlines() if _file().exists() else []
    rows = [json.loads(line) for line in lines]
    return {(row["searcher"], row["problem"], row["seed"]): row for row in rows}


@click.group()
def main() -> None:
    """Measure the quality of the search under a scheduler."""


@main.command()
@click.option("--searchers", default="arqon,arqon-blind,optuna,random")
@click.option("--seeds", default=10)
@click.option("--first-seed", default=100)
@click.option("--only", default="", help="problems whose name contains one of these")
@click.option("--as", "label", default="", help="keep the runs of the one searcher under this name")
def run(searchers: str, seeds: int, first_seed: int, only: str, label: str) -> None:
    """Run what is not kept yet."""
    from tests.benchmarks import simulated

    known = _kept()
    for problem in curves().values():
        if only and not any(part in problem.name for part in only.split(",")):
            continue
        for searcher in searchers.split(","):
            name = label or searcher
            for seed in range(first_seed, first_seed + seeds):
                if (name, problem.name, seed) in known:
                    continue
                made = simulated.searchers()[searcher](simulated.tune_space(problem.bounds), seed)
                found = simulated.run(problem, made, EPOCHS, seed)
                row = {"searcher": name, "problem": problem.name, "seed": seed, **found}
                with _file().open("a") as file:
                    file.write(json.dumps(row) + "\n")
            click.echo(f"{problem.name} {name}")


@main.command()
@click.option("--at", default=EPOCHS, help="after so many epochs")
@click.option("--first-seed", default=100)
@click.option("--last-seed", default=199)
def table(at: int, first_seed: int, last_seed: int) -> None:
    """Print the regret of each searcher by problem, and its ratio to the best peer's."""
    regrets = _regrets(at, first_seed, last_seed)
    names = list(regrets)
    click.echo(f"{'':18}" + "".join(f"{name:>16}" for name in names))
    for j, problem in enumerate(curves()):
        cells = [np.exp(np.nanmean(np.log(regrets[name][j]))) for name in names]
        click.echo(f"{problem:18}" + "".join(f"{cell:16.3f}" for cell in cells))
    means = {name: float(np.exp(np.nanmean(np.log(regrets[name])))) for name in names}
    click.echo(f"{'all':18}" + "".join(f"{means[name]:16.3f}" for name in names))
    for name in names:
        for other in names:
            if name.startswith("arqon") and other != name:
                low, middle, high = _ratio(regrets[name], regrets[other])
                click.echo(f"{name} / {other}: {middle:.2f} ({low:.2f} to {high:.2f})")


@main.command("through-tune")
@click.option("--problem", default="early-order")
@click.option("--searchers", default="arqon,optuna,random")
@click.option("--seed", default=100)
def through_tune(problem: str, searchers: str, seed: int) -> None:
    """Run each searcher once through Tune itself, beside its simulated run."""
    from tests.benchmarks import through_tune

    known = _kept()
    for searcher in searchers.split(","):
        found = through_tune.run(problem, searcher, EPOCHS, seed)
        row = known.get((searcher, problem, seed), {"finals": [], "trials": 0})
        simulated = min((value for _, value in row["finals"]), default=float("nan"))
        click.echo(f"{problem} {searcher}: {found} simulated: {simulated:.4f} in {row['trials']} trials")


def _regrets(at: int, first_seed: int, last_seed: int) -> dict[str, Any]:
    """Return ``(problems, seeds)`` regrets of each searcher, NaN where a run is missing."""
    rows = _kept()
    inside = {key: row for key, row in rows.items() if first_seed <= key[2] <= last_seed}
    names = list(dict.fromkeys(name for name, _, _ in inside))
    seeds = 1 + max(seed for _, _, seed in inside) - first_seed
    best = np.full((len(names), len(curves()), seeds), np.nan)
    for (name, problem, seed), row in inside.items():
        finals = [value for spent, value in row["finals"] if spent <= at]
        best[names.index(name), list(curves()).index(problem), seed - first_seed] = min(finals, default=np.nan)
    optimum = np.array([problem.optimum for problem in curves().values()])
    # Optima that are not known: the best of every training that was kept, those of the choosing half included.
    found = [lowest(f"uncut-curve-{name}", f"('epoch', {MAX_T})") for name in curves()]
    optimum = np.where(np.isnan(optimum), found, optimum)[None, :, None]
    scale = np.nanmedian(best[names.index("random")], axis=1)[None, :, None] - optimum
    floor = np.array([FLOORS[problem.kind] for problem in curves().values()])[None, :, None]
    regret = np.fmax((best - optimum) / scale, floor)
    regret[np.isnan(best)] = np.nan
    return dict(zip(names, regret, strict=True))


def _ratio(ours: Any, theirs: Any, draws: int = 4000) -> tuple[float, float, float]:
    """Return the ratio of the geometric means with its 95 % interval; problems and seeds are drawn anew."""
    gain = np.log(ours) - np.log(theirs)
    rng = np.random.default_rng(0)
    problems, seeds = gain.shape
    drawn = []
    for _ in range(draws):
        rows = rng.integers(problems, size=problems)
        drawn.append(np.nanmean(gain[rows[:, None], rng.integers(seeds, size=(problems, seeds))]))
    low, high = np.exp(np.percentile(drawn, [2.5, 97.5]))
    return float(low), float(np.exp(np.nanmean(gain))), float(high)


if __name__ == "__main__":
    main()

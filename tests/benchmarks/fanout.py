"""What ``optimize``, ``sweep`` and ``run`` cost beside the evaluations, against another revision of this repository.

    python -m tests.benchmarks.fanout --base REVISION [--rounds 5]

A function that returns one metric at once, on two CPUs: wall time of one evaluation in microseconds, and the bytes of
its journal or table. The best round of each, taken in turns with the base so that a busy machine is busy for both.
``limited`` has an ``evaluation_timeout_s``, which the base may not know; it stands beside the same without a limit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

ROOT = Path(__file__).parents[2]

_MEASURE = """
import contextlib, io, json, os, sys, tempfile, time
from pathlib import Path
import arqon_ray
from arqon_ray.cli import run as command

arqon_ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
config = {"seed": 1, "bounds": {f"x{i}": {"min": 0.0, "max": 1.0} for i in range(4)}}
function = "def value(params):\\n    return {'loss': params['x0']}\\n"
exec(function)
bytes_of, count = {}, 600
# The probe alone, since the search for the next point is not what is measured.
study = {**config, "strategy": "probe", "budget": count}

def wall(call, evaluations):
    began = time.perf_counter()
    call()
    return 1e6 * (time.perf_counter() - began) / evaluations

def sizes(label, folder, pattern, evaluations):
    bytes_of[label] = sum(file.stat().st_size for file in Path(folder).rglob(pattern)) / evaluations

def optimize(**limits):
    with tempfile.TemporaryDirectory() as folder:
        where = {"name": Path(folder).name, "storage_path": folder}
        took = wall(lambda: arqon_ray.optimize(value, study, progress=False, **where, **limits), count)
        sizes("optimize, log", folder, "*.log", count)
    return took

def sweep(label, evaluations, size, **limits):
    with tempfile.TemporaryDirectory() as folder:
        call = lambda: arqon_ray.sweep(
            value, config, evaluations, shard_size=size, progress=False, output=folder, resume=False, **limits
        )
        took = wall(call, evaluations)
        sizes(label + ", Parquet", folder, "*.parquet", evaluations)
    return took

def run():
    # In this process and this Ray: a cluster that starts for each run would hide what an evaluation costs.
    command.ray_session = lambda *_: contextlib.nullcontext()
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder) / "job.json"
        (Path(folder) / "objective.py").write_text(function)
        job.write_text(json.dumps({
            "name": "job", "actor": Path(folder).name, "objective": "objective.py:value",
            "study": study, "output": folder + "/out",
        }))
        options = {"resume": False, "output": None, "settings": (), "max_concurrency": None, "no_progress": True}
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            took = wall(lambda: command.run_command(job, address=None, **options), count)
        sizes("run, log", folder, "*.log", count)
        sizes("run, results.json", folder, "results.json", count)
        arqon_ray.connect(Path(folder).name).stop(purge=True)
    return took

def least(call, *arguments, times=2, **limits):
    return min(call(*arguments, **limits) for _ in range(times))

optimize()
sweep("", 4096, 256)
bytes_of.clear()
times = {
    "optimize": least(optimize),
    "run": least(run),
    "sweep, shards of 4096": least(sweep, "sweep, shards of 4096", 100_000, 4096),
    "sweep, shards of 64": least(sweep, "sweep, shards of 64", 20_000, 64),
}
if sys.argv[1] == "limits":
    limit = {"evaluation_timeout_s": 60.0}
    times["optimize, limited"] = least(optimize, **limit)
    times["sweep, shards of 4096, limited"] = least(sweep, "sweep, shards of 4096", 100_000, 4096, **limit)
print(json.dumps([times, bytes_of]))
"""


def measure(tree: Path, limits: bool) -> tuple[dict[str, float], dict[str, float]]:
    """Return the microseconds and the bytes of one evaluation with the package in ``tree``."""
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    environment |= {"PYTHONPATH": str(tree), "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    arguments = [sys.executable, "-c", _MEASURE, "limits" if limits else "none"]
    done = subprocess.run(arguments, cwd=tree, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    times, sizes = json.loads(done.stdout.splitlines()[-1])
    return times, sizes


def best(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Return the least of each figure."""
    return {name: min(times[name] for times in rounds) for name in rounds[0]}


@contextmanager
def checkout(revision: str) -> Iterator[Path]:
    """Yield a checkout of a revision, which goes again."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "base"
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(tree), revision], cwd=ROOT, check=True)
        try:
            yield tree
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=ROOT, check=True)


@click.command()
@click.option("--base", required=True, help="The revision to compare with.")
@click.option("--rounds", default=5, show_default=True)
def main(base: str, rounds: int) -> None:
    """Measure this tree and the base in turns."""
    ours, theirs = [], []
    with checkout(base) as tree:
        for _ in range(rounds):
            theirs.append(measure(tree, limits=False))
            ours.append(measure(ROOT, limits=True))
    for place, unit in enumerate(("us", "bytes")):
        now, before = (best([figures[place] for figures in each]) for each in (ours, theirs))
        for name, figure in now.items():
            beside = before.get(name, now[name.removesuffix(", limited")])
            reference = base if name in before else "without a limit"
            click.echo(f"{name}: {figure:.1f} {unit} an evaluation, {beside:.1f} {reference}: {figure / beside:.2f} x")


if __name__ == "__main__":
    main()

"""What ``optimize`` and ``sweep`` cost beside the evaluations, against another revision of this repository.

    python -m tests.benchmarks.fanout --base REVISION [--rounds 5]

Functions that return at once, on two CPUs; wall time of one evaluation in microseconds, the best round of each, taken
in turns with the base so that a busy machine is busy for both. ``limited`` has an ``evaluation_timeout_s``, which the
base may not know; it stands beside the same without a limit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import click

ROOT = Path(__file__).parents[2]

_MEASURE = """
import json, sys, time
import arqon_ray
arqon_ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
config = {"seed": 1, "bounds": {f"x{i}": {"min": 0.0, "max": 1.0} for i in range(4)}}

def value(params):
    return params["x0"]

def wall(call, count):
    began = time.perf_counter()
    call()
    return 1e6 * (time.perf_counter() - began) / count

def optimize(count, **limits):
    # The probe alone, since the search for the next point is not what is measured.
    study = {**config, "strategy": "probe", "budget": count}
    return min(wall(lambda: arqon_ray.optimize(value, study, progress=False, **limits), count) for _ in range(2))

def sweep(count, size, **limits):
    call = lambda: arqon_ray.sweep(value, config, count, shard_size=size, progress=False, **limits)
    return min(wall(call, count) for _ in range(5))

optimize(64)
sweep(4096, 256)
times = {
    "optimize": optimize(600),
    "sweep, shards of 4096": sweep(200_000, 4096),
    "sweep, shards of 64": sweep(20_000, 64),
}
if sys.argv[1] == "limits":
    limit = {"evaluation_timeout_s": 60.0}
    times["optimize, limited"] = optimize(600, **limit)
    times["sweep, shards of 4096, limited"] = sweep(200_000, 4096, **limit)
print(json.dumps(times))
"""


def measure(tree: Path, limits: bool) -> dict[str, float]:
    """Return the microseconds of one evaluation with the package in ``tree``."""
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    environment |= {"PYTHONPATH": str(tree), "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    arguments = [sys.executable, "-c", _MEASURE, "limits" if limits else "none"]
    done = subprocess.run(arguments, cwd=tree, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    times: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return times


def best(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Return the least of each figure."""
    return {name: min(times[name] for times in rounds) for name in rounds[0]}


@click.command()
@click.option("--base", required=True, help="The revision to compare with.")
@click.option("--rounds", default=5, show_default=True)
def main(base: str, rounds: int) -> None:
    """Measure this tree and the base in turns."""
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "base"
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(tree), base], cwd=ROOT, check=True)
        try:
            for _ in range(rounds):
                theirs.append(measure(tree, limits=False))
                ours.append(measure(ROOT, limits=True))
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=ROOT, check=True)
    now, before = best(ours), best(theirs)
    for name, time in now.items():
        beside = before.get(name, now[name.removesuffix(", limited")])
        reference = base if name in before else "without a limit"
        click.echo(f"{name}: {time:.1f} us an evaluation, {beside:.1f} {reference}: {time / beside:.2f} x")


if __name__ == "__main__":
    main()

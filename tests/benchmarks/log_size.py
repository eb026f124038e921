"""How many bytes of log an evaluation of ``optimize`` takes, against another revision of this repository.

    python -m tests.benchmarks.log_size --base REVISION

A function that returns one metric and takes 30 ms, on two CPUs, so that most results come one by one; with the probe
alone, whose records are the shortest, and with a model, whose memory is in them.
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
import json, tempfile, time
from pathlib import Path
import arqon_ray
arqon_ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
config = {"seed": 1, "bounds": {f"x{i}": {"min": 0.0, "max": 1.0} for i in range(4)}}

def value(params):
    time.sleep(0.03)
    return {"loss": params["x0"] + 0.123}

sizes = {}
for strategy, count in (("probe", 300), ("auto", 100)):
    with tempfile.TemporaryDirectory() as root:
        study = {**config, "strategy": strategy, "budget": count}
        arqon_ray.optimize(value, study, metric="loss", progress=False, storage_path=root)
        sizes[strategy] = sum(path.stat().st_size for path in Path(root).rglob("*.log")) / count
print(json.dumps(sizes))
"""


def measure(tree: Path) -> dict[str, float]:
    """Return the bytes of log of one evaluation with the package in ``tree``, by strategy."""
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    environment |= {"PYTHONPATH": str(tree), "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    command = [sys.executable, "-c", _MEASURE]
    done = subprocess.run(command, cwd=tree, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    sizes: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return sizes


@click.command()
@click.option("--base", required=True, help="The revision to compare with.")
def main(base: str) -> None:
    """Measure this tree and the base."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "base"
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(tree), base], cwd=ROOT, check=True)
        try:
            theirs, ours = measure(tree), measure(ROOT)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=ROOT, check=True)
    for strategy, size in ours.items():
        before = theirs[strategy]
        click.echo(f"{strategy}: {size:.0f} bytes an evaluation, {before:.0f} {base}: {size / before:.2f} x; goal 1.1")


if __name__ == "__main__":
    main()

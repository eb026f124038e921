"""Another benchmark of this folder, here and in another revision's checkout, in turns.

::

    python -m tests.benchmarks.beside --base REVISION [--rounds 2] service load blocks tell
    python -m tests.benchmarks.beside --base REVISION tune suggest

Each revision runs its own program, so both need to have it. A busy machine is busy for both.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click

from tests.benchmarks.fanout import ROOT, checkout


def lines(tree: Path, command: tuple[str, ...]) -> list[str]:
    """Return what a benchmark prints with the package and the program in ``tree``."""
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    environment |= {"PYTHONPATH": str(tree), "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    module, *arguments = command
    program = [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments]
    done = subprocess.run(program, cwd=tree, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return [line for line in done.stdout.splitlines() if line.strip()]


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--base", required=True, help="The revision to compare with.")
@click.option("--rounds", default=2, show_default=True)
@click.argument("command", nargs=-1, required=True)
def main(base: str, rounds: int, command: tuple[str, ...]) -> None:
    """Run a benchmark in both trees in turns."""
    with checkout(base) as tree:
        for number in range(rounds):
            for name, where in ((base, tree), ("here", ROOT))[:: 1 if number % 2 == 0 else -1]:
                said = lines(where, command)
                click.echo("\n".join(["", f"{name}, round {number + 1}", *said]))


if __name__ == "__main__":
    main()

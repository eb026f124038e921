"""A study of 100 000 evaluations with five metrics and the times that ``optimize`` measures: what it takes and costs.

    python -m tests.benchmarks.record [--count 100000]

Memory is that of a process that has opened the study, beyond what it had after the imports; times are of the calls in
that process, and ``history`` once more through an actor.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

import arqon_ray
from tests.benchmarks.clients import ROOT, memory_mb

NAME, BLOCK, LATEST = "record", 100, 100
CONFIG: dict[str, Any] = {
    "seed": 1,
    "strategy": "probe",
    "metric": "loss",
    "bounds": {f"x{i}": {"min": 0.0, "max": 1.0} for i in range(4)},
}


def evaluation(number: int, params: dict[str, float]) -> dict[str, Any]:
    """Return what ``optimize`` tells of a function that returned five metrics."""
    loss = sum((x - 0.3) ** 2 for x in params.values())
    metrics = {"loss": loss, "accuracy": 1.0 - loss, "epochs": number % 50, "converged": loss < 0.5, "data": "train"}
    began = 1.7e9 + 0.8 * number
    times = {"started": began, "ended": began + 0.75, "seconds": 0.75}
    return {"metrics": metrics, **times, "node": f"10.0.0.{number % 16}", "pid": 4000 + number % 64}


def fill(root: str, count: int) -> None:
    """Make a study of so many evaluations under a folder."""
    from arqon_ray.service.server.host import ActorSpec, StudyHost

    host = StudyHost(ActorSpec(NAME, "t", True, config=CONFIG), root, False, {"pid": 1})
    for k in range(count // BLOCK):
        asked = host.call(lambda study: study.ask(BLOCK, key=f"op:{k}"))
        told = [{"id": each["id"], **evaluation(int(each["id"]), each["params"])} for each in asked]
        host.call(lambda study: study.tell(told, key=f"op:t{k}"))
    host.stop(purge=False)


def median_ms(call: Callable[[], Any], times: int = 21) -> float:
    """Return the median milliseconds of a call."""
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return 1e3 * sorted(seconds)[times // 2]


def open_study(root: str, snapshots: str) -> dict[str, float]:
    """Open the study in this process, which has done nothing else, and look at it."""
    from arqon_ray.service.server.study import Study
    from arqon_ray.service.storage.local import LocalStore

    store = LocalStore(root, NAME)
    for name in store.names("snapshots") if snapshots == "drop" else ():
        store.remove(f"snapshots/{name}")
    before, began = memory_mb(os.getpid()), time.monotonic()
    study = Study.open(store, {"pid": 2})
    took = time.monotonic() - began
    figures = {"opening, s": took, "memory, MB": memory_mb(os.getpid()) - before}
    figures["peak while opening, MB"] = memory_mb(os.getpid(), "VmHWM") - before
    latest = study.history()[-LATEST - 1]["seq"]
    assert len(study.history(since=latest)) == LATEST
    figures["history of the last 100, ms"] = median_ms(lambda: study.history(since=latest))
    figures["history of all, ms"] = median_ms(study.history, 3)
    figures["memory after that, MB"] = memory_mb(os.getpid()) - before
    return figures


def ask_actor(root: str) -> None:
    """Look at the same study through its actor."""
    arqon_ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    study = arqon_ray.start(CONFIG, NAME, storage_path=root)
    status, before = study.status(), memory_mb(study.status()["pid"])
    latest = study.history()[-LATEST - 1]["seq"]
    took = median_ms(lambda: study.history(since=latest))
    memory = memory_mb(status["pid"], "VmHWM")
    click.echo(f"through an actor: history of the last 100 {took:.1f} ms")
    click.echo(f"its process: {before:.0f} MB in all, at most {memory:.0f} MB while it sent the whole history")
    study.stop()


@click.command()
@click.option("--count", default=100_000, show_default=True)
@click.option("--open", "opened", nargs=2, hidden=True)
def main(count: int, opened: tuple[str, str] | None) -> None:
    """Print the figures."""
    if opened:
        click.echo(json.dumps(open_study(*opened)))
        return
    with tempfile.TemporaryDirectory() as root:
        fill(root, count)
        for kind, pattern in (("log", "*.log"), ("snapshot", "*.snap")):
            size = max(file.stat().st_size for file in Path(root).rglob(pattern))
            click.echo(f"{kind}: {size / count:.0f} bytes an evaluation")
        ask_actor(root)
        for label, argument in (("from a snapshot", "keep"), ("from the log alone", "drop")):
            command = [sys.executable, "-m", "tests.benchmarks.record", "--open", root, argument]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
            for name, figure in json.loads(done.stdout).items():
                click.echo(f"{label}, {name}: {figure:.2f}")
    click.echo("goals: 250 MB; opening from a snapshot 3 s; history of the last 100 5 ms")


if __name__ == "__main__":
    main()

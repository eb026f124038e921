"""What the actor costs, beside a no-op actor of the same kind in the same run.

::

    python -m tests.benchmarks.service            # everything, some five minutes
    python -m tests.benchmarks.service load blocks tell refine regret restart opening workers crowd

Several client processes saturate two cores, so besides the rates the CPU seconds of the actor's own process are
compared. Times are of whole calls at the clients.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import ray

import arqon_ray
from tests.benchmarks.clients import ROOT, D, cpu_seconds, load, measure, memory_mb, objective
from tests.benchmarks.problems import Problem, problems

BOUNDS = {f"x{i}": {"min": 0.0, "max": 1.0} for i in range(D)}
PROBE = {"seed": 1, "strategy": "probe", "bounds": BOUNDS}
AUTO = {"seed": 1, "bounds": BOUNDS}
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


class NoOp:
    """A threaded actor with the facade's concurrency groups that does nothing."""

    ANSWER: ClassVar[dict[str, Any]] = {"id": "3", "params": dict.fromkeys(BOUNDS, 0.5)}

    @ray.method(concurrency_group="ask")
    def ask_one(self, key: Any = None, owner: Any = None, lease: Any = None, timeout: Any = 30.0) -> dict[str, Any]:
        return self.ANSWER

    @ray.method(concurrency_group="tell")
    def tell(self, id: Any, value: Any = ..., cost: float = 1.0, key: Any = None, **rest: Any) -> dict[str, Any]:
        return {"id": "3", "accepted": True}

    @ray.method(concurrency_group="read")
    def pid(self) -> int:
        return os.getpid()


def start_no_op() -> int:
    """Start the no-op actor under the name ``no-op``; returns its process."""
    from arqon_ray.service.server.actor import GROUPS

    decorate: Any = ray.remote(concurrency_groups=GROUPS)
    options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1, "name": "no-op", "lifetime": "detached"}
    environment = {"env_vars": ONE_THREAD}
    actor = decorate(NoOp).options(**options, namespace="arqon", runtime_env=environment).remote()
    return int(ray.get(actor.pid.remote()))


@contextmanager
def cluster() -> Iterator[str]:
    """Start a Ray of one's own; yields its address."""
    context = arqon_ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        yield context.address_info["address"]
    finally:
        ray.shutdown()


# The figures


def figure_load(address: str) -> None:
    """A durable ask and tell of 8 client processes in the probe phase, beside two calls of a no-op actor."""
    no_op = start_no_op()
    study = arqon_ray.start(PROBE, "load")
    pid = study.status()["pid"]
    pairs = [(load(address, "no-op", no_op), load(address, "load", pid)) for _ in range(3)]
    for theirs, ours in pairs:
        report("no-op actor", theirs)
        report("durable ask + tell, probe", ours)
    cpu = sorted(ours["cpu_ms"] / theirs["cpu_ms"] for theirs, ours in pairs)
    rate = sorted(ours["cycles_per_s"] / theirs["cycles_per_s"] for theirs, ours in pairs)
    say(f"actor's CPU: {cpu[1]:.2f} x the no-op actor's ({cpu[0]:.2f} - {cpu[2]:.2f}); goal at most 1.6")
    say(f"cycles per second: {rate[1]:.2f} x the no-op actor's ({rate[0]:.2f} - {rate[2]:.2f}); goal at least 0.8")
    ray.kill(ray.get_actor("no-op", namespace="arqon"))
    study.stop(purge=True)


def figure_blocks(address: str) -> None:
    """The same with clients that lease and tell in blocks of 32, by hand and through BatchedClient."""
    study = arqon_ray.start(PROBE, "blocks")
    pid = study.status()["pid"]
    report("blocks of 32, 4 clients", load(address, "blocks", pid, "blocks", clients=4))
    report("BatchedClient, 4 processes of 16 workers", load(address, "blocks", pid, "batched", clients=4, threads=16))
    say("goal at least 5000 cycles/s")
    study.stop(purge=True)


def figure_tell(address: str) -> None:
    """Batched tells of 1000 observations from one driver."""
    study = arqon_ray.start(PROBE, "tell")
    batches = [[{"id": each["id"], "value": 0.5} for each in study.ask(1000)] for _ in range(30)]
    began = time.monotonic()
    for batch in batches:
        study.tell(batch)
    took = time.monotonic() - began
    say(f"tell of 1000: {len(batches) * 1000 / took:,.0f} observations/s durable; goal at least 50 000")
    study.stop(purge=True)


def figure_refine(address: str) -> None:
    """The refine phase with 8 client processes, from 1000 to 3000 observations; how stale, and what it costs."""
    study = arqon_ray.start(AUTO, "refine")
    seeded = [{"params": p, "value": objective(p)} for p in arqon_ray.ArqonProbe(AUTO).sample_range(0, 1000)]
    study.seed(seeded)
    status = study.status()
    pid, before = status["pid"], 1000
    began, spent = time.monotonic(), cpu_seconds(pid)
    while before < 3000:
        report(f"refine, d = {D}, from {before} observations", load(address, "refine", pid, seconds=6.0))
        before = len(seeded) + study.status()["counts"]["told"]
    say(f"{before - 1000} cycles with {cpu_seconds(pid) - spent:.1f} s of CPU in {time.monotonic() - began:.1f} s")
    missed = staleness(status["storage"])
    say(f"observations missed by a candidate: median {missed[len(missed) // 2]}, p95 {missed[int(0.95 * len(missed))]}")
    found = study.best()
    assert found is not None
    say(f"best after {before}: {found['value']:.2e}; goal at least 150 cycles/s")
    study.stop(purge=True)


def staleness(storage: str) -> list[int]:
    """Return, sorted, how many observations were told between each candidate's evidence and its ask."""
    from arqon_ray.service.log.segments import accepted_records, read_segments
    from arqon_ray.service.server.changes import Ask, Tell
    from arqon_ray.service.storage.local import LocalStore

    store = LocalStore(Path(storage).parent, Path(storage).name)
    told_at: dict[int, int] = {}
    told = 0
    missed = []
    for record in accepted_records(read_segments(store)[0]):
        body = record.body
        told += len(Tell.of(body).entries) if body["op"] == Tell.OP else 0
        told_at[record.seq] = told
        fresh = Ask.of(body).plain if body["op"] == Ask.OP else ()
        missed += [told - told_at[plain["evidence"]] for plain in fresh]
    return sorted(missed)


def figure_regret(address: str) -> None:
    """What staleness costs: 100 evaluations, 8 in flight, asked one by one and in proposers of 8; ratios of regrets."""
    ratios = []
    for problem in [problem for problem in problems() if not problem.noisy and problem.group != "ml"][::5]:
        for seed in range(3):
            singly, drafted = (_regret(problem, seed, at_once) for at_once in (1, 8))
            ratios.append(np.log(drafted / singly))
    draws = np.random.default_rng(0).choice(ratios, (2000, len(ratios))).mean(axis=1)
    low, high = np.exp(np.percentile(draws, [2.5, 97.5]))
    say(f"regret of proposers of 8: {np.exp(np.mean(ratios)):.2f} x [{low:.2f}, {high:.2f}] on {len(ratios)} runs")


def _regret(problem: Problem, seed: int, at_once: int) -> float:
    """Evaluate with 8 in flight; ``at_once`` end, and are replaced, together."""
    rng = np.random.default_rng(seed)
    solver = arqon_ray.ArqonSolver({"seed": seed, "budget": 100, "bounds": problem.bounds})
    flying: list[Any] = []
    while True:
        proposer = solver.proposer()
        while len(flying) < 8 and (candidate := proposer.propose()) is not None:
            solver.adopt(candidate)
            flying.append(candidate)
        if not flying:
            break
        for candidate in [flying.pop(0) for _ in range(min(at_once, len(flying)))]:
            solver.observe(candidate.number, problem.evaluate(candidate.params, rng))
    random = arqon_ray.ArqonProbe({"bounds": problem.bounds}, seed=1).sample_range(0, 100)
    best = solver.best()
    assert best is not None
    scale = float(np.median([problem.true(params) for params in random])) - problem.optimum
    return max((problem.true(best["params"]) - problem.optimum) / scale, 1e-4)


def figure_restart(address: str) -> None:
    """From SIGKILL of the actor's process to the first answered call, with 10 000 observations."""
    no_op = start_no_op()
    handle = ray.get_actor("no-op", namespace="arqon")
    began = time.monotonic()
    os.kill(no_op, signal.SIGKILL)
    while ray.get(handle.pid.remote()) == no_op:
        time.sleep(0.01)
    theirs = time.monotonic() - began
    study = arqon_ray.start(PROBE, "restart")
    for _ in range(100):
        study.tell([{"id": each["id"], "value": 0.5} for each in study.ask(100)])
    # As they come in a real study: a record each, so that there is something to replay.
    singles = study.ask(1000)
    ray.get([study.handle.tell.remote(each["id"], 0.5) for each in singles])
    pid = study.status()["pid"]
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    study.ask_one()
    ours = time.monotonic() - began
    assert study.status()["pid"] != pid
    say(f"from SIGKILL to the first answer: {ours:.2f} s, a no-op actor {theirs:.2f} s; goal under 3 s beyond it")
    ray.kill(handle)
    study.stop(purge=True)


def figure_opening(address: str) -> None:
    """Open a study of 100 000 evaluations with 5 metrics from its snapshot, and from the log alone."""
    from arqon_ray.service.server.host import ActorSpec, StudyHost

    with tempfile.TemporaryDirectory() as root:
        host = StudyHost(ActorSpec("opening", "t", True, config=PROBE), root, False, {"pid": 1})
        for k in range(100_000 // 100):
            asked = host.call(lambda study: study.ask(100, key=f"op:{k}"))
            host.call(lambda study: study.tell([told(each) for each in asked], key=f"op:t{k}"))
        host.stop(purge=False)
        for label, argument in (("from a snapshot", "keep"), ("from the log alone", "drop")):
            command = [sys.executable, "-m", "tests.benchmarks.service", "--open", root, argument]
            done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
            say(f"opening 100 000 observations {label}: {done.stdout.strip()}")
    say("goal under 3 s from a snapshot and 250 MB, history(since=) of the last 100 under 5 ms")


def told(asked: dict[str, Any]) -> dict[str, Any]:
    """Return a result with all that a worker measures."""
    value = objective(asked["params"])
    metrics = {"loss": value, "accuracy": 1.0 - value, "size": 1_234_567, "f1": value / 2, "auc": value / 3}
    where = {"started": 1.7e9, "seconds": value, "ended": 1.7e9 + value, "node": "10.0.0.1", "pid": 4711}
    return {"id": asked["id"], "value": value, "metrics": metrics, **where}


def open_study(root: str, snapshots: str) -> None:
    """Open the study in a fresh process and print how long it took, imports aside."""
    from arqon_ray.service.server.study import Study
    from arqon_ray.service.storage.local import LocalStore

    store = LocalStore(root, "opening")
    for name in store.names("snapshots") if snapshots == "drop" else ():
        store.remove(f"snapshots/{name}")
    began = time.monotonic()
    study = Study.open(store, {"pid": 2})
    took = time.monotonic() - began
    memory = memory_mb(os.getpid())
    assert study.status()["counts"]["told"] == 100_000
    since = study.history()[-101]["seq"]
    began = time.perf_counter()
    rows = study.history(since)
    milliseconds = 1e3 * (time.perf_counter() - began)
    print(f"{took:.2f} s, {memory:.0f} MB, history(since=) of {len(rows)} in {milliseconds:.1f} ms")


def figure_workers(address: str) -> None:
    """200 simulated workers in 4 processes that each evaluate for a moment; the actor's memory."""
    study = arqon_ray.start(PROBE, "workers")
    pid = study.status()["pid"]
    figures = load(address, "workers", pid, "bare", clients=4, seconds=15.0, threads=50)
    report("200 workers, one call each at a time", figures)
    say(f"the actor's memory: {memory_mb(pid):.0f} MB, at most {memory_mb(pid, 'VmHWM'):.0f} MB; goal under 500 MB")
    study.stop(purge=True)


def figure_crowd(address: str) -> None:
    """10 000 simulated workers that share clients in groups of 100, beside 100 workers of their own."""
    for workers, size, label in (
        (100, 1, "100 workers, each by itself"),
        (10_000, 100, "10 000, a hundred a client, results told within 5 s"),
    ):
        study = arqon_ray.start(PROBE, f"crowd-{workers}")
        pid = study.status()["pid"]
        arguments = [address, study.name, "crowd", "20", str(workers // 4), "10", str(size)]
        figures = measure(arguments, pid, clients=4)
        say(
            f"{label}, evaluations of 10 s: {figures['cycles_per_s']:,.0f} cycles/s, "
            f"{100 * figures['cpu_share']:.1f} % of a core for the actor, {figures['cpu_ms']:.3f} ms a cycle"
        )
        study.stop(purge=True)


FIGURES = {
    "load": figure_load,
    "blocks": figure_blocks,
    "tell": figure_tell,
    "refine": figure_refine,
    "regret": figure_regret,
    "restart": figure_restart,
    "opening": figure_opening,
    "workers": figure_workers,
    "crowd": figure_crowd,
}


def say(text: str) -> None:
    print(text, flush=True)


def report(label: str, figures: dict[str, float]) -> None:
    say(
        f"{label}: {figures['cycles_per_s']:,.0f} cycles/s, {figures['cpu_ms']:.3f} ms of the actor's CPU a cycle, "
        f"tell p50 {figures['tell_p50_ms']:.1f} ms, p99 {figures['tell_p99_ms']:.1f} ms"
    )


def main() -> None:
    if sys.argv[1:2] == ["--open"]:
        open_study(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", nargs="*", choices=[*FIGURES, []], metavar="FIGURE", help=", ".join(FIGURES))
    chosen = parser.parse_args().figures or list(FIGURES)
    for variable, value in ONE_THREAD.items():
        os.environ.setdefault(variable, value)
    with cluster() as address:
        for name in chosen:
            say(f"\n== {name}: {(FIGURES[name].__doc__ or '').strip()}")
            FIGURES[name](address)


if __name__ == "__main__":
    main()

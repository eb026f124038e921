"""Client processes that load an actor, and what its process uses meanwhile; ``service`` runs them."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import ray

import arqon_ray

D = 10
ROOT = Path(__file__).parents[2]


def objective(params: dict[str, float]) -> float:
    """Return a value with a curved valley and ripples; the optimum is inside the box."""
    x = [params[f"x{i}"] - 0.37 for i in range(D)]
    return sum((i + 1) * v * v + 0.02 * (1 - math.cos(25 * v)) for i, v in enumerate(x))


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int, field: str = "VmRSS") -> float:
    """Return the resident memory of a process, or its peak (``VmHWM``)."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status[field].split()[0]) / 1e3


def client(address: str, actor: str, mode: str, seconds: float, threads: int) -> None:
    """Ask and tell for some seconds, and print cycles and the times of the tells as JSON."""
    arqon_ray.init(address, log_to_driver=False, logging_level="ERROR")
    cycle = {"bare": _bare, "blocks": _blocks, "batched": _batched}[mode](actor)
    cycle([])
    print("ready", flush=True)
    sys.stdin.readline()
    counts, times = [0] * threads, []
    until = time.monotonic() + seconds

    def work(k: int) -> None:
        while time.monotonic() < until:
            counts[k] += cycle(times)

    workers = [threading.Thread(target=work, args=(k,)) for k in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(json.dumps([sum(counts), times]), flush=True)


def _bare(name: str) -> Callable[[list[float]], int]:
    """Return one ask and one tell through the bare handle, as a program without arqon_ray calls it."""
    actor = ray.get_actor(name, namespace="arqon")

    def cycle(times: list[float]) -> int:
        asked = ray.get(actor.ask_one.remote(None, "load", 60.0))
        value = objective(asked["params"])
        began = time.perf_counter()
        ray.get(actor.tell.remote(asked["id"], value))
        times.append(time.perf_counter() - began)
        return 1

    return cycle


def _blocks(name: str) -> Callable[[list[float]], int]:
    """Return an ask of 32 and a tell of 32."""
    study = arqon_ray.connect(name)

    def cycle(times: list[float]) -> int:
        block = study.ask(32, owner="load")
        results = [{"id": each["id"], "value": 0.5} for each in block]
        began = time.perf_counter()
        study.tell(results)
        times.append(time.perf_counter() - began)
        return len(block)

    return cycle


def crowd(address: str, name: str, seconds: float, workers: int, evaluation: float, size: int) -> None:
    """Simulate workers that evaluate for some seconds each, ``size`` of them sharing a BatchedClient; print cycles.

    A worker is a thread that sleeps: what it costs the actor is what a real one does.
    """
    threading.stack_size(1 << 18)
    arqon_ray.init(address, log_to_driver=False, logging_level="ERROR")
    study = arqon_ray.connect(name)
    groups = (
        [study.batched(size=size, delay=evaluation / 2) for _ in range(max(1, workers // size))] if size > 1 else []
    )
    counts = [0] * workers
    print("ready", flush=True)
    sys.stdin.readline()
    until = time.monotonic() + seconds

    def work(k: int) -> None:
        shared = groups[k % len(groups)] if groups else study
        time.sleep(evaluation * k / workers)
        while time.monotonic() < until:
            asked = shared.ask_one(timeout=120)
            assert asked is not None
            time.sleep(evaluation)
            shared.tell(asked["id"], 0.5)
            counts[k] += 1

    threads = [threading.Thread(target=work, args=(k,)) for k in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for group in groups:
        group.close()
    print(json.dumps([sum(counts), []]), flush=True)


def _batched(name: str) -> Callable[[list[float]], int]:
    """Return one ask and one tell of a worker that shares a BatchedClient with the others of its process."""
    study = arqon_ray.connect(name).batched(size=32)

    def cycle(times: list[float]) -> int:
        asked = study.ask_one()
        assert asked is not None
        study.tell(asked["id"], 0.5)
        return 1

    return cycle


def load(
    address: str, actor: str, pid: int, mode: str = "bare", clients: int = 8, seconds: float = 6.0, threads: int = 1
) -> dict[str, float]:
    """Run clients side by side; see ``measure``."""
    return measure([address, actor, mode, str(seconds), str(threads)], pid, clients)


def measure(arguments: list[str], pid: int, clients: int) -> dict[str, float]:
    """Run client processes side by side.

    Returns:
        Cycles/s, the actor's CPU ms a cycle and its share of a core, p50 and p99 of the tells in ms.
    """
    command = [sys.executable, "-m", "tests.benchmarks.clients", *arguments]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        for _ in range(clients)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
    before, began = cpu_seconds(pid), time.monotonic()
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    outputs = [json.loads(process.stdout.readline()) for process in running if process.stdout]
    used, took = cpu_seconds(pid) - before, time.monotonic() - began
    for process in running:
        process.communicate()
    cycles = sum(count for count, _ in outputs)
    times = sorted(t for _, part in outputs for t in part) or [0.0]
    return {
        "cycles_per_s": cycles / took,
        "cpu_ms": 1e3 * used / max(cycles, 1),
        "cpu_share": used / took,
        "tell_p50_ms": 1e3 * times[len(times) // 2],
        "tell_p99_ms": 1e3 * times[int(0.99 * len(times))],
    }


if __name__ == "__main__":
    if sys.argv[3] == "crowd":
        seconds, workers, evaluation, size = sys.argv[4:]
        crowd(sys.argv[1], sys.argv[2], float(seconds), int(workers), float(evaluation), int(size))
    else:
        client(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]), int(sys.argv[5]))

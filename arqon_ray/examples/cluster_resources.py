"""How to size a Ray cluster for a batch of jobs: the makespan and the bill of one night's work.

Nothing of this starts a machine. It is a discrete-event simulation of a list scheduler: a fixed batch of
jobs, drawn once from log-normal distributions, arrives over an hour and is placed, first come first served,
on ``num_workers`` equal machines. A job runs on as many of a machine's CPUs as it can use (Amdahl's law with
its own parallel share), waits until CPUs and memory are free together, and runs three times slower when
its machine's memory is smaller than its working set (it spills). The cost model is a price for each CPU, GB
and hour of each machine, with a fixed part per machine. To tune a real cluster put a function that starts your
job with these resources in its place; the config stays the same.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

JOBS = 120
SPILL_SLOWDOWN = 3.0
PRICE_PER_WORKER, PRICE_PER_CPU, PRICE_PER_GB = 0.02, 0.04, 0.005  # dollars an hour
PRICE_OF_AN_HOUR_WAITED = 6.0  # dollars: what the team pays for results that come later


@dataclass(frozen=True, slots=True)
class Job:
    """One job of the batch: arrival (s), work (CPU seconds), working set (GB), parallel share (0 .. 1)."""

    arrival: float
    work: float
    memory_gb: float
    parallel: float

    def duration(self, cpus: int, spills: bool) -> float:
        """Return the seconds that it takes on so many CPUs, by Amdahl's law."""
        return self.work * ((1 - self.parallel) + self.parallel / cpus) * (SPILL_SLOWDOWN if spills else 1.0)


@cache
def batch(seed: int = 0) -> tuple[Job, ...]:
    """Return the jobs in the order in which they arrive; the same for the same seed."""
    rng = np.random.default_rng(seed)
    arrival = np.sort(rng.uniform(0, 3600, JOBS))
    work = rng.lognormal(6.5, 0.8, JOBS)
    memory = np.minimum(rng.lognormal(1.2, 0.7, JOBS), 30.0)
    parallel = rng.beta(6, 2, JOBS)
    return tuple(Job(*(float(x) for x in row)) for row in zip(arrival, work, memory, parallel, strict=True))


def schedule(jobs: tuple[Job, ...], workers: int, cpus: int, memory_gb: float) -> float:
    """Return the time in seconds at which the last job ends.

    Args:
        jobs: in the order in which they arrive.
        workers: equal machines.
        cpus: of each machine.
        memory_gb: of each machine.
    """
    free_cpus, free_memory = [cpus] * workers, [memory_gb] * workers
    running: list[tuple[float, int, int, float]] = []
    now = 0.0
    for job in jobs:
        now = max(now, job.arrival)
        wanted_cpus, wanted_memory = min(cpus, max(1, round(4 * job.parallel))), min(job.memory_gb, memory_gb)
        while True:
            while running and running[0][0] <= now:
                _, machine, used_cpus, used_memory = heapq.heappop(running)
                free_cpus[machine] += used_cpus
                free_memory[machine] += used_memory
            fits = (m for m in range(workers) if free_cpus[m] >= wanted_cpus and free_memory[m] >= wanted_memory - 1e-9)
            machine = next(fits, -1)
            if machine >= 0:
                break
            now = running[0][0]
        free_cpus[machine] -= wanted_cpus
        free_memory[machine] -= wanted_memory
        end = now + job.duration(wanted_cpus, job.memory_gb > memory_gb)
        heapq.heappush(running, (end, machine, wanted_cpus, wanted_memory))
    return max(end for end, *_ in running) if running else now


def cost(params: Mapping[str, Any]) -> dict[str, float]:
    """Return what one night costs on a cluster of this size.

    Args:
        params: ``num_workers``, ``cpus_per_worker``, ``memory_per_worker_gb``; fractions are rounded.

    Returns:
        ``loss`` in dollars: the bill and the price of waiting; ``hours``, the makespan; ``bill`` in dollars.
    """
    workers, cpus = round(params["num_workers"]), round(params["cpus_per_worker"])
    memory_gb = float(params["memory_per_worker_gb"])
    hours = schedule(batch(), workers, cpus, memory_gb) / 3600
    rate = workers * (PRICE_PER_WORKER + PRICE_PER_CPU * cpus + PRICE_PER_GB * memory_gb)
    bill = rate * hours
    return {"loss": bill + PRICE_OF_AN_HOUR_WAITED * hours, "hours": hours, "bill": bill}

"""Ours, and the two that learn nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from arqon_ray.core import ArqonProbe, ArqonSolver
from tests.benchmarks.peers.trace import Trace
from tests.benchmarks.problems import Problem


def run_arqon(problem: Problem, budget: int, seed: int, in_flight: int = 1, **config: Any) -> Trace:
    """Run ArqonSolver; with candidates in flight, the oldest finishes first."""
    trace = Trace(problem, seed)
    solver = ArqonSolver({"seed": seed, "budget": budget, "bounds": problem.bounds, **config})
    flying: list[Any] = []
    while True:
        while len(flying) < in_flight and (candidate := solver.propose()) is not None:
            flying.append(candidate)
        if not flying:
            return trace
        done = flying.pop(0)
        solver.observe(done.number, trace(done.params))
        if problem.noisy and (best := solver.best()) is not None:
            trace.recommend(best["params"])


def run_sobol(problem: Problem, budget: int, seed: int, in_flight: int = 1) -> Trace:
    """Evaluate a scrambled Sobol' sequence."""
    trace = Trace(problem, seed)
    for params in ArqonProbe({"bounds": problem.bounds}, seed).sample_range(0, budget):
        trace(params)
    return trace


def run_random(problem: Problem, budget: int, seed: int, in_flight: int = 1) -> Trace:
    """Evaluate uniform random points."""
    trace = Trace(problem, seed)
    space = ArqonProbe({"bounds": problem.bounds}).space
    for params in space.decode_array(np.random.default_rng(seed).random((budget, space.d))):
        trace(params)
    return trace

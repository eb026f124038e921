"""Objectives of which two evaluations differ; what is recommended is judged by its true value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tests.benchmarks.problems import functions as f
from tests.benchmarks.problems.boxes import box, hartmann, named
from tests.benchmarks.problems.learning import SPLIT_ANEW, random_folds
from tests.benchmarks.problems.mixed import network
from tests.benchmarks.problems.problem import Params, Problem


def louder_uphill() -> Problem:
    """Return a valley whose noise grows with its value, as timings' and losses' does."""
    plain = box(f.rosenbrock, 3, 20)

    def sample(params: Params, rng: np.random.Generator) -> float:
        value = plain.true(params)
        return value + (1.0 + 0.2 * value) * float(rng.normal())

    return replace(plain, name="rosenbrock-3d-20-louder", group="noisy", sample=sample)


def problems() -> Iterator[Problem]:
    """Yield them in a fixed order."""
    for function, d, noise in ((f.sphere, 2, 2.0), (f.ellipsoid, 5, 20.0), (f.levy, 4, 0.5), (f.rastrigin, 3, 3.0)):
        yield box(function, d, 0, noise)
    yield box(f.ackley, 8, 22, 0.5)
    yield replace(
        named("hartmann", hartmann, [(0.0, 1.0)] * 6, -3.3223680114155147, True),
        name="hartmann-6d-noisy",
        group="noisy",
        noise=0.2,
    )
    yield replace(network(2), name="network-2-noisy", group="noisy", noise=0.15)
    yield louder_uphill()
    for name, task in SPLIT_ANEW.items():
        yield random_folds(name, task)

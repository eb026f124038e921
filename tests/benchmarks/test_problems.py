"""The benchmark's own ground: optima that nothing undercuts, halves that are even, values that do not change."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from arqon_ray.core import ArqonProbe
from tests.benchmarks.problems import Problem, halves, learning, problems

PROBLEMS = list(problems())
FORMULAS = [problem for problem in PROBLEMS if not problem.floor]


def test_names_are_unique_and_every_kind_is_there() -> None:
    assert len({problem.name for problem in PROBLEMS}) == len(PROBLEMS) > 80
    groups = Counter(problem.group for problem in PROBLEMS)
    assert groups["ml"] >= 14
    assert groups["noisy"] >= 8
    assert min(groups.values()) >= 4


@pytest.mark.parametrize("problem", FORMULAS, ids=lambda problem: problem.name)
def test_nothing_undercuts_an_optimum(problem: Problem) -> None:
    probe = ArqonProbe({"bounds": problem.bounds}, 1)
    values = np.array([problem.true(params) for params in probe.sample_range(0, 200)])
    assert values.min() >= problem.optimum - 1e-9 * abs(problem.optimum)
    assert len(set(values)) > 20


def test_halves_are_even_in_every_group() -> None:
    half = halves()
    counts = Counter((problem.group, half[problem.name]) for problem in PROBLEMS)
    for group in {problem.group for problem in PROBLEMS}:
        assert abs(counts[group, "choose"] - counts[group, "report"]) <= 1
    assert abs(sum(1 if each == "choose" else -1 for each in half.values())) <= 1


def test_noise_is_real_and_seeded() -> None:
    for problem in PROBLEMS:
        params = ArqonProbe({"bounds": problem.bounds}, 3).sample_at(5)
        if problem.noise:
            first, second = (problem.evaluate(params, np.random.default_rng(seed)) for seed in (1, 2))
            assert first != second
            assert first == problem.evaluate(params, np.random.default_rng(1))


@pytest.mark.parametrize("name", ["svc-kernels", "kernel-ridge-ard", "neighbors-digits", "sgd-digits", "models-digits"])
def test_a_learner_gives_the_same_value_again(name: str) -> None:
    task = learning.TASKS[name]
    params = ArqonProbe({"bounds": task.bounds}, 3).sample_at(7)
    first = task.value(params, 3, 0)
    assert 0.0 <= first == task.value(params, 3, 0)
    assert task.value(params, 1, 1) >= 0.0

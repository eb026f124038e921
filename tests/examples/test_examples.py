"""The objectives compute what their docstrings say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC

from arqon_ray.examples import cluster_resources, digits, learning_curve, pendulum
from arqon_ray.examples.cluster_resources import Job, schedule


def test_digits_is_the_mean_accuracy_over_the_folds() -> None:
    images, classes = digits.load()
    assert images.shape == (1797, 64)
    scores = []
    for train, test in StratifiedKFold(digits.FOLDS, shuffle=True, random_state=0).split(images, classes):
        model = SVC(C=2.0, kernel="rbf", gamma=0.001).fit(images[train], classes[train])
        scores.append(float(np.mean(model.predict(images[test]) == classes[test])))
    found = digits.accuracy({"C": 2.0, "kernel": "rbf", "gamma": 0.001, "scaling": "none"})
    assert found["accuracy"] == pytest.approx(np.mean(scores), abs=1e-12)
    assert found["spread"] == pytest.approx(np.std(scores), abs=1e-12)


def test_digits_does_not_change_what_it_is_given() -> None:
    params = {"C": 1.0, "kernel": "linear", "scaling": "minmax"}
    digits.accuracy(params)
    assert params == {"C": 1.0, "kernel": "linear", "scaling": "minmax"}


def test_a_learning_curve_is_reproducible_and_learns() -> None:
    params: dict[str, Any] = {"lr": 3e-3, "alpha": 1e-4, "width": 32, "batch_size": 32, "solver": "adam"}
    curve = list(learning_curve.epochs(params, 6))
    assert curve == list(learning_curve.epochs(params, 6))
    assert curve[-1] < 0.5 * curve[0]
    assert all(0 <= error <= 1 for error in curve)


def test_a_pendulum_without_friction_and_drive_keeps_its_energy() -> None:
    start = math.radians(60)
    found = pendulum.swing({"damping": 0.0, "drive": 0.0, "frequency": 1.0, "angle": 60})
    assert found["energy"] == pytest.approx(1 - math.cos(start), rel=1e-5)
    assert found["amplitude"] == pytest.approx(start, rel=1e-2)


def test_a_small_driven_pendulum_swings_as_the_linear_theory_says() -> None:
    damping, drive, frequency = 0.5, 0.01, 0.7
    found = pendulum.swing({"damping": damping, "drive": drive, "frequency": frequency, "angle": 0})
    linear = drive / math.hypot(1 - frequency**2, damping * frequency)
    assert found["amplitude"] == pytest.approx(linear, rel=0.01)


@pytest.mark.parametrize(
    ("workers", "cpus", "memory", "makespan"),
    [
        (1, 1, 8, 300.0),  # one after the other
        (2, 1, 8, 200.0),  # side by side, then the third
        (3, 1, 8, 100.0),
        (1, 3, 8, 200.0),  # three CPUs, but the memory holds two
        (1, 3, 2, 900.0),  # all spill and take the whole memory
    ],
)
def test_the_scheduler_places_jobs_when_cpus_and_memory_are_free(
    workers: int, cpus: int, memory: float, makespan: float
) -> None:
    jobs = tuple(Job(arrival=0.0, work=100.0, memory_gb=4.0, parallel=0.0) for _ in range(3))
    assert schedule(jobs, workers, cpus, memory) == makespan


def test_a_parallel_job_follows_amdahls_law_and_waits_for_its_arrival() -> None:
    job = Job(arrival=50.0, work=100.0, memory_gb=1.0, parallel=1.0)
    assert schedule((job,), 1, 8, 8.0) == 50.0 + 100.0 / 4
    assert schedule((job,), 1, 2, 8.0) == 50.0 + 100.0 / 2
    assert schedule((), 1, 1, 1.0) == 0.0


def test_the_best_cluster_is_neither_the_smallest_nor_the_largest() -> None:
    def loss(workers: int, cpus: int, memory: int) -> float:
        params = {"num_workers": workers, "cpus_per_worker": cpus, "memory_per_worker_gb": memory}
        return cluster_resources.cost(params)["loss"]

    assert loss(6, 8, 16) < min(loss(1, 1, 2), loss(32, 8, 32))
    found = cluster_resources.cost({"num_workers": 6, "cpus_per_worker": 8, "memory_per_worker_gb": 16})
    assert found["loss"] == pytest.approx(found["bill"] + 6.0 * found["hours"])

"""ArqonHPO's own snippets, pasted; only the import is another one, and the objectives are real.

They are the five uses of its Ray page (docs/docs/documentation/cookbook/ray.md, v0.3.3) and its README's quick
start. ``storage_path`` and ``verbose`` are added to keep the tests' files and output in their place, and
``num_samples`` is smaller: a hundred trials take minutes.
"""

# fmt: off
from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from ray import cloudpickle, remote, tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search import Searcher

from arqon_ray import ArqonProbe, ArqonSolver
from arqon_ray import ArqonSearcher as OurSearcher
from arqon_ray.examples.cluster_resources import cost as cluster_cost

SAMPLES = 4
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # as in a user's script: workers need not import this


def train_model(lr: float, batch_size: float, epochs: int = 1) -> list[float]:
    """Fit a line to a thousand points by minibatch gradient descent; returns the loss after each epoch."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=1000)
    y = 3.0 * x + rng.normal(scale=0.1, size=1000)
    slope, size, losses = 0.0, int(batch_size), []
    for _ in range(epochs):
        for start in range(0, len(x), size):
            batch = slice(start, start + size)
            slope += lr * float(np.mean((y[batch] - slope * x[batch]) * x[batch]))
        losses.append(float(np.mean((y - slope * x) ** 2)))
    return losses


# Basic Integration


class ArqonSearcher(Searcher):
    def __init__(self, config, **kwargs):
        super().__init__(**kwargs)
        self.solver = ArqonSolver(json.dumps(config))
        self._pending = {}

    def suggest(self, trial_id):
        candidate = self.solver.ask_one()
        if candidate is None:
            return Searcher.FINISHED
        self._pending[trial_id] = candidate
        return candidate

    def on_trial_complete(self, trial_id, result, **kwargs):
        params = self._pending.pop(trial_id)
        self.solver.seed(json.dumps([{
            "params": params,
            "value": result["loss"],
            "cost": 1.0
        }]))


# Usage
def train_fn(config):
    # Your training code
    loss = train_model(config["lr"], config["batch_size"])[-1]
    return {"loss": loss}


arqon_config = {
    "seed": 42,
    "budget": 100,
    "bounds": {
        "lr": {"min": 0.0001, "max": 0.1, "scale": "Log"},
        "batch_size": {"min": 8, "max": 128, "scale": "Log"}
    }
}


def test_basic_integration(cluster: Any, tmp_path: Path) -> None:
    searcher = ArqonSearcher(arqon_config)

    analysis = tune.run(
        train_fn,
        num_samples=SAMPLES,
        search_alg=searcher,
        resources_per_trial={"cpu": 1, "gpu": 0.5},
        storage_path=str(tmp_path),
        verbose=0,
    )
    assert [trial.status for trial in analysis.trials] == ["TERMINATED"] * SAMPLES
    assert sorted(row["value"] for row in searcher.solver.history()) == sorted(
        trial.last_result["loss"] for trial in analysis.trials
    )
    assert len(searcher._pending) == 0
    # Tuner pickles the searcher with the solver inside.
    again = cloudpickle.loads(cloudpickle.dumps(searcher))
    assert [again.suggest(f"t{i}") for i in range(3)] == [searcher.suggest(f"t{i}") for i in range(3)]


# With Early Stopping (ASHA)


def train_epochs(config):
    for loss in train_model(config["lr"], config["batch_size"], epochs=30):
        tune.report({"loss": loss})


@pytest.mark.parametrize("ArqonSearcher", [ArqonSearcher, OurSearcher], ids=["snippet", "ours"])
def test_with_early_stopping(cluster: Any, tmp_path: Path, ArqonSearcher: Any) -> None:
    train_fn = train_epochs
    scheduler = ASHAScheduler(
        max_t=100,
        grace_period=10,
        reduction_factor=2
    )

    analysis = tune.run(
        train_fn,
        num_samples=SAMPLES,
        search_alg=ArqonSearcher(arqon_config),
        scheduler=scheduler,  # ASHA stops bad trials early
        metric="loss",  # Ray's schedulers refuse to start without metric and mode
        mode="min",
        storage_path=str(tmp_path),
        verbose=0,
    )
    epochs = [trial.last_result["training_iteration"] for trial in analysis.trials]
    assert len(epochs) == SAMPLES
    assert set(epochs) <= {10, 20, 30}
    assert analysis.best_result["loss"] == min(trial.last_result["loss"] for trial in analysis.trials)


# Distributed ArqonProbe


config = json.dumps({
    "bounds": {
        "lr": {"min": 0.0001, "max": 0.1},
        "bs": {"min": 8, "max": 128}
    }
})


def train_and_eval(params):
    return train_model(params["lr"], params["bs"])[-1]


@remote
def evaluate_sample(probe_config, seed, index):
    probe = ArqonProbe(probe_config, seed=seed)
    params = probe.sample_at(index)
    return {"params": params, "value": train_and_eval(params)}


def test_distributed_probe(cluster: Any) -> None:
    # Launch 1000 parallel evaluations
    futures = [
        evaluate_sample.remote(config, 42, i)
        for i in range(1000)
    ]
    results = ray.get(futures)
    here = ArqonProbe(config, seed=42)
    assert [result["params"] for result in results] == here.sample_range(0, 1000)
    assert len({tuple(result["params"].values()) for result in results}) == 1000
    assert [results[i]["value"] for i in (0, 500, 999)] == [train_and_eval(results[i]["params"]) for i in (0, 500, 999)]


# Checkpointing


class ArqonSearcherWithCheckpoint(ArqonSearcher):
    def save(self, checkpoint_path):
        # Export solver state
        state = self.solver.export()
        with open(checkpoint_path, "w") as f:
            f.write(state)

    def restore(self, checkpoint_path):
        with open(checkpoint_path) as f:
            state = f.read()
        self.solver = ArqonSolver.from_state(state)


def test_checkpointing(cluster: Any, tmp_path: Path) -> None:
    searcher = ArqonSearcherWithCheckpoint(arqon_config)
    tune.run(
        train_fn,
        num_samples=SAMPLES,
        search_alg=searcher,
        resources_per_trial={"cpu": 2, "gpu": 0.5},
        storage_path=str(tmp_path),
        name="run",
        verbose=0,
    )
    restored = ArqonSearcherWithCheckpoint(arqon_config)
    restored.restore_from_dir(str(tmp_path / "run"))
    assert restored.solver.history() == searcher.solver.history()
    assert len(restored.solver.history()) == SAMPLES
    assert [restored.suggest(f"t{i}") for i in range(3)] == [searcher.suggest(f"t{i}") for i in range(3)]


class OurSearcherWithCheckpoint(OurSearcher):
    """The same lines on our own ArqonSearcher."""

    save = ArqonSearcherWithCheckpoint.save
    restore = ArqonSearcherWithCheckpoint.restore


def test_checkpointing_on_our_own_searcher(tmp_path: Path) -> None:
    searcher = OurSearcherWithCheckpoint(arqon_config)
    for i in range(SAMPLES):
        candidate = searcher.suggest(f"t{i}")
        searcher.on_trial_complete(f"t{i}", train_fn(candidate))
    searcher.save_to_dir(str(tmp_path), "session")
    restored = OurSearcherWithCheckpoint(arqon_config)
    restored.restore_from_dir(str(tmp_path))
    assert len(restored.solver.history()) == SAMPLES
    assert [restored.suggest(f"n{i}") for i in range(3)] == [searcher.suggest(f"n{i}") for i in range(3)]


# Resource Optimization


def test_resource_optimization(cluster: Any) -> None:
    arqon_config = {
        "seed": 42,
        "budget": 50,
        "bounds": {
            "num_workers": {"min": 1, "max": 32},
            "cpus_per_worker": {"min": 1, "max": 8},
            "memory_per_worker_gb": {"min": 2, "max": 32}
        }
    }
    searcher = ArqonSearcher(arqon_config)
    costs = []
    for trial in range(51):
        candidate = searcher.suggest(f"t{trial}")
        if candidate == Searcher.FINISHED:
            break
        costs.append(cluster_cost(candidate)["loss"])
        searcher.on_trial_complete(f"t{trial}", {"loss": costs[-1]})
    assert len(costs) == 50
    assert min(costs[10:]) < min(costs[:10])


# The README's quick start (ask/tell loop)


def test_quick_start() -> None:
    def objective(params):
        x, y = params["x"], params["y"]
        return (x - 2)**2 + (y + 1)**2

    config = {
        "seed": 42,
        "budget": 200,
        "bounds": {
            "x": {"min": -10.0, "max": 10.0},
            "y": {"min": -10.0, "max": 10.0}
        },
        # Optional production-style safety knobs (examples):
        # "max_delta": {"x": 0.25, "y": 0.25},
        # "cooldown_steps": 5,
    }

    solver = ArqonSolver(json.dumps(config))

    best = {"value": float("inf"), "params": None}

    while (batch := solver.ask()) is not None:
        results = []
        for params in batch:
            value = objective(params)
            if value < best["value"]:
                best = {"params": params, "value": value}
            results.append({"params": params, "value": value, "cost": 1.0})
        solver.tell(json.dumps(results))

    assert solver.get_history_len() == 200
    assert best["value"] < 1e-3
    print(f"Best: {best['params']} -> {best['value']:.4f}")

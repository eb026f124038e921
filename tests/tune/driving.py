"""Spaces and a loop for tests that drive a searcher directly."""

from __future__ import annotations

from typing import Any

from ray import tune
from ray.tune.search import Searcher

from arqon_ray.tune import ArqonSearcher

BOUNDS = {"x": {"min": -5.0, "max": 5.0}, "n": {"min": 1, "max": 9, "type": "int"}}
CONFIG = {"seed": 7, "budget": 6, "bounds": BOUNDS}
TUNE_SPACE = {"x": tune.uniform(-5, 5), "deep": {"n": tune.randint(1, 10)}, "epochs": 3}


def loss(config: dict[str, Any]) -> float:
    return float(config["x"] ** 2 + config["n"])


def drive(searcher: Searcher, count: int, first: int = 0) -> list[dict[str, Any]]:
    """Suggest and complete one trial after the other."""
    configs = []
    for i in range(first, first + count):
        config = searcher.suggest(f"t{i}")
        assert isinstance(config, dict)
        searcher.on_trial_complete(
            trial_id=f"t{i}", result={"loss": loss(config), "training_iteration": 1}, error=False
        )
        configs.append(config)
    return configs


def history(searcher: ArqonSearcher) -> list[dict[str, Any]]:
    return searcher.solver.history()

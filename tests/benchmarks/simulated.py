"""Tune's loop in simulated time: Ray's own scheduler and any searcher, no processes.

The searcher hears what Tune tells it: each report but the one on which a trial is stopped, which comes with
``on_trial_complete``.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from ray import tune
from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler
from ray.tune.search import Searcher

from tests.benchmarks.problems.curves import MAX_T, CurveProblem

WORKERS = 4
METRIC = "loss"


def tune_space(bounds: dict[str, Any]) -> dict[str, Any]:
    """Return an arqon config's bounds as Tune's domains."""

    def domain(p: dict[str, Any]) -> Any:
        if "choices" in p:
            return tune.choice(p["choices"])
        log, whole = p.get("scale") == "Log", p.get("type") == "int"
        if whole:
            return (tune.lograndint if log else tune.randint)(p["min"], p["max"] + 1)
        return (tune.loguniform if log else tune.uniform)(p["min"], p["max"])

    return {name: domain(p) for name, p in bounds.items()}


class RandomSearch(Searcher):
    """Draws from the domains."""

    def __init__(self, space: dict[str, Any], seed: int) -> None:
        super().__init__(METRIC, "min")
        self._space, self._rng = space, np.random.RandomState(seed)

    def suggest(self, trial_id: str) -> dict[str, Any]:
        return {name: domain.sample(random_state=self._rng) for name, domain in self._space.items()}

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None: ...


class Blind(Searcher):
    """Hides the steps from one of our searchers: every trial's last value is its value."""

    def __init__(self, inner: Searcher) -> None:
        super().__init__(METRIC, "min")
        self._inner = inner

    def suggest(self, trial_id: str) -> Any:
        return self._inner.suggest(trial_id)

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        self._inner.on_trial_complete(trial_id, {METRIC: result[METRIC]}, error)


class Cut(Searcher):
    """Lets one of our searchers hear no value above 10."""

    def __init__(self, inner: Searcher) -> None:
        super().__init__(METRIC, "min")
        self._inner = inner

    def suggest(self, trial_id: str) -> Any:
        return self._inner.suggest(trial_id)

    def on_trial_result(self, trial_id: str, result: Any) -> None:
        self._inner.on_trial_result(trial_id, {**result, METRIC: min(result[METRIC], 10.0)})

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        self._inner.on_trial_complete(trial_id, {**result, METRIC: min(result[METRIC], 10.0)}, error)


@dataclass
class _Running:
    trial: Any
    config: dict[str, Any]
    curve: Callable[[int], float]
    pace: float
    epoch: int = 0


def run(problem: CurveProblem, searcher: Searcher, epochs: int, seed: int) -> dict[str, Any]:
    """Run until so many epochs were trained in all.

    Returns:
        ``finals``: epochs by then and value of each trial that was trained to the end; ``trials``: how many there were.
    """
    scheduler = AsyncHyperBandScheduler(metric=METRIC, mode="min", max_t=MAX_T, grace_period=1, reduction_factor=3)
    rng = np.random.default_rng([seed, 11])
    ids, queue, finals = itertools.count(), [], []

    def begin(now: float) -> None:
        number = next(ids)
        trial = SimpleNamespace(trial_id=f"t{number:06d}")
        config = ask(searcher, trial.trial_id)
        scheduler.on_trial_add(None, trial)
        running = _Running(trial, config, problem.start(config), float(rng.uniform(0.7, 1.4)))
        heapq.heappush(queue, (now + running.pace, number, running))

    for _ in range(WORKERS):
        begin(0.0)
    for spent in range(1, epochs + 1):
        now, number, running = heapq.heappop(queue)
        running.epoch += 1
        value, trial_id = running.curve(running.epoch), running.trial.trial_id
        result = {METRIC: value, "training_iteration": running.epoch, "hyperband_info": _budget(running.epoch)}
        if scheduler.on_trial_result(None, running.trial, result) == TrialScheduler.STOP:
            scheduler.on_trial_complete(None, running.trial, result)
            searcher.on_trial_complete(trial_id, result={**result, "done": True})
            if running.epoch == MAX_T:
                finals.append((spent, value))
            begin(now)
        else:
            searcher.on_trial_result(trial_id, result)
            heapq.heappush(queue, (now + running.pace, number, running))
    return {"finals": finals, "trials": next(ids)}


def _budget(epoch: int) -> dict[str, int]:
    """Return what TuneBOHB needs to learn from a result; HyperBandForBOHB adds it on each rung."""
    return {"budget": epoch} if epoch in (1, 3, 9, 27) else {}


def ask(searcher: Searcher, trial_id: str) -> dict[str, Any]:
    """Return the next config; ours may have to compute it first."""
    deadline = time.monotonic() + 300.0
    while (config := searcher.suggest(trial_id)) is None:  # ours computes meanwhile
        if time.monotonic() > deadline:
            raise TimeoutError(f"{type(searcher).__name__} has not suggested anything for 300 s")
        time.sleep(0.001)
    assert isinstance(config, dict), config
    return config


def searchers() -> dict[str, Callable[[dict[str, Any], int], Searcher]]:
    """Return the searchers by name; each is made from a Tune space and a seed."""
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    return {
        "arqon": _arqon,
        "arqon-blind": lambda s, seed: Blind(_arqon(s, seed)),
        "arqon-cut": lambda s, seed: Cut(_arqon(s, seed)),
        "optuna": _optuna,
        "random": RandomSearch,
        "bohb": _bohb,
    }


def _arqon(space: dict[str, Any], seed: int) -> Searcher:
    from arqon_ray.tune import ArqonSearcher

    return ArqonSearcher(space, metric=METRIC, mode="min", seed=seed)


def _optuna(space: dict[str, Any], seed: int) -> Searcher:
    import optuna
    from ray.tune.search.optuna import OptunaSearch

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return OptunaSearch(space, metric=METRIC, mode="min", seed=seed)


def _bohb(space: dict[str, Any], seed: int) -> Searcher:
    from ray.tune.search.bohb import TuneBOHB

    searcher = TuneBOHB(metric=METRIC, mode="min", seed=seed)
    searcher.set_search_properties(METRIC, "min", space)
    return searcher

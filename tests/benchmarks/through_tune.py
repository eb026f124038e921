"""The same comparison through Tune itself: real trials, Tune's own loop, fewer runs."""

from __future__ import annotations

import tempfile
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import AsyncHyperBandScheduler

from tests.benchmarks import simulated
from tests.benchmarks.problems.curves import MAX_T, curves


class Epochs(tune.Stopper):
    """Ends a run after so many epochs in all."""

    def __init__(self, most: int) -> None:
        self._left = most

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        self._left -= 1
        return False

    def stop_all(self) -> bool:
        return self._left <= 0


class Training(tune.Trainable):
    """One configuration of a learning-curve problem; an iteration is an epoch."""

    def setup(self, config: dict[str, Any]) -> None:
        config = dict(config)
        self._curve = curves()[config.pop("problem")].start(config)

    def step(self) -> dict[str, float]:
        return {simulated.METRIC: self._curve(self.iteration + 1)}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Keep nothing: a curve is a function of the epoch."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Take up nothing."""

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.setup(new_config)
        return True


def run(problem: str, searcher: str, epochs: int, seed: int) -> dict[str, Any]:
    """Return the best final value of one run under ASHA, how many epochs it took, and how many trials."""
    space = simulated.tune_space(curves()[problem].bounds)
    made = simulated.searchers()[searcher](space, seed)
    scheduler = AsyncHyperBandScheduler(max_t=MAX_T, grace_period=1, reduction_factor=3)
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        tuner = tune.Tuner(
            tune.with_resources(Training, {"cpu": 0.5}),
            param_space={"problem": problem},
            tune_config=tune.TuneConfig(
                metric=simulated.METRIC,
                mode="min",
                search_alg=tune.search.ConcurrencyLimiter(made, simulated.WORKERS),
                scheduler=scheduler,
                num_samples=-1,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(stop=Epochs(epochs), storage_path=tempfile.mkdtemp(), verbose=0),
        )
        table = tuner.fit().get_dataframe()
    finally:
        ray.shutdown()
    finals = table.loc[table.training_iteration == MAX_T, simulated.METRIC]
    return {"best": float(finals.min()), "epochs": int(table.training_iteration.sum()), "trials": len(table)}

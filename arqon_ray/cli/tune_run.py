"""A job with a scheduler: its trials run through Ray Tune, which takes 4-5 s to import; only such jobs pay it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.schedulers import ASHAScheduler, HyperBandScheduler

from arqon_ray.cli.job import RunJob, SchedulerConfig
from arqon_ray.fanout.driver.progress import Progress
from arqon_ray.fanout.worker.evaluate import call
from arqon_ray.fanout.worker.shipping import Shipped
from arqon_ray.service import SolverClient
from arqon_ray.service.storage.opening import check_storage_path
from arqon_ray.tune import ArqonSearcher


class _Watch(tune.Callback):
    """Passes the end of each trial on to the progress, and to whoever saves the record."""

    def __init__(self, progress: Progress, metric: str, mode: str, done: int, on_end: Callable[[], None]) -> None:
        self._progress = progress
        self._metric = metric
        self._better = max if mode == "max" else min
        self._done, self._failed = done, 0
        self._best: float | None = None
        self._on_end = on_end

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **_: Any) -> None:
        value = result.get(self._metric)
        if isinstance(value, int | float) and value == value:
            self._best = float(value) if self._best is None else self._better(self._best, float(value))
            self._progress.update(self._done, self._failed, self._best)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        self._end(0)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        self._end(1)

    def _end(self, failed: int) -> None:
        self._done += 1
        self._failed += failed
        self._progress.update(self._done, self._failed, self._best)
        self._on_end()


def tune_study(
    job: RunJob,
    train: Callable[..., Any],
    client: SolverClient,
    folder: Path,
    progress: Progress,
    on_end: Callable[[], None],
) -> None:
    """Evaluate what is left of the study's budget with Tune.

    Args:
        job: a job with a scheduler.
        train: Tune's function trainable.
        client: the study.
        folder: where Tune's own files go, unless the job has a ``storage_path``.
        progress: is told how far the run is.
        on_end: called after each trial.
    """
    assert job.scheduler is not None, "only a job with a scheduler runs through Tune"
    # Ctrl-C is this command's: Tune's own handler would swallow it, and the study is safe without it.
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"
    mode = job.study.mode
    status = client.status()
    storage = check_storage_path(job.storage_path) if job.storage_path else str(folder.resolve())
    progress.update(status["counts"]["told"])
    tuner = tune.Tuner(
        tune.with_resources(_trainable(train), dict(job.resources)),
        tune_config=tune.TuneConfig(
            metric=job.metric,
            mode=mode,
            num_samples=-1,
            search_alg=ArqonSearcher(actor=client),
            scheduler=_scheduler(job.scheduler),
            max_concurrent_trials=job.max_concurrency,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=storage,
            verbose=0,
            callbacks=[_Watch(progress, job.metric, mode, status["counts"]["told"], on_end)],
        ),
    )
    tuner.fit()


def _trainable(train: Callable[..., Any]) -> Any:
    """Return what Tune takes: one of its own classes as it is, anything else as a function of the config."""
    kind = train.function if isinstance(train, Shipped) else train
    if isinstance(kind, type) and issubclass(kind, tune.Trainable):
        return kind

    def trainable(config: dict[str, Any]) -> Any:
        return call(train, config)

    return trainable


def _scheduler(config: SchedulerConfig) -> Any:
    if config.type == "hyperband":
        return HyperBandScheduler(max_t=config.max_t, reduction_factor=config.reduction_factor)
    return ASHAScheduler(max_t=config.max_t, grace_period=config.grace_period, reduction_factor=config.reduction_factor)

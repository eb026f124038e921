"""A job with a scheduler: its trials run through Ray Tune, which takes 4-5 s to import; only such jobs pay it."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.schedulers import ASHAScheduler, HyperBandScheduler

from arqon_ray.cli.job import RunJob, SchedulerConfig
from arqon_ray.fanout.evaluate import call
from arqon_ray.fanout.progress import Progress
from arqon_ray.fanout.shipping import Shipped
from arqon_ray.fanout.stop import make_stop_rule
from arqon_ray.service import SolverClient
from arqon_ray.service.store import check_storage_path
from arqon_ray.tune import ArqonSearcher

_LOOK_EVERY = 1.0  # seconds between two looks at the study


class _Watch(tune.Callback):
    """Shows how the study stands when trials end, and passes each end on to whoever saves the record."""

    def __init__(self, progress: Progress, client: SolverClient, mode: str, on_end: Callable[[], None]) -> None:
        self._progress = progress
        self._client = client
        self._stop = make_stop_rule(0.0, mode, None, None, None, None)
        self._on_end = on_end
        self._seq = 0
        self._counts: Counter[str] = Counter()
        self.look()

    def look(self) -> None:
        """Learn what was told since the last look; what the study takes of a trial is for it to say, not for Tune."""
        self._looked = time.monotonic()
        for row in self._client.history(since=self._seq):
            self._seq = row["seq"]
            self._counts[row["status"]] += 1
            if row["value"] is not None:
                self._stop.know(row["value"], row["step"], row["status"] == "stopped")
        failed, stopped = self._counts["failed"], self._counts["stopped"]
        self._progress.update(self._counts.total(), failed, self._stop.best, self._stop.best_step, stopped)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        self._end()

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        self._end()

    def _end(self) -> None:
        if time.monotonic() - self._looked >= _LOOK_EVERY:
            self.look()
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
    storage = check_storage_path(job.storage_path) if job.storage_path else str(folder.resolve())
    watch = _Watch(progress, client, mode, on_end)
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
            callbacks=[watch],
        ),
    )
    tuner.fit()
    watch.look()


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

"""Running a job with a scheduler through Ray Tune. Only such jobs import this module, which takes 4-5 s."""

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
from arqon_ray.service.answers import StudyStatus
from arqon_ray.service.storage.opening import check_storage_path
from arqon_ray.tune import ArqonSearcher


def show_status(status: StudyStatus, progress: Progress) -> None:
    """Show how a study stands.

    The best is the study's own: values of different steps cannot be compared, so one at an early step is not the best
    as long as another trial went further.
    """
    counts, best = status["counts"], status["best"]
    value, step = (None, None) if best is None else (best["value"], best["step"])
    progress.update(counts["told"], counts["failed"], value, step)


class _OnTrialEnd(tune.Callback):
    """Calls a function whenever a trial has ended; by then the searcher has told its result."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        self._function()

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        self._function()


def tune_study(
    job: RunJob,
    train: Callable[..., Any],
    client: SolverClient,
    folder: Path,
    progress: Progress,
    on_end: Callable[[], None],
) -> None:
    """Evaluate the rest of the study's budget with Tune.

    Args:
        job: a job with a scheduler.
        train: Tune's function trainable.
        client: the study.
        folder: for Tune's own files, unless the job has a ``storage_path``.
        progress: shows the numbers.
        on_end: called after each trial.
    """
    assert job.scheduler is not None, "only a job with a scheduler runs through Tune"
    # This command handles Ctrl-C. Tune's own handler would swallow it, and the study does not need it.
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"
    storage = check_storage_path(job.storage_path) if job.storage_path else str(folder.resolve())
    show_status(client.status(), progress)

    def ended() -> None:
        show_status(client.status(), progress)
        on_end()

    tuner = tune.Tuner(
        tune.with_resources(_trainable(train), dict(job.resources)),
        tune_config=tune.TuneConfig(
            metric=job.metric,
            mode=job.study.mode,
            num_samples=-1,
            search_alg=ArqonSearcher(actor=client),
            scheduler=_SCHEDULERS[job.scheduler.type](job.scheduler),
            max_concurrent_trials=job.max_concurrency,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=storage,
            verbose=0,
            callbacks=[_OnTrialEnd(ended)],
        ),
    )
    tuner.fit()
    show_status(client.status(), progress)


def _trainable(train: Callable[..., Any]) -> Any:
    """Return a trainable for Tune: a Trainable class as it is, anything else as a function of the config."""
    kind = train.function if isinstance(train, Shipped) else train
    if isinstance(kind, type) and issubclass(kind, tune.Trainable):
        return kind

    def trainable(config: dict[str, Any]) -> Any:
        return call(train, config)

    return trainable


def _asha(config: SchedulerConfig) -> ASHAScheduler:
    return ASHAScheduler(max_t=config.max_t, grace_period=config.grace_period, reduction_factor=config.reduction_factor)


def _hyperband(config: SchedulerConfig) -> HyperBandScheduler:
    return HyperBandScheduler(max_t=config.max_t, reduction_factor=config.reduction_factor)


_SCHEDULERS = {"asha": _asha, "hyperband": _hyperband}

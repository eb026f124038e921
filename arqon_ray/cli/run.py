"""``arqon-ray run``: one study from a job file, evaluated to its budget or until it is interrupted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from arqon_ray.cli.job import RunJob, load_job
from arqon_ray.cli.objective import load_objective
from arqon_ray.cli.record import (
    STUDY_FOLDER,
    check_same,
    discard,
    echo,
    keep,
    open_folder,
    resume_command,
    run_of,
    summary,
)
from arqon_ray.cli.saving import Progress
from arqon_ray.cli.session import ExitStatus, broken_environment, check_environment, give_up, interruptible, ray_session
from arqon_ray.core import ArqonSolver
from arqon_ray.core.propose.roster import check_strategy
from arqon_ray.errors import ArqonError, EvaluationsFailedError, StudyNotFoundError
from arqon_ray.fanout.driver.folder_lock import FolderLock
from arqon_ray.report.run import Run, State
from arqon_ray.service.storage.opening import check_storage_path


def run_command(
    config: Path,
    *,
    address: str | None,
    resume: bool,
    output: str | None,
    settings: Sequence[str],
    max_concurrency: int | None,
    no_progress: bool,
) -> int:
    """Run a job and return the exit code: 0, 1 when no evaluation succeeded, 128 + the signal that ended it.

    Raises:
        ArqonError: before anything is evaluated, when the job, the output folder or the study is refused.
    """
    config = config.expanduser()
    job = load_job(config, RunJob, settings, output=output, max_concurrency=max_concurrency)
    function = load_objective(job.objective, config.parent)
    check_environment(job.runtime_env)
    if job.storage_path is not None:
        check_storage_path(job.storage_path)
    check_strategy(job.study, elsewhere=True)
    ArqonSolver(job.study)  # whatever it refuses is refused before there is a Ray or a folder
    elsewhere = address is not None or job.storage_path is not None
    ending = ExitStatus()
    again = resume_command("run", config, address=address, output=output, settings=settings)
    with FolderLock(job.folder, "run"):
        before = open_folder(job.folder, resume, stored_elsewhere=elsewhere)
        if before is not None:
            check_same(before, job)
        session = _Session(job, function, before, not no_progress)
        try:
            finished = _with_ray(session, address, resume, ending)
        except EvaluationsFailedError as error:
            echo(summary(session.run, job.folder))
            return give_up(error)
        except ArqonError:
            if not resume and not session.evaluations:
                discard(job.folder)
            raise
        except KeyboardInterrupt:  # before the first evaluation, or a second one while the record was saved
            if session.opened:
                click.echo(f"interrupted; to continue: {again}")
            else:
                click.echo("interrupted", err=True)
            return ending.code
    echo(summary(session.run, job.folder))
    if not finished:
        click.echo(f"interrupted; to continue: {again}")
        return ending.code
    if session.stopped_by == "patience":
        click.echo(f"stopped: {job.patience} evaluations brought nothing better")
    return 0 if session.run.best is not None else 1


def _with_ray(session: _Session, address: str | None, resume: bool, ending: ExitStatus) -> bool:
    """Do the session's work with Ray; return False when an interrupt came before its end."""
    from ray.exceptions import RuntimeEnvSetupError

    name, environment = session.job.name, session.job.runtime_env
    click.echo(f"{name}: {'joining Ray at ' + address if address else 'starting a local Ray'} ...", err=True)
    with ray_session(address, environment), interruptible(ending):
        try:
            session.open(address is None, resume)
            return session.work()
        except RuntimeEnvSetupError as error:
            raise broken_environment(environment, error) from None
        except ArqonError:
            if not resume and not session.evaluations:
                session.discard_if_empty()
            raise


class _Session:
    """One start or resumption of a run.

    Attributes:
        run: the record, once it is opened.
        opened: whether there is a study to continue.
        stopped_by: why ``optimize`` stopped; empty until then, and where Tune runs the trials.
    """

    def __init__(self, job: RunJob, function: Callable[..., Any], before: Run | None, progress: bool) -> None:
        self.job = job
        self._function = function
        self._before = before
        self._progress = progress
        self.opened = False
        self.stopped_by = ""
        self._began = time.monotonic()
        self._own = False  # whether the study's actor was started here
        self.evaluations = 0

    def open(self, embedded: bool, resume: bool) -> None:
        """Start or join the study's actor, and record that the run goes on."""
        from arqon_ray.service import connect, start

        job = self.job
        try:
            connect(job.actor)
            own = False
        except StudyNotFoundError:
            own = True
        storage = job.storage_path or (str((job.folder / STUDY_FOLDER).resolve()) if embedded else None)
        self._client = start(
            job.config,
            job.actor,
            storage_path=storage,
            resume=resume,
            points_to_evaluate=job.points_to_evaluate,
        )
        self._own, self._embedded = own, embedded
        if embedded:
            # Nobody else can hold anything here: what a killed session held must not wait for its leases to end.
            held = [candidate["id"] for candidate in self._client.pending()]
            if held:
                self._client.release(held)
        self.save("running")
        self.opened = True

    def discard_if_empty(self) -> None:
        """End a study that was begun here and in which nothing was evaluated, as if it had never been begun."""
        if self._own and not self._client.pending():
            self._client.stop(purge=True)

    def work(self) -> bool:
        """Evaluate until the budget is spent; return False when an interrupt came before."""
        finished = True
        try:
            if self.job.scheduler is None:
                self._optimize()
            else:
                self._tune()
        except KeyboardInterrupt:
            finished = False
        except BaseException:
            self.save("failed")
            raise
        self.save("finished" if finished else "interrupted")
        if finished and not self._embedded and not self._client.pending():
            self._client.stop()
        return finished

    def _optimize(self) -> None:
        from arqon_ray.fanout import optimize

        job, progress = self.job, self._going_on()
        result = optimize(
            self._function,
            study=self._client,
            metric=job.metric,
            resources=job.resources,
            max_concurrency=job.max_concurrency,
            progress=self._progress,
            evaluation_timeout_s=job.evaluation_timeout_s,
            fail_fast=job.fail_fast,
            patience=job.patience,
            callbacks=[lambda row: progress.save_if_due()],
        )
        self.stopped_by = result.stopped_by

    def _tune(self) -> None:
        from arqon_ray.cli.tune_run import tune_study
        from arqon_ray.fanout import show_progress

        job, progress = self.job, self._going_on()
        with show_progress(job.name, job.study.budget, enabled=self._progress) as shown:
            tune_study(job, self._function, self._client, job.folder, shown, progress.save_if_due)

    def _going_on(self) -> Progress:
        return Progress(self._client, self.run, self.job.folder)

    def save(self, state: State) -> None:
        """Write the whole record as the study stands now."""
        exported = self._client.export()
        seconds = time.monotonic() - self._began
        self.run = run_of(self.job, exported, state, self._before, seconds)
        self.evaluations = len(self.run.evaluations)
        keep(self.run, exported, self.job.folder)

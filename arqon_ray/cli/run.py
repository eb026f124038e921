"""``arqon-ray run``: evaluate the study of a job file until its budget is spent or it is interrupted."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Unpack

import click

from arqon_ray.cli.job import RunJob, load_job
from arqon_ray.cli.objective import load_objective
from arqon_ray.cli.options import JobOptions
from arqon_ray.cli.record import (
    check_same,
    discard,
    echo,
    open_folder,
    resume_command,
    run_of,
    save_record,
    summary,
)
from arqon_ray.cli.saving import RecordSaver
from arqon_ray.cli.session import ExitStatus, broken_environment, check_environment, give_up, interruptible, ray_session
from arqon_ray.core import ArqonSolver
from arqon_ray.core.propose.roster import check_strategy
from arqon_ray.errors import ArqonError, EvaluationsFailedError, StudyNotFoundError
from arqon_ray.fanout.driver.folder_lock import FolderLock
from arqon_ray.report.folders import STUDY_FOLDER
from arqon_ray.report.run import Run, State
from arqon_ray.service.storage.opening import check_storage_path


def run_command(config: Path, **options: Unpack[JobOptions]) -> int:
    """Run a job and return the exit code: 0, 1 if no evaluation succeeded, 128 + the signal that ended it.

    Raises:
        ArqonError: the job, the output folder or the study is refused, before anything is evaluated.
    """
    config = config.expanduser()
    job = load_job(
        config,
        RunJob,
        options["settings"],
        output=options["output"],
        max_concurrency=options["max_concurrency"],
    )
    function = load_objective(job.objective, config.parent)
    check_environment(job.runtime_env)
    if job.storage_path is not None:
        check_storage_path(job.storage_path)
    # A runtime environment or another cluster may have strategies that are not installed here.
    check_strategy(job.study, elsewhere=options["address"] is not None or job.runtime_env is not None)
    ArqonSolver(job.study)  # so that a study is refused before Ray is started and the folder created
    elsewhere = options["address"] is not None or job.storage_path is not None
    ending = ExitStatus()
    again = resume_command("run", config, options)
    with FolderLock(job.folder, "run"):
        before = open_folder(job.folder, options["resume"], stored_elsewhere=elsewhere)
        if before is not None:
            check_same(before, job)
        session = _Session(job, function, before, not options["no_progress"])
        try:
            finished = _with_ray(session, options["address"], options["resume"], ending)
        except EvaluationsFailedError as error:
            echo(summary(session.run, job.folder))
            return give_up(error)
        except ArqonError:
            if not options["resume"] and not session.evaluations:
                discard(job.folder)
            raise
        except KeyboardInterrupt:  # before the first evaluation, or again while the record was being saved
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
        click.echo(f"stopped: no improvement in {job.patience} evaluations")
    return 0 if session.run.best is not None else 1


def _with_ray(session: _Session, address: str | None, resume: bool, ending: ExitStatus) -> bool:
    """Run a session with Ray; return False if it was interrupted."""
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
                session.discard_study()
            raise


class _Session:
    """One start or resumption of a run.

    Attributes:
        run: the record, once the session is opened.
        opened: whether there is a study to continue.
        stopped_by: why ``optimize`` stopped; empty before that, and if Tune runs the trials.
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
        """Start or join the study's actor, and record that the run is in progress."""
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
            # No other driver can hold candidates here: do not wait until the leases of a killed session expire.
            held = [candidate["id"] for candidate in self._client.pending()]
            if held:
                self._client.release(held)
        self.save("running")
        self.opened = True

    def discard_study(self) -> None:
        """Delete a study that was started here and has no evaluations."""
        if self._own and not self._client.pending():
            self._client.stop(purge=True)

    def work(self) -> bool:
        """Evaluate until the budget is spent; return False if it was interrupted."""
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

        job, saver = self.job, self._saver()
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
            callbacks=[lambda row: saver.save_if_due()],
        )
        self.stopped_by = result.stopped_by

    def _tune(self) -> None:
        from arqon_ray.cli.tune_run import tune_study
        from arqon_ray.fanout import show_progress

        job, saver = self.job, self._saver()
        with show_progress(job.name, job.study.budget, enabled=self._progress) as shown:
            tune_study(job, self._function, self._client, job.folder, shown, saver.save_if_due)

    def _saver(self) -> RecordSaver:
        return RecordSaver(self._client, self.run, self.job.folder)

    def save(self, state: State) -> None:
        """Write the whole record of the study as it is now."""
        exported = self._client.export()
        seconds = time.monotonic() - self._began
        self.run = run_of(self.job, exported, state, self._before, seconds)
        self.evaluations = len(self.run.evaluations)
        save_record(self.run, exported, self.job.folder)

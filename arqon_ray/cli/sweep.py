"""``arqon-ray sweep``: evaluate the function of a job at the points of the probe, into Parquet files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Unpack

import click

from arqon_ray.cli.job import SweepJob, load_job
from arqon_ray.cli.objective import load_objective
from arqon_ray.cli.options import JobOptions
from arqon_ray.cli.record import aligned, echo, resume_command
from arqon_ray.cli.session import ExitStatus, broken_environment, check_environment, give_up, interruptible, ray_session
from arqon_ray.errors import ConfigError, EvaluationsFailedError, NodesLostError
from arqon_ray.fanout import SweepResult
from arqon_ray.fanout.worker.shard_table import check_names


def sweep_command(config: Path, **options: Unpack[JobOptions]) -> int:
    """Run a sweep and return the exit code: 0, 1 if no evaluation succeeded, 128 + the signal that ended it.

    Raises:
        ArqonError: the job or the output folder is refused, before anything is evaluated.
    """
    from ray.exceptions import RuntimeEnvSetupError

    from arqon_ray.fanout import sweep

    config = config.expanduser()
    job = load_job(
        config,
        SweepJob,
        options["settings"],
        output=options["output"],
        max_concurrency=options["max_concurrency"],
    )
    function = load_objective(job.objective, config.parent)
    check_environment(job.runtime_env)
    check_names(job.study.bounds)
    if options["resume"] and not job.folder.exists():
        raise ConfigError(f"--resume: there is no sweep in '{job.folder}' to continue; start one without --resume")
    ending = ExitStatus()
    try:
        with ray_session(options["address"], job.runtime_env), interruptible(ending):
            result = sweep(
                function,
                job.study.to_dict(),
                job.sweep.num_samples,
                shard_size=job.sweep.shard_size,
                output=job.folder,
                resume=options["resume"],
                metric=job.metric,
                resources=job.resources,
                max_in_flight=job.max_concurrency,
                evaluation_timeout_s=job.evaluation_timeout_s,
                fail_fast=job.fail_fast,
                progress=not options["no_progress"],
            )
    except RuntimeEnvSetupError as error:
        raise broken_environment(job.runtime_env, error) from None
    except KeyboardInterrupt:
        again = resume_command("sweep", config, options)
        click.echo(f"interrupted; to continue: {again}")
        return ending.code
    except (EvaluationsFailedError, NodesLostError) as error:
        echo(_summary(job, error.result))
        return give_up(error)
    echo(_summary(job, result))
    return 0 if result.best is not None else 1


def _summary(job: SweepJob, result: SweepResult) -> Iterator[str]:
    yield f"{job.name}: {result.num_done} points in {result.seconds:.1f} s, {result.num_failed} failed"
    for failure in result.failures[:3]:
        yield f"  index {failure['index']}: {failure['error']}"
    if result.best is not None:
        yield f"best {job.metric}: {result.best['value']:.6g} (index {result.best['index']})"
        yield from aligned(result.best["params"])
        if others := {name: value for name, value in result.best["metrics"].items() if name != job.metric}:
            yield "with:"
            yield from aligned(others)
    yield f"results: {result.path}"

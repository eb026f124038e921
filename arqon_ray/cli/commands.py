"""The commands, their options and exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

import arqon_ray
from arqon_ray.errors import ArqonError

F = TypeVar("F", bound=Callable[..., Any])


class _Refusal(click.ClickException):
    """An ArqonError as one line on standard error."""

    exit_code = 2


class _Group(click.Group):
    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except ArqonError as error:
            raise _Refusal(" ".join(str(error).split())) from None


def _shared(command: F) -> F:
    """Add the options that ``run`` and ``sweep`` share."""
    options = (
        click.argument("config", type=click.Path(dir_okay=False)),
        click.option("--address", help="Use an existing Ray cluster: auto, HOST:PORT or ray://HOST:PORT."),
        click.option("--resume", is_flag=True, help="Continue what is in the output folder."),
        click.option("--output", metavar="DIR", help="Folder for the results [default: results/NAME]."),
        click.option(
            "--set",
            "settings",
            metavar="KEY=VALUE",
            multiple=True,
            help="Override a key of the job: study.budget=20.",
        ),
        click.option("--max-concurrency", type=click.IntRange(min=1), help="Most evaluations at once."),
        click.option("--no-progress", is_flag=True, help="Do not show progress."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(arqon_ray.__version__, prog_name="arqon-ray")
def main() -> None:
    """Hyperparameter optimization as a durable service of a Ray cluster."""


@main.command()
@_shared
def run(config: str, **options: Any) -> None:
    """Find the best parameters for the job file CONFIG.

    Without --address it starts Ray on this machine, and stops it afterwards. Ctrl-C keeps what was found so far;
    --resume continues the run.
    """
    from arqon_ray.cli.run import run_command

    click.get_current_context().exit(run_command(Path(config), **options))


@main.command()
@_shared
def sweep(config: str, **options: Any) -> None:
    """Evaluate evenly spread points (the probe), for the job file CONFIG."""
    from arqon_ray.cli.sweep import sweep_command

    click.get_current_context().exit(sweep_command(Path(config), **options))


@main.command()
@click.option("--name", help="Show one study [default: all of them].")
@click.option("--address", default="auto", show_default=True, help="The Ray cluster.")
def status(name: str | None, address: str) -> None:
    """Show the studies that run on a cluster, as JSON."""
    from arqon_ray.cli.session import ray_session

    with ray_session(address):
        answer: Any = arqon_ray.connect(name).status() if name else arqon_ray.list()
    click.echo(json.dumps(answer, indent=2, default=str))


@main.command()
@click.argument("storage", metavar="STORAGE")
@click.option("--name", default="arqon", show_default=True, help="The study's name.")
@click.option("--no-progress", is_flag=True, help="Do not show progress.")
def verify(storage: str, name: str, no_progress: bool) -> None:
    """Recompute every candidate of a study from its log, and compare bit for bit.

    STORAGE is the storage_path of the study, a directory or a URI. For "arqon-ray run" it is the folder "study" in the
    output folder. The exit code is 1 if a candidate differs.
    """
    from arqon_ray.cli.verify import verify_command

    click.get_current_context().exit(verify_command(storage, name, not no_progress))


@main.command()
@click.argument("folder", metavar="RUN", type=click.Path())
def show(folder: str) -> None:
    """Show the results of RUN, finished or not: best, phases, failures and improvements.

    RUN is the folder of a run, of a stored study (a directory or a URI) or of a Tune experiment, or a file with an
    export().
    """
    from arqon_ray.cli.record import echo, path_lines, summary
    from arqon_ray.report.opening import open_run

    record = open_run(folder)
    echo(summary(record, Path(folder).expanduser()))
    echo(path_lines(record))


@main.command()
@click.argument("folder", metavar="RUN", type=click.Path())
@click.option("-o", "--output", metavar="FILE", help="The HTML file [default: report.html in RUN, or here].")
def report(folder: str, output: str | None) -> None:
    """Write RUN as one HTML page with plots.

    For what RUN can be see "arqon-ray show --help".
    """
    from arqon_ray.report import open_run, write_html

    record = open_run(folder)
    home = Path(folder).expanduser()
    try:
        page = write_html(record, output or (home if home.is_dir() else Path()) / "report.html")
    except ImportError as error:
        raise _Refusal(str(error)) from None
    except OSError as error:
        raise _Refusal(f"--output is {output!r}: {error.strerror}") from None
    click.echo(f"report: {page}")

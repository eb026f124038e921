"""The commands: what they take, and how they end."""

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
    """An error of ours, as one line on standard error."""

    exit_code = 2


class _Group(click.Group):
    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except ArqonError as error:
            raise _Refusal(" ".join(str(error).split())) from None


def _shared(command: F) -> F:
    """Add the options that both kinds of job take."""
    options = (
        click.argument("config", type=click.Path(dir_okay=False)),
        click.option("--address", help="An existing Ray cluster: auto, HOST:PORT or ray://HOST:PORT."),
        click.option("--resume", is_flag=True, help="Continue the run in the output folder."),
        click.option("--output", metavar="DIR", help="Folder for the results [default: results/NAME]."),
        click.option("--set", "settings", metavar="KEY=VALUE", multiple=True, help="Change a key: study.budget=20."),
        click.option("--max-concurrency", type=click.IntRange(min=1), help="Evaluations at once."),
        click.option("--no-progress", is_flag=True, help="Show no progress."),
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
    """Find the best parameters for the job in CONFIG.

    Without --address it starts a Ray of its own on this machine and ends it afterwards. Ctrl-C keeps what was
    found; --resume continues it.
    """
    from arqon_ray.cli.run import run_command

    click.get_current_context().exit(run_command(Path(config), **options))


@main.command()
@_shared
def sweep(config: str, **options: Any) -> None:
    """Evaluate the function at the points of the probe, for the job in CONFIG."""
    from arqon_ray.cli.sweep import sweep_command

    click.get_current_context().exit(sweep_command(Path(config), **options))


@main.command()
@click.option("--name", help="One study [default: all of them].")
@click.option("--address", default="auto", show_default=True, help="The Ray cluster.")
def status(name: str | None, address: str) -> None:
    """Show the studies that a cluster serves, as JSON."""
    from arqon_ray.cli.session import ray_session

    with ray_session(address):
        answer: Any = arqon_ray.connect(name).status() if name else arqon_ray.list()
    click.echo(json.dumps(answer, indent=2, default=str))


@main.command()
@click.argument("storage", metavar="STORAGE")
@click.option("--name", default="arqon", show_default=True, help="The study's name.")
@click.option("--no-progress", is_flag=True, help="Show no progress.")
def verify(storage: str, name: str, no_progress: bool) -> None:
    """Recompute every candidate of the study in STORAGE from its log, and compare bit for bit.

    STORAGE is the storage_path of the study, a directory or a URI; for a run of this command line it is the folder
    "study" in the run's. The exit code is 1 when a candidate comes out otherwise.
    """
    from arqon_ray.cli.verify import verify_command

    click.get_current_context().exit(verify_command(storage, name, not no_progress))


@main.command()
@click.argument("folder", metavar="RUN", type=click.Path())
def show(folder: str) -> None:
    """Show what RUN found, finished or not: best, phases, failures and how the best improved.

    RUN is the folder of a run, of a stored study (a directory or a URI) or of a Tune experiment, or a file that holds
    an export().
    """
    from arqon_ray.cli.record import echo, path_lines, summary
    from arqon_ray.report.opening import open_run

    record = open_run(folder)
    echo(summary(record, Path(folder).expanduser()))
    echo(path_lines(record))


@main.command()
@click.argument("folder", metavar="RUN", type=click.Path())
@click.option("-o", "--output", metavar="FILE", help="The page [default: report.html in the folder RUN, or here].")
def report(folder: str, output: str | None) -> None:
    """Write RUN as one HTML page with plots; see "show" for what RUN may be."""
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

"""The record of a run in its output folder, and the summary of it on the terminal."""

from __future__ import annotations

import json
import shlex
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from arqon_ray.cli.job import RunJob
from arqon_ray.cli.options import JobOptions
from arqon_ray.core import ArqonSolver
from arqon_ray.core.config import identity
from arqon_ray.core.inputs.differences import differences
from arqon_ray.core.propose.roster import without_unread
from arqon_ray.core.record.error_kinds import RAISED
from arqon_ray.errors import ConfigError
from arqon_ray.report.folders import STUDY_FOLDER
from arqon_ray.report.run import HISTORY_FILE, RESULTS_FILE, Run, State, read_run, write_run
from arqon_ray.report.style import taken_at

STATE_FILE = "solver.json"
_SHOWN_FAILURES = 3
_SHOWN_CHANGES = 5
_LONGEST = 160  # characters of a value on the terminal


def run_of(job: RunJob, exported: str, state: State, before: Run | None, seconds: float) -> Run:
    """Return the record of a run.

    Args:
        job: the job.
        exported: the exported state of the solver.
        state: the state of the run.
        before: the record of earlier sessions; None if this is the first.
        seconds: the wall time of this session.
    """
    return ArqonSolver.from_state(exported).run(
        job.name,
        metric=job.metric,
        state=state,
        objective=job.objective,
        wall_seconds=seconds + ((before.wall_seconds or 0.0) if before else 0.0),
        sessions=1 + (before.sessions if before else 0),
    )


def save_record(run: Run, exported: str, folder: Path) -> None:
    """Write the record, the history table and the exported state of the solver."""
    write_run(run, folder)
    (folder / STATE_FILE).write_text(exported, encoding="utf-8")


def discard(folder: Path) -> None:
    """Delete what a refused run wrote, in a folder that held no run before."""
    shutil.rmtree(folder / STUDY_FOLDER, ignore_errors=True)
    for name in (RESULTS_FILE, HISTORY_FILE, STATE_FILE):
        (folder / name).unlink(missing_ok=True)


def open_folder(folder: Path, resume: bool, *, stored_elsewhere: bool = False) -> Run | None:
    """Return the record of the run to resume; None for a new run.

    Args:
        folder: the output folder.
        resume: whether ``--resume`` was given.
        stored_elsewhere: whether the study's log is outside of the folder, so that there may be no record yet.

    Raises:
        ConfigError: the folder holds a run and ``resume`` is False, or it holds none and ``resume`` is True.
    """
    record, journal = (folder / RESULTS_FILE).exists(), (folder / STUDY_FOLDER).exists()
    if not resume and (record or journal):
        raise ConfigError(
            f"--output is '{folder}': it already holds a run; use --resume to continue it, or another --output"
        )
    if resume and not (journal or record or stored_elsewhere):
        raise ConfigError(f"--resume: there is no run in '{folder}' to continue; start one without --resume")
    return read_run(folder) if record else None


def check_same(before: Run, job: RunJob) -> None:
    """Refuse to continue a run with the job of another one, before Ray is started.

    Raises:
        ConfigError: the studies differ; the message names the keys with both values.
    """
    changes = differences(identity(without_unread(before.config)), identity(without_unread(job.config)))
    if before.config.metric is not None:
        changes += differences(before.config.metric, job.metric, "metric")
    if changes:
        more = f"; and {len(changes) - _SHOWN_CHANGES} more" if len(changes) > _SHOWN_CHANGES else ""
        raise ConfigError(
            f"--resume: the run in '{job.folder}' has another study: {'; '.join(changes[:_SHOWN_CHANGES])}{more}. "
            "Continue it with its own job, of which only the budget may grow, or start a new one with another --output"
        )


def resume_command(command: str, config: Path, options: JobOptions) -> str:
    """Return the shell command that continues this one."""
    words = ["arqon-ray", command, str(config), "--resume"]
    words += ["--address", options["address"]] if options["address"] else []
    words += ["--output", options["output"]] if options["output"] else []
    words += [word for setting in options["settings"] for word in ("--set", setting)]
    return shlex.join(words)


def summary(run: Run, folder: Path) -> Iterator[str]:
    """Yield the lines of the summary: the best, phases, failures and the folder of a run."""
    best, config = run.best, run.config
    of = "" if config.budget is None else f" of {config.budget}"
    title = f"{run.name}: {run.state}, {len(run.evaluations)}{of} evaluations"
    title += "" if run.wall_seconds is None else f" in {run.wall_seconds:.1f} s"
    yield title + (f" over {run.sessions} sessions" if run.sessions > 1 else "")
    if best is None:
        yield f"best {run.metric}: none, no evaluation succeeded"
    else:
        taken = f", {taken_at(best)}" if taken_at(best) else ""
        who = "a point from outside" if best.id is None else f"candidate {best.id}, proposed by {best.origin}"
        yield f"best {run.metric}: {best.value:.6g} ({who}{taken})"
        yield from aligned(best.params)
        others = {name: value for name, value in best.metrics.items() if name != run.metric}
        if others:
            yield "with:"
            yield from aligned(others)
    yield from _phases(run)
    yield from _stopped(run)
    yield from _failures(run)
    if (folder / RESULTS_FILE).exists():
        yield f"results: {folder / RESULTS_FILE}"


def aligned(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each entry, with aligned values."""
    width = max(map(len, values))
    yield from (f"  {name:<{width}}  {_value(value)}" for name, value in values.items())


def _stopped(run: Run) -> Iterator[str]:
    if run.stopped:
        steps = [e.step for e in run.stopped if e.step is not None]
        where = f", at steps {min(steps)} to {max(steps)}" if steps else ""
        yield f"stopped early: {len(run.stopped)}{where}; their values rank below those of the others"


def _phases(run: Run) -> Iterator[str]:
    phases = run.explain.get("phases", [])
    if not phases:
        return
    yield "phases: " + " -> ".join(f"{phase['strategy']} ({phase['candidates']})" for phase in _condensed(phases))
    yield f"landscape: {run.explain['landscape']}; {run.explain['reason']}"


def _condensed(phases: list[dict[str, Any]], most: int = 8) -> list[dict[str, Any]]:
    """Return the phases, or one entry per strategy if there are more than ``most``."""
    if len(phases) <= most:
        return phases
    counts: Counter[str] = Counter()
    for phase in phases:
        counts[phase["strategy"]] += phase["candidates"]
    return [{"strategy": name, "candidates": count} for name, count in counts.items()]


def _failures(run: Run) -> Iterator[str]:
    if not run.failures:
        return
    kinds = Counter(RAISED if e.error is None else e.error.kind for e in run.failures)
    reasons = Counter("no reason" if e.error is None else e.error.message for e in run.failures)
    of_kinds = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in kinds.most_common())
    yield f"failed: {len(run.failures)} ({of_kinds})"
    yield from (f"  {count} x {reason[:_LONGEST]}" for reason, count in reasons.most_common(_SHOWN_FAILURES))
    if len(reasons) > _SHOWN_FAILURES:
        yield f"  and {len(reasons) - _SHOWN_FAILURES} other reasons, see the report"


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ... ({len(text)} characters)"


def echo(lines: Iterator[str]) -> None:
    """Print lines to standard output."""
    for line in lines:
        click.echo(line)


def path_lines(run: Run, most: int = 15) -> Iterator[str]:
    """Yield the improvements of the best value, at most the last ``most``."""
    steps = run.path()
    if not steps:
        return
    yield f"path of the best {run.metric}:"
    if len(steps) > most:
        yield f"  ({len(steps) - most} earlier improvements)"
    for number, e in steps[-most:]:
        params = ", ".join(f"{name}={_value(value)}" for name, value in e.params.items())
        taken = f" {taken_at(e)}" if taken_at(e) else ""
        yield f"  {number:>6}  {_value(e.value):<10}  {e.origin}{taken}: {params}"

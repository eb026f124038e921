"""A finished or interrupted run as plain data: what the reports read and the command line writes.

A run's folder holds ``results.json`` (this module's record, the whole history in it), ``history.csv`` (the same
history for a spreadsheet) and ``study/`` (the study's own journal, which a resumed run continues).
"""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from arqon_ray.core.config import StudyConfig, load_config
from arqon_ray.core.plain import column_text
from arqon_ray.errors import ArqonError, StateError

RESULTS_FILE = "results.json"
HISTORY_FILE = "history.csv"
FORMAT = "arqon-run/1"

State = Literal["running", "finished", "interrupted", "failed"]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluated candidate.

    Attributes:
        id: the candidate's id in its study.
        params: its parameters; inactive conditional ones are left out.
        value: the metric's value; None when the evaluation failed.
        origin: what proposed it: ``probe``, the name of a refine strategy, or ``outside``.
        cost: what it cost, in the unit of whoever told it.
        step: how far a multi-step evaluation came; None for a plain one.
        error: why it failed; None when it did not.
    """

    id: str
    params: Mapping[str, Any]
    value: float | None
    origin: str = ""
    cost: float = 1.0
    step: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A run of one study.

    Attributes:
        name: the job's name.
        metric: what the values measure.
        study: the study's config, plain.
        evaluations: in the order in which they were told.
        state: ``running`` as long as a process works on it, or as long as it was killed without notice.
        objective: where the function stands.
        explain: the solver's own account: phase, landscape, strategy and the evidence for each.
        recommended: the id of the candidate that the solver recommends; on noisy values it is not the luckiest one.
        wall_seconds: over all the run's sessions.
        sessions: how often the run was started or resumed.
    """

    name: str
    metric: str
    study: Mapping[str, Any]
    evaluations: tuple[Evaluation, ...] = ()
    state: State = "finished"
    objective: str = ""
    explain: Mapping[str, Any] = field(default_factory=dict)
    recommended: str | None = None
    wall_seconds: float = 0.0
    sessions: int = 1

    @property
    def config(self) -> StudyConfig:
        """The study's config, checked."""
        return load_config(self.study)

    @property
    def completed(self) -> tuple[Evaluation, ...]:
        """The evaluations that have a value."""
        return tuple(e for e in self.evaluations if e.value is not None)

    @property
    def failures(self) -> tuple[Evaluation, ...]:
        """The evaluations that failed."""
        return tuple(e for e in self.evaluations if e.value is None)

    def ranked(self) -> list[Evaluation]:
        """Return the evaluations that have a value, the best first; the earlier of two equal ones first."""
        sign = -1.0 if self.config.mode == "max" else 1.0
        return sorted(self.completed, key=lambda e: sign * (math.inf if e.value is None else e.value))

    @property
    def best(self) -> Evaluation | None:
        """The recommended evaluation, else the one with the best value; None when none has a value."""
        ranked = self.ranked()
        recommended = (e for e in ranked if self.recommended is not None and e.id == self.recommended)
        return next(recommended, ranked[0] if ranked else None)

    def path(self) -> list[tuple[int, Evaluation]]:
        """Return each improvement: its place in the history, from 1, and the evaluation."""
        larger_is_better = self.config.mode == "max"
        steps: list[tuple[int, Evaluation]] = []
        for place, evaluation in enumerate(self.evaluations, start=1):
            if evaluation.value is None:
                continue
            best = steps[-1][1].value if steps else None
            if best is None or (evaluation.value > best if larger_is_better else evaluation.value < best):
                steps.append((place, evaluation))
        return steps

    def origins(self) -> dict[str, int]:
        """Return how many evaluations each phase or strategy proposed, in the order of their first one."""
        counts: dict[str, int] = {}
        for evaluation in self.evaluations:
            counts[evaluation.origin] = counts.get(evaluation.origin, 0) + 1
        return counts


def write_run(run: Run, folder: Path) -> None:
    """Write ``results.json`` and ``history.csv``; each appears whole or not at all.

    In the table a parameter with the name of another column is ``params.NAME``, and choices that would be the same text
    are JSON.
    """
    folder.mkdir(parents=True, exist_ok=True)
    record = {"format": FORMAT, **asdict(run)}
    _replace(folder / RESULTS_FILE, json.dumps(record, indent=1, allow_nan=False) + "\n")
    bounds = run.config.bounds
    own = ("id", "origin", run.metric, "cost", "step", "error")
    header = [f"params.{name}" if name in own else name for name in bounds]
    cells = {name: column_text(parameter.choices or (), _cell) for name, parameter in bounds.items()}
    temporary = folder / (HISTORY_FILE + ".part")
    with temporary.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow([*own[:2], *header, *own[2:]])
        for e in run.evaluations:
            params = [cells[name](e.params[name]) if name in e.params else "" for name in bounds]
            table.writerow([e.id, e.origin, *params, e.value, e.cost, e.step, e.error])
    os.replace(temporary, folder / HISTORY_FILE)


def _cell(value: Any) -> str:
    return "" if value is None else str(value)


def _replace(target: Path, text: str) -> None:
    temporary = target.with_name(target.name + ".part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, target)


def read_run(folder: str | Path) -> Run:
    """Read what :func:`write_run` wrote.

    Args:
        folder: the run's folder, or its ``results.json``.

    Raises:
        StateError: when there is no run, or it is damaged.
    """
    path = Path(folder).expanduser()
    path = path / RESULTS_FILE if path.is_dir() or not path.suffix else path
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record.pop("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        evaluations = tuple(Evaluation(**e) for e in record.pop("evaluations"))
        run = Run(evaluations=evaluations, **record)
        load_config(run.study)
    except OSError as error:
        raise StateError(f"{folder} holds no run: cannot read {path}: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, ArqonError) as error:
        raise StateError(f"{path} is not a run's record: {error}") from None
    return run

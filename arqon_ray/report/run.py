"""The folder of a run: ``results.json`` (the whole :class:`Run`) and ``history.csv`` (its evaluations as a table).

``results.json`` is strict JSON with one evaluation per line; metrics that are not finite are ``{"float": "nan"}``.
Format 1, of release 0.1.0, is read too. It does not say whether an evaluation with a step was stopped; that is assumed
if another one went further.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from arqon_ray.core.record import metrics
from arqon_ray.core.record.error_kinds import RAISED
from arqon_ray.core.record.evaluation import Error, Evaluation, Step
from arqon_ray.core.record.run import Run, State
from arqon_ray.errors import ArqonError, StateError
from arqon_ray.report.checking import check_run
from arqon_ray.report.history import history_text

RESULTS_FILE = "results.json"
HISTORY_FILE = "history.csv"
FORMAT = "arqon-run/2"
_FIRST_FORMAT = "arqon-run/1"
_LISTS = ("running", "evaluations")

__all__ = ["FORMAT", "HISTORY_FILE", "RESULTS_FILE", "Evaluation", "Run", "State", "read_run", "write_run"]


def write_run(run: Run, folder: Path) -> None:
    """Write ``results.json`` and ``history.csv``, each atomically."""
    folder.mkdir(parents=True, exist_ok=True)
    replace_text(folder / RESULTS_FILE, results_text(run, map(evaluation_text, run.evaluations)))
    replace_text(folder / HISTORY_FILE, history_text(run))


def results_text(run: Run, evaluations: Iterable[str]) -> str:
    """Return the text of ``results.json``.

    Args:
        run: the run.
        evaluations: its evaluations, each as :func:`evaluation_text` writes it.
    """
    plain = {field.name: getattr(run, field.name) for field in fields(run) if field.name not in _LISTS}
    lists = {"running": map(evaluation_text, run.running), "evaluations": evaluations}
    head = json.dumps({"format": FORMAT, **plain}, indent=1, allow_nan=False, default=dict)
    return head.removesuffix("\n}") + "".join(f',\n "{name}": {_lines(lists[name])}' for name in _LISTS) + "\n}\n"


def evaluation_text(evaluation: Evaluation) -> str:
    """Return an evaluation as one line of JSON."""
    plain = evaluation.to_dict()
    return json.dumps({**plain, "metrics": metrics.to_json(plain["metrics"])}, allow_nan=False)


def _lines(texts: Iterable[str]) -> str:
    lines = ",\n  ".join(texts)
    return f"[\n  {lines}\n ]" if lines else "[]"


def replace_text(target: Path, text: str) -> None:
    """Write a file atomically: readers see the old or the new text."""
    temporary = target.with_name(target.name + ".part")
    # Without translating line endings: a CSV table has its own.
    temporary.write_text(text, encoding="utf-8", newline="")
    os.replace(temporary, target)


def read_run(folder: str | Path) -> Run:
    """Read what :func:`write_run` wrote.

    The form is checked: the format, the study's config, the type of each entry, that the parameters are those of the
    study, and that exactly the failed evaluations have no value. The numbers themselves are taken on trust: somebody
    who edits them is not noticed. What the study itself recorded is in its log, see ``arqon-ray verify``.

    Args:
        folder: the folder of the run, or its ``results.json``.

    Raises:
        StateError: there is no run, or the record does not have this form.
    """
    path = Path(folder).expanduser()
    path = path / RESULTS_FILE if path.is_dir() or not path.suffix else path
    try:
        return _run_of(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise StateError(f"{folder} holds no run: cannot read {path}: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, ArqonError) as error:
        raise StateError(f"{path} is not a run's record: {error}") from None


def _run_of(record: dict[str, Any]) -> Run:
    form = record.pop("format")
    if form not in (FORMAT, _FIRST_FORMAT):
        raise ValueError(f"its format is not {FORMAT}")
    read = _evaluations_of_first if form == _FIRST_FORMAT else _evaluations
    lists: dict[str, Any] = {name: read(record.pop(name, ())) for name in _LISTS}
    run = Run(**lists, **record)
    check_run(run)
    return run


def _evaluations(rows: Sequence[Mapping[str, Any]]) -> tuple[Evaluation, ...]:
    return tuple(Evaluation.from_dict({**row, "metrics": metrics.from_json(row["metrics"])}) for row in rows)


def _evaluations_of_first(rows: Sequence[Mapping[str, Any]]) -> tuple[Evaluation, ...]:
    """Return the evaluations of a record of 0.1.0."""
    read = [_evaluation_of_first(**row) for row in rows]
    furthest = max((e.step for e in read if e.step is not None), default=0)
    return tuple(
        replace(e, status="stopped") if e.value is not None and e.step is not None and e.step < furthest else e
        for e in read
    )


def _evaluation_of_first(
    id: str,
    params: Mapping[str, Any],
    value: float | None,
    origin: str = "",
    cost: float = 1.0,
    step: int | None = None,
    error: str | None = None,
) -> Evaluation:
    candidate = id.isdigit()  # points from outside have other ids
    return Evaluation(
        id=id if candidate else None,
        params=params,
        value=value,
        status="failed" if value is None else "complete",
        number=int(id) if candidate else None,
        step=step,
        steps=() if step is None or value is None else (Step(step, value),),
        cost=cost,
        error=Error(RAISED, error or "failed") if value is None else None,
        origin=origin,
    )

"""Opening the run in a folder, a file or at a URI: of the command line, a stored study or a Tune experiment."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path

from arqon_ray.core.config import identity
from arqon_ray.core.export import state
from arqon_ray.core.export.exported import run_of_export
from arqon_ray.core.record.run import Run
from arqon_ray.errors import ArqonError, StateError
from arqon_ray.report.experiment import is_experiment, read_experiment
from arqon_ray.report.run import RESULTS_FILE, read_run
from arqon_ray.service.server.reading import find_study, read_state

STUDY_FOLDER = "study"
"""The folder of the study's log in the output folder of ``arqon-ray run``."""
_SWEEP = "_manifest.json"


def open_file(file: Path) -> Run:
    """Return the run in a file: a ``results.json``, or what ``export()`` returned.

    Raises:
        StateError: it is neither, or it is damaged.
    """
    try:
        text = file.read_text(encoding="utf-8")
        form = json.loads(text).get("format")
    except OSError as error:
        raise StateError(f"cannot read {file}: {error.strerror or error}") from None
    except (ValueError, AttributeError, RecursionError) as error:
        raise StateError(f"{file} is neither the results.json of a run nor an export(): {error}") from None
    return open_export(text, file.stem) if form == state.FORMAT else read_run(file)


def open_export(exported: str, name: str) -> Run:
    """Return the run of an exported solver.

    Raises:
        StateError: it is damaged.
    """
    return run_of_export(exported, name)


def open_folder(folder: Path) -> Run:
    """Return the run in a folder.

    Raises:
        StateError: there is none, or it is damaged.
    """
    if (folder / _SWEEP).exists():
        raise StateError(f"{folder} holds a sweep, and not a run: open it with arqon_ray.open_sweep")
    if (folder / RESULTS_FILE).exists():
        return _newer(read_run(folder), folder)
    if is_experiment(folder):
        return read_experiment(folder)
    run = open_journal(str(folder)) or open_journal(str(folder / STUDY_FOLDER))
    if run is None:
        raise StateError(
            f"{folder} holds no run: give the folder of a run, of a study (or the storage_path that holds it) or of a "
            "Tune experiment"
        )
    return run


def open_journal(path: str) -> Run | None:
    """Return the run of a stored study; None if there is none.

    Args:
        path: the folder of a study, or a ``storage_path`` with one study; a directory or a URI.

    Raises:
        StateError: there are several studies, the study is damaged, or the storage failed.
    """
    try:
        found = find_study(path)
        if found is None:
            return None
        stored = read_state(*found)
        return stored.solver.run(found[1], versions=stored.hosts[-1].get("versions", {}) if stored.hosts else {})
    except StateError:
        raise
    except (ArqonError, OSError) as error:
        raise StateError(str(error)) from error


def _newer(record: Run, folder: Path) -> Run:
    """Return the record of a folder, brought up to date from the study's log if that is newer."""
    if record.state == "finished":
        return record
    try:
        journal = open_journal(str(folder / STUDY_FOLDER))
    except StateError as error:
        warnings.warn(f"the log in {folder / STUDY_FOLDER} is ignored: {error}", stacklevel=4)
        return record
    if journal is None or identity(journal.config) != identity(record.config):
        return record
    return replace(
        record,
        study=journal.study,
        evaluations=journal.evaluations,
        running=journal.running,
        explain=journal.explain,
        recommended=journal.recommended,
        versions=journal.versions,
    )

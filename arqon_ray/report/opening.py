"""``open_run``: get the run of anything that has one: a folder, a stored or live study, a result, a solver."""

from __future__ import annotations

import inspect
import os
from pathlib import Path
from typing import Protocol, runtime_checkable

from arqon_ray.core.inputs.values import shown
from arqon_ray.core.record.run import Run
from arqon_ray.errors import ConfigError, StateError
from arqon_ray.report.folders import open_export, open_file, open_folder, open_journal
from arqon_ray.service.storage.opening import check_storage_path
from arqon_ray.service.storage.paths import is_shared


@runtime_checkable
class HasRun(Protocol):
    """Anything with a run: a solver, a client, a searcher, the result of ``optimize``."""

    def run(self) -> Run:
        """Return the run as it is now."""
        ...


Source = Run | HasRun | str | os.PathLike[str]
"""What :func:`open_run` accepts."""

_KINDS = (
    "give a Run, a result of optimize(), a solver, a client or a searcher; the path of a run, of a stored study "
    "or of a Tune experiment; or what export() returned"
)


def open_run(what: Source) -> Run:
    """Return the run of anything that has one: its evaluations, config, phases and explanation.

    It does not start Ray, import the objective or write anything, so a study can be read while its actor is running. ::

        run = arqon_ray.open_run("results/digits")
        run.best.params, run.to_pandas()

    Args:
        what: the output folder of ``arqon-ray run``, or the ``results.json`` in it; a stored study, as the path or URI
            of its folder or of a ``storage_path`` with only this study; the local folder of a Tune experiment; what
            ``export()`` returned, or a file with it; the result of ``optimize``; an ``ArqonSolver``, an
            ``ArqonSearcher``, or the client of a live study; a Run.

    Returns:
        The run. For an output folder whose run was killed or is in progress, the evaluations are those of the study's
        log, which is newer than the record. A log and an export do not have the name, objective or times of a run.

    Raises:
        StateError: it is none of these, the path does not exist, or what it holds is damaged. Of a ``results.json``
            the form is checked and not the numbers, see :func:`.read_run`.

    Example:
        >>> from arqon_ray import ArqonSolver, open_run
        >>> solver = ArqonSolver({"bounds": {"x": {"min": 0.0, "max": 1.0}}})
        >>> params = solver.ask_one()
        >>> accepted = solver.tell([{"params": params, "value": 0.5}])
        >>> [row.value for row in open_run(solver).evaluations]
        [0.5]
    """
    if isinstance(what, Run):
        return what
    if isinstance(what, str | os.PathLike):
        return _open_path(os.fspath(what))
    if not isinstance(what, HasRun) or isinstance(what, type):
        raise StateError(f"run is {shown(what)}: {_KINDS}")
    if inspect.iscoroutinefunction(what.run):
        raise StateError(f"run is {shown(what)}: its run() is asynchronous; await it and pass the result")
    return what.run()


def _open_path(given: str) -> Run:
    if given.lstrip().startswith("{"):
        return open_export(given, "arqon")
    try:
        checked = check_storage_path(given)
    except ConfigError:
        raise StateError(f"run is {shown(given)}: {_KINDS}") from None
    if is_shared(checked):
        run = open_journal(checked)
        if run is None:
            raise StateError(f"{given} holds no study: give the URI of a study's folder, or its storage_path")
        return run
    path = Path(checked)
    if path.is_dir():
        return open_folder(path)
    if not path.exists():
        raise StateError(f"run is {shown(given)}: there is nothing at {path}; {_KINDS}")
    return open_file(path)

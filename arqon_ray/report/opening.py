"""One way to the run of whatever there is: a folder, a journal, a live study, or an object that knows its own."""

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
    """What can say what its run was: a solver, a client, a searcher, the result of ``optimize``."""

    def run(self) -> Run:
        """Return the run as it stands."""
        ...


Source = Run | HasRun | str | os.PathLike[str]
"""What :func:`open_run` takes."""

_KINDS = (
    "give a Run, what optimize() returned, a solver, a client or a searcher; the path of a run, of a stored study "
    "or of a Tune experiment; or what export() returned"
)


def open_run(what: Source) -> Run:
    """Return the run of whatever there is: its evaluations, config, phases and explanation.

    No Ray is started, none of the user's functions is imported, and nothing is written: a study that an actor serves
    can be read beside it. ::

        run = arqon_ray.open_run("results/digits")
        run.best.params, run.to_pandas()

    Args:
        what: a folder of the command line's ``run``, or the ``results.json`` in it; a stored study, as the path or URI
            of its folder or of the ``storage_path`` that holds it alone; the local folder of a Tune experiment; what
            ``export()`` returned, or a file that holds it; what ``optimize`` returned; an ``ArqonSolver``, an
            ``ArqonSearcher``, or the client of a live study; a Run.

    Returns:
        The run. Of a folder of the command line whose record is older than its journal, since the run was killed or
        goes on, what the journal says. A journal and an export do not tell name, objective or times of a run.

    Raises:
        StateError: it is none of these, there is nothing at the path, or what is there is damaged.

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
        raise StateError(f"run is {shown(what)}: await its run() and give that")
    return what.run()


def _open_path(given: str) -> Run:
    if given.lstrip().startswith("{"):
        return open_export(given, "arqon")
    try:
        place = check_storage_path(given)
    except ConfigError:
        raise StateError(f"run is {shown(given)}: {_KINDS}") from None
    if is_shared(place):
        run = open_journal(place)
        if run is None:
            raise StateError(f"{given} holds no study: give the URI of a study's folder, or its storage_path")
        return run
    path = Path(place)
    if path.is_dir():
        return open_folder(path)
    if not path.exists():
        raise StateError(f"run is {shown(given)}: there is nothing at {path}; {_KINDS}")
    return open_file(path)

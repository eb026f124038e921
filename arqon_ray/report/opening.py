"""One way to the run of whatever there is: a folder, a journal, a live study, or an object that knows its own."""

from __future__ import annotations

import inspect
from typing import Protocol, runtime_checkable

from arqon_ray.core.run import Run
from arqon_ray.core.values import shown
from arqon_ray.errors import StateError


@runtime_checkable
class HasRun(Protocol):
    """What can say what its run was: a solver, a client, a searcher, the result of ``optimize``."""

    def run(self) -> Run:
        """Return the run as it stands."""
        ...


Source = Run | HasRun


def open_run(what: Source) -> Run:
    """Return the run of whatever there is.

    Args:
        what: a :class:`Run`; or a solver, a client, a searcher or what ``optimize`` returned.

    Raises:
        StateError: it is none of these.
    """
    if isinstance(what, Run):
        return what
    if isinstance(what, HasRun) and not inspect.iscoroutinefunction(what.run):
        return what.run()
    raise StateError(
        f"run is {shown(what)}: give what optimize() returned, or a Run, as read_run('FOLDER') returns one"
    )

"""The run of an exported solver."""

from __future__ import annotations

from typing import Any

from arqon_ray.core.export import state
from arqon_ray.core.record.run import Run
from arqon_ray.core.solver import ArqonSolver


def run_of_export(exported: str, name: str, **more: Any) -> Run:
    """Return the run of a study as of its export; exports of 0.1.0 do not say by which versions they were written.

    Args:
        exported: what :meth:`.ArqonSolver.export` returned.
        name: the run's name.
        **more: other attributes of the :class:`.Run`, over what the export says.

    Raises:
        StateError: if it is malformed, incomplete or of a version that this release cannot read.
    """
    document = state.parse(exported)
    written_by = document.get("versions", {})
    return ArqonSolver.from_document(document).run(name, **{"versions": written_by, **more})

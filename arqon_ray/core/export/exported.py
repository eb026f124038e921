"""The run of an exported solver."""

from __future__ import annotations

from typing import Any

from arqon_ray.core.export import state
from arqon_ray.core.record.run import Run
from arqon_ray.core.solver import ArqonSolver


def run_of_export(exported: str, name: str, **more: Any) -> Run:
    """Return what had become of a study when it was exported; of releases before this record without versions.

    Args:
        exported: what :meth:`.ArqonSolver.export` returned.
        name: the run's name.
        **more: other attributes of the :class:`.Run` that are known better.

    Raises:
        StateError: when it is malformed, incomplete or of a version that this release cannot read.
    """
    document = state.parse(exported)
    written_by = document.get("versions", {})
    return ArqonSolver.from_document(document).run(name, **{"versions": written_by, **more})

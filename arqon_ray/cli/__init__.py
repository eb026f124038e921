"""The command line: ``arqon-ray run``, ``sweep``, ``status``, ``show`` and ``report``.

From outside use :func:`main`, and to read job files :class:`RunJob`, :class:`SweepJob` and :func:`load_job`. These are
imported on first use, so that the command itself starts quickly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arqon_ray.cli.commands import main

if TYPE_CHECKING:
    from arqon_ray.cli.job import RunJob, SweepJob, load_job

__all__ = ["RunJob", "SweepJob", "load_job", "main"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from arqon_ray.cli import job

    return getattr(job, name)

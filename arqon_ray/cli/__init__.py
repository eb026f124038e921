"""The command line: ``arqon-ray run``, ``sweep``, ``status``, ``show`` and ``report``.

Used from outside: :func:`main`, and :class:`RunJob`, :class:`SweepJob`, :func:`load_job` for who reads job files; these
are loaded when they are asked for, so that Ctrl-C finds the command soon, and not half of its imports.
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

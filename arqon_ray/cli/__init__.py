"""The command line: ``arqon-ray run``, ``sweep``, ``status``, ``show`` and ``report``.

Used from outside: :func:`main`, and :class:`RunJob`, :class:`SweepJob`, :func:`load_job` for who reads job files.
"""

from arqon_ray.cli.commands import main
from arqon_ray.cli.job import RunJob, SweepJob, load_job

__all__ = ["RunJob", "SweepJob", "load_job", "main"]

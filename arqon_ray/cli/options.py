"""The options that ``arqon-ray run`` and ``arqon-ray sweep`` share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict


class JobOptions(TypedDict):
    """The options of one call.

    Attributes:
        address: of an existing Ray cluster; None to start Ray on this machine.
        resume: whether to continue what is in the output folder.
        output: the folder for the results; None for the job's.
        settings: ``key=value`` for keys of the job file.
        max_concurrency: the most evaluations at once; None for the job's.
        no_progress: whether to show no progress.
    """

    address: str | None
    resume: bool
    output: str | None
    settings: Sequence[str]
    max_concurrency: int | None
    no_progress: bool

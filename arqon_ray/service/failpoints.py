"""Failpoints: named points at which a test makes the actor's own process fail.

They are armed by an environment variable, which an actor gets through its ``runtime_env``; without it they do nothing::

    ARQON_RAY_FAILPOINTS="FOLDER;written=kill;synced=EIO:2:10"

``point=action:times:skip`` acts ``times`` times (1) over all processes, after ``skip`` (0) visits in each process. Each
time it leaves a file ``FOLDER/point-k``, by which a test can assert that the fault was injected. Actions: ``kill``
(SIGKILL to this process), or the name of an errno, such as ``EIO``, which is raised as OSError.

The points: ``apply`` (a call holds the study's lock), ``propose`` (a candidate is being computed), ``written`` (a
group of records is written but not synced), ``synced`` (it is durable but not acknowledged), ``replace-`` with the
first part of an object's name, such as ``replace-EPOCH`` or ``replace-snapshots`` (in a directory: the temporary file
is written but not renamed), ``snapshot-pruning`` (a snapshot is written, older ones are not deleted), ``compaction``
(small objects are merged but not deleted), ``claim`` (a new epoch is claimed, its log is still empty).
"""

from __future__ import annotations

import errno
import itertools
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

VARIABLE = "ARQON_RAY_FAILPOINTS"


@dataclass
class _Failpoint:
    mark: Path
    action: str
    times: int = 1
    skip: int = 0
    visits: Iterator[int] = field(default_factory=itertools.count, init=False)

    def act(self) -> None:
        if next(self.visits) < self.skip:
            return
        for k in range(self.times):
            try:
                # The file is made first: a process that kills itself cannot make it afterwards.
                os.close(os.open(f"{self.mark}-{k}", os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                continue
            if self.action == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(getattr(errno, self.action), f"failpoint {self.mark.name}")


def arm(text: str) -> None:
    """Arm these failpoints of this process, and disarm all others; the module describes the form of ``text``."""
    folder, *points = text.split(";")
    _armed.clear()
    for point, _, what in (each.partition("=") for each in points):
        action, *numbers = what.split(":")
        _armed[point] = _Failpoint(Path(folder) / point, action, *(int(n) for n in numbers[:2]))


def failpoint(point: str) -> None:
    """Fail at this point if a test has armed it."""
    if _armed and point in _armed:
        _armed[point].act()


_armed: dict[str, _Failpoint] = {}
arm(os.environ.get(VARIABLE, ""))

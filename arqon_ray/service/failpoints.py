"""Named places at which a test makes the actor's own process fail, and learns that it did.

Armed by an environment variable, which an actor is given through its ``runtime_env``; without it nothing happens::

    ARQON_RAY_FAILPOINTS="FOLDER;written=kill;synced=EIO:2:10"

``point=action:times:skip`` acts ``times`` times (1) in all, whatever processes come and go, after it let ``skip``
(0) visits pass in each process. Each act leaves a file ``FOLDER/point-k``, so that a test can assert that the fault
fired. Actions: ``kill`` (SIGKILL to this process), or the name of an errno, such as ``EIO``, raised as OSError.

The points: ``apply`` (a call holds the study's lock), ``propose`` (a candidate is being computed), ``written`` (a
group of records is written, not yet synced), ``synced`` (it is durable, nobody was answered), ``replace-`` and the
first part of an object's name, such as ``replace-EPOCH`` or ``replace-snapshots`` (it is written beside, in a
directory, and not yet in its place), ``snapshot-pruning`` (one is there, older ones are not gone), ``compaction``
(small objects were merged and are not yet deleted), ``claim`` (a new epoch is claimed, nothing is in its log).
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
                # Left first: a process that kills itself leaves nothing afterwards.
                os.close(os.open(f"{self.mark}-{k}", os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                continue
            if self.action == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(getattr(errno, self.action), f"failpoint {self.mark.name}")


def arm(text: str) -> None:
    """Arm the failpoints of this process, and no others; see the module for the form of ``text``."""
    folder, *points = text.split(";")
    _armed.clear()
    for point, _, what in (each.partition("=") for each in points):
        action, *numbers = what.split(":")
        _armed[point] = _Failpoint(Path(folder) / point, action, *(int(n) for n in numbers[:2]))


def failpoint(point: str) -> None:
    """Fail here when a test wants it."""
    if _armed and point in _armed:
        _armed[point].act()


_armed: dict[str, _Failpoint] = {}
arm(os.environ.get(VARIABLE, ""))

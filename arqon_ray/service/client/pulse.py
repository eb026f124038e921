"""Is an actor that does not answer busy, or is it frozen? Its pulse tells.

A call may take long because the actor has much to do, and repeating it would only add to that. So a call is waited for
in slices, and between them a ``ping``, which the actor answers in a concurrency group of its own, shows whether its
process lives. A process that is stopped or starved, a node that is cut off, an actor that waits for resources to be
restarted: none of them answers, and after the client's patience the caller is told.
"""

from __future__ import annotations

import math
import time
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError

from arqon_ray.errors import StudyUnreachableError

SLICE = 5.0
"""Seconds for which an answer is waited for before the pulse is taken."""

_PING = 1.0
"""Seconds for which a ping is waited for each time."""


class Pulse:
    """The pulse of one actor while one call of it is waited for.

    Args:
        name: the study's name.
        handle: the actor's handle. An actor that an older release created has no ``ping``, and is waited for.
        patience: seconds without a pulse until the call is given up; None for never.
    """

    def __init__(self, name: str, handle: Any, patience: float | None) -> None:
        self._name = name
        self._handle = handle
        self._patience = math.inf if patience is None else patience
        self._ping: Any = None
        self._since = 0.0
        self._problem = "its process does not answer a ping"

    def take(self) -> None:
        """Wait a moment for the actor's pulse.

        Raises:
            StudyUnreachableError: there was none for as long as the client is patient.
        """
        if self._ping is None:
            if not hasattr(self._handle, "ping"):
                return
            self._ping, self._since = self._handle.ping.remote(), time.monotonic()
        if self._answered():
            self._ping = None
            return
        silent = time.monotonic() - self._since
        if silent >= self._patience:
            raise StudyUnreachableError(
                f"the study {self._name!r} has not answered for {silent:.0f} s: {self._problem}. Look whether its "
                "process is stopped and its node alive (ray list actors). The call may still have its effect: repeat "
                "it with the same key, and that happens once"
            )

    def _answered(self) -> bool:
        try:
            ray.get(self._ping, timeout=_PING)
        except GetTimeoutError:
            return False
        except RayError as error:
            self._problem = f"Ray says {' '.join(str(error).split())[:200]}"
            self._ping = self._handle.ping.remote()
            time.sleep(_PING)
            return False
        return True


def answer(reference: Any, pulse: Pulse) -> Any:
    """Return what a call answered, as ``ray.get`` does.

    Raises:
        StudyUnreachableError: the actor has shown no sign of life for long.
    """
    while True:
        try:
            return ray.get(reference, timeout=SLICE)
        except RayTaskError:  # also one that stands for a TimeoutError of the actor's own
            raise
        except GetTimeoutError:
            pulse.take()

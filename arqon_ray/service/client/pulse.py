"""Tells a busy actor from a frozen one.

A call may take long because the actor is busy, and repeating it would make that worse. So a client waits for the answer
in slices of five seconds and sends a ``ping`` between them, which the actor answers in a concurrency group of its own.
If its process is stopped or starved, its node is cut off, or it waits for resources before it can be restarted, the
ping is not answered, and the caller gets an error after the client's patience.
"""

from __future__ import annotations

import math
import time
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError

from arqon_ray.errors import StudyUnreachableError

SLICE = 5.0
"""Seconds to wait for an answer before the pulse is checked."""

_PING = 1.0
"""Seconds to wait for a ping each time."""


class Pulse:
    """Pings one actor while a client waits for the answer of a call.

    Args:
        name: the study's name.
        handle: the actor's handle. An actor of an older release has no ``ping``: its answer is waited for without end.
        patience: seconds without an answer to a ping after which the call is given up; None for never.
    """

    def __init__(self, name: str, handle: Any, patience: float | None) -> None:
        self._name = name
        self._handle = handle
        self._patience = math.inf if patience is None else patience
        self._ping: Any = None
        self._since = 0.0
        self._problem = "its process does not answer a ping"

    def check(self) -> None:
        """Wait a second for the answer to a ping.

        Raises:
            StudyUnreachableError: none was answered for the client's whole patience.
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


def wait_for_answer(reference: Any, pulse: Pulse) -> Any:
    """Return the answer of a call, as ``ray.get`` does, and ping the actor while it takes long.

    Raises:
        StudyUnreachableError: the actor has shown no sign of life for the client's whole patience.
    """
    while True:
        try:
            return ray.get(reference, timeout=SLICE)
        except RayTaskError:  # also one that stands for a TimeoutError of the actor's own
            raise
        except GetTimeoutError:
            pulse.check()

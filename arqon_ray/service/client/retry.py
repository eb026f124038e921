"""When a call that failed is repeated, and how long an ask waits: what both clients share."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Mapping
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, ObjectLostError, RayActorError, RayTaskError, RpcError

from arqon_ray.errors import ArqonError, AskTimeoutError, StudyNotFoundError
from arqon_ray.service.client.pulse import SLICE
from arqon_ray.service.protocol import from_plain, operation_id
from arqon_ray.service.validation import check_position, check_seconds

PATIENCE = 60.0
_PAUSE = 0.1
_LONGEST_PAUSE = 1.0
_REPEATED = (RayActorError, ObjectLostError, RpcError, GetTimeoutError)
"""The actor is restarting or gone, the node that held the answer died, or the cluster's head does not reply."""


def key_or_new(key: str | None) -> str:
    """Return the caller's operation id, or a new one."""
    return operation_id() if key is None else key


def position_of(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a snapshot that the actor needs: the study and the record at which it was taken.

    Raises:
        ResultsError: it is not a snapshot.
    """
    study, seq = check_position(snapshot)
    return {"uuid": study, "seq": seq}


def raised_by_actor(error: RayTaskError) -> BaseException:
    """Return the exception that a method of the actor raised, as one of our own classes."""
    return from_plain(error.cause if isinstance(error.cause, Exception) else error)


class Retry:
    """Decides whether one call is repeated after a failure.

    Ray itself repeats a call when its actor restarts. What is left are actors that Ray calls unavailable, actors that
    are gone for good while another one starts under the same name, answers that were lost with a node, and broken
    connections of Ray Client. Each repetition has the same operation id, so that the effect happens once.

    Args:
        patience: seconds from the first failure until the error is raised to the caller; None for never.
    """

    def __init__(self, patience: float | None = PATIENCE) -> None:
        self._patience = math.inf if patience is None else patience
        self._began: float | None = None
        self._pause = _PAUSE
        self._unknown = 0

    def pause_after(self, error: Exception) -> float:
        """Return the seconds to wait before the call is repeated, on a handle that is looked up again.

        Raises:
            Exception: the error that the caller gets, if the call is not repeated.
        """
        if isinstance(error, RayTaskError):
            raise raised_by_actor(error) from None
        now = time.monotonic()
        if not self._may_pass(error) or (self._began is not None and now - self._began >= self._patience):
            raise error
        self._began = now if self._began is None else self._began
        pause, self._pause = self._pause, min(2 * self._pause, _LONGEST_PAUSE)
        return pause * random.uniform(0.5, 1.0)

    def _may_pass(self, error: Exception) -> bool:
        if isinstance(error, StudyNotFoundError):
            # At the first attempt nobody has started it; later, an actor that died is being replaced.
            return self._began is not None
        if isinstance(error, ArqonError):
            return False
        if isinstance(error, ConnectionError):
            return ray.is_initialized()
        # A handle of an earlier Ray session fails with a bare Exception; one more attempt looks it up again.
        self._unknown += not isinstance(error, _REPEATED)
        return self._unknown < 2


class Slices:
    """Divides the wait of an ask into slices, so that no call stays in the actor for long.

    Args:
        timeout: seconds in all; None for ever.
    """

    def __init__(self, timeout: float | None) -> None:
        limit = check_seconds("timeout", timeout, zero=True)
        self._timeout = timeout
        self._deadline = math.inf if limit is None else time.monotonic() + limit

    def next(self) -> float:
        """Return for how many seconds the next call may wait in the actor."""
        return min(SLICE, max(0.0, self._deadline - time.monotonic()))

    def raise_if_last(self, error: AskTimeoutError) -> None:
        """Raise AskTimeoutError if the slice that ended was the last one."""
        if time.monotonic() >= self._deadline:
            raise AskTimeoutError(f"{error} (waited {self._timeout:g} s in all)") from None

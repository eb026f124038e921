"""Finding a study's actor and calling it through restarts: what the two clients share."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator, Mapping
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, ObjectLostError, RayActorError, RayTaskError, RpcError

from arqon_ray.errors import ArqonError, AskTimeoutError, StudyNotFoundError
from arqon_ray.service.calls import StudyCalls
from arqon_ray.service.client.pulse import SLICE, Pulse
from arqon_ray.service.protocol import from_plain, operation_id
from arqon_ray.service.validation import check_position, check_seconds

NAMESPACE = "arqon"
PATIENCE = 60.0
_PAUSE = 0.1
_LONGEST_PAUSE = 1.0
_REPEATED = (RayActorError, ObjectLostError, RpcError, GetTimeoutError)
"""The actor is restarting or gone, its node died with the answer, or the cluster's head does not reply."""


def require_ray() -> None:
    """Raise ArqonError if Ray is not running in this process: it is never started silently."""
    if not ray.is_initialized():
        raise ArqonError(
            "Ray is not running in this process: call arqon_ray.init() (or ray.init(...)) first, "
            "with address='auto' to join a cluster"
        )


def key_or_new(key: str | None) -> str:
    """Return the caller's operation id, or a new one."""
    return operation_id() if key is None else key


def position_of(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """Return the study and the record at which a snapshot was taken, which is all of it that the actor needs.

    Raises:
        ResultsError: it is not a snapshot.
    """
    study, seq = check_position(snapshot)
    return {"uuid": study, "seq": seq}


def send_report(study: StudyCalls, id: Any, step: Any, value: Any, metrics: Any) -> Any:
    """Send a report without the arguments that were not given, since older actors do not know all of them."""
    if step is ... and value is ... and metrics is None:
        return study.report(id)
    return study.report(id, step, value) if metrics is None else study.report(id, step, value, metrics)


def raised_by_actor(error: RayTaskError) -> BaseException:
    """Return the exception that a method of the actor raised, as the class that it stands for."""
    return from_plain(error.cause if isinstance(error.cause, Exception) else error)


class Retry:
    """Decides, for one call, whether it is repeated after a failure.

    Ray itself carries a call through a restart of its actor. What remains is an actor that Ray calls unavailable, one
    that is gone for good while another starts under its name, an answer that was lost with its node, and a broken
    connection of Ray Client. Each repetition has the same operation id, so that the effect happens once.

    Args:
        patience: seconds from the first failure until the error is raised to the caller; None for never.
    """

    def __init__(self, patience: float | None = PATIENCE) -> None:
        self._patience = math.inf if patience is None else patience
        self._began: float | None = None
        self._pause = _PAUSE
        self._strange = 0

    def pause_after(self, error: Exception) -> float:
        """Return the seconds to wait before the call is repeated, on a handle that is looked up again.

        Raises:
            Exception: the error that the caller gets, if the call is not repeated.
        """
        if isinstance(error, RayTaskError):
            raise raised_by_actor(error) from None
        now = time.monotonic()
        if not self._worth_repeating(error) or (self._began is not None and now - self._began >= self._patience):
            raise error
        self._began = now if self._began is None else self._began
        pause, self._pause = self._pause, min(2 * self._pause, _LONGEST_PAUSE)
        return pause * random.uniform(0.5, 1.0)

    def _worth_repeating(self, error: Exception) -> bool:
        if isinstance(error, StudyNotFoundError):
            # At the first attempt nobody has started it; later, an actor that died is being replaced.
            return self._began is not None
        if isinstance(error, ArqonError):
            return False
        if isinstance(error, ConnectionError):
            return ray.is_initialized()
        # A handle of an earlier Ray session fails with a bare Exception; one more attempt looks it up again.
        self._strange += not isinstance(error, _REPEATED)
        return self._strange < 2


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

    def over(self, error: AskTimeoutError) -> None:
        """Raise AskTimeoutError if that was the last slice."""
        if time.monotonic() >= self._deadline:
            raise AskTimeoutError(f"{error} (waited {self._timeout} s in all)") from None


class StudyReference:
    """A study by its name, and the handle of its actor; it pickles by name.

    Args:
        name: the study's name.
        handle: the actor's handle, if it is at hand.
        patience: seconds for which a call that failed is repeated, from its first failure, and for which an actor is
            waited for that shows no sign of life; None for ever.
    """

    def __init__(self, name: str = "arqon", handle: Any = None, patience: float | None = PATIENCE) -> None:
        self.name = name
        self.patience = check_seconds("patience", patience, zero=True)
        self._handle = handle

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.name, None, self.patience))

    @property
    def handle(self) -> Any:
        """The actor's handle, for calls with ``.remote``.

        Raises:
            StudyNotFoundError: the study has no actor in this cluster.
        """
        # Also if there is a handle: without Ray, ``.remote`` would start a cluster of its own.
        require_ray()
        handle = self._handle
        if handle is None:
            try:
                handle = self._handle = ray.get_actor(self.name, namespace=NAMESPACE)
            except ValueError:
                raise StudyNotFoundError(
                    f"the study {self.name!r} has no actor in this cluster: arqon_ray.start(config, {self.name!r}) it, "
                    "with the storage_path that it was started with, if any"
                ) from None
        return handle

    def _pulse(self, handle: Any) -> Pulse:
        """Return the pulse to check while a call of the actor is waited for."""
        return Pulse(self.name, handle, self.patience)

    def _forget(self) -> None:
        """Have the next call look the handle up again."""
        self._handle = None

    def _until_gone(self, handle: Any) -> Iterator[float]:
        """Yield pauses until a stopped actor has given up its name; kill it if it does not."""
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE:
            try:
                if ray.get_actor(self.name, namespace=NAMESPACE) != handle:
                    return
            except ValueError:
                return
            if time.monotonic() - began > PATIENCE / 6:
                ray.kill(handle, no_restart=True)
            yield _PAUSE / 2

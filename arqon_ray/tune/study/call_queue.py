"""Calls to the shared study, made in order by a thread, so that Tune's event loop never waits for the actor.

While the actor restarts or its node is gone, the queue keeps retrying and the searcher answers Tune with None. Every
call that changes something carries an operation id, so that a repeated call, after an error or from a checkpoint, has
its effect once.
"""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal

from ray.exceptions import RayError

from arqon_ray.errors import StudyUnreachableError
from arqon_ray.service import SolverClient
from arqon_ray.service.background import Background, short
from arqon_ray.service.calls import StudyCalls

_PAUSE = 1.0
_LONGEST_PAUSE = 10.0
_AWAY = (RayError, StudyUnreachableError)
"""Errors after which the call is retried; any other error is the call's answer."""

Kind = Literal["tell", "report", "seed", "release"]
"""Calls that tell the study something; a checkpoint keeps those that have not arrived."""

Kept = tuple[Kind, tuple[Any, ...], dict[str, Any]]
"""Kind, arguments and keywords of a call."""

_TELLING: dict[Kind, Callable[[StudyCalls], Callable[..., Any]]] = {
    "tell": lambda study: study.tell,
    "report": lambda study: study.report,
    "seed": lambda study: study.seed,
    "release": lambda study: study.release,
}


@dataclass(frozen=True)
class Call:
    """One call to the study.

    Attributes:
        make: makes the call.
        kept: what a checkpoint keeps of it; None for a call that a restored searcher does not repeat.
    """

    make: Callable[[StudyCalls], Any]
    kept: Kept | None = None


def telling(kind: Kind, *args: Any, **kwargs: Any) -> Call:
    """Return a call that a checkpoint keeps."""
    return Call(lambda study: _TELLING[kind](study)(*args, **kwargs), (kind, args, kwargs))


def once(kind: Kind, *args: Any, **kwargs: Any) -> Call:
    """Return a call that a checkpoint keeps, with an operation id, so that it has its effect once."""
    return telling(kind, *args, **{"key": uuid.uuid4().hex, **kwargs})


class FormerCall:
    """A call in a checkpoint of 0.1.0."""

    method: Kind
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def call_of(kept: Kept | FormerCall) -> Call:
    """Return the call that a checkpoint kept."""
    if isinstance(kept, FormerCall):
        return telling(kept.method, *kept.args, **kept.kwargs)
    kind, args, kwargs = kept
    return telling(kind, *args, **kwargs)


class CallQueue:
    """Makes calls one after the other, each until it has an answer.

    Args:
        client: the study.
        first: the first call; if it fails, no other call is made and each fails with the same error.
    """

    def __init__(self, client: SolverClient, first: Call | None = None) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._calls: deque[tuple[Call, Future[Any]]] = deque()
        self._waiting_since: float | None = None
        self._trouble: Exception | None = None
        self._closed = False
        self._refusal: Exception | None = None
        self.background = Background(f"calling the study {client.name!r}", self._step, pauses=(_PAUSE, _LONGEST_PAUSE))
        self._first = None if first is None else self.send(first)

    def send(self, call: Call) -> Future[Any]:
        """Queue a call; its future gets the answer, or an error that a retry cannot fix."""
        future: Future[Any] = Future()
        with self._lock:
            self._calls.append((call, future))
        self.background.wake()
        return future

    def undelivered(self) -> list[Call]:
        """Return the calls without an answer, oldest first."""
        with self._lock:
            return [call for call, future in self._calls if not future.done()]

    def trouble(self) -> tuple[float, Exception | None]:
        """Return for how many seconds the actor has not answered, and the last error."""
        self.background.wake()  # its thread may have died
        since = self._waiting_since
        return (0.0 if since is None else time.monotonic() - since), self._trouble

    def close(self) -> None:
        """Try each call that has no answer once more, then stop."""
        self._closed = True
        self.background.wake(hurry=True)

    def join(self, timeout: float) -> None:
        """Wait for the last call, at most ``timeout`` seconds."""
        self.background.settle(timeout)

    def _step(self) -> float:
        """Make the oldest call; an error while the actor is away is raised, so that the thread pauses and retries."""
        with self._lock:
            if not self._calls:
                return math.inf
            call, future = self._calls[0]
        if self._waiting_since is None:
            self._waiting_since = time.monotonic()
        try:
            answer = self._act(call)
        except BaseException as error:
            if isinstance(error, _AWAY) and not self._closed:
                self._trouble = error
                raise
            self._settle(future, error)
        else:
            self._settle(future, None, answer)
        return 0.0

    def _act(self, call: Call) -> Any:
        if self._refusal is not None:
            raise self._refusal
        return call.make(self._client)

    def _settle(self, future: Future[Any], error: BaseException | None, answer: Any = None) -> None:
        self._waiting_since = self._trouble = None
        try:
            if error is None:
                future.set_result(answer)
                return
            # SystemExit and its like would end the process of whoever reads the answer.
            told = error if isinstance(error, Exception) else RuntimeError(f"the call failed: {short(error)}")
            if future is self._first:
                self._refusal = told
            future.set_exception(told)
        finally:
            with self._lock:
                self._calls.popleft()

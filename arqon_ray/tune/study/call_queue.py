"""Calls to the shared study, made in order by a thread, so that Tune's event loop never waits for the actor.

The actor may be restarting, or its node may be gone: the client waits that out, and so does the courier, while
the searcher answers Tune with None. Every call that changes something carries its operation id, so that one
that is made again, after an error or from a checkpoint, has its effect once.
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
"""What is waited out; every other error is the call's answer."""


Kind = Literal["tell", "report", "seed", "release"]
"""The calls that carry something to the study; a checkpoint keeps those that have not arrived."""

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
    """Something to be asked of the study, or told to it.

    Attributes:
        make: makes the call.
        kept: how a checkpoint keeps it; None for a call that need not be made again.
    """

    make: Callable[[StudyCalls], Any]
    kept: Kept | None = None


def telling(kind: Kind, *args: Any, **kwargs: Any) -> Call:
    """Return a call that a checkpoint keeps."""
    return Call(lambda study: _TELLING[kind](study)(*args, **kwargs), (kind, args, kwargs))


def once(kind: Kind, *args: Any, **kwargs: Any) -> Call:
    """Return a call that a checkpoint keeps and whose effect happens once, however often it is made."""
    return telling(kind, *args, **{"key": uuid.uuid4().hex, **kwargs})


class OldCall:
    """A call as files of 0.1.0 have it: the attributes ``method``, ``args`` and ``kwargs``."""

    method: Kind
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def call_of(kept: Kept | OldCall) -> Call:
    """Return the call that a checkpoint kept."""
    if isinstance(kept, OldCall):
        return telling(kept.method, *kept.args, **kept.kwargs)
    kind, args, kwargs = kept
    return telling(kind, *args, **kwargs)


class Courier:
    """Makes calls, one after the other, until each has an answer.

    Args:
        client: the study.
        first: the first call; if it fails no other is made, and each has its error.
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
        """Queue a call; the future has its answer, or the error that no waiting can mend."""
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
        """Return for how many seconds the actor has not answered, and what Ray says about it."""
        self.background.wake()  # its thread may have died
        since = self._waiting_since
        return (0.0 if since is None else time.monotonic() - since), self._trouble

    def close(self) -> None:
        """Make no further calls, but for one attempt at each that has no answer yet."""
        self._closed = True
        self.background.wake(hurry=True)

    def join(self, timeout: float) -> None:
        """Wait for the last call, at most so many seconds."""
        self.background.settle(timeout)

    def _step(self) -> float:
        """Make the oldest call; what it raises while the actor is away goes to the thread, which pauses and repeats."""
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

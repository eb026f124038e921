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
from dataclasses import dataclass, field
from typing import Any

from ray.exceptions import RayError

from arqon_ray.errors import StudyUnreachableError
from arqon_ray.service import SolverClient
from arqon_ray.service.background import Background, short

_PAUSE = 1.0
_LONGEST_PAUSE = 10.0
_AWAY = (RayError, StudyUnreachableError)
"""What is waited out; every other error is the call's answer."""


@dataclass(frozen=True)
class Call:
    """A method of the client, or any function, and its arguments."""

    method: str | Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)


def once(method: str, *args: Any, **kwargs: Any) -> Call:
    """Return a call whose effect happens once, however often it is made."""
    return Call(method, args, {"key": uuid.uuid4().hex, **kwargs})


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
        act = call.method if callable(call.method) else getattr(self._client, call.method)
        return act(*call.args, **call.kwargs)

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

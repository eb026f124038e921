"""Calls to the shared study, made in order by a thread, so that Tune's event loop never waits for the actor.

The actor may be restarting, or its node may be gone: the client waits that out, and so does the courier, while
the searcher answers Tune with None. Every call that changes something carries its operation id, so that one
that is made again, after an error or from a checkpoint, has its effect once.
"""

from __future__ import annotations

import queue
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from ray.exceptions import RayError

from arqon_ray.service import SolverClient

_PAUSE = 1.0


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
        self._calls: queue.SimpleQueue[tuple[Call, Future[Any]] | None] = queue.SimpleQueue()
        self._open: dict[Future[Any], Call] = {}
        self._waiting_since: float | None = None
        self._trouble: Exception | None = None
        self._closed = threading.Event()
        self._refusal: Exception | None = None
        self._first = None if first is None else self.send(first)
        self._thread = threading.Thread(target=self._run, name=f"arqon-courier-{client.name}", daemon=True)
        self._thread.start()

    def send(self, call: Call) -> Future[Any]:
        """Queue a call; the future has its answer, or the error that no waiting can mend."""
        future: Future[Any] = Future()
        self._open[future] = call
        self._calls.put((call, future))
        return future

    def undelivered(self) -> list[Call]:
        """Return the calls without an answer, oldest first."""
        return [call for future, call in list(self._open.items()) if not future.done()]

    def trouble(self) -> tuple[float, Exception | None]:
        """Return for how many seconds the actor has not answered, and what Ray says about it."""
        since = self._waiting_since
        return (0.0 if since is None else time.monotonic() - since), self._trouble

    def close(self) -> None:
        """Make no further calls."""
        self._closed.set()
        self._calls.put(None)

    def join(self, timeout: float) -> None:
        """Wait for the last call, at most so many seconds."""
        self._thread.join(timeout)

    def _run(self) -> None:
        while (item := self._calls.get()) is not None:
            call, future = item
            self._waiting_since = time.monotonic()
            try:
                answer = self._until_answered(call)
            except Exception as error:
                if future is self._first:
                    self._refusal = error
                future.set_exception(error)
            else:
                future.set_result(answer)
            self._waiting_since = self._trouble = None
            self._open.pop(future, None)
            del item, call, future  # a future refers to the study, which shall be collected while this thread waits

    def _until_answered(self, call: Call) -> Any:
        if self._refusal is not None:
            raise self._refusal
        act = call.method if callable(call.method) else getattr(self._client, call.method)
        while True:
            try:
                return act(*call.args, **call.kwargs)
            except RayError as error:
                self._trouble = error
                if self._closed.wait(_PAUSE):
                    raise

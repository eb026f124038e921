"""This process's connection to a shared study: its calls in order, and the lease on what its trials hold."""

from __future__ import annotations

import uuid
import weakref
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from arqon_ray.errors import ArqonError, AskTimeoutError, StateError
from arqon_ray.service import Heartbeat, SolverClient
from arqon_ray.tune.study.attach import reattach
from arqon_ray.tune.study.call_queue import Call, CallQueue, Kept, call_of, once

PATIENCE = 600.0
"""Seconds without any answer of the actor after which the run ends."""


class Connection:
    """Sends calls to the study and renews the lease of an owner, from the first call on.

    If it continues a former process, the first call finds the study again (or starts it from the checkpoint if neither
    actor nor journal is left). Then the results that had not arrived are sent again, the trials' candidates are leased
    to this process, and what the former process held besides is released.

    Args:
        client: the study.
        kept: what the former process kept, see :meth:`.SharedStudy.state`; None for a new run.
        keys: operation ids of the asks that brought the trials' candidates, by candidate.

    Attributes:
        id: of the run; it stays the same when the run is restored.
        owner: this process, as the holder of candidates.
        fault: an error of an earlier call that a retry cannot fix; every later ask raises it.
    """

    def __init__(self, client: SolverClient, kept: Mapping[str, Any] | None, keys: Mapping[str, str]) -> None:
        self._client = client
        self.continued = kept
        self._keys = keys
        self.id: str = uuid.uuid4().hex if kept is None else kept["id"]
        self.owner = f"tune-{self.id}-{uuid.uuid4().hex[:8]}"
        self.fault: Exception | None = None
        self._queue: CallQueue | None = None
        self._lease: float | None = None
        self._stop: Callable[[], object] | None = None

    @property
    def open(self) -> bool:
        """Whether any call was made, and :meth:`close` not since."""
        return self._queue is not None

    def ask(self, call: Call) -> Future[Any]:
        """Queue a call whose answer is wanted."""
        return self._opened().send(call)

    def send(self, call: Call) -> None:
        """Queue a call whose answer is not wanted; its error becomes the :attr:`fault`.

        Raised anywhere else than in an ask, it would cost Tune's trials.
        """
        self.ask(call).add_done_callback(self._note_fault)

    def _opened(self) -> CallQueue:
        """Return the queue; the first call starts it together with the heartbeat."""
        if self._queue is None:
            kept, self.continued = self.continued, None
            self._queue = CallQueue(self._client, None if kept is None else Call(lambda _: reattach(kept)))
            beat = Heartbeat(self._client, self.owner)
            self._lease = beat.lease
            self._stop = weakref.finalize(self, _stop, self._queue, beat.start())
            if kept is not None:
                self._take_over(kept)
        return self._queue

    def _take_over(self, kept: Mapping[str, Any]) -> None:
        for call in kept["unsent"]:
            self.send(call_of(call))
        for number, key in self._keys.items():
            self.ask_candidate(key).add_done_callback(self._expect(number))
        self.send(once("release", owner=kept["owner"]))

    def ask_candidate(self, key: str, point: Mapping[str, Any] | None = None) -> Future[Any]:
        """Queue an ask for a candidate, or one that hands out the user's own point."""
        queue = self._opened()
        owner, lease = self.owner, self._lease
        if point is None:
            return queue.send(Call(lambda study: study.ask_one(key=key, owner=owner, lease=lease, timeout=0.0)))
        params = dict(point)
        return queue.send(Call(lambda study: study.ask_one(key=key, owner=owner, lease=lease, params=params)))

    def check_patience(self) -> None:
        """Raise ArqonError if the actor has not answered for :data:`PATIENCE` seconds."""
        seconds, error = self._opened().trouble()
        if seconds > PATIENCE:
            raise ArqonError(
                f"the study {self._client.name!r} has not answered for {seconds:.0f} s ({error}): check whether its "
                "actor's node is alive; Tuner.restore continues this run"
            )

    def unsent(self) -> list[Kept]:
        """Return the calls that a checkpoint keeps: those that tell the study something and have not arrived."""
        calls = [] if self._queue is None else self._queue.undelivered()
        return [call.kept for call in calls if call.kept is not None]

    def close(self) -> None:
        """Stop the calls and the heartbeat; the next call opens the connection again."""
        if self._stop is not None:
            self._stop()
        self._queue = None

    def _note_fault(self, future: Future[Any]) -> None:
        error = future.exception()
        if isinstance(error, Exception):
            self.fault = self.fault or error

    def _expect(self, number: str) -> Callable[[Future[Any]], None]:
        """Return a check that an ask of the former process is answered with the candidate that it had then."""

        def check(future: Future[Any]) -> None:
            error = future.exception()
            if isinstance(error, Exception) and not isinstance(error, AskTimeoutError):
                self.fault = self.fault or error
                return
            answer = None if error else future.result()
            if answer is None or answer["id"] != number:
                found = error or (answer and answer["id"])
                self.fault = self.fault or StateError(
                    f"the study {self._client.name!r} does not know candidate {number!r} of this run any more "
                    f"({found!r}): it is not the study that this run was attached to"
                )

        return check


def _stop(queue: CallQueue, beat: Heartbeat) -> None:
    queue.close()
    beat.stop()

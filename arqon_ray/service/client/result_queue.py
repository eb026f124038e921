"""Sends results to a study in blocks, from one background thread."""

from __future__ import annotations

import logging
import math
import threading
import time
from typing import Any

from arqon_ray.errors import ArqonError, PoisonedCallError, ResultsError, UnknownCandidateError
from arqon_ray.service.answers import Told
from arqon_ray.service.background import Background, short
from arqon_ray.service.calls import StudyCalls
from arqon_ray.service.client.candidate_buffer import CLOSED
from arqon_ray.service.protocol import operation_id
from arqon_ray.service.validation import MAX_ASK

_PAUSES = (1.0, 10.0)
_REFUSED = (ResultsError, UnknownCandidateError, PoisonedCallError)
"""Errors for which a result is dropped; after any other a block is kept and sent again."""
_log = logging.getLogger(__name__)


class ResultQueue:
    """Results that wait to be sent.

    A block is sent under one operation id until it is acknowledged. Errors are kept until a call raises them.

    Args:
        client: the study.
        size: how many waiting results are sent at once.
        delay: seconds after which the oldest is sent, and all others with it, however few wait.
    """

    def __init__(self, client: StudyCalls, size: int, delay: float) -> None:
        self._client = client
        self._size = size
        self._delay = delay
        self._changed = threading.Condition()
        self._waiting: list[dict[str, Any]] = []
        self._since = 0.0
        self._block: list[dict[str, Any]] = []
        self._key = ""
        self._added = self._done = 0
        self._urgent = self._closed = False
        self._trouble: Exception | None = None
        self._unraised: list[Exception] = []
        self.background = Background("sending results in blocks", self._step, self._failed, _PAUSES)

    def put(self, entry: dict[str, Any]) -> None:
        """Add a result."""
        with self._changed:
            if self._closed:
                raise ArqonError(CLOSED)
            if not self._waiting:
                self._since = time.monotonic()
            self._waiting.append(entry)
            self._added += 1
            problem = self.background.wake() if len(self._waiting) in (1, self._size) else None
            if problem is not None:
                self._unraised.append(problem)

    def flush(self) -> None:
        """Wait until everything that was added is durable; raise refusals, and the error that prevents sending."""
        with self._changed:
            target, self._urgent = self._added, True
            self._trouble = self.background.wake(hurry=True) if self._done < target else None
            self._changed.wait_for(lambda: self._done >= target or self._trouble is not None)
            trouble = self._trouble if self._done < target else None
        self.raise_problems()
        if trouble is not None:
            raise trouble

    def close(self) -> None:
        """Accept no more results, and flush."""
        with self._changed:
            self._closed = True
        self.flush()

    def raise_problems(self) -> None:
        """Raise the errors that no call has raised yet."""
        with self._changed:
            problems, self._unraised = self._unraised, []
        for other in problems[1:]:
            problems[0].add_note(f"and: {other!r}")
        if problems:
            raise problems[0]

    def _step(self) -> float:
        left = self._next_block()
        if left > 0:
            return left
        refused = self._send()
        with self._changed:
            self._done += len(self._block)
            self._block, self._trouble = [], None
            self._unraised += refused
            self._changed.notify_all()
        return 0.0

    def _next_block(self) -> float:
        """Return 0 if a block is due (full, old enough, or asked for by ``flush``); else the seconds until one is."""
        with self._changed:
            if self._block:
                return 0.0
            if not self._waiting:
                self._urgent = False
                return math.inf
            left = self._since + self._delay - time.monotonic()
            if left > 0 and len(self._waiting) < self._size and not self._urgent:
                return left
            self._block, self._waiting = self._waiting[:MAX_ASK], self._waiting[MAX_ASK:]
            self._key = operation_id()
            return 0.0

    def _send(self) -> list[Exception]:
        """Tell the block, or one result at a time if the study refuses some; return the refusals."""
        try:
            self._log_ignored(self._client.tell(self._block, key=self._key))
            return []
        except _REFUSED as error:
            if len(self._block) == 1:
                return [_refusal(self._block[0], error)]
        refused: list[Exception] = []
        for index, entry in enumerate(self._block):
            try:
                self._log_ignored(self._client.tell([entry], key=f"{self._key}:{index}"))
            except _REFUSED as error:
                refused.append(_refusal(entry, error))
        return refused

    @staticmethod
    def _log_ignored(answers: list[Told]) -> None:
        for answer in answers:
            if not answer["accepted"]:
                _log.info("the result of candidate %s was ignored: %s", answer["id"], answer.get("note"))

    def _failed(self, error: BaseException) -> None:
        # SystemExit and its like would end the process of whoever flushes.
        told = error if isinstance(error, Exception) else RuntimeError(f"sending results failed: {short(error)}")
        with self._changed:
            self._trouble = told
            if repr(told) not in map(repr, self._unraised):
                self._unraised.append(told)
            self._changed.notify_all()


def _refusal(entry: dict[str, Any], error: Exception) -> Exception:
    return type(error)(f"the result of candidate {entry['id']!r} was refused and is dropped: {error}")

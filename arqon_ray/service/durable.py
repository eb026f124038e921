"""A study's state and its log behind one lock: the ground that every call of the study stands on.

Every call that changes something changes the state and appends one record under the lock, and then, outside
the lock, waits until the record is durable. Opening a study applies the records and computes nothing.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Self, TypeVar

from arqon_ray.core import ArqonSolver
from arqon_ray.errors import ArqonError, StudyRefusedError
from arqon_ray.service.description import read_study
from arqon_ray.service.journal import Journal
from arqon_ray.service.state import Answer, StudyState
from arqon_ray.service.storage import LocalStore

_T = TypeVar("_T")


class DurableState:
    """A study's state, and the log that makes every change of it durable; open one with ``open``.

    Args:
        state: what the log's records made.
        journal: the opened log.
        clock: returns seconds, never going back.
    """

    def __init__(self, state: StudyState, journal: Journal, clock: Callable[[], float] = time.monotonic) -> None:
        self._state = state
        self._journal = journal
        self._clock = clock
        self._changed = threading.Condition(threading.RLock())

    @classmethod
    def open(cls, store: LocalStore, host: Mapping[str, Any], clock: Callable[[], float] = time.monotonic) -> Self:
        """Open a stored study for writing.

        Args:
            store: where ``description.write_study`` put it.
            host: who opens it: pid, node, actor.
            clock: returns seconds, never going back.

        Raises:
            StudyRefusedError: it is missing, damaged, of a newer format or owned by another actor.
            OSError: the storage failed; opening again may succeed.
        """
        described = read_study(store)
        if described is None:
            raise StudyRefusedError(f"there is no study in {store} where one must be: restore its journal there")
        state = StudyState(ArqonSolver(described["config"]), clock)
        journal, records = Journal.open(store, host)
        for record in records:
            try:
                state.replay(record.body)
            except (ArqonError, KeyError, TypeError, ValueError) as error:
                problem = f"record {record.seq} of the study in {store} cannot be applied: {error!r}"
                raise StudyRefusedError(f"{problem}. Was it written by another version of arqon_ray?") from error
        state.leases.restart()
        return cls(state, journal, clock)

    def drain(self, error: BaseException) -> None:
        """Take no new call and let those under way become durable; then as ``close``."""
        with self._changed:
            self._journal.seal(error)
            seq = self._journal.last_seq
            self._changed.notify_all()
        # Whoever waits for one of these records meets the same failure in its own sync.
        with contextlib.suppress(OSError, StudyRefusedError):
            self._journal.sync(seq)
        self.close(error)

    def close(self, error: BaseException) -> None:
        """Serve nothing more: calls that wait and calls to come raise ``error``."""
        self._journal.close(error)
        with self._changed:
            self._changed.notify_all()

    @property
    def problem(self) -> BaseException | None:
        """Why the log takes nothing more; None while it does. Open the study again then."""
        return self._journal.problem

    def _record(self, body: dict[str, Any], answers: list[Answer]) -> None:
        """Append a change that the solver has made already, and take the rest of it."""
        self._journal.append(body)
        self._state.take(body, answers)
        self._changed.notify_all()

    def _durably(self, work: Callable[[], _T]) -> _T:
        """Do ``work`` under the lock and return its result when all that it changed or saw is durable."""
        with self._changed:
            self._journal.check_open()
            result = work()
            seq = self._journal.last_seq
        self._journal.sync(seq)
        return result

    def _expire(self) -> None:
        numbers = self._state.leases.expired()
        if numbers:
            self._record({"op": "release", "numbers": numbers, "why": "expired"}, [])

"""In the worker: ends an evaluation that runs too long, and a cancelled one that does not notice.

One thread a process looks on. It first raises in the evaluating thread, by a signal, so that a sleep or a wait for the
network ends too. What still runs after a grace is stuck: then what the task has finished is handed on and the process
ends. Code that holds the interpreter's lock keeps this thread from running as well; a timer of the C library
(``faulthandler``) ends such a process.

The signal is SIGURG, which nothing else uses and which does no harm when it comes late; Ray blocks SIGINT in its
workers. Where it does not exist, on Windows, the process ends after the grace without an exception before.
"""

from __future__ import annotations

import contextlib
import faulthandler
import math
import os
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from functools import cache
from types import FrameType
from typing import Any, Self, TypeVar

T = TypeVar("T")

GRACE = 5.0
"""Seconds between the exception in a function that runs too long and the end of its process."""

_NOTICE = 0.3  # seconds in which a cancelled function should have noticed by itself
_STUCK = 1.0  # seconds that it has to end after the signal
_REARM = 1.0  # seconds between two times that the hard end is put off
_HARD = 5.0 + _REARM  # seconds after the grace until the process ends without the help of the interpreter
_LONGEST = 3600.0  # seconds of one wait
_TRACE_LINES = 12
_SIGNAL: int | None = getattr(signal, "SIGURG", None)


class OverranError(BaseException):
    """Raised in a function that runs too long; no Exception, so that ``except Exception`` does not keep it."""


class Watchdog:
    """Looks after the evaluations of one task, in the process's main thread; a context manager.

    Attributes:
        struck: whether the evaluation that :meth:`run` last ran was raised in because it took too long.
        cancelled: whether Ray has cancelled the task.
    """

    def __init__(self, limit: float | None, on_exit: Callable[[str | None], None]) -> None:
        """Set the limit.

        Args:
            limit: seconds of one evaluation; None for no limit.
            on_exit: called before the process ends, in another thread: with the traceback of an evaluation that ran
                too long, or with None when the task was cancelled.
        """
        self.limit = limit
        self.struck = self.cancelled = False
        self._on_exit = on_exit
        self._deadline: float | None = None  # of the evaluation that runs; tells one from the next
        self._late: float | None = None  # the deadline that passed
        self._noticed = math.inf  # when the cancellation was seen
        self._nudged = False
        self._armed = -math.inf  # when the hard end was last put off
        self._over = False
        self._main = threading.get_ident()

    def __enter__(self) -> Self:
        self._guard = _guard()
        self._rope_before = signal.set_wakeup_fd(self._guard.rope, warn_on_full_buffer=False)
        self._handler_before: Any = None if _SIGNAL is None else signal.signal(_SIGNAL, self._raise)
        self._guard.watch(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        signal.set_wakeup_fd(self._rope_before)
        if _SIGNAL is not None:
            signal.signal(_SIGNAL, self._handler_before)
        self._guard.leave()
        if self.limit is not None:
            faulthandler.cancel_dump_traceback_later()

    def run(self, function: Callable[..., T], *args: Any) -> T:
        """Return what the function gives; its clock starts now.

        Raises:
            OverranError: in the function, when the limit has passed.
        """
        assert self.limit is not None, "a watchdog without a limit looks at cancellations alone"
        self.struck = False
        now = time.monotonic()
        if now - self._armed > _REARM:  # not each time: it costs more than a short function
            self._armed = now
            faulthandler.dump_traceback_later(self.limit + GRACE + _HARD, exit=True, file=2)
        self._deadline = now + self.limit
        try:
            return function(*args)
        finally:
            self._deadline = None

    def rest(self) -> None:
        """Make sure that no evaluation is timed: the exception may have cut short the end of :meth:`run`."""
        self._deadline = None

    def _raise(self, number: int, frame: FrameType | None) -> None:
        """Raise in the main thread, once for each evaluation that is late and each cancellation."""
        if self._nudged:
            raise KeyboardInterrupt
        if self._deadline is not None and self._deadline == self._late and not self.struck:
            self.struck = True
            raise OverranError

    def notice(self) -> None:
        """Take note that Ray has cancelled the task."""
        if not self.cancelled:
            self.cancelled, self._noticed = True, time.monotonic()

    def look(self) -> None:
        """Do what is due; called in the guard's thread."""
        deadline, now = self._deadline, time.monotonic()
        if self.cancelled:
            self._end_cancelled(now - self._noticed)
        elif deadline is not None and now >= deadline:
            self._end_late(deadline, now)

    def due(self) -> float:
        """Return when to look next, on the monotonic clock."""
        if self._over:
            return math.inf
        if self.cancelled:
            return self._noticed + _NOTICE + (_STUCK if self._nudged else 0.0)
        deadline = self._deadline
        if deadline is None:  # one that starts meanwhile is due after this
            return math.inf if self.limit is None else time.monotonic() + self.limit
        return deadline + GRACE if deadline == self._late else deadline

    def _end_cancelled(self, since: float) -> None:
        if since >= _NOTICE and not self._nudged:
            self._nudged = True
            self._signal()
        elif since >= _NOTICE + _STUCK and not self._over:
            self._end_process(None)

    def _end_late(self, deadline: float, now: float) -> None:
        if deadline != self._late:
            self._late = deadline
            self._signal()
        elif now >= deadline + GRACE and self._deadline == deadline and not self._over:
            self._end_process(self._where())

    def _signal(self) -> None:
        if _SIGNAL is not None:
            signal.pthread_kill(self._main, _SIGNAL)

    def _where(self) -> str:
        """Return the last lines of what the main thread is in."""
        frame = sys._current_frames().get(self._main)
        lines = traceback.format_stack(frame)[-_TRACE_LINES:] if frame else []
        return "".join(lines).strip()

    def _end_process(self, trace: str | None) -> None:
        faulthandler.dump_traceback_later(_HARD, exit=True, file=2)  # handing on may hang in its turn
        with contextlib.suppress(BaseException):
            try:
                self._on_exit(trace)
            except BaseException:
                traceback.print_exc()
        os._exit(1)


class _Guard:
    """The thread that looks on, one in a process, and the bell that wakes it.

    Ray cancels a task by ``_thread.interrupt_main()``, which no other thread sees but through the descriptor of
    ``signal.set_wakeup_fd``.

    Attributes:
        rope: the descriptor that rings the bell.
    """

    def __init__(self) -> None:
        self._bell, self._rope = socket.socketpair()
        self._bell.setblocking(False)
        self._rope.setblocking(False)
        self.rope = self._rope.fileno()
        self._dog: Watchdog | None = None
        threading.Thread(target=self._run, name="arqon-watchdog", daemon=True).start()

    def watch(self, dog: Watchdog) -> None:
        """Look after a task from now on."""
        self._dog = dog
        if dog.limit is not None:  # the thread waits for a cancellation alone
            self._rope.send(b"\0")

    def leave(self) -> None:
        """Look after nothing; what rang until now was for the task that ends."""
        self._hear()
        self._dog = None

    def _hear(self) -> bytes:
        try:
            return self._bell.recv(4096)
        except BlockingIOError:
            return b""

    def _run(self) -> None:
        while True:
            dog = self._dog
            wait = dog.due() - time.monotonic() if dog is not None else _LONGEST
            ready, _, _ = select.select([self._bell], [], [], min(max(0.0, wait), _LONGEST))
            dog = self._dog  # before the bell is heard: the next task begins after its last ringing was taken away
            if ready and signal.SIGINT in self._hear() and dog is not None:
                dog.notice()
            if dog is not None:
                dog.look()


@cache
def _guard() -> _Guard:
    return _Guard()

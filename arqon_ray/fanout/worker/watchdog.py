"""In the worker: interrupts an evaluation that runs too long, and a cancelled one that does not notice.

One thread per process watches. It first raises an exception in the evaluating thread by a signal, so that a sleep or a
wait for the network ends too. An evaluation that still runs after a grace period is stuck: then the finished results of
the task are saved and the process ends. Code that holds the GIL keeps this thread from running too; a timer of the C
library (``faulthandler``) ends such a process.

The signal is SIGURG, which nothing else uses and which is harmless when it comes late; Ray blocks SIGINT in its
workers. On Windows, which does not have it, the process ends after the grace period without an exception before.
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
"""Seconds from the exception in a function that runs too long to the end of its process."""

_NOTICE = 0.3  # seconds that a cancelled function has to notice by itself
_STUCK = 1.0  # seconds that it has after the signal
_REARM = 1.0  # seconds between two times that the hard exit is postponed
_HARD = 5.0 + _REARM  # seconds after the grace period until the C library ends the process
_LONGEST = 3600.0  # seconds of one wait
_TRACE_LINES = 12
_SIGNAL: int | None = getattr(signal, "SIGURG", None)


class OverranError(BaseException):
    """Raised in a function that runs too long. Not an Exception, so that ``except Exception`` does not catch it."""


class Watchdog:
    """Watches the evaluations of one task, which run in the main thread of the process. A context manager.

    Attributes:
        struck: whether the last evaluation of :meth:`run` was interrupted because it took too long.
        cancelled: whether Ray has cancelled the task.
    """

    def __init__(self, limit: float | None, on_exit: Callable[[str | None], None]) -> None:
        """Set the limit.

        Args:
            limit: seconds of one evaluation; None for no limit.
            on_exit: called in another thread before the process ends: with the traceback of the evaluation that ran
                too long, or with None if the task was cancelled.
        """
        self.limit = limit
        self.struck = self.cancelled = False
        self._on_exit = on_exit
        self._deadline: float | None = None  # of the running evaluation; also tells it from the next one
        self._late: float | None = None  # the deadline that passed
        self._noticed = math.inf  # when the cancellation was seen
        self._signalled = False
        self._armed = -math.inf  # when the hard exit was last postponed
        self._over = False
        self._main = threading.get_ident()

    def __enter__(self) -> Self:
        self._guard = _guard()
        self._wakeup_fd_before = signal.set_wakeup_fd(self._guard.wakeup_fd, warn_on_full_buffer=False)
        self._handler_before: Any = None if _SIGNAL is None else signal.signal(_SIGNAL, self._raise)
        self._guard.watch(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        signal.set_wakeup_fd(self._wakeup_fd_before)
        if _SIGNAL is not None:
            signal.signal(_SIGNAL, self._handler_before)
        self._guard.leave()
        if self.limit is not None:
            faulthandler.cancel_dump_traceback_later()

    def run(self, function: Callable[..., T], *args: Any) -> T:
        """Call the function and return its result; its time starts now.

        Raises:
            OverranError: in the function, once the limit has passed.
        """
        assert self.limit is not None, "a watchdog without a limit watches for cancellation only"
        self.struck = False
        now = time.monotonic()
        if now - self._armed > _REARM:  # not each time: it takes longer than a short function
            self._armed = now
            faulthandler.dump_traceback_later(self.limit + GRACE + _HARD, exit=True, file=2)
        self._deadline = now + self.limit
        try:
            return function(*args)
        finally:
            self._deadline = None

    def rest(self) -> None:
        """Stop the time of the evaluation: the exception may have cut off the end of :meth:`run`."""
        self._deadline = None

    def _raise(self, number: int, frame: FrameType | None) -> None:
        """Raise in the main thread, once for each late evaluation and each cancellation."""
        if self._signalled:
            raise KeyboardInterrupt
        if self._deadline is not None and self._deadline == self._late and not self.struck:
            self.struck = True
            raise OverranError

    def notice(self) -> None:
        """Remember that Ray has cancelled the task."""
        if not self.cancelled:
            self.cancelled, self._noticed = True, time.monotonic()

    def look(self) -> None:
        """Interrupt the evaluation or end the process if it is time to; called in the watching thread."""
        deadline, now = self._deadline, time.monotonic()
        if self.cancelled:
            self._end_cancelled(now - self._noticed)
        elif deadline is not None and now >= deadline:
            self._end_late(deadline, now)

    def due(self) -> float:
        """Return when to call :meth:`look` next, on the monotonic clock."""
        if self._over:
            return math.inf
        if self.cancelled:
            return self._noticed + _NOTICE + (_STUCK if self._signalled else 0.0)
        deadline = self._deadline
        if deadline is None:  # an evaluation that starts meanwhile is due later
            return math.inf if self.limit is None else time.monotonic() + self.limit
        return deadline + GRACE if deadline == self._late else deadline

    def _end_cancelled(self, since: float) -> None:
        if since >= _NOTICE and not self._signalled:
            self._signalled = True
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
        """Return the last lines of the main thread's stack."""
        frame = sys._current_frames().get(self._main)
        lines = traceback.format_stack(frame)[-_TRACE_LINES:] if frame else []
        return "".join(lines).strip()

    def _end_process(self, trace: str | None) -> None:
        faulthandler.dump_traceback_later(_HARD, exit=True, file=2)  # saving the results may hang too
        with contextlib.suppress(BaseException):
            try:
                self._on_exit(trace)
            except BaseException:
                traceback.print_exc()
        os._exit(1)


class _Guard:
    """The watching thread, one per process, and the pair of sockets that wakes it.

    Ray cancels a task by ``_thread.interrupt_main()``, which another thread only sees through the descriptor of
    ``signal.set_wakeup_fd``.

    Attributes:
        wakeup_fd: the descriptor to write to.
    """

    def __init__(self) -> None:
        self._receiver, self._sender = socket.socketpair()
        self._receiver.setblocking(False)
        self._sender.setblocking(False)
        self.wakeup_fd = self._sender.fileno()
        self._dog: Watchdog | None = None
        threading.Thread(target=self._run, name="arqon-watchdog", daemon=True).start()

    def watch(self, dog: Watchdog) -> None:
        """Watch a task from now on."""
        self._dog = dog
        if dog.limit is not None:  # otherwise the thread waits for a cancellation only
            self._sender.send(b"\0")

    def leave(self) -> None:
        """Stop watching. Signals until now belong to the task that ends."""
        self._read_signals()
        self._dog = None

    def _read_signals(self) -> bytes:
        try:
            return self._receiver.recv(4096)
        except BlockingIOError:
            return b""

    def _run(self) -> None:
        while True:
            dog = self._dog
            wait = dog.due() - time.monotonic() if dog is not None else _LONGEST
            ready, _, _ = select.select([self._receiver], [], [], min(max(0.0, wait), _LONGEST))
            dog = self._dog  # read before the signals: leave() discards those of a task before the next one begins
            if ready and signal.SIGINT in self._read_signals() and dog is not None:
                dog.notice()
            if dog is not None:
                dog.look()


@cache
def _guard() -> _Guard:
    return _Guard()

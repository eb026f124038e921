"""Background work: the one way in which this package runs something in a thread of its own.

An exception in a bare thread is lost, and whoever waits for its work waits for ever. Here those who wait are told, the
work is tried again with exponential backoff, and until it succeeds the status names the trouble.

::

    class Sender:
        def __init__(self) -> None:
            self._background = Background("sending results", self._step, failed=self._failed)

        def put(self, entry: Entry) -> None:
            self._waiting.append(entry)
            self._background.wake()

        def _step(self) -> float:
            if not self._waiting:
                return math.inf  # nothing to do until wake()
            self._send(self._waiting[0])  # whatever this raises is tried again
            self._waiting.popleft()
            return 0.0  # look again

        def _failed(self, error: BaseException) -> None: ...  # wake who waits, with the error
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from arqon_ray.service.answers import TroubleRow

_T = TypeVar("_T")

PAUSES = (0.1, 30.0)
"""Seconds until failed work is tried again: after the first failure, doubled after each further one, and at most."""

LINGER = 2.0
"""Seconds for which an idle thread waits for more work before it ends."""

LONG = 60.0
"""A step that runs for this many seconds is named in the status too: it may never end."""

_LONGEST_TEXT = 500
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Background work that fails at present.

    Attributes:
        what: the work.
        error: the last error, shortened to some hundred characters.
        since: when it first failed, in seconds since 1970.
        failures: how often it has failed since then; 0 if it has only been running for long.
    """

    what: str
    error: str
    since: float
    failures: int

    def plain(self) -> TroubleRow:
        """Return it as the status has it."""
        return {"what": self.what, "error": self.error, "since": self.since, "failures": self.failures}


class Background:
    """A daemon thread that does one kind of work whenever there is some.

    The thread is started when it is needed, ends when it was idle for a while or is closed, and is started again if
    it died. It never delays the end of the process. Any thread may call any method, with or without holding locks, as
    long as ``step`` and ``failed`` eventually return without these.

    Args:
        what: the work, as the status names it.
        step: does the next piece of work; called in the thread, without any lock. It returns 0 if it did something and
            may have more to do, else the seconds until there will be work; ``math.inf`` for none until ``wake``.
        failed: called in the thread, before the pause, with whatever a step raised, to tell those who wait.
        pauses: seconds until a failed step is tried again: the first, doubled each time, and the longest.
        linger: seconds without work after which the thread ends.
    """

    def __init__(
        self,
        what: str,
        step: Callable[[], float],
        failed: Callable[[BaseException], None] | None = None,
        pauses: tuple[float, float] = PAUSES,
        linger: float = LINGER,
    ) -> None:
        self._what = what
        self._step = step
        self._failed = failed
        self._pauses = pauses
        self._linger = linger
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._woken = self._hurried = self._pausing = self._closed = False
        self._next = math.inf
        self._busy_since: float | None = None
        self._trouble: Trouble | None = None

    def wake(self, hurry: bool = False) -> RuntimeError | None:
        """Make the thread look for work; start it if there is none, or if it died.

        Args:
            hurry: do so even during the pause after a failure, because somebody waits for the next attempt.

        Returns:
            None, or why no thread can be started, which counts as a failure of the work.
        """
        with self._changed:
            if self._closed:
                return None
            self._woken, self._hurried = True, self._hurried or hurry
            if self._thread is not None and self._thread.is_alive():
                self._changed.notify_all()
                return None
            self._busy_since = None
            thread = threading.Thread(target=self._run, name=f"arqon: {self._what}", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # the process may have no more threads
                self._note(error)
                return error
            self._thread = thread
            return None

    @property
    def trouble(self) -> Trouble | None:
        """What has failed since the work last succeeded, or that it has been running for long; None if all is well."""
        with self._changed:
            if self._trouble is None and self._busy_since is not None:
                seconds = time.monotonic() - self._busy_since
                if seconds >= LONG:
                    text = f"it has been running for {seconds:.0f} s and has not ended"
                    return Trouble(self._what, text, time.time() - seconds, 0)
            return self._trouble

    def settle(self, timeout: float) -> bool:
        """Wait at most ``timeout`` seconds until there is no work for now, or it failed; returns whether that is so."""

        def settled() -> bool:
            waited_for = self._hurried or (self._woken and not self._pausing)
            return self._busy_since is None and (self._closed or not waited_for)

        with self._changed:
            return self._changed.wait_for(settled, timeout)

    def close(self) -> None:
        """Start no further step; a running one is not waited for."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def join(self, timeout: float) -> bool:
        """Wait at most ``timeout`` seconds until the thread has ended; returns whether it has."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(min(timeout, threading.TIMEOUT_MAX))
            return not thread.is_alive()
        return True

    def _run(self) -> None:
        while self._wait():
            try:
                idle = self._step()
            except BaseException as error:  # also SystemExit, which a strategy may raise: the work has to go on
                with self._changed:
                    self._note(error)
                self._tell(error)
            else:
                with self._changed:
                    self._next, self._busy_since, self._pausing = time.monotonic() + idle, None, False
                    self._trouble = None  # the work succeeded, or is not needed any more
                    self._woken = self._woken or idle == 0.0
                    self._changed.notify_all()

    def _wait(self) -> bool:
        """Wait until the next step is due, or the thread is to end; returns whether a step is due."""
        with self._changed:
            ends = time.monotonic() + self._linger
            while not self._closed:
                now = time.monotonic()
                if now >= self._next or self._hurried or (self._woken and not self._pausing):
                    self._woken = self._hurried = False
                    self._busy_since = now
                    return True
                idle = self._next == math.inf
                if idle and now >= ends:
                    break
                self._changed.wait(min((ends if idle else self._next) - now, threading.TIMEOUT_MAX))
            self._thread = None
            return False

    def _note(self, error: BaseException) -> None:
        """Record a failure; the lock is held."""
        since, before = (self._trouble.since, self._trouble.failures) if self._trouble else (time.time(), 0)
        self._trouble = Trouble(self._what, short(error), since, before + 1)
        first, longest = self._pauses
        pause = min(first * 2.0 ** min(before, 60), longest)
        self._next, self._busy_since, self._pausing = time.monotonic() + pause, None, True
        self._hurried = False  # those who were in a hurry waited for this attempt
        self._changed.notify_all()

    def _tell(self, error: BaseException) -> None:
        _log.warning("%s failed: %s", self._what, short(error), exc_info=_log.isEnabledFor(logging.DEBUG))
        if self._failed is not None:
            try:
                self._failed(error)
            except Exception:
                _log.exception("who waits for %s could not be told that it failed", self._what)


def troubles(*works: Background) -> list[TroubleRow]:
    """Return the background work that fails at present, as the status has it."""
    return [trouble.plain() for each in works if (trouble := each.trouble) is not None]


def short(error: BaseException) -> str:
    """Return an exception as a text of at most 500 characters; it never raises."""
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:  # somebody else's __str__
        text = type(error).__name__
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 3]}..."


def within(seconds: float, what: str, work: Callable[[], _T]) -> _T:
    """Do work that may hang, with a timeout; return what it returns or raise what it raises.

    Args:
        seconds: how long to wait for it.
        what: the work, for the message.
        work: called in a daemon thread.

    Raises:
        TimeoutError: it has not ended in time; the thread goes on.
    """
    done: list[_T] = []
    raised: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, name=f"arqon: {what}", daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    if not done:
        raise TimeoutError(f"{what} has not ended within {seconds:.0f} s")
    return done[0]

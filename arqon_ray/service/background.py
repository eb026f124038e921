"""Work in the background: one way for all that a thread does while nobody looks at it.

What a bare thread raises is lost with it, and whoever waits for its work waits for ever. Here it is told to those who
wait, the work is tried again after a pause that grows, and until it succeeds the trouble has a name for a status.

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
"""Seconds until what failed is tried again: after the first failure, doubled after each further one, and at most."""

LINGER = 2.0
"""Seconds for which a thread with nothing to do waits for more."""

LONG = 60.0
"""A step that runs for so many seconds is named in a status too: it may never end."""

_LONGEST_TEXT = 500
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What does not work at present.

    Attributes:
        what: the work.
        error: what went wrong last, cut to some hundred characters.
        since: when it first failed, in seconds since 1970.
        failures: how often it failed since then; 0 when it has only been running for long.
    """

    what: str
    error: str
    since: float
    failures: int

    def plain(self) -> TroubleRow:
        """Return it as a status holds it."""
        return {"what": self.what, "error": self.error, "since": self.since, "failures": self.failures}


class Background:
    """A daemon thread that does one kind of work whenever there is some.

    It is begun when it is needed, ends when there was nothing to do for a while or it is closed, and is begun again
    when it died. It never holds up the end of the process. Any thread may call any method, with or without locks of
    its own, as long as ``step`` and ``failed`` return without them sooner or later.

    Args:
        what: what it does, as a status names it.
        step: does the next piece of work, called in the thread without any lock. It returns 0 when it did something
            and may have more to do, and otherwise for how many seconds there will be nothing; ``math.inf`` for ever.
            ``wake`` lets it look earlier.
        failed: is given whatever a step raised, in the thread, before the pause: there those who wait are told.
        pauses: seconds until a step that failed is tried again: the first, doubled each time, and the longest.
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
        """Let the thread look for work; begin it when there is none, or when it died.

        Args:
            hurry: even during the pause after a failure, because somebody waits for the next attempt.

        Returns:
            Why no thread can be begun, for who waits for one; None when it is there. It is a failure as any other.
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
        """What went wrong since the work last succeeded, or that it has been running for long; None if all is well."""
        with self._changed:
            if self._trouble is None and self._busy_since is not None:
                seconds = time.monotonic() - self._busy_since
                if seconds >= LONG:
                    text = f"it has been running for {seconds:.0f} s and has not ended"
                    return Trouble(self._what, text, time.time() - seconds, 0)
            return self._trouble

    def settle(self, timeout: float) -> bool:
        """Wait until nothing is to be done for now, or it failed, at most so many seconds; returns whether it is so."""

        def settled() -> bool:
            waited_for = self._hurried or (self._woken and not self._pausing)
            return self._busy_since is None and (self._closed or not waited_for)

        with self._changed:
            return self._changed.wait_for(settled, timeout)

    def close(self) -> None:
        """Begin no further step; one that runs is not waited for."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def join(self, timeout: float) -> bool:
        """Wait at most so many seconds until the thread has ended; returns whether it has."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(min(timeout, threading.TIMEOUT_MAX))
            return not thread.is_alive()
        return True

    def _run(self) -> None:
        while self._wait():
            try:
                idle = self._step()
            except BaseException as error:  # also SystemExit: a strategy may raise it, and its work shall go on
                with self._changed:
                    self._note(error)
                self._tell(error)
            else:
                with self._changed:
                    self._next, self._busy_since, self._pausing = time.monotonic() + idle, None, False
                    self._trouble = None  # it succeeded, or is not wanted any more
                    self._woken = self._woken or idle == 0.0
                    self._changed.notify_all()

    def _wait(self) -> bool:
        """Return True when the next step is due, False when the thread is to end."""
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
        """Remember a failure; the lock is held."""
        since, before = (self._trouble.since, self._trouble.failures) if self._trouble else (time.time(), 0)
        self._trouble = Trouble(self._what, short(error), since, before + 1)
        first, longest = self._pauses
        pause = min(first * 2.0 ** min(before, 60), longest)
        self._next, self._busy_since, self._pausing = time.monotonic() + pause, None, True
        self._hurried = False  # who was in a hurry has waited for this attempt
        self._changed.notify_all()

    def _tell(self, error: BaseException) -> None:
        _log.warning("%s failed: %s", self._what, short(error), exc_info=_log.isEnabledFor(logging.DEBUG))
        if self._failed is not None:
            try:
                self._failed(error)
            except Exception:
                _log.exception("who waits for %s could not be told that it failed", self._what)


def troubles(*works: Background) -> list[TroubleRow]:
    """Return what does not work at present, as a status holds it."""
    return [trouble.plain() for each in works if (trouble := each.trouble) is not None]


def short(error: BaseException) -> str:
    """Return an exception as text of at most some hundred characters; never raises."""
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:  # somebody else's __str__
        text = type(error).__name__
    return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 3]}..."


def within(seconds: float, what: str, work: Callable[[], _T]) -> _T:
    """Do work that may hang: return what it returns, or raise what it raises, but leave it behind after some time.

    Args:
        seconds: how long it is waited for.
        what: the work, for the message.
        work: is done in a daemon thread.

    Raises:
        TimeoutError: it has not ended; it goes on without anybody who waits.
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

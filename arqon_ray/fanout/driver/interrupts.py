"""Ctrl-C in a driver: it interrupts waiting, but not while a result is being told to the study."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self


class Interrupts:
    """Delays the first SIGINT until the next wait. A second one raises KeyboardInterrupt at once. A context manager.

    It changes nothing outside of the main thread, or if the program has its own handler for SIGINT.
    """

    def __init__(self) -> None:
        """Start without an interrupt."""
        self._pending = self._raised = self._waiting = False
        self._ours = False

    def __enter__(self) -> Self:
        in_main = threading.current_thread() is threading.main_thread()
        self._ours = in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._ours:
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if not self._ours:
            return
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if kind is None:
            self._raise_pending()  # it came after the last wait

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Let SIGINT raise KeyboardInterrupt in this block; one that came before is raised at its beginning."""
        self._raise_pending()
        self._waiting = True
        try:
            yield
        except KeyboardInterrupt:
            self._pending, self._raised = False, True
            raise
        finally:
            self._waiting = False
        self._raise_pending()  # a callback in Ray may have swallowed it

    def _raise_pending(self) -> None:
        if self._pending:
            self._pending, self._raised = False, True
            raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        second = self._pending or self._raised
        self._pending, self._raised = self._waiting or not second, second
        if self._waiting or second:
            raise KeyboardInterrupt

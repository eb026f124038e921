"""Progress of a run: a bar on a terminal, lines elsewhere. A broken pipe is no error."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TextIO

_PLAIN_INTERVAL = 10.0  # seconds between two plain lines


class Progress:
    """Progress that shows nothing, and the base of those that do. A context manager."""

    def __init__(self, label: str, total: int | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """Start the clock.

        Args:
            label: the name of the run.
            total: the number of evaluations; None if it is not known.
            clock: returns seconds, for the rate.
        """
        self.label = label
        self.total = total
        self._clock = clock
        self._began = clock()
        self._first: int | None = None
        self._done = 0
        self._failed = self._stopped = 0
        self._best: float | None = None
        self._step: int | None = None

    def update(
        self, done: int, failed: int = 0, best: float | None = None, step: int | None = None, stopped: int = 0
    ) -> None:
        """Set the present numbers.

        Args:
            done: evaluations that have ended, including failed ones. The number of the first call does not count in
                the rate, since a resumed run begins with the evaluations of earlier ones.
            failed: how many of them failed.
            best: the best value so far.
            step: the step at which it was taken; None for that of a complete evaluation.
            stopped: how many of them a scheduler stopped.
        """
        if self._first is None:
            self._first = done
            self._began = self._clock()
        self._done, self._failed, self._stopped, self._best, self._step = done, failed, stopped, best, step
        self._show()

    def note(self, text: str) -> None:
        """Show a remark on its own line."""

    def close(self) -> None:
        """Show the final numbers and stop."""

    def stats(self) -> str:
        """Return the line of numbers: count, best, stopped and failed ones, rate and time left."""
        fresh = self._done - (self._first or 0)
        elapsed = self._clock() - self._began
        rate = fresh / elapsed if elapsed > 0 else 0.0
        parts = [f"{self._done}/{self.total}" if self.total is not None else f"{self._done}"]
        at = "" if self._step is None else f" (step {self._step})"
        parts.append("best -" if self._best is None else f"best {self._best:.6g}{at}")
        if self._stopped:
            parts.append(f"{self._stopped} stopped")
        if self._failed:
            parts.append(f"{self._failed} failed")
        if rate > 0:
            parts.append(f"{rate:.3g}/s")
            if self.total is not None and self.total > self._done:
                parts.append(f"{_clock_time((self.total - self._done) / rate)} left")
        return "  ".join(parts)

    def _show(self) -> None:
        """Draw the present numbers."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class PlainProgress(Progress):
    """A line every few seconds and one at the end; stops silently if the stream is closed."""

    def __init__(self, label: str, total: int | None, stream: TextIO, clock: Callable[[], float]) -> None:
        """Write to ``stream``.

        Args:
            label: the name of the run.
            total: the number of evaluations, or None.
            stream: where the lines go.
            clock: returns seconds.
        """
        super().__init__(label, total, clock)
        self._stream: TextIO | None = stream
        self._shown_at = clock()
        self._shown = ""

    def note(self, text: str) -> None:
        """Write one line."""
        self._write(f"{self.label}: {text}")

    def close(self) -> None:
        """Write the final numbers, unless they have been written already."""
        if self._first is not None and self._state() != self._shown:
            self._line()
        self._stream = None

    def _show(self) -> None:
        if self._clock() - self._shown_at >= _PLAIN_INTERVAL:
            self._line()

    def _state(self) -> str:
        return f"{self._done} {self._failed} {self._stopped} {self._best} {self._step}"

    def _line(self) -> None:
        self._shown_at = self._clock()
        self._shown = self._state()
        self._write(f"{self.label}  {self.stats()}")

    def _write(self, line: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):  # a broken pipe, or a closed stream
            self._stream = None


class RichProgress(Progress):
    """A progress bar on a terminal."""

    def __init__(self, label: str, total: int | None, stream: TextIO, clock: Callable[[], float]) -> None:
        """Start drawing.

        Args:
            label: the name of the run.
            total: the number of evaluations, or None.
            stream: a terminal.
            clock: returns seconds.
        """
        from rich import progress
        from rich.console import Console

        super().__init__(label, total, clock)
        columns = (
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.TextColumn("{task.fields[stats]}", markup=False),
        )
        self._bar: Any = progress.Progress(*columns, console=Console(file=stream))
        self._task = self._bar.add_task(label, total=total, stats="")
        self._bar.start()

    def note(self, text: str) -> None:
        """Print one line above the bar."""
        self._bar.console.print(f"{self.label}: {text}", markup=False, highlight=False)

    def close(self) -> None:
        """Stop drawing; the bar stays on the terminal."""
        self._bar.stop()

    def _show(self) -> None:
        self._bar.update(self._task, completed=self._done, total=self.total, stats=self.stats())


def show_progress(
    label: str,
    total: int | None = None,
    *,
    enabled: bool = True,
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Progress:
    """Return the progress that suits the stream: a bar on a terminal if rich is installed, otherwise plain lines.

    Args:
        label: the name of the run.
        total: the number of evaluations; None if it is not known.
        enabled: False shows nothing.
        stream: where to write; None for standard error, which keeps piped output clean.
        clock: returns seconds, for the rate.
    """
    stream = stream or sys.stderr
    if not enabled or stream is None:  # pythonw and some services have no standard error
        return Progress(label, total, clock)
    if _is_terminal(stream):
        with contextlib.suppress(ImportError):
            return RichProgress(label, total, stream, clock)
    return PlainProgress(label, total, stream, clock)


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False


def _clock_time(seconds: float) -> str:
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"

"""Saving the record of a run while it is in progress, in less than 1 % of the time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from arqon_ray.core.record.evaluation import Evaluation
from arqon_ray.core.record.run import Run, evaluations_of
from arqon_ray.report.history import history_text
from arqon_ray.report.run import HISTORY_FILE, RESULTS_FILE, evaluation_text, replace_text, results_text

_EVERY = 5.0
"""The least seconds between two saves."""
_SHARE = 0.01
"""The largest share of the time that saving may take."""


class HasHistory(Protocol):
    """What the history is read from: the client of a study."""

    def history(self, since: int | None = None) -> Sequence[Mapping[str, Any]]:
        """Return the results, or those after the log record of this number."""
        ...


class Throttle:
    """Decides when to repeat slow work, so that it takes at most a share of the time.

    Args:
        every: the least seconds between two repetitions.
        share: the largest share of the time.
        clock: returns monotonic seconds.
    """

    def __init__(self, every: float, share: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._every, self._share, self._clock = every, share, clock
        self._next = clock() + every

    @property
    def due(self) -> bool:
        """Whether to do the work now."""
        return self._clock() >= self._next

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Do the work in this block."""
        began = self._clock()
        try:
            yield
        finally:
            ended = self._clock()
            self._next = ended + max(self._every, (ended - began) * (1.0 / self._share - 1.0))


class RecordSaver:
    """Adds the results since the last whole save of a run to its record, from time to time.

    ``results.json`` then has every evaluation, but no explanation, which takes the model much longer. ``history.csv``,
    which is written anew each time, may be a little older. Retracted results disappear when the run ends.

    Args:
        study: the study of the run.
        run: the record that was saved last.
        folder: the folder of the run.
        clock: returns monotonic seconds.
    """

    def __init__(self, study: HasHistory, run: Run, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._study = study
        self._run = replace(run, evaluations=(), running=(), explain={}, recommended=None)
        self._folder = folder
        self._clock = clock
        self._began = clock()
        self._seq = 0
        self._evaluations: list[Evaluation] = []
        self._texts: list[str] = []
        self._record, self._table = (Throttle(_EVERY, _SHARE / 2, clock) for _ in range(2))

    def save_if_due(self) -> None:
        """Save if it is time to."""
        if self._record.due:
            with self._record.measured():
                self._read_history()
                run = self._now()
                replace_text(self._folder / RESULTS_FILE, results_text(run, self._texts))
            if self._table.due:
                with self._table.measured():
                    replace_text(self._folder / HISTORY_FILE, history_text(run))

    def _read_history(self) -> None:
        rows = self._study.history(since=self._seq)
        if rows:
            self._seq = rows[-1]["seq"]
            new = evaluations_of(rows)
            self._evaluations += new
            self._texts += map(evaluation_text, new)

    def _now(self) -> Run:
        seconds = (self._run.wall_seconds or 0.0) + self._clock() - self._began
        return replace(self._run, evaluations=tuple(self._evaluations), wall_seconds=seconds)

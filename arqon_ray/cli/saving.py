"""The record of a run that goes on: what is new is added to it, in less than 1 % of the time."""

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
"""Seconds between two records at least."""
_SHARE = 0.01
"""The share of the time that writing may take."""


class Told(Protocol):
    """Whose history it is: a study's client."""

    def history(self, since: int | None = None) -> Sequence[Mapping[str, Any]]:
        """Return what was told, or what was told after the record of this number."""
        ...


class Throttle:
    """Says when work is due that costs time: at most so often, and never more than its share of the time.

    Args:
        every: seconds between two ends of it at least.
        share: of the time.
        clock: returns seconds, never going back.
    """

    def __init__(self, every: float, share: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._every, self._share, self._clock = every, share, clock
        self._next = clock() + every

    @property
    def due(self) -> bool:
        """Whether it is time."""
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


class Progress:
    """What was told since a run was saved whole, added to its record from time to time.

    ``results.json`` then has every evaluation, and no account of the solver: asking the model for it costs much more.
    ``history.csv``, which has to be written anew, may be a little older. A retraction shows when the run ends.

    Args:
        study: whose evaluations they are.
        run: the record that was saved last.
        folder: the run's.
        clock: returns seconds, never going back.
    """

    def __init__(self, study: Told, run: Run, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
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
        """Write what is due."""
        if self._record.due:
            with self._record.measured():
                self._learn()
                run = self._now()
                replace_text(self._folder / RESULTS_FILE, results_text(run, self._texts))
            if self._table.due:
                with self._table.measured():
                    replace_text(self._folder / HISTORY_FILE, history_text(run))

    def _learn(self) -> None:
        rows = self._study.history(since=self._seq)
        if rows:
            self._seq = rows[-1]["seq"]
            new = evaluations_of(rows)
            self._evaluations += new
            self._texts += map(evaluation_text, new)

    def _now(self) -> Run:
        seconds = (self._run.wall_seconds or 0.0) + self._clock() - self._began
        return replace(self._run, evaluations=tuple(self._evaluations), wall_seconds=seconds)

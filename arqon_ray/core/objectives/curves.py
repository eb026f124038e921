"""Intermediate results by rung, arranged as they come.

:class:`Curves` reads the reports of a ledger once each and keeps, for each candidate and rung, the one that says how it
was there. So what a further report costs does not grow with those before it. Only where the rungs themselves change
all reports are read again; there are a dozen rungs at most, and each only moves up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arqon_ray.core.ledger.view import Array, DataView

_MOST_RUNGS = 12
_APART = 1.5


@dataclass(frozen=True, slots=True)
class Levels:
    """What evaluations were worth on the rungs; those of the observations first, then those in flight.

    Attributes:
        numbers: ``(n,)`` their candidates, -1 for a point from outside.
        rungs: ``(k,)`` steps, ascending; infinity for whole evaluations.
        values: ``(n, k)``, NaN where an evaluation did not come.
        first: ``(n,)`` when each of them said something first; only the order has a meaning.
    """

    numbers: NDArray[np.int64]
    rungs: Array
    values: Array
    first: Array


class Curves:
    """What the reports say of each candidate; it reads later and later views of one ledger.

    Attributes:
        read: how many reports it has read so far.
        touched: how many it has sorted by rung in all; one counts as often as it was.
    """

    def __init__(self) -> None:
        """Begin with nothing read."""
        self.read = self.touched = self._arranged = 0
        self._rungs: Array = np.empty(0)
        self._beyond: list[int] = []
        # By candidate: the farthest step, and of the first report its index and how many observations there were then;
        # by rung: step and value.
        self._reached, self._observed, self._index = np.empty(0), np.empty(0), np.empty(0)
        self._steps, self._values = np.empty((0, 0)), np.empty((0, 0))

    def at(self, view: DataView) -> Levels | None:
        """Return the levels on a view; None if all evaluations went equally far.

        The view must have all the reports that were read before. An evaluation was stopped early if another one, told
        or still in flight, went farther.
        """
        told, reports = len(view.y), view.reports
        flying = np.array([candidate.number for candidate in view.pending], dtype=np.int64)
        numbers = np.concatenate([view.numbers, flying])
        self._note(view.number, reports)
        inside = numbers >= 0
        reached, first = np.full(len(numbers), -np.inf), np.full(len(numbers), np.inf)
        reached[inside] = self._reached[numbers[inside]]
        between = (self._index[numbers[inside]] + 1.0) / (len(reports) + 1.0)
        first[inside] = self._observed[numbers[inside]] - 1.0 + between
        first[:told] = np.minimum(first[:told], view.indices)
        furthest = float(np.max(reached[told:], initial=-np.inf))
        if told and np.min(view.steps) == np.max(view.steps) >= furthest:
            return None
        if not told and furthest == -np.inf:
            return None
        reached[:told] = np.maximum(reached[:told], view.steps)
        ends = view.steps if told else reports[np.isin(reports[:, 0], numbers), 1]
        rungs = _rungs(ends)
        self._arrange(rungs, reports)
        values = np.full((len(numbers), len(rungs)), np.nan)
        values[inside] = self._values[numbers[inside]]
        if furthest >= _APART * rungs[-1]:
            ahead = np.full(len(self._reached), np.nan)
            rows = reports[self._beyond]
            rows = rows[rows[:, 1] <= furthest]
            rows = rows[np.argsort(rows[:, 1], kind="stable")]
            ahead[rows[:, 0].astype(np.int64)] = rows[:, 2]
            rungs = np.append(rungs, furthest)
            values = np.column_stack([values, np.where(inside, ahead[numbers], np.nan)])
        values[reached[:, None] < rungs] = np.nan
        _add_ends(values, rungs, view)
        return Levels(numbers, rungs, values, first)

    def _note(self, count: int, reports: Array) -> None:
        """Make room for ``count`` candidates; note the farthest step and the first report of those that reported."""
        short = count - len(self._reached)
        if short > 0:
            more = max(short, len(self._reached), 16)
            self._reached = np.concatenate([self._reached, np.full(more, -np.inf)])
            self._observed = np.concatenate([self._observed, np.full(more, np.inf)])
            self._index = np.concatenate([self._index, np.zeros(more)])
            self._steps = np.concatenate([self._steps, np.full((more, len(self._rungs)), -np.inf)])
            self._values = np.concatenate([self._values, np.full((more, len(self._rungs)), np.nan)])
        fresh = reports[self.read :]
        who = fresh[:, 0].astype(np.int64)
        np.maximum.at(self._reached, who, fresh[:, 1])
        begun, at = np.unique(who, return_index=True)
        new = np.isinf(self._observed[begun])
        self._observed[begun[new]] = fresh[at[new], 3]
        self._index[begun[new]] = self.read + at[new]
        self.read = len(reports)

    def _arrange(self, rungs: Array, reports: Array) -> None:
        """Sort new reports by rung; all reports if the rungs have changed."""
        if not np.array_equal(rungs, self._rungs):
            self._rungs, self._arranged, self._beyond = rungs, 0, []
            self._steps = np.full((len(self._reached), len(rungs)), -np.inf)
            self._values = np.full(self._steps.shape, np.nan)
        fresh = reports[self._arranged :]
        who, steps = fresh[:, 0].astype(np.int64), fresh[:, 1]
        # The value on a rung is the last one reported after the rung below.
        rung = np.searchsorted(rungs, steps, side="left")
        self._beyond += (self._arranged + np.flatnonzero(rung == len(rungs))).tolist()
        here = np.flatnonzero(rung < len(rungs))
        here = here[steps[here] >= self._steps[who[here], rung[here]]]
        here = here[np.argsort(steps[here], kind="stable")]
        self._steps[who[here], rung[here]] = steps[here]
        self._values[who[here], rung[here]] = fresh[here, 2]
        self._arranged, self.touched = len(reports), self.touched + len(fresh)


def _add_ends(values: Array, rungs: Array, view: DataView) -> None:
    """Set the final values of evaluations; one that ended between two rungs has its reported value on the lower one."""
    told = np.arange(len(view.y))
    own = np.maximum(np.searchsorted(rungs, view.steps, side="right") - 1, 0)
    take = (rungs[own] == view.steps) | np.isnan(values[told, own])
    values[told[take], own[take]] = view.y[take]


def _rungs(ends: Array) -> Array:
    """Return the steps ``(k,)`` at which evaluations ended, ascending, thinned where they are many."""
    steps = np.unique(ends)[::-1]
    return (_thinned(steps) if len(steps) > _MOST_RUNGS else steps)[::-1]


def _thinned(steps: Array) -> Array:
    """Return the steps, descending, of which each is well below the one before."""
    kept = [float(steps[0])]
    for step in steps[1:].tolist():
        if _APART * step <= kept[-1]:
            kept.append(step)
    return np.array(kept)

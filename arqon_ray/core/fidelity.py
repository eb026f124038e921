"""Values of evaluations that went differently far, on one scale.

A value after 3 of 81 steps is no value after 81. Where curves cross at different heights, comparing one with the other
says which trial was trained for longer. So each value is carried from its rung to the next and on to the highest:
there by the line that the trials on both rungs draw, ``b = mean(b) + slope (a - mean(a))``. It is fair although
the poor trials were stopped, since they were stopped for ``a``, which the line is conditional on. Few trials draw a
line badly; :data:`_BELIEF` of them say that its slope is 1, i.e. that all improve by as much.

The rungs are where evaluations ended; beyond a dozen only some of them. A candidate in flight
(or paused) that has reported from a rung counts with its value there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from arqon_ray.core.evidence import Array
    from arqon_ray.core.ledger import Moment

_BELIEF = 2.0
_STEEPEST = 3.0
_MOST_RUNGS = 12
_APART = 1.5


@dataclass(frozen=True, slots=True)
class Scaled:
    """What is known, with all values on the scale of the highest rung.

    Attributes:
        X: ``(n, d)`` points of the observations and of the candidates in flight that have reported, in the order in
            which they said something first.
        y: ``(n,)`` values.
        numbers: ``(n,)`` their candidates.
        rungs: ``(k,)`` the steps of the rungs, ascending; infinity for whole evaluations.
        counts: ``(k,)`` how many values come from each.
    """

    X: Array
    y: Array
    numbers: NDArray[np.int64]
    rungs: Array
    counts: NDArray[np.int64]


def scaled(moment: Moment) -> Scaled | None:
    """Bring all values to one scale; None when every evaluation went as far as any other.

    An evaluation is known to be cut short when another one, told or still in flight, went farther.
    """
    told, flying = len(moment.y), len(moment.pending)
    if not len(moment.reports) and (not told or np.min(moment.steps) == np.max(moment.steps)):
        return None  # every ask passes here: what follows is for studies with steps alone
    numbers = np.array([*moment.numbers.tolist(), *(c.number for c in moment.pending)], dtype=np.int64)
    rows = _rows(moment.reports[:, 0].astype(np.int64), numbers)
    furthest = float(np.max(moment.reports[rows >= told, 1], initial=-np.inf))
    if told and np.min(moment.steps) == np.max(moment.steps) >= furthest:
        return None
    if not told and furthest == -np.inf:
        return None
    rungs = _rungs(moment.steps if told else moment.reports[rows >= told, 1], furthest)
    levels = _levels(moment, rows, len(numbers), rungs)
    seen = ~np.isnan(levels)
    known = seen.any(axis=1)
    points = np.concatenate([moment.X, np.reshape(moment.points, (flying, moment.X.shape[1]))])
    order = np.flatnonzero(known)[np.argsort(_first_known(moment, rows, len(numbers))[known], kind="stable")]
    top = len(rungs) - 1 - np.argmax(seen[known, ::-1], axis=1)
    return Scaled(
        X=points[order],
        y=_carried(levels[order]),
        numbers=numbers[order],
        rungs=rungs,
        counts=np.bincount(top, minlength=len(rungs)),
    )


def _rows(reporters: NDArray[np.int64], numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where the candidates ``reporters (r,)`` stand in ``numbers``, -1 for those that do not."""
    place = np.full(max(np.max(reporters, initial=0), np.max(numbers, initial=0)) + 1, -1)
    inside = numbers >= 0
    place[numbers[inside]] = np.flatnonzero(inside)
    return place[reporters]


def _first_known(moment: Moment, rows: NDArray[np.int64], n: int) -> Array:
    """Return ``(n,)`` when each evaluation said something first, so that a row keeps its place when it is told."""
    first = np.full(n + 1, np.inf)
    first[: len(moment.y)] = moment.places
    between = (np.arange(len(rows)) + 1.0) / (len(rows) + 1.0)
    np.minimum.at(first, rows, moment.reports[:, 3] - 1.0 + between)
    return first[:n]


def _rungs(ends: Array, furthest: float) -> Array:
    """Return the steps at which evaluations ended, thinned where they are many, and how far one in flight is ahead."""
    steps = np.unique(ends)[::-1]
    if len(steps) > _MOST_RUNGS:
        steps = _thinned(steps)
    ahead = [furthest] if furthest >= _APART * steps[0] else []
    return np.array([*steps[::-1], *ahead])


def _thinned(steps: Array) -> Array:
    """Return the steps, descending, of which each is well below the one before."""
    kept = [float(steps[0])]
    for step in steps[1:].tolist():
        if _APART * step <= kept[-1]:
            kept.append(step)
    return np.array(kept)


def _levels(moment: Moment, rows: NDArray[np.int64], n: int, rungs: Array) -> Array:
    """Return the ``(n, k)`` values on the rungs, NaN where an evaluation did not come.

    Args:
        moment: what is known.
        rows: ``(r,)`` the row of each report, -1 for one that is of no use.
        n: how many rows there are, those of the observations first.
        rungs: ``(k,)`` steps.
    """
    levels = np.full((n, len(rungs)), np.nan)
    steps, values = moment.reports[:, 1], moment.reports[:, 2]
    reached = np.full(n + 1, -np.inf)
    reached[: len(moment.y)] = moment.steps
    np.maximum.at(reached, rows, steps)
    for k, rung in enumerate(rungs):
        # The last result since the rung below says how it was on this one, if the evaluation came here at all.
        below = rungs[k - 1] if k else -np.inf
        here = np.flatnonzero((rows >= 0) & (steps > below) & (steps <= rung) & (reached[rows] >= rung))
        here = here[np.argsort(steps[here], kind="stable")]
        levels[rows[here], k] = values[here]
    told = np.arange(len(moment.y))
    own = np.maximum(np.searchsorted(rungs, moment.steps, side="right") - 1, 0)
    take = (rungs[own] == moment.steps) | np.isnan(levels[told, own])
    levels[told[take], own[take]] = moment.y[take]
    return levels


def _carried(levels: Array) -> Array:
    """Return the ``(n,)`` values of ``levels (n, k)`` carried to the highest rung, never beyond the best one there."""
    values = levels[:, 0].copy()
    for k in range(1, levels.shape[1]):
        here = levels[:, k]
        both = ~np.isnan(values) & ~np.isnan(here)
        if both.any():
            values = np.maximum(_line(values[both], here[both], values), np.nanmin(here))
        values = np.where(np.isnan(here), values, here)
    return values


def _line(a: Array, b: Array, at: Array) -> Array:
    """Return what the line through the pairs ``a``, ``b`` says at other values of ``a``."""
    spread = float(np.nanvar(at)) or 1.0
    da, db = a - np.mean(a), b - np.mean(b)
    slope = (float(da @ db) + _BELIEF * spread) / (float(da @ da) + _BELIEF * spread)
    return np.asarray(np.mean(b) + np.clip(slope, 0.0, _STEEPEST) * (at - np.mean(a)))

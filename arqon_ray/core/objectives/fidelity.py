"""Values of evaluations that were stopped at different steps, on one scale.

A value after 3 of 81 steps cannot be compared with one after 81: that would only tell which trial was trained longer.
So each value is carried from its rung to the next and on to the highest:
by the line fitted to the trials on both rungs, ``b = mean(b) + slope (a - mean(a))``. It is fair although
the poor trials were stopped, since they were stopped for ``a``, which the line is conditional on. Few trials
fit a line badly, so there is a prior worth :data:`_BELIEF` trials that its slope is 1, i.e. that all improve equally.

A training that diverges says nothing about the others. A value that lies far outside, orders of magnitude from the
better ones, is dropped: its evaluation counts as failed there, unless it recovers on a later rung. Pairs that moved
very differently from most are left out of the fit. What is left of a long upper tail is compressed, keeping its order,
so that a few poor values do not hide the differences of the good ones.

The rungs are where evaluations ended; beyond a dozen only some of them. A candidate in flight
(or paused) that has reported from a rung counts with its value there. See :mod:`.curves`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arqon_ray.core.ledger.view import Array, DataView
from arqon_ray.core.objectives.curves import Curves

_BELIEF = 2.0
_STEEPEST = 3.0
_FAR, _FAR_IN_SIZE = 1e4, 1e2
"""A value has diverged when it is so many times farther from the best one than the lower quartile is, and so many times
larger than that: losses that all grow from rung to rung have not."""
_OTHERWISE = 10.0
"""A pair is left out of the fit when its change is so many median deviations of all values off the median change."""
_TAIL = 10.0
"""The tail that is compressed begins this many times farther from the best value than the median is."""
_LARGEST = 2.0**500


@dataclass(frozen=True, slots=True)
class Scaled:
    """What is known, with all values on the scale of the highest rung.

    Attributes:
        X: ``(n, d)`` points of the observations and of the candidates in flight that have reported, in the order in
            which they first reported; without those that diverged.
        y: ``(n,)`` values.
        numbers: ``(n,)`` their candidates.
        failed: ``(f, d)`` points of those that diverged.
        diverged: ``(f,)`` their candidates.
        rungs: ``(k,)`` the steps of the rungs, ascending; infinity for whole evaluations.
        counts: ``(k,)`` how many values come from each.
    """

    X: Array
    y: Array
    numbers: NDArray[np.int64]
    failed: Array
    diverged: NDArray[np.int64]
    rungs: Array
    counts: NDArray[np.int64]


def scaled(view: DataView) -> Scaled | None:
    """Bring all values to one scale; None if all evaluations went equally far."""
    return None if goes_equally_far(view) else scaled_by(view, Curves())


def goes_equally_far(view: DataView) -> bool:
    """Tell whether all evaluations went equally far and none has reported; called on every ask, so it must be cheap."""
    return not len(view.reports) and (not len(view.y) or np.min(view.steps) == np.max(view.steps))


def scaled_by(view: DataView, curves: Curves) -> Scaled | None:
    """Like :func:`scaled`, with curves that have read the reports of earlier views."""
    levels = curves.at(view)
    if levels is None:
        return None
    seen = ~np.isnan(levels.values)
    known = seen.any(axis=1)
    points = np.concatenate([view.X, np.reshape(view.points, (len(view.points), view.X.shape[1]))])
    order = np.flatnonzero(known)[np.argsort(levels.first[known], kind="stable")]
    top = len(levels.rungs) - 1 - np.argmax(seen[known, ::-1], axis=1)
    values = _carried(levels.values[order])
    kept, lost = order[np.isfinite(values)], order[np.isinf(values)]
    return Scaled(
        X=points[kept],
        y=values[np.isfinite(values)],
        numbers=levels.numbers[kept],
        failed=points[lost],
        diverged=levels.numbers[lost],
        rungs=levels.rungs,
        counts=np.bincount(top, minlength=len(levels.rungs)),
    )


def _carried(levels: Array) -> Array:
    """Return the ``(n,)`` values of ``levels (n, k)`` carried to the highest rung, never beyond the best one there.

    Infinity stands for an evaluation that diverged on the highest rung that it reached. Each row of ``levels`` has
    at least one value.
    """
    # A power of two that brings the better values to order one: nothing overflows, and nothing is rounded.
    finite = levels[~np.isnan(levels)]
    exponent = int(np.frexp(np.max(np.abs(_best_and_quartile(finite))))[1])
    with np.errstate(over="ignore"):
        levels = np.clip(np.ldexp(levels, -exponent), -_LARGEST, _LARGEST)
    values = levels[:, 0].copy()
    for k in range(levels.shape[1]):
        here = levels[:, k]
        reached = ~np.isnan(here)
        alive = np.isfinite(values)
        if not reached.any():
            continue
        here = np.where(here > _limit(np.concatenate([values[alive], here[reached]])), np.inf, here)
        both = alive & np.isfinite(here)
        if k and both.any():
            carried = _line(values[both], here[both], values[alive])
            values[alive] = np.maximum(carried, np.min(here[both]))
        values = np.where(reached, here, values)
    with np.errstate(over="ignore"):
        back = np.ldexp(_drawn_in(values), exponent)
    largest = np.finfo(np.float64).max
    return np.where(np.isinf(values), np.inf, np.clip(back, -largest, largest))


def _best_and_quartile(values: Array) -> tuple[float, float]:
    """Return the best of ``values (n,)`` and their lower quartile, which is at least the second best."""
    ordered = np.sort(values)
    return float(ordered[0]), float(ordered[min(max(len(ordered) // 4, 1), len(ordered) - 1)])


def _limit(values: Array) -> float:
    """Return the value above which an evaluation has diverged; infinity if ``values (n,)`` give no limit."""
    best, quartile = _best_and_quartile(values)
    limit = max(best + _FAR * (quartile - best), _FAR_IN_SIZE * max(abs(best), abs(quartile)))
    return limit if limit > quartile else np.inf


def _line(a: Array, b: Array, at: Array) -> Array:
    """Return what the line fitted to the pairs ``a``, ``b`` says at values ``at`` on the scale of ``a``.

    It is written as a move from there, so that values of unlike sizes keep their digits.
    """
    moved = b - a
    usual = np.sort(moved)[(len(moved) - 1) // 2]
    deviation = float(np.median(np.abs(at - np.median(at)))) or float(np.ptp(at)) or 1.0
    alike = np.abs(moved - usual) <= _OTHERWISE * deviation
    a, moved = a[alike], moved[alike]
    da, dm = a - np.mean(a), moved - np.mean(moved)
    steeper = float(da @ dm) / ((float(da @ da) + _BELIEF * float(np.var(at))) or 1.0)
    return np.asarray(at + np.mean(moved) + np.clip(steeper, -1.0, _STEEPEST - 1.0) * (at - np.mean(a)))


def _drawn_in(values: Array) -> Array:
    """Return ``values (n,)`` whose tail, above ten times the median's distance from the best, is logarithmic."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return values
    best, unit = float(np.min(finite)), float(np.median(finite) - np.min(finite))
    if unit <= 0.0:
        return values
    excess = np.maximum((values - best) / unit - _TAIL, 0.0)
    return np.where(excess > 0.0, best + unit * (_TAIL + np.log1p(excess)), values)

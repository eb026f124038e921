"""Values of evaluations that went differently far, on one scale.

A value after 3 of 81 steps is no value after 81. Where curves cross at different heights, comparing one with the other
says which trial was trained for longer. So each value is carried from its rung to the next and on to the highest:
there by the line that the trials on both rungs draw, ``b = mean(b) + slope (a - mean(a))``. It is fair although
the poor trials were stopped, since they were stopped for ``a``, which the line is conditional on. Few trials draw a
line badly; :data:`_BELIEF` of them say that its slope is 1, i.e. that all improve by as much.

The rungs are where evaluations ended; beyond a dozen only some of them. A candidate in flight
(or paused) that has reported from a rung counts with its value there. See :mod:`.curves`.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from arqon_ray.core.curves import Curves

if TYPE_CHECKING:
    from arqon_ray.core.evidence import Array
    from arqon_ray.core.ledger import Moment

_BELIEF = 2.0
_STEEPEST = 3.0


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


class Fidelity:
    """The carried values of one study, computed once for each version of its ledger; any thread may ask for them.

    It saves time and changes nothing else: :func:`scaled` returns the same, bit for bit.

    Attributes:
        computed: how often values were carried.
    """

    def __init__(self) -> None:
        """Begin with nothing computed."""
        self.computed = 0
        self._curves = Curves()
        self._latest: tuple[int, Scaled | None] = (-1, None)
        self._lock = threading.Lock()

    @property
    def touched(self) -> int:
        """How many reports were sorted by rung so far; one counts as often as it was."""
        return self._curves.touched

    def at(self, moment: Moment) -> Scaled | None:
        """Return what :func:`scaled` does."""
        if _plain(moment):
            return None
        with self._lock:
            version, known = self._latest
            if version != moment.version:
                self.computed += 1
                if version > moment.version:
                    return scaled(moment)  # an older draft: what is kept has gone on
                known = _scaled(moment, self._curves)
                self._latest = moment.version, known
            return known


def scaled(moment: Moment) -> Scaled | None:
    """Bring all values to one scale; None when every evaluation went as far as any other."""
    return None if _plain(moment) else _scaled(moment, Curves())


def _plain(moment: Moment) -> bool:
    """Tell whether there are no steps to speak of; every ask passes here."""
    return not len(moment.reports) and (not len(moment.y) or np.min(moment.steps) == np.max(moment.steps))


def _scaled(moment: Moment, curves: Curves) -> Scaled | None:
    levels = curves.at(moment)
    if levels is None:
        return None
    seen = ~np.isnan(levels.values)
    known = seen.any(axis=1)
    points = np.concatenate([moment.X, np.reshape(moment.points, (len(moment.points), moment.X.shape[1]))])
    order = np.flatnonzero(known)[np.argsort(levels.first[known], kind="stable")]
    top = len(levels.rungs) - 1 - np.argmax(seen[known, ::-1], axis=1)
    return Scaled(
        X=points[order],
        y=_carried(levels.values[order]),
        numbers=levels.numbers[order],
        rungs=levels.rungs,
        counts=np.bincount(top, minlength=len(levels.rungs)),
    )


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

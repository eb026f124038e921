"""One objective whose evaluations were stopped at different steps: the value at the highest rung is the goal.

Whether a study has rungs shows in its evaluations, not in its config, so :class:`.single.Single` decides at each view.
How values are carried from rung to rung is in :mod:`.fidelity`.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arqon_ray.core.ledger.view import DataView
from arqon_ray.core.objectives.base import Known, furthest
from arqon_ray.core.objectives.curves import Curves
from arqon_ray.core.objectives.fidelity import Scaled, goes_equally_far, scaled, scaled_by
from arqon_ray.core.strategies.classification import Classification
from arqon_ray.core.strategies.plan import plan_on_rungs


class Rungs:
    """The carried values of one study, computed once for each version of its ledger; any thread may ask for them.

    It saves time and changes nothing else: :func:`.scaled` returns the same, bit for bit.

    Attributes:
        computed: how often values were carried.
    """

    def __init__(self) -> None:
        self.computed = 0
        self._curves = Curves()
        self._latest: tuple[int, Scaled | None] = (-1, None)
        self._lock = threading.Lock()

    @property
    def touched(self) -> int:
        """How many reports were sorted by rung so far; one counts as often as it was."""
        return self._curves.touched

    def at(self, view: DataView) -> Scaled | None:
        """Return what :func:`.scaled` does."""
        if goes_equally_far(view):
            return None
        with self._lock:
            version, known = self._latest
            if version != view.version:
                self.computed += 1
                if version > view.version:
                    return scaled(view)  # an older proposer's; what is kept has gone on
                known = scaled_by(view, self._curves)
                self._latest = view.version, known
            return known


@dataclass(frozen=True, slots=True)
class OnRungs:
    """The value at the highest rung is the goal; candidates in flight that have reported count too.

    Attributes:
        view: the data.
        scaled: all values on the scale of the highest rung.
    """

    view: DataView
    scaled: Scaled
    ended_early = True
    repeats_tell_noise = True
    reusable = True

    @property
    def observed(self) -> int:
        """How many points have a value on the scale of the highest rung."""
        return len(self.scaled.y)

    def known(self, number: int) -> Known:
        """Return all values on the scale of the highest rung; an evaluation that diverged counts as failed."""
        found = self.scaled
        failed = np.concatenate([self.view.failed, found.failed])
        return Known(found.X, found.y, found.numbers, failed, np.concatenate([found.numbers, found.diverged]))

    def classification(self, number: int) -> Classification | None:
        """Return the strategies that can live with values that are uncertain and change."""
        counts = zip(self.scaled.rungs.tolist(), self.scaled.counts.tolist(), strict=True)
        findings = {"observations": len(self.scaled.y), "rungs": {f"{step:g}": count for step, count in counts}}
        chosen = plan_on_rungs(number)
        return Classification("multi-fidelity", chosen.roles, chosen.reason, findings)

    def comparable(self) -> NDArray[np.int64]:
        """Return the rows of the evaluations that went furthest."""
        return furthest(self.view)

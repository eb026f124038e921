"""Bayesian optimization: a Gaussian process, log expected improvement, and a box round the best point.

One ask: choose the observations that the model sees, warp their values, refit the hyper-parameters when due, let
the model believe its own mean at the points in flight, maximize log EI inside the box. Further asks on the same
observations (a batch) go on with that model and with the points that the search has looked at: see :mod:`.batch`.

The box is TuRBO's (Eriksson et al., *Scalable global optimization via local Bayesian optimization*, NeurIPS 2019,
section 2): side ``L`` doubles after 3 successes in a row, halves after ``max(4, d)`` failures, starts again below
``2^-4`` (TuRBO: 2^-7; smaller boxes are the trust region's work). It pays on continuous spaces; on those with
categorical or conditional parameters it cost a factor of 20.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from arqon_ray.core.refine.acquisition import LogExpectedImprovement
from arqon_ray.core.refine.batch import Batch
from arqon_ray.core.refine.features import Features
from arqon_ray.core.refine.novelty import fresh_point
from arqon_ray.core.refine.search import Box, Search
from arqon_ray.core.refine.subset import choose_rows
from arqon_ray.core.refine.surrogate import Surrogate, bounds_of, default_theta, fit
from arqon_ray.core.refine.warp import Warp
from arqon_ray.core.strategies.evidence import Proposal
from arqon_ray.core.strategies.memories import Closed, Count, Finite, check, require
from arqon_ray.core.strategies.registry import register_strategy
from arqon_ray.core.strategies.strategy import MANY_PROBES, Role, Strategy, StrategyParams, probe_size_of_model

if TYPE_CHECKING:
    from arqon_ray.core.space.space import Space
    from arqon_ray.core.strategies.evidence import Array, Evidence, Memory
    from arqon_ray.core.strategies.memories import MemoryContext

NOISY = 1e-3
"""Above this noise variance (of unit-variance targets) the best value is not trusted, only the best mean."""
_LENGTH, _SHORTEST, _LONGEST = 0.8, 2.0**-4, 1.6
_SUCCESSES = 3
_MARGIN = 0.01
"""By how much every second point in a box must promise to be better, in standard deviations of the targets.

Without it the search polishes the incumbent ask after ask where the model is sure of ever smaller gains. In two
dimensions it lowered the regret, in five it did not (two seeds each: a hint, not a proof).
"""
_INCUMBENTS = 5
_ALL_ROWS = 256
"""The model sees all observations up to this number, then a subset of this size."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model of the evidence, and what made it.

    Attributes:
        model: the posterior given the observations and the failures; points in flight are not in it.
        warp: the transform of its targets.
        rows: ``(m,)`` the observations that it sees; the model's first ``m`` points.
        theta: ``(k + 2,)`` the hyper-parameters.
    """

    model: Surrogate
    warp: Warp
    rows: NDArray[np.int64]
    theta: Array


class _Memory(Closed):
    """See :class:`GaussianProcess`."""

    theta: list[Finite] = Field(default_factory=list)
    fitted: Count = 0
    fits: Count = 0
    length: Annotated[float, Field(ge=_SHORTEST, le=_LONGEST)] = _LENGTH
    streak: Annotated[int, Field(gt=-(2**53), lt=2**53)] = 0
    told: Count = 0
    best: Finite | None = None


class GaussianProcessParams(StrategyParams):
    """The ``strategy_params`` of ``gaussian_process``; both are better off when the objective is noisy.

    Attributes:
        warp: whether the values are Yeo-Johnson transformed.
        box: whether the search of a continuous space keeps to a box round the best point.
    """

    warp: bool = True
    box: bool = True


@register_strategy
class GaussianProcess(Strategy):
    """The strategy ``gaussian_process``.

    Its memory: ``theta`` (hyper-parameters), ``fitted`` (number of observations at the last fit), ``fits`` (their
    count), and for the box ``length``, ``streak`` (successes, or minus failures, in a row), ``told`` and ``best``
    (observations seen and the best value among them).
    """

    name = "gaussian_process"
    role = Role.GLOBAL
    params_model = GaussianProcessParams
    params: GaussianProcessParams

    def probe_size(self, space: Space) -> int:
        """Return few points where all parameters are continuous."""
        return probe_size_of_model(space)

    def propose(self, evidence: Evidence, memory: Memory, rng: np.random.Generator) -> Proposal | None:
        """Return the point with the highest log EI; a random new point while there is nothing to model."""
        features = Features(evidence.space)
        if len(features.columns) == 0 or len(evidence.y) + len(evidence.failed) == 0:
            point, known = fresh_point(evidence, rng)
            return Proposal(point, dict(memory), repeat=known)
        batch: Batch | None = evidence.batch_cache.get(self.name) if evidence.batch_index else None
        further = batch.next(evidence, rng) if batch is not None else None
        if further is not None:
            return Proposal(further, dict(memory))
        fitted, fit_memory = self.fit(evidence, memory, features)
        box_memory = _follow(evidence, memory) if self.params.box and evidence.space.continuous else {}
        believed = fitted.model.believe(evidence.pending)
        mean, _ = believed.predict(believed.X)
        best = float(np.min(mean) if believed.noise > NOISY else np.min(believed.z))
        box = _box_around(evidence, believed.X[int(np.argmin(mean))], box_memory, features, believed)
        incumbents = believed.X[np.argsort(mean, kind="stable")[:_INCUMBENTS]]
        best -= _MARGIN if box_memory and evidence.number % 2 else 0.0
        search = Search(LogExpectedImprovement(believed, best), evidence, box, rng)
        found = search.run(incumbents)
        evidence.batch_cache[self.name] = Batch(believed, best, search.pool, box, len(evidence.pending))
        known = False
        if found is None:
            found, known = fresh_point(evidence, rng)
        return Proposal(found, {**fit_memory, **box_memory}, repeat=known)

    def check_memory(self, memory: Memory, context: MemoryContext) -> None:
        """Refuse hyper-parameters out of bounds, and a box of another form."""
        check(_Memory, memory)
        theta = memory.get("theta", [])
        within = all(low <= value <= high for value, (low, high) in zip(theta, bounds_of(len(theta)), strict=False))
        require(len(theta) != 1 and within, f"theta is {theta!r}: its values are out of their bounds")

    def fit(self, evidence: Evidence, memory: Memory, features: Features) -> tuple[Fitted, dict[str, Any]]:
        """Return the model of the evidence, refitted when due, and the part of the memory that belongs to it."""
        rows = choose_rows(evidence.X, evidence.y, _ALL_ROWS)
        failed = evidence.failed[-(_ALL_ROWS // 3) :]
        warp = Warp.fit(evidence.y[rows], warp=self.params.warp)
        X = np.concatenate([evidence.X[rows], failed])
        z = np.concatenate([warp(evidence.y[rows]), np.full(len(failed), warp.failure)])
        z = z - np.mean(z) if len(rows) and len(failed) else z
        told, fits = len(evidence.y) + len(evidence.failed), int(memory.get("fits", 0))
        k = len(features.columns)
        theta = np.array(memory["theta"]) if len(memory.get("theta", ())) == k + 2 else None
        last = int(memory.get("fitted", 0))
        if theta is None or told - last >= _interval(told):
            starts = [default_theta(k) if theta is None else theta]
            if fits % 4 == 3:
                starts.append(default_theta(k, noise=0.1))
            theta = fit(features(X), features.groups, z, starts)
            last, fits = told, fits + 1
        model = Surrogate.condition(features, theta, X, z)
        return Fitted(model, warp, rows, theta), {"theta": theta.tolist(), "fitted": last, "fits": fits}


class NoisyGaussianProcessParams(GaussianProcessParams):
    """The ``strategy_params`` of ``noisy_gaussian_process``; see :class:`GaussianProcessParams`."""

    warp: bool = False
    box: bool = False


@register_strategy
class NoisyGaussianProcess(GaussianProcess):
    """The strategy ``noisy_gaussian_process``: a Gaussian process that does without warp and box."""

    name = "noisy_gaussian_process"
    role = Role.NOISY
    params_model = NoisyGaussianProcessParams

    def probe_size(self, space: Space) -> int:
        """Return many points: noise is not told from the landscape by a few."""
        return MANY_PROBES


def recommend(evidence: Evidence, memory: Memory, *, warp: bool = True) -> tuple[int, float]:
    """Return the observation that the model believes to be best, and the value that it predicts there.

    On a noisy objective the lowest observed value is a lucky one; the lowest posterior mean is not.

    Args:
        evidence: with at least one observation.
        memory: the strategy's memory, or an empty dict.
        warp: as in :class:`GaussianProcess`.

    Returns:
        The row of the evidence, and the predicted value in the objective's units (to be minimized).
    """
    best = int(np.argmin(evidence.y))
    features = Features(evidence.space)
    if len(features.columns) == 0:
        return best, float(np.mean(evidence.y))
    fitted, _ = GaussianProcess(GaussianProcessParams(warp=warp)).fit(evidence, memory, features)
    if fitted.model.noise <= NOISY:
        return best, float(evidence.y[best])
    offset = fitted.warp(evidence.y[fitted.rows]) - fitted.model.z[: len(fitted.rows)]
    mean, _ = fitted.model.predict(fitted.model.X[: len(fitted.rows)])
    i = int(np.argmin(mean))
    return int(fitted.rows[i]), float(fitted.warp.inverse(np.array([mean[i] + offset[i]]))[0])


def noise_share(evidence: Evidence, memory: Memory) -> float:
    """Return the noise variance that a model of the evidence finds, as a share of the warped values' variance.

    Args:
        evidence: with at least two observations.
        memory: the strategy's memory, or an empty dict.
    """
    features = Features(evidence.space)
    return GaussianProcess().fit(evidence, memory, features)[0].model.noise if len(features.columns) else 1.0


def _interval(told: int) -> int:
    """Return after how many new observations the hyper-parameters are refitted.

    A model that sees a subset has little to learn from a few more: then a fit, of some 80 ms, serves longer.
    """
    if told < 40:
        return 1
    return max(2, told // 50) if told <= _ALL_ROWS else told // 20


def _follow(evidence: Evidence, memory: Memory) -> dict[str, Any]:
    """Return the box's memory after the observations that came since the last ask."""
    n = len(evidence.y)
    length, streak = float(memory.get("length", _LENGTH)), int(memory.get("streak", 0))
    told, best = int(memory.get("told", n)), memory.get("best")
    if best is None or n == 0:
        return {"length": length, "streak": 0, "told": n, "best": float(np.min(evidence.y)) if n else None}
    patience = max(4, evidence.space.d)
    for value in evidence.y[told:].tolist():
        streak = max(streak, 0) + 1 if value < best else min(streak, 0) - 1
        best = min(best, value)
        if streak >= _SUCCESSES:
            length, streak = min(2.0 * length, _LONGEST), 0
        elif -streak >= patience:
            length, streak = 0.5 * length, 0
            length = _LENGTH if length < _SHORTEST else length
    return {"length": length, "streak": streak, "told": n, "best": best}


def _box_around(evidence: Evidence, center: Array, memory: Memory, features: Features, model: Surrogate) -> Box:
    """Return the box round ``center (d,)``, its sides in proportion to the length-scales; all when there is none."""
    d = evidence.space.d
    if not memory:
        return Box(np.zeros(d), np.ones(d))
    weights = np.ones(d)
    scales = np.log(model.length_scales)
    weights[features.columns] = np.exp(np.clip(scales - np.mean(scales), -2.0, 2.0))
    half = np.minimum(0.5 * float(memory["length"]) * weights, 1.0)
    low, high = center - half, center + half
    down, up = evidence.space.geometry.reach(center)
    return Box(np.maximum(low, center + down), np.minimum(high, center + up))

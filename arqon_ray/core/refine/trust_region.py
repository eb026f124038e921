"""A quadratic trust region on the continuous parameters: a local model that finishes smooth functions.

One ask: look up what became of the last step and adapt the radius ``delta``; then either take a *trust step*, the
minimum of a quadratic model in the ball of radius ``delta`` round the best point, or a *geometry step*, a point
that the model lacks. Any observation may enter the model, whoever proposed it. The method is that of Powell's BOBYQA
(2009) and of COBYQA (Ragonneau, 2022), as ask and tell.

Steps are in the coordinates ``s = (u - center) / delta`` of the ``k`` parameters that move; see
:mod:`.neighborhood`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from arqon_ray.core.refine.neighborhood import Neighborhood
from arqon_ray.core.refine.novelty import is_new, known_points
from arqon_ray.core.refine.quadratic import Quadratic, bounded_minimum
from arqon_ray.core.strategies.evidence import Proposal
from arqon_ray.core.strategies.memories import Closed, Count, Finite, Number, check
from arqon_ray.core.strategies.registry import register_strategy
from arqon_ray.core.strategies.strategy import Role, Strategy, StrategyParams, probe_size_of_model

if TYPE_CHECKING:
    from arqon_ray.core.space.space import Space
    from arqon_ray.core.strategies.evidence import Array, Evidence, Memory
    from arqon_ray.core.strategies.memories import MemoryContext

SMALLEST = 1e-7
"""The radius at which a trust region has converged."""
_COARSE = 1e-2
"""The radius at which it pauses while the last digits can wait. On rugged functions of five parameters the regret after
100 evaluations was .05 with and .09 without (four seeds)."""
_LARGEST = 0.5
_MOST_POINTS = 250
_ABSURD = 1e6
_HUGE, _LARGEST_FLOAT = 1e300, float(np.finfo(np.float64).max)
"""Values above the best one are cut at so many times their median; here where that is none, or too much."""
_REACH = 10.0
"""Points within so many radii span the model's space."""
_EDGE = 1.0 + 1e-6
"""Points at a whole number of radii, as those of the design, are within, however it is rounded."""


class _Memory(Closed):
    """See :class:`TrustRegion`."""

    delta: Annotated[float, Field(gt=0.0, le=1.0)]
    row: Count
    value: Finite
    number: Number = -1
    predicted: Annotated[float, Field(ge=0.0, le=1e300)] = 0.0
    length: Annotated[float, Field(ge=0.0, le=1e3)] = 0.0
    improve: bool = False
    base: Number = -1
    axis: Count = 0
    first: Number = -1


@dataclass(frozen=True, slots=True)
class _State:
    """The memory: radius, the best row, and the trust step whose result is awaited."""

    delta: float
    row: int
    value: float
    number: int = -1
    predicted: float = 0.0
    length: float = 0.0
    improve: bool = False
    base: int = -1
    axis: int = 0
    first: int = -1

    def to_memory(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


class TrustRegionParams(StrategyParams):
    """The ``strategy_params`` of ``trust_region``.

    Attributes:
        radius: the first radius, in units of the cube.
    """

    radius: float = Field(default=0.2, gt=SMALLEST, le=_LARGEST)


@register_strategy
class TrustRegion(Strategy):
    """The strategy ``trust_region``.

    Its memory: ``delta`` (radius), ``row`` and ``value`` (the best observation), ``number``, ``predicted`` and
    ``length`` (the trust step that is awaited: its candidate, the predicted decrease, its length in the cube), and
    ``improve`` (whether the last step failed, so that the geometry is to be looked at); for the first design ``base``
    (a row; -1 when it is complete), ``axis`` (how many axes are done) and ``first`` (the candidate that began an axis).
    """

    name = "trust_region"
    role = Role.LOCAL
    params_model = TrustRegionParams
    params: TrustRegionParams

    def suits(self, space: Space) -> bool:
        """Tell whether any parameter is continuous; discrete ones stay at the best point's values."""
        return bool(np.any(space.real))

    def probe_size(self, space: Space) -> int:
        """Return few points where all parameters are continuous."""
        return probe_size_of_model(space)

    def propose(self, evidence: Evidence, memory: Memory, rng: np.random.Generator) -> Proposal | None:
        """Return the next step's point; None when the radius has converged or the space is not eligible."""
        near = Neighborhood.of(evidence, failed=float(memory.get("delta", self.params.radius)) > _COARSE)
        if near is None:
            return None
        state, waiting = self._resolve(evidence, memory, near)
        known, geometry = known_points(evidence), evidence.space.geometry
        while state.base >= 0:
            point, state = _design_point(evidence, near, state)
            if point is not None and is_new(point, known, geometry):
                return Proposal(point, state.to_memory())
        for _ in range(60):
            if state.delta < (_COARSE if evidence.coarse else SMALLEST):
                return None
            step, predicted, state = _next_step(near, state, waiting)
            if step is not None:
                point = near.center.copy()
                point[near.moving] += state.delta * step
                point = evidence.space.snap(point[None])[0]
                if is_new(point, known, geometry):
                    if predicted > 0.0:
                        length = state.delta * float(np.linalg.norm(step))
                        state = replace(state, number=evidence.number, predicted=predicted, length=length)
                    return Proposal(point, state.to_memory())
                state = replace(state, delta=0.5 * state.delta, improve=False)
        return None

    def check_memory(self, memory: Memory, context: MemoryContext) -> None:
        """Refuse what is not a radius, a row or a step."""
        if memory:
            check(_Memory, memory)

    def _resolve(self, evidence: Evidence, memory: Memory, near: Neighborhood) -> tuple[_State, bool]:
        """Return the state after the last step's result, and whether that is still awaited."""
        best = float(evidence.y[near.row])
        # A row may be gone: one that a candidate in flight reported goes when the candidate is taken back.
        if not memory or max(memory["row"], memory.get("base", -1)) >= len(evidence.y):
            scarce = len(near.values) <= len(near.moving)
            return _State(self.params.radius, near.row, best, base=near.row if scarce else -1), False
        old = _State(**memory)
        state = replace(old, row=near.row, value=best)
        if old.number >= 0:
            if old.number in evidence.pending_numbers:
                return replace(state, value=old.value), True
            state = _adapt(replace(state, number=-1), old, evidence)
        elif near.row != old.row:
            state = _recenter(state, old, evidence)
        return state, False


def _design_point(evidence: Evidence, near: Neighborhood, state: _State) -> tuple[Array | None, _State]:
    """Return the next point of the first design, and the state that counts it; None when it is complete.

    The design is Powell's (NEWUOA, 2006, section 3), two points an axis, which determine a separable quadratic: one
    radius from the base and, where that is better, two, else one to the other side. But the base of each axis is the
    best point by then: a search along the axes on the way. Where a bound leaves no room the step is halved.
    """
    if state.axis >= len(near.moving):
        return None, replace(state, base=-1)
    second = state.first >= 0
    base = state.base if second else near.row
    point, j = evidence.X[base].copy(), near.moving[state.axis]
    step = state.delta if point[j] <= 0.5 + 1e-9 else -state.delta
    if second:
        rows = np.flatnonzero(evidence.numbers == state.first)
        better = len(rows) > 0 and evidence.y[rows[0]] < evidence.y[base]
        wanted = 2.0 * step if better else -step
        beyond = point.copy()
        beyond[j] += wanted
        step = wanted if evidence.space.geometry.inside(beyond)[j] else 0.5 * step
    point[j] += step
    number = -1 if second else evidence.number
    return evidence.space.snap(point[None])[0], replace(state, base=base, first=number, axis=state.axis + second)


def _adapt(state: _State, old: _State, evidence: Evidence) -> _State:
    """Return the state with the radius that follows from the ratio of actual to predicted decrease."""
    rows = np.flatnonzero(evidence.numbers == old.number)
    ratio = (old.value - float(evidence.y[rows[0]])) / old.predicted if len(rows) else -1.0
    delta, length = state.delta, old.length
    if ratio < 0.1:
        return replace(state, delta=min(delta, max(0.5 * length, 0.25 * delta)), improve=True)
    if ratio < 0.7:
        return replace(state, delta=max(0.5 * delta, length), improve=False)
    return replace(state, delta=min(max(delta, 2.0 * length), _LARGEST), improve=False)


def _recenter(state: _State, old: _State, evidence: Evidence) -> _State:
    """Return the state after somebody else found a better point: the radius grows with its distance."""
    moved = float(np.linalg.norm(evidence.X[state.row] - evidence.X[old.row]))
    return replace(state, delta=max(state.delta, min(moved, 0.1)), improve=False)


def _next_step(near: Neighborhood, state: _State, waiting: bool) -> tuple[Array | None, float, _State]:
    """Return a step ``(k,)`` in radii, its predicted decrease (0 for a geometry step), and the state.

    The step is None when the radius was reduced instead.
    """
    S, busy = near.offsets / state.delta, near.busy / state.delta
    low, high = near.low / state.delta, near.high / state.delta
    present = np.concatenate([S, busy])
    model, size = _model(S, near.values - state.value, state.delta)
    missing = _missing_direction(present)
    if missing is not None:
        return _towards(missing, model, low, high), 0.0, state
    if state.improve or waiting:
        weak = _weak_direction(present)
        if weak is not None:
            return _towards(weak, model, low, high), 0.0, replace(state, improve=False)
    if waiting:
        return None, 0.0, replace(state, delta=0.5 * state.delta)
    step = bounded_minimum(model, low, high)
    predicted = -model.change(step)
    if float(np.linalg.norm(step)) < 0.1 or not predicted > 0.0:
        return None, 0.0, replace(state, delta=0.3 * state.delta, improve=True)
    return step, min(max(predicted * size, 1e-300), 1e300), state


def _model(S: Array, f: Array, delta: float) -> tuple[Quadratic, float]:
    """Fit the quadratic to the center and the nearest points ``S (m, k)`` with values ``f (m,)`` above it.

    Returns:
        The model of ``f / size``, and ``size``.
    """
    k = S.shape[1]
    if len(S) == 0:
        return Quadratic(np.zeros(k), np.zeros((k, k))), 1.0
    count = min(int(1.5 * (k + 1) * (k + 2) / 2) + 2, _MOST_POINTS)
    order = np.argsort(np.sum(S * S, axis=1), kind="stable")[:count]
    # A penalty of 1e300 nearby would leave nothing of all other values.
    median = float(np.median(f[order]))
    f = np.minimum(f[order], min(_ABSURD * median, _LARGEST_FLOAT) if median > 0.0 else _HUGE)
    size = max(float(np.max(f)), 1e-300)
    return Quadratic.fit(np.vstack([np.zeros(k), S[order]]), np.concatenate([[0.0], f / size]), delta), size


def _missing_direction(S: Array) -> Array | None:
    """Return a unit vector ``(k,)`` that the points within reach do not span; None when they span all."""
    k = S.shape[1]
    inside = S[np.sum(S * S, axis=1) <= _REACH**2 * _EDGE]
    if len(inside) == 0:
        return np.asarray(np.eye(k)[0])
    # The eigenvalues of S^T S are the squared singular values of S.
    values, vectors = np.linalg.eigh(inside.T @ inside)
    missing = vectors[:, values <= 1e-4]
    if missing.shape[1] == 0:
        return None
    # Rounded, so that of equal axes the first is taken whatever the units.
    return np.asarray(np.eye(k)[int(np.argmax(np.round(np.sum(missing * missing, axis=1), 6)))])


def _weak_direction(S: Array) -> Array | None:
    """Return the unit vector ``(k,)`` along which the points within two radii say least; None when all is well."""
    k = S.shape[1]
    inside = S[np.sum(S * S, axis=1) <= 4.0 * _EDGE]
    if len(inside) == 0:
        return np.asarray(np.eye(k)[0])
    values, vectors = np.linalg.eigh(inside.T @ inside)
    if values[0] >= 0.01:
        return None
    # Of equally weak directions the one nearest to an axis: which basis eigh returns is a matter of rounding.
    weakest = vectors[:, values <= values[0] + 1e-6]
    axis = int(np.argmax(np.round(np.sum(weakest * weakest, axis=1), 6)))
    direction = weakest @ weakest[axis]
    return np.asarray(direction / np.linalg.norm(direction))


def _towards(direction: Array, model: Quadratic, low: Array, high: Array) -> Array:
    """Return a step of length 1 along the direction, the way that the model likes better and the bounds allow."""
    steps = [np.clip(sign * direction, low, high) for sign in (1.0, -1.0)]
    lengths = [float(np.linalg.norm(step)) for step in steps]
    if min(lengths) < 0.5 * max(lengths):
        return steps[int(np.argmax(lengths))]
    there, back = (model.change(step) for step in steps)
    # What differs by rounding alone must not decide.
    return steps[1] if back < there - 1e-9 - 1e-6 * abs(there) else steps[0]

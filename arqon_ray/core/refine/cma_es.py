"""CMA-ES: a normal distribution that moves and bends towards good points; for long searches of rugged landscapes.

Hansen, *The CMA evolution strategy: a tutorial* (2016), arXiv 1604.00772; equation numbers below are its own, constants
those of its table 1. With ``k`` moving parameters, ``lam`` points a generation, mean ``m (k,)``, step size ``sigma``,
covariance ``C (k, k)`` and evolution paths ``p_s``, ``p_c (k,)``::

    x ~ m + sigma N(0, C)                                          (5)
    m <- sum_i w_i x_i over the mu best                            (9)
    p_s <- (1 - c_s) p_s + sqrt(c_s (2 - c_s) mu_w) C^-1/2 dm      (43)
    sigma <- sigma exp(c_s / d_s (|p_s| / E|N(0, I)| - 1))         (44)
    p_c <- (1 - c_c) p_c + h sqrt(c_c (2 - c_c) mu_w) dm           (45)
    C <- (1 - c_1 - c_mu sum_i w_i) C + c_1 p_c p_c^T + c_mu sum_i w_i y_i y_i^T   (47)

where the worse half has negative weights, in (47) divided by ``|C^-1/2 y_i|^2 / k`` (46).

Ask and tell are free of each other: asks go on drawing from the distribution, which moves as soon as ``lam`` of its
points have their results. It begins at the incumbent; when it has converged or brings nothing better it begins again
at a random point with twice the population (Auger and Hansen, *A restart CMA evolution strategy with increasing
population size*, CEC 2005). Above :data:`_FULL` parameters the covariance is diagonal, ``c_1`` and ``c_mu`` are
``(k + 2) / 3`` times as large (Ros and Hansen, *A simple modification in CMA-ES achieving linear time and space
complexity*, PPSN 2008).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from arqon_ray.core.refine.novelty import is_new, known_points
from arqon_ray.core.strategies.evidence import Proposal
from arqon_ray.core.strategies.memories import Closed, Count, Finite, check, require
from arqon_ray.core.strategies.registry import register_strategy
from arqon_ray.core.strategies.strategy import Role, Strategy

if TYPE_CHECKING:
    from arqon_ray.core.space.space import Space
    from arqon_ray.core.strategies.evidence import Array, Evidence, Memory
    from arqon_ray.core.strategies.memories import MemoryContext

_SIGMA, _SIGMA_AGAIN = 0.2, 0.3
"""First step size, in units of the cube: at the incumbent, and at a random point."""
_CONVERGED = 1e-5
_CONDITION, _ABSURD = 1e14, 1e9
"""Condition number, and size of any number, at which a distribution is given up."""
_MOST_POINTS = 8
"""At most so many times the default points a generation."""
_FULL = 40
_DRAWS = 20
"""Draws outside the cube are repeated so often before they are clipped."""


@dataclass(frozen=True, slots=True)
class _Constants:
    """The constants of table 1 for ``k`` parameters and ``lam`` points a generation."""

    weights: Array
    mu_w: float
    c_s: float
    d_s: float
    c_c: float
    c_1: float
    c_mu: float
    length: float

    @classmethod
    def of(cls, k: int, lam: int) -> _Constants:
        """Compute them."""
        raw = math.log((lam + 1) / 2) - np.log(np.arange(1, lam + 1))
        good, bad = raw[: lam // 2], raw[lam // 2 :]
        mu_w = float(np.sum(good) ** 2 / np.sum(good**2))
        c_s = (mu_w + 2.0) / (k + mu_w + 5.0)
        d_s = 1.0 + 2.0 * max(0.0, math.sqrt((mu_w - 1.0) / (k + 1.0)) - 1.0) + c_s
        c_c = (4.0 + mu_w / k) / (k + 4.0 + 2.0 * mu_w / k)
        faster = (k + 2.0) / 3.0 if k > _FULL else 1.0
        c_1 = min(0.5, faster * 2.0 / ((k + 1.3) ** 2 + mu_w))
        c_mu = min(1.0 - c_1, faster * 2.0 * (0.25 + mu_w + 1.0 / mu_w - 2.0) / ((k + 2.0) ** 2 + mu_w))
        # (49) - (53)
        bad_w = float(np.sum(bad) ** 2 / np.sum(bad**2))
        most = min(1.0 + c_1 / c_mu, 1.0 + 2.0 * bad_w / (mu_w + 2.0), (1.0 - c_1 - c_mu) / (k * c_mu))
        weights = np.concatenate([good / np.sum(good), bad * most / np.sum(np.abs(bad))])
        length = math.sqrt(k) * (1.0 - 1.0 / (4.0 * k) + 1.0 / (21.0 * k * k))
        return cls(weights, mu_w, c_s, d_s, c_c, c_1, c_mu, length)


_Bounded = Annotated[float, Field(ge=-_ABSURD, le=_ABSURD)]


class _Memory(Closed):
    """See :class:`_State`; of the covariance the lower half, row by row."""

    mean: list[_Bounded]
    sigma: Annotated[float, Field(gt=0.0, le=1.0)]
    C: list[_Bounded]
    p_s: list[_Bounded]
    p_c: list[_Bounded]
    lam: Annotated[int, Field(ge=4)]
    numbers: list[Count]
    generation: Count
    best: Finite | None
    improved: Count


@dataclass(frozen=True, slots=True)
class _State:
    """The distribution, and the candidates that were drawn from it."""

    mean: Array
    sigma: float
    C: Array
    p_s: Array
    p_c: Array
    lam: int
    numbers: tuple[int, ...] = ()
    generation: int = 0
    best: float | None = None
    improved: int = 0

    @classmethod
    def begin(cls, mean: Array, sigma: float, lam: int) -> _State:
        """Return a round distribution."""
        k = len(mean)
        C = np.ones(k) if k > _FULL else np.eye(k)
        return cls(mean, sigma, C, np.zeros(k), np.zeros(k), lam)

    @classmethod
    def from_memory(cls, memory: Memory) -> _State:
        """Return the state that :meth:`to_memory` described."""
        arrays = {name: np.array(memory[name]) for name in ("mean", "C", "p_s", "p_c")}
        k = len(arrays["mean"])
        if k <= _FULL:
            half = np.zeros((k, k))
            half[np.tril_indices(k)] = arrays["C"]
            arrays["C"] = half + np.tril(half, -1).T
        return cls(**{**memory, **arrays, "numbers": tuple(memory["numbers"])})

    def to_memory(self) -> dict[str, Any]:
        """Return the state in plain values; of the covariance its lower half."""
        C = self.C if self.C.ndim == 1 else self.C[np.tril_indices(len(self.mean))]
        memory = {name: getattr(self, name) for name in self.__slots__}
        arrays = {"mean": self.mean, "C": C, "p_s": self.p_s, "p_c": self.p_c}
        return {**memory, **{name: array.tolist() for name, array in arrays.items()}, "numbers": list(self.numbers)}

    def axes(self) -> tuple[Array, Array]:
        """Return directions ``B (k, k)`` and lengths ``D (k,)`` with ``C = B D^2 B^T``; ``B`` is empty if diagonal."""
        if self.C.ndim == 1:
            return np.empty((0, 0)), np.sqrt(self.C)
        values, B = np.linalg.eigh(self.C)
        return B, np.sqrt(np.maximum(values, 1e-20))


@register_strategy
class CMAES(Strategy):
    """The strategy ``cma_es``. Its memory is the distribution, see :class:`_State`."""

    name = "cma_es"
    role = Role.POPULATION

    def suits(self, space: Space) -> bool:
        """Tell whether all parameters are real numbers, and any of them is not constant."""
        return space.continuous and len(space.moving) > 0

    def propose(self, evidence: Evidence, memory: Memory, rng: np.random.Generator) -> Proposal | None:
        """Return a draw of the distribution; None when the space does not suit it or nothing is observed."""
        if not self.suits(evidence.space) or len(evidence.y) == 0:
            return None
        moving = evidence.space.moving
        incumbent = evidence.X[int(np.argmin(evidence.y))]
        least = _least_points(len(moving))
        held = _State.from_memory(memory) if memory else None
        if held is not None:
            state = _follow(evidence, held, moving)
            if _finished(state):
                state = _State.begin(rng.random(len(moving)), _SIGMA_AGAIN, min(2 * state.lam, _MOST_POINTS * least))
        else:
            state = _State.begin(incumbent[moving], _SIGMA, least)
        known, geometry = known_points(evidence), evidence.space.geometry
        B, D = state.axes()
        for attempt in range(2 * _DRAWS):
            steps = D * rng.standard_normal(len(moving))
            drawn = state.mean + state.sigma * (B @ steps if len(B) else steps)
            point = incumbent.copy()
            point[moving] = drawn
            if attempt < _DRAWS and not np.all(geometry.inside(point)):
                continue
            point = evidence.space.snap(point[None])[0]
            if is_new(point, known, geometry):
                drawn_from = replace(state, numbers=(*state.numbers, evidence.number)).to_memory()
                # The distribution is large, and the same for all points of a generation.
                return Proposal(point, {"numbers": drawn_from["numbers"]} if state is held else drawn_from)
        return None

    def check_memory(self, memory: Memory, context: MemoryContext) -> None:
        """Refuse what is not a distribution over the parameters that are not constant."""
        if not memory:
            return
        check(_Memory, memory)
        k, size = len(context.space.moving), len(memory["C"])
        require(k > 0, "mean: there is none where no parameter moves")
        require(all(len(memory[name]) == k for name in ("mean", "p_s", "p_c")), f"mean, p_s or p_c has not {k} numbers")
        require(size == (k if k > _FULL else k * (k + 1) // 2), f"C has {size} numbers: not those of {k} parameters")
        require(memory["lam"] <= _MOST_POINTS * _least_points(k), f"lam is {memory['lam']}: too many points")
        numbers = memory["numbers"]
        known = len(set(numbers)) == len(numbers) and max(numbers, default=-1) < context.handed_out
        require(known, "numbers has a candidate twice, or one that was not handed out")


def _least_points(k: int) -> int:
    """Return the default number of points a generation, table 1."""
    return 4 + int(3 * math.log(k))


def _follow(evidence: Evidence, state: _State, moving: NDArray[np.intp]) -> _State:
    """Return the state after the results that came: the next generation as soon as this one is complete."""
    numbers = np.array(state.numbers, dtype=np.int64)
    done = numbers[~np.isin(numbers, evidence.pending_numbers)]
    if len(done) < state.lam:
        return state
    found = np.flatnonzero(np.isin(evidence.numbers, done[: state.lam])).tolist()
    ranked = sorted(found, key=lambda row: (evidence.y[row], row))
    # What is still in flight counts in the next generation.
    rest = tuple(number for number in state.numbers if number not in done[: state.lam])
    if len(ranked) < state.lam // 2:
        # Too many failed to rank the rest: draw anew, nearer to the mean.
        return replace(state, sigma=0.7 * state.sigma, numbers=rest, generation=state.generation + 1)
    X = evidence.X[ranked][:, moving]
    Y = evidence.space.geometry.shortest(X - state.mean, moving) / state.sigma
    best = float(evidence.y[ranked[0]])
    better = state.best is None or best < state.best
    with np.errstate(all="ignore"):  # what overflows is seen by _finished
        moved = _moved(state, Y)
    return replace(
        moved,
        numbers=rest,
        best=best if better else state.best,
        improved=state.generation + 1 if better else state.improved,
    )


def _moved(state: _State, Y: Array) -> _State:
    """Return the distribution after a generation's steps ``Y (up to lam, k)`` in units of ``sigma``, the best first."""
    B, D = state.axes()
    k, mu = len(state.mean), state.lam // 2
    c = _Constants.of(k, state.lam)
    step = c.weights[:mu] @ Y[:mu]
    white = np.vstack([step, Y]) @ B / D if len(B) else np.vstack([step, Y]) / D
    p_s = (1.0 - c.c_s) * state.p_s
    p_s = p_s + math.sqrt(c.c_s * (2.0 - c.c_s) * c.mu_w) * (B @ white[0] if len(B) else white[0])
    size = float(np.linalg.norm(p_s))
    steady = size / math.sqrt(1.0 - (1.0 - c.c_s) ** (2 * (state.generation + 1)))
    h = 1.0 if steady < (1.4 + 2.0 / (k + 1.0)) * c.length else 0.0
    p_c = (1.0 - c.c_c) * state.p_c + h * math.sqrt(c.c_c * (2.0 - c.c_c) * c.mu_w) * step
    w = c.weights[: len(Y)]
    # Where h is 0, p_c lost variance that C is given back.
    rest = 1.0 - c.c_1 - c.c_mu * float(np.sum(w)) + (1.0 - h) * c.c_1 * c.c_c * (2.0 - c.c_c)
    w = np.where(w < 0.0, w * k / np.maximum(np.sum(white[1:] ** 2, axis=1), 1e-20), w)
    if state.C.ndim == 1:
        C = np.maximum(rest * state.C + c.c_1 * p_c**2 + c.c_mu * (w @ Y**2), 1e-20)
    else:
        C = rest * state.C + c.c_1 * np.outer(p_c, p_c) + c.c_mu * (Y.T @ (w[:, None] * Y))
    sigma = state.sigma * math.exp(min(c.c_s / c.d_s * (size / c.length - 1.0), 1.0))
    mean = state.mean + state.sigma * step
    return replace(state, mean=mean, sigma=min(sigma, 1.0), C=C, p_s=p_s, p_c=p_c, generation=state.generation + 1)


def _finished(state: _State) -> bool:
    """Tell whether to begin again: the distribution is tiny, flat or absurd, or finds nothing better for long.

    Tutorial, B.3: the condition number of C exceeds 1e14; ``10 + 30 k / lam`` generations brought nothing.
    """
    numbers = np.concatenate([state.mean, state.p_s, state.p_c, state.C.ravel(), [state.sigma]])
    if not np.all(np.abs(numbers) <= _ABSURD):
        return True
    lengths = np.sort(state.C) if state.C.ndim == 1 else np.linalg.eigvalsh(state.C)
    if not lengths[0] > lengths[-1] / _CONDITION > 0.0:
        return True
    variances = state.C if state.C.ndim == 1 else np.diag(state.C)
    tiny = state.sigma * math.sqrt(float(np.max(variances))) < _CONVERGED
    return tiny or state.generation - state.improved > 10 + 30 * len(state.mean) / state.lam

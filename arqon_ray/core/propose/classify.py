"""Classify: decide from the evidence what kind of landscape this is; :mod:`.plan` says whom to ask on it.

The decision is made anew at every ask. It rests on the kinds of parameters, on whether values are noisy (found by
evaluating the best point once more), on how well a separable quadratic predicts held-out values, on how long nothing
better was found, on the share of the budget that is left, and on what is in flight.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from arqon_ray.core.propose.noise import judge, wanted
from arqon_ray.core.strategies.classification import Classification
from arqon_ray.core.strategies.evidence import Array, Evidence, Memory
from arqon_ray.core.strategies.memories import Closed, Count, Finite, MemoryContext, check, require
from arqon_ray.core.strategies.plan import budget_share, plan

_SMOOTH = 0.7
_APART = 0.05
_ROWS = 300
"""Rank correlation of held-out predictions from which a landscape is called smooth; how far apart in the unit cube the
points are on which it is taken, and how many at most."""


class _Memory(Closed):
    """The noise that the surrogate finds, repeats, rank correlation, and where evolution began.

    ``repeated``, ``value`` and ``noisy`` are those of release 0.1.0, which made one test and kept its verdict.
    """

    noise_share: Finite | None = None
    noise_at: Count = 0
    repeats: list[Annotated[tuple[Count, Finite, Count], Field(strict=False)]] = Field(default_factory=list)
    repeated: Count = 0
    value: Finite = 0.0
    noisy: bool | None = None
    correlation: Finite | None = None
    correlation_at: Count = 0
    evolving: Count = 0


def classify(evidence: Evidence, memory: Memory, surrogate: Memory, local_in_flight: int) -> Classification:
    """Decide whom to ask for the next candidate.

    Args:
        evidence: what is known; at least one observation.
        memory: what the last classification wanted back.
        surrogate: the Gaussian process's memory, where its search for noise begins.
        local_in_flight: how many of the candidates in flight are of a strategy with the role ``local``.
    """
    memory = dict(memory)
    noise = judge(evidence, memory)
    findings = {
        "observations": len(evidence.y),
        "failed": len(evidence.failed),
        "in_flight": len(evidence.pending),
        "noisy": noise.noisy,
        "noise": noise.size,
        "noise_share": memory.get("noise_share"),
        "quadratic_rank_correlation": _rank_correlation(evidence, memory),
        "since_best": len(evidence.y) - 1 - int(np.argmin(evidence.y)),
        "budget_share": budget_share(evidence),
    }
    repeat = wanted(evidence, memory, noise, surrogate)
    landscape = _landscape(evidence, findings)
    chosen = plan(evidence, landscape, findings, memory, local_in_flight)
    return Classification(landscape, chosen.roles, chosen.reason, findings, memory, repeat, chosen.coarse)


def check_memory(memory: Memory, context: MemoryContext) -> None:
    """Refuse a memory that :func:`classify` did not write.

    Raises:
        ValueError: saying what is wrong with it.
    """
    check(_Memory, memory)
    for key, companion in (
        ("correlation", "correlation_at"),
        ("repeated", "value"),
        ("noise_share", "noise_at"),
    ):
        require(key not in memory or companion in memory, f"{companion}: is missing beside {key}")


def _landscape(evidence: Evidence, findings: dict[str, Any]) -> str:
    if evidence.space.conditional:
        return "conditional"
    if not evidence.space.continuous:
        return "mixed"
    if findings["noisy"]:
        return "noisy"
    correlation = findings["quadratic_rank_correlation"]
    if correlation is None:
        return "unknown"
    return "smooth" if correlation >= _SMOOTH else "rugged"


def _rank_correlation(evidence: Evidence, memory: dict[str, Any]) -> float | None:
    """Return Spearman's correlation of the values with held-out predictions of a separable quadratic.

    Leave-one-out residuals of a ridge regression are ``r_i / (1 - h_ii)`` (Hastie et al., "The elements of
    statistical learning", eq. 7.64). None while there are too few points; renewed when a tenth is new.
    """
    n = len(evidence.y)
    if "correlation" in memory and n < 1.1 * memory["correlation_at"] + 1:
        known: float | None = memory["correlation"]
        return known
    wanted = 2 * evidence.space.d + 3
    rows = _spread_out(evidence.X[:_ROWS]) if min(n, _ROWS) >= wanted else np.empty(0, dtype=np.int64)
    X, y = 2.0 * evidence.X[rows] - 1.0, evidence.y[rows]
    correlation = _held_out_correlation(X, y) if len(rows) >= wanted else None
    memory.update(correlation=correlation, correlation_at=n)
    return correlation


def _spread_out(X: Array) -> NDArray[np.int64]:
    """Return the rows of ``(n, d)`` points that are no close neighbor of an earlier one.

    The steps of a strategy that converges tell about the strategy, not about the landscape.
    """
    distance = np.max(np.abs(X[:, None, :] - X[None, :, :]), axis=2)
    chosen: list[int] = []
    for i in range(len(X)):
        if not chosen or distance[i, chosen].min() > _APART:
            chosen.append(i)
    return np.array(chosen, dtype=np.int64)


def _held_out_correlation(X: Array, y: Array) -> float:
    """Return the rank correlation for ``(n, d)`` points in [-1, 1] and their ``(n,)`` values."""
    ranks = np.argsort(np.argsort(y)).astype(np.float64)
    P = np.hstack([np.ones((len(X), 1)), X, X * X])
    hat = P @ np.linalg.solve(P.T @ P + 1e-3 * np.eye(P.shape[1]), P.T)
    held_out = ranks - (ranks - hat @ ranks) / np.maximum(1.0 - np.diag(hat), 1e-9)
    predicted = np.argsort(np.argsort(held_out)).astype(np.float64)
    return float(np.corrcoef(predicted, ranks)[0, 1])

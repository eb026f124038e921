"""Noise: by how much two evaluations of one point differ, and whether that matters to the search.

Sums on a GPU differ in the eighth digit from run to run, and that does not make a landscape noisy: a local model still
finds its way. So the gap between repeats is compared with the differences between the values nearby, which a model
works on, and with what the search still has to gain. Only a gap that is large beside both is noise. One repeat can show
that there is none; that there is some takes two. The decision is made anew at every ask, as the values around change.

A repeat is asked for when the surrogate suspects noise. Where the first gap was small but not exactly zero, another one
is asked for when there are four times as many observations: the gap may have been small by chance.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from arqon_ray.core.refine.gaussian_process import noise_share
from arqon_ray.core.strategies.evidence import Array, Evidence, Memory

_FIRST_TEST, _PERIOD, _AGAIN = 12, 8, 4
"""Observations before the first test; after how many new ones (at least a tenth) the surrogate is asked for noise
again; and how many times as many observations the next test waits for."""
_SUSPICIOUS = 5e-3
"""The share of noise in the surrogate's variance from which the best point is evaluated again."""
_LEAST, _MOST = 2, 4
"""How many repeats it takes to call values noisy; and how many there are at most."""
_NEARBY, _LEFT = 0.01, 3e-3
"""How large noise is beside the differences to the values nearby, and beside what is left to gain."""

_SCALE = 2.0**-4
"""Values are multiplied by it before they are compared, so that no difference of finite ones overflows."""


@dataclass(frozen=True, slots=True)
class Noise:
    """What repeats say.

    Attributes:
        noisy: whether the noise matters; None while that is undecided.
        size: standard deviation of an evaluation, in the objective's units; None before any repeat.
        repeats: how many there are.
    """

    noisy: bool | None
    size: float | None
    repeats: int


def judge(evidence: Evidence, memory: Memory) -> Noise:
    """Return what the repeats that :func:`wanted` asked for have shown by now.

    Args:
        evidence: what is known; at least one observation.
        memory: the classifier's.
    """
    asked = _asked(memory)
    y = _SCALE * evidence.y
    gaps, rows = [], []
    for number, value, _ in asked:
        found = np.flatnonzero(evidence.numbers == number)
        if len(found):
            gaps.append(abs(float(y[found[0]]) - _SCALE * value))
            rows.append(int(found[0]))
    if not gaps:
        return Noise(None, None, 0)
    # Of two normal values the mean gap is 2 / sqrt(pi) standard deviations.
    size = 0.5 * math.sqrt(math.pi) * float(np.mean(gaps))
    ordinary = max(_NEARBY * _difference_nearby(evidence.X, y, rows), _LEFT * _left_to_gain(y))
    noisy = False if size <= ordinary else True if len(gaps) >= _LEAST else None
    return Noise(noisy, min(size / _SCALE, np.finfo(np.float64).max), len(gaps))


def wanted(evidence: Evidence, memory: dict[str, Any], found: Noise, surrogate: Memory) -> int | None:
    """Return the row to evaluate once more, and remember that it was asked for; None when no repeat is due.

    Args:
        evidence: what is known; at least one observation.
        memory: the classifier's, which is changed.
        found: what :func:`judge` says.
        surrogate: the Gaussian process's memory, where its search for noise begins.
    """
    asked = _asked(memory)
    flying = any(number in evidence.pending_numbers for number, _, _ in asked)
    if flying or len(asked) >= _MOST or found.noisy or found.size == 0.0:
        return None
    confirming = found.noisy is None and found.repeats > 0
    last = asked[-1][2] if asked else 0
    due = len(evidence.y) >= max(_FIRST_TEST, _AGAIN * last)
    if not confirming and not (due and _suspected(evidence, memory, surrogate)):
        return None
    row = int(np.argmin(evidence.y))
    memory["repeats"] = [*map(list, asked), [evidence.number, float(evidence.y[row]), len(evidence.y)]]
    return row


def _asked(memory: Mapping[str, Any]) -> list[tuple[int, float, int]]:
    """Return candidate, value of the point before, and number of observations then, of each repeat."""
    if "repeated" in memory and "repeats" not in memory:  # release 0.1.0 made one test
        return [(memory["repeated"], memory["value"], memory.get("noise_at", _FIRST_TEST))]
    return [(number, value, n) for number, value, n in memory.get("repeats", ())]


def _suspected(evidence: Evidence, memory: dict[str, Any], surrogate: Memory) -> bool:
    """Tell whether the surrogate finds noise; it is fitted for that now and then."""
    n = len(evidence.y)
    if n >= memory.get("noise_at", 0) + max(_PERIOD, n // 10):
        memory.update(noise_share=noise_share(evidence, surrogate), noise_at=n)
    share = memory.get("noise_share")
    return share is not None and share >= _SUSPICIOUS


def _difference_nearby(X: Array, y: Array, rows: list[int]) -> float:
    """Return the median difference between the repeated points' values and those of the points nearest to them."""
    count = min(2 * X.shape[1] + 1, len(y) - 1)
    differences: list[float] = []
    for row in rows:
        distance = np.sum((X - X[row]) ** 2, axis=1)
        distance[distance == 0.0] = np.inf
        near = np.argsort(distance, kind="stable")[:count]
        differences += np.abs(y[near[np.isfinite(distance[near])]] - y[row]).tolist()
    return float(np.median(differences)) if differences else 0.0


def _left_to_gain(y: Array) -> float:
    """Return how much better the best value is than most: an estimate of what the search may still gain."""
    return float(np.quantile(y, 0.75) - np.min(y))

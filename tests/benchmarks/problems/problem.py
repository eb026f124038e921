"""What a problem is."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Params = dict[str, Any]
Bounds = dict[str, Any]


@dataclass(frozen=True)
class Problem:
    """One problem.

    Attributes:
        name: unique.
        group: the kind that it stands for.
        bounds: as in an arqon config.
        true: the value of parameters, to be minimized.
        optimum: its least value; NaN where only the best known one is, see ``known.json``.
        noise: standard deviation of the normal noise that an evaluation adds.
        sample: what an evaluation gives, where the noise is of another kind.
        floor: least regret that counts; above 0 where the optimum is only the best known.
    """

    name: str
    group: str
    bounds: Bounds
    true: Callable[[Params], float]
    optimum: float = 0.0
    noise: float = 0.0
    sample: Callable[[Params, np.random.Generator], float] | None = None
    floor: float = 0.0

    @property
    def noisy(self) -> bool:
        """Whether two evaluations of the same parameters differ."""
        return self.noise > 0 or self.sample is not None

    def evaluate(self, params: Params, rng: np.random.Generator) -> float:
        """Return what an evaluation gives: the true value and noise."""
        if self.sample is not None:
            return self.sample(params, rng)
        value = self.true(params)
        return value + self.noise * float(rng.normal()) if self.noise else value


def seeded(*name: Any) -> np.random.Generator:
    """Return the random numbers that a problem's definition draws from, the same on every day and machine."""
    return np.random.default_rng(zlib.crc32(repr(name).encode()))

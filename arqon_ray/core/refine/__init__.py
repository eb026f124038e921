"""Refine: strategies that exploit what the observations say.

Each is a pure function of evidence, memory and random numbers; see :mod:`arqon_ray.core.strategies.evidence`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from arqon_ray.core.refine.cma_es import CMAES
from arqon_ray.core.refine.gaussian_process import GaussianProcess, noise_share, recommend
from arqon_ray.core.refine.tpe import TreeParzen
from arqon_ray.core.refine.trust_region import TrustRegion

if TYPE_CHECKING:
    from arqon_ray.core.strategies.evidence import Strategy

STRATEGIES: dict[str, Strategy] = {
    strategy.name: strategy
    for strategy in (
        GaussianProcess(),
        GaussianProcess("noisy_gaussian_process", warp=False, box=False),
        TrustRegion(),
        TreeParzen(),
        CMAES(),
    )
}
"""By the name that configs use."""

__all__ = ["CMAES", "STRATEGIES", "GaussianProcess", "TreeParzen", "TrustRegion", "noise_share", "recommend"]

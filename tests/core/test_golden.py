"""One ask from each recorded history is as it was; ``python -m tests.core.golden`` records a change on purpose."""

from __future__ import annotations

import json

import numpy as np
import pytest

from arqon_ray.core import ArqonSolver
from tests.core.golden import FOLDER, NAMES, ask, cases
from tests.core.refine.studies import STRATEGIES

TOLERANCE = 1e-6
"""Of continuous parameters, in the unit cube; discrete ones are exact."""


@pytest.mark.parametrize("strategy", NAMES)
def test_the_next_ask_is_the_recorded_one(strategy: str) -> None:
    entries = json.loads((FOLDER / f"{strategy}.json").read_text())
    assert len(entries) == len(cases(strategy))
    changed = []
    for index, entry in enumerate(entries):
        origin, point = ask(entry)
        gap = np.abs(point - entry["point"])
        parameters = ArqonSolver(entry["config"]).space.parameters
        gap = np.where([p.periodic for p in parameters], np.minimum(gap, 1.0 - gap), gap)
        allowed = np.where([p.levels is None for p in parameters], TOLERANCE, 1e-12)
        if origin != entry["origin"] or np.any(gap > allowed):
            changed.append((index, entry["origin"], origin, float(np.max(gap))))
    assert changed == []


@pytest.mark.parametrize("strategy", NAMES)
def test_the_histories_reach_the_strategy(strategy: str) -> None:
    origins = [entry["origin"] for entry in json.loads((FOLDER / f"{strategy}.json").read_text())]
    if strategy == "auto":
        assert set(origins) == {"probe", "repeat", *STRATEGIES}
    else:
        assert origins.count(strategy) >= 0.7 * len(origins)
    assert (FOLDER / f"{strategy}.json").stat().st_size < 100_000

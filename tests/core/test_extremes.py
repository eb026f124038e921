"""Values as large as floats can be: every strategy goes on, and nothing warns or is not finite."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from arqon_ray.core import ArqonSolver
from tests.core.refine.studies import STRATEGIES

LARGEST = 1.79e308
SPACES: dict[str, dict[str, Any]] = {
    "line": {"x": {"min": 0.0, "max": 1.0}},
    "cube": {name: {"min": 0.0, "max": 1.0} for name in "xyz"},
    "mixed": {"x": {"min": 0.0, "max": 1.0}, "c": {"choices": ["a", "b"]}, "n": {"min": 1, "max": 9, "type": "int"}},
}
VALUES: dict[str, Callable[[float, int], float | None]] = {
    "a slope from end to end": lambda x, n: LARGEST * (2.0 * x - 1.0),
    "both ends in turns": lambda x, n: (LARGEST, -LARGEST)[n % 2],
    "every size": lambda x, n: (1e308, -1e308, 5e-324, -0.0, 1.0, None)[n % 6],
    "all beside each other": lambda x, n: 1e308 + 1e300 * x,
}


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("strategy", ["auto", *STRATEGIES])
def test_the_search_bears_the_largest_values(strategy: str, space: str, kind: str, mode: str) -> None:
    solver = ArqonSolver({"bounds": SPACES[space], "budget": 36, "mode": mode, "strategy": strategy})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number in range(36):
            params = solver.ask_one()
            assert params is not None
            assert 0.0 <= params["x"] <= 1.0
            solver.tell([{"params": params, "value": VALUES[kind](params["x"], number)}])
        best = solver.best()
        json.dumps(solver.explain(), allow_nan=False)
    assert best is not None
    assert best["predicted"] is None or math.isfinite(best["predicted"])
    assert solver.get_history_len() == 36

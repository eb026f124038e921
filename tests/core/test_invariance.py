"""Units mean nothing: not those of the values, nor the sign of the goal, nor those of the parameters."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from arqon_ray.core import ArqonSolver, Candidate
from tests.core.histories import OBJECTIVES, SPACES, fails, play
from tests.core.refine.studies import STRATEGIES

CONTINUOUS_ONLY = ("cma_es", "trust_region")
STREAMS = [
    *((name, "torus", "rugged", 45) for name in ("auto", *STRATEGIES)),
    *((name, "mixed", "noisy", 40) for name in ("auto", *STRATEGIES) if name not in CONTINUOUS_ONLY),
    ("auto", "plane", "stepped", 60),
    ("auto", "five", "rugged", 220),
]


@cache
def played(strategy: str, space: str, objective: str, count: int, scale: float, mode: str) -> tuple[Any, ...]:
    """Return the candidates of a study and its recommendation."""
    config = {"seed": 4, "budget": count + 110, "bounds": SPACES[space], "strategy": strategy, "mode": mode}
    solver = ArqonSolver(config)
    candidates = play(solver, OBJECTIVES[objective], count, scale)
    return [(candidate.params, candidate.origin) for candidate in candidates], solver.best()


@pytest.mark.parametrize(("strategy", "space", "objective", "count"), STREAMS)
def test_values_times_a_power_of_two_give_the_same_stream(
    strategy: str, space: str, objective: str, count: int
) -> None:
    exponent = -33 if strategy in ("auto", "tpe") else 20
    stream, best = played(strategy, space, objective, count, 1.0, "min")
    scaled, scaled_best = played(strategy, space, objective, count, 2.0**exponent, "min")
    assert scaled == stream
    assert scaled_best["params"] == best["params"]
    assert scaled_best["value"] == 2.0**exponent * best["value"]


@pytest.mark.parametrize(("strategy", "space", "objective", "count"), STREAMS)
def test_maximizing_is_minimizing_the_negative(strategy: str, space: str, objective: str, count: int) -> None:
    stream, best = played(strategy, space, objective, count, 1.0, "min")
    mirrored, mirrored_best = played(strategy, space, objective, count, -1.0, "max")
    assert mirrored == stream
    assert mirrored_best["params"] == best["params"]
    assert mirrored_best["value"] == -best["value"]
    assert mirrored_best["predicted"] == (None if best["predicted"] is None else -best["predicted"])


def test_a_noisy_recommendation_is_mirrored_with_its_prediction() -> None:
    runs = [played("auto", "plane", "noisy", 60, *side)[1] for side in ((1.0, "min"), (-1.0, "max"))]
    assert runs[0]["predicted"] is not None
    assert runs[1]["predicted"] == -runs[0]["predicted"]
    assert runs[1]["params"] == runs[0]["params"]


def test_the_long_stream_went_through_every_phase() -> None:
    origins = {origin for _, origin in played("auto", "five", "rugged", 220, 1.0, "min")[0]}
    assert origins >= {"probe", "trust_region", "gaussian_process", "cma_es"}


def mapped(parameter: dict[str, Any], value: Any) -> Any:
    """Return a value in other units: an affine map, of a logarithmic parameter a power and a factor."""
    if "choices" in parameter or parameter.get("type") == "int" or "step" in parameter:
        return value
    return 7.0 * value**0.5 if parameter.get("scale") == "Log" else 3.7 * value - 11.3


def in_other_units(bounds: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {k: mapped(p, v) if k in ("min", "max") else v for k, v in p.items()} if "min" in p else p
        for name, p in bounds.items()
    }


def disagreements(
    strategy: str, space: str, objective: str, count: int, *, scale: float = 1.0, shift: float = 0.0, units: bool
) -> list[tuple[int, str, float]]:
    """Return the asks in which two studies disagree by more than 1e-5, with the gap.

    The second study is in other units. Each of its asks is compared with the first study's, which is then adopted
    instead: so both have the same history at every ask, and the second its own memory.
    """
    bounds = SPACES[space]
    config = {"seed": 4, "budget": count, "strategy": strategy}
    one = ArqonSolver({**config, "bounds": bounds})
    two = ArqonSolver({**config, "bounds": in_other_units(bounds) if units else bounds})
    periodic = np.array([parameter.periodic for parameter in one.space.parameters])
    found = []
    for k in range(count):
        first, second = one.propose(), two.proposer().propose()
        assert first is not None
        assert second is not None
        u, v = one.space.encode(first.params), two.space.encode(second.params)
        gap = np.abs(u - v)
        gap = float(np.max(np.where(periodic, np.minimum(gap, 1.0 - gap), gap)))
        if gap > 1e-5 or first.origin != second.origin:
            found.append((k, first.origin, gap))
        params = {n: mapped(bounds[n], x) for n, x in first.params.items()} if units else first.params
        two.adopt(Candidate(second.number, params, first.origin, second.memory))
        value = OBJECTIVES[objective](u, k)
        one.observe(k, None if fails(k) else value)
        two.observe(k, None if fails(k) else scale * value + shift)
    return found


HISTORIES = [
    ("gaussian_process", "five", "rugged", 30),
    ("gaussian_process", "torus", "noisy", 30),
    ("gaussian_process", "conditional", "smooth", 36),
    ("noisy_gaussian_process", "five", "noisy", 30),
    ("noisy_gaussian_process", "mixed", "smooth", 30),
    ("trust_region", "plane", "rugged", 25),
    ("trust_region", "five", "rugged", 40),
    ("trust_region", "torus", "noisy", 30),
    *(("tpe", space, "rugged", 60) for space in ("plane", "torus", "mixed", "conditional")),
    *(("cma_es", space, "rugged", 90) for space in ("plane", "five", "torus")),
    ("auto", "five", "noisy", 50),
    ("auto", "torus", "rugged", 50),
    ("auto", "integers", "stepped", 40),
]


@pytest.mark.parametrize(("strategy", "space", "objective", "count"), HISTORIES)
def test_an_affine_map_of_the_values_changes_no_ask(strategy: str, space: str, objective: str, count: int) -> None:
    assert disagreements(strategy, space, objective, count, scale=3.0, shift=1.0, units=False) == []


@pytest.mark.parametrize(("strategy", "space", "objective", "count"), HISTORIES)
def test_other_units_of_the_parameters_change_no_ask(strategy: str, space: str, objective: str, count: int) -> None:
    assert disagreements(strategy, space, objective, count, units=True) == []

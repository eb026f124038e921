"""What a search owes in any space: points that are allowed, new, and close to the optimum in the end."""

from __future__ import annotations

import json
import math
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arqon_ray.core import ArqonSolver, Candidate
from arqon_ray.core.config import load_config
from arqon_ray.core.probe import coverage
from arqon_ray.core.probe.coverage import Coverage
from arqon_ray.core.propose.proposer import Proposer
from tests.core.histories import SPACES
from tests.core.refine.studies import STRATEGIES
from tests.core.spaces import bounds

NAMES = ("auto", *STRATEGIES)


def one_of(value: Any, choices: list[Any]) -> bool:
    """Tell whether a value is one of the choices; True is not 1."""
    return any(type(value) is type(choice) and value == choice for choice in choices)


def check(bounds: dict[str, Any], params: dict[str, Any]) -> None:
    """Check that the values are allowed and of their types."""
    for name, config in load_config({"bounds": bounds}).bounds.items():
        if config.when is not None:
            here = all(parent in params and one_of(params[parent], values) for parent, values in config.when.items())
            assert (name in params) == here
        if name not in params:
            assert config.when is not None
            continue
        value = params[name]
        if config.choices is not None:
            assert one_of(value, config.choices)
            continue
        assert config.min is not None
        assert config.max is not None
        assert type(value) is (int if config.type == "int" else float)
        open_end = config.scale == "Periodic" and config.min < config.max
        assert config.min <= value < config.max if open_end else config.min <= value <= config.max
        if config.grid_step is not None and config.min < config.max:
            steps = (value - config.min) / config.grid_step
            assert steps == pytest.approx(round(steps), abs=1e-6)


@settings(max_examples=24)
@given(bounds=bounds(), seed=st.integers(0, 2**64 - 1), strategy=st.sampled_from(NAMES))
def test_every_candidate_is_allowed_and_new(bounds: dict[str, Any], seed: int, strategy: str) -> None:
    solver = ArqonSolver({"seed": seed, "budget": 24, "bounds": bounds, "strategy": strategy})
    rng = np.random.default_rng(seed % 2**32)
    seen: set[bytes] = set()
    tests_of_noise = 0
    for k in range(24):
        exhausted = solver.explain()["exhausted"]
        candidate = solver.propose()
        if candidate is None:
            assert exhausted
            break
        check(bounds, candidate.params)
        point = solver.space.encode(candidate.params).tobytes()
        if point in seen and not exhausted:
            assert candidate.origin == "repeat"
            tests_of_noise += 1
        seen.add(point)
        if k % 4:
            solver.observe(candidate.number, float(rng.normal()) if k % 5 else None)
    assert tests_of_noise <= 1
    assert ArqonSolver.from_state(solver.export()).export() == solver.export()


@st.composite
def real_ranges(draw: st.DrawFn) -> dict[str, Any]:
    """Return a range of real numbers, of any size and place."""
    scale = draw(st.sampled_from(["Linear", "Log", "Periodic"]))
    size = 10.0 ** draw(st.integers(-8, 8))
    if scale == "Log":
        return {"min": size, "max": size * 10.0 ** draw(st.integers(1, 6)), "scale": scale}
    low = size * draw(st.floats(-3.0, 3.0))
    return {"min": low, "max": low + size * draw(st.floats(0.5, 5.0)), "scale": scale}


def native_share(config: dict[str, Any], value: float) -> float:
    """Return where a value lies in its range, from 0 to 1, by arithmetic of the native values alone."""
    low, high = config["min"], config["max"]
    if config["scale"] == "Log":
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


@settings(max_examples=6)
@given(data=st.data(), ranges=st.lists(real_ranges(), min_size=1, max_size=4), seed=st.integers(0, 1000))
def test_an_optimum_anywhere_in_the_range_is_found(
    data: st.DataObject, ranges: list[dict[str, Any]], seed: int
) -> None:
    """A bowl with curvatures 1 to 4 on 1 to 4 real parameters: to 1e-3 of each range after 80 evaluations."""
    space = {f"x{j}": config for j, config in enumerate(ranges)}
    optimum = {name: data.draw(st.floats(0.0, 0.999)) for name in space}

    def gaps(params: dict[str, Any]) -> dict[str, float]:
        apart = {name: abs(native_share(space[name], params[name]) - optimum[name]) for name in space}
        return {n: min(gap, 1.0 - gap) if space[n]["scale"] == "Periodic" else gap for n, gap in apart.items()}

    solver = ArqonSolver({"seed": seed, "budget": 80, "bounds": space})
    while (params := solver.ask_one()) is not None:
        value = sum((j + 1) * gap**2 for j, gap in enumerate(gaps(params).values()))
        solver.tell([{"params": params, "value": value}])
    best = solver.best()
    assert best is not None
    assert max(gaps(best["params"]).values()) < 1e-3


FINITE = {"a": {"choices": ["x", "y", None]}, "b": {"min": 0, "max": 3, "type": "int"}}
TREE = {"c": {"choices": ["a", "b"]}, "d": {"choices": [1, 2, 3], "when": {"c": "a"}}}


@pytest.mark.parametrize("strategy", [*NAMES, "probe"])
@pytest.mark.parametrize(
    ("space", "total"),
    [
        (FINITE, 12),
        (TREE, 4),
    ],
)
def test_a_finite_space_is_said_to_be_exhausted_when_it_is(space: dict[str, Any], total: int, strategy: str) -> None:
    solver = ArqonSolver({"seed": 1, "budget": 2 * total, "bounds": space, "strategy": strategy})
    seen = set()
    for k in range(total):
        assert not solver.explain()["exhausted"]
        params = solver.ask_one()
        seen.add(json.dumps(params))
        solver.tell([{"params": params, "value": float(k % 5)}])
    assert len(seen) == total
    assert solver.explain()["exhausted"]
    assert json.dumps(solver.ask_one()) in seen


@pytest.mark.parametrize(
    ("strategy", "space"),
    [*((name, "torus") for name in NAMES), *((name, "mixed") for name in ("auto", "tpe", "noisy_gaussian_process"))],
)
def test_failures_shift_the_search_away(strategy: str, space: str) -> None:
    """Evaluations fail in half of one parameter's range, which the values do not depend on."""
    early, late = 0, 0
    for seed in range(3):
        solver = ArqonSolver({"seed": seed, "budget": 48, "bounds": SPACES[space], "strategy": strategy})
        column = solver.space.names.index("rate")
        while (candidate := solver.propose()) is not None:
            u = solver.space.encode(candidate.params)
            failed = bool(u[column] > 0.55)
            # The probe, which stands in where a local search has converged, is even by design.
            early += failed and candidate.number < 16
            late += failed and candidate.number >= 32 and candidate.origin != "probe"
            value = float(np.sum((np.delete(u, column) - 0.3) ** 2)) + (u[column] - 0.45) ** 2
            solver.observe(candidate.number, None if failed else value)
    assert early > 0
    # A search that does not learn from failures has 45 % of its asks there, late as early.
    assert late < max(early, 0.25 * 3 * 16)


@pytest.mark.parametrize("space", ["plane", "integers"])
def test_a_noisy_recommendation_is_not_simply_the_luckiest(space: str) -> None:
    """With noise as large as the differences, the luckiest value promises far too much; the prediction does not."""
    lucky, recommended, promised, predicted = [], [], [], []
    for seed in range(3):
        noise = np.random.default_rng(seed)
        solver = ArqonSolver({"seed": seed, "budget": 60, "bounds": SPACES[space]})
        truth = {}
        while (candidate := solver.propose()) is not None:
            truth[candidate.id] = float(np.sum((solver.space.encode(candidate.params) - 0.3) ** 2))
            solver.observe(candidate.number, truth[candidate.id] + 0.2 * float(noise.normal()))
        best, luckiest = solver.best(), min(solver.history(), key=lambda row: row["value"])
        assert best is not None
        assert {"value", "predicted"} <= best.keys()
        assert best["predicted"] is not None
        assert best["value"] == next(row["value"] for row in solver.history() if row["id"] == best["id"])
        lucky.append(luckiest["id"])
        recommended.append(best["id"])
        promised.append(abs(luckiest["value"] - truth[luckiest["id"]]))
        predicted.append(abs(best["predicted"] - truth[best["id"]]))
    assert lucky != recommended
    assert sum(predicted) < 0.5 * sum(promised)


BRANCHES = {
    "learner": {"choices": list("abcdefgh")},
    **{f"depth_{k}": {"min": 1, "max": 4, "type": "int", "when": {"learner": k}} for k in "abcdefgh"},
    **{f"kind_{k}": {"choices": ["x", "y"], "when": {"learner": k}} for k in "abcd"},
}
"""Four times 8 points and four times 4, of 8 million combinations."""


@pytest.mark.parametrize("strategy", ["auto", "probe"])
@pytest.mark.parametrize(("space", "total"), [(FINITE, 12), (BRANCHES, 48)])
def test_an_exhausted_space_is_not_gone_through_again(
    space: dict[str, Any], total: int, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    plain = Coverage._at
    monkeypatch.setattr(Coverage, "_at", lambda self, index: looked.append(index) or plain(self, index))
    solver = ArqonSolver({"seed": 1, "bounds": space, "strategy": strategy})

    def ask() -> Candidate:
        candidate = solver.propose()
        assert candidate is not None
        mark = zlib.crc32(json.dumps(candidate.params).encode())
        solver.observe(candidate.number, None if mark % 7 == 3 else mark / 2**32)
        return candidate

    first = {json.dumps(ask().params) for _ in range(total)}
    while not solver.explain()["exhausted"]:  # one of them may have been repeated, to see whether values are noisy
        first.add(json.dumps(ask().params))
    assert len(first) == total
    assert solver.handed_out <= total + 2
    looked.clear()
    more = [ask() for _ in range(20)]
    assert looked == []
    assert {candidate.origin for candidate in more} == {"repeat"}
    best = solver.best()
    assert best is not None
    assert more[0].params == best["params"]


def test_the_last_points_of_a_space_that_the_sequence_misses_are_looked_for_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(coverage, "_SEARCH_LIMIT", 8)
    space = {name: {"min": 0, "max": 9, "type": "int"} for name in "abc"}
    solver = ArqonSolver({"seed": 1, "bounds": space, "strategy": "probe"})
    keys, looked = set(), []
    plain = Proposer._knows
    monkeypatch.setattr(Proposer, "_knows", lambda self, point: looked.append(0) or plain(self, point))
    for k in range(1000):
        candidate = solver.propose()
        assert candidate is not None
        keys.add(json.dumps(candidate.params))
        if k == 500:  # what is remembered is in the state
            solver = ArqonSolver.from_state(solver.export())
    assert len(keys) == 1000
    assert solver.explain()["exhausted"]
    # The sequence up to the first eight known points in a row, each point of the space, and each candidate once more.
    assert len(looked) < 8 * 1000 + 1000 + 1000


def test_what_is_in_flight_is_not_repeated_where_nothing_new_is_left() -> None:
    solver = ArqonSolver({"seed": 1, "bounds": TREE, "strategy": "probe"})
    for value in (3.0, 1.0, None, 1.0):
        candidate = solver.propose()
        assert candidate is not None
        solver.observe(candidate.number, value)
    repeats = [solver.propose() for _ in range(5)]
    assert repeats[4] is None
    history = solver.history()
    assert [each.params for each in repeats if each] == [history[k]["params"] for k in (1, 3, 0, 2)]

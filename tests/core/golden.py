"""Recorded histories and what was asked next: ``python -m tests.core.golden`` writes the files anew.

Each file is one strategy's, each entry a config, a history and the one ask that follows. A history is either *made*
(points of a seeded generator, denser towards the optimum, as a search leaves them) or *played* by the solver itself;
then its points and what the strategies remember at its end are recorded, so that one ask is compared and no more.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from arqon_ray.core import ArqonSolver, Candidate
from arqon_ray.core.strategies.evidence import Array
from tests.core.histories import OBJECTIVES, SPACES, target
from tests.core.refine.studies import STRATEGIES

FOLDER = Path(__file__).parent / "assets" / "golden"
NAMES = (*STRATEGIES, "auto")
CONTINUOUS_ONLY = ("cma_es", "trust_region")

# Space (a number: so many real parameters), objective, results, failures among them (one in so many), in flight,
# budget, and whether it is played.
Case = tuple[Any, str, int, int, int, int | None, bool]
CONTINUOUS: list[Case] = [
    ("plane", "smooth", 0, 0, 0, 50, False),
    ("plane", "smooth", 3, 0, 0, 50, False),
    ("plane", "rugged", 30, 0, 0, 40, False),
    ("plane", "noisy", 40, 6, 2, 60, False),
    ("plane", "rugged", 25, 0, 0, 40, True),
    (1, "rugged", 8, 0, 1, 20, False),
    (1, "stepped", 20, 0, 0, 100, False),
    (2, "stepped", 30, 3, 0, 100, False),
    (3, "smooth", 60, 0, 0, 70, False),
    (3, "flat", 15, 0, 0, 100, False),
    ("five", "rugged", 12, 0, 0, 100, False),
    ("five", "rugged", 45, 0, 8, 100, False),
    ("five", "noisy", 80, 0, 0, 100, False),
    ("five", "rugged", 40, 0, 0, 60, True),
    (10, "smooth", 5, 0, 0, 200, False),
    (10, "rugged", 100, 0, 4, None, False),
    (20, "smooth", 120, 0, 0, 150, False),
    (20, "rugged", 300, 10, 8, 1000, False),
    ("torus", "smooth", 6, 2, 0, 30, False),
    ("torus", "rugged", 40, 0, 3, 45, False),
    ("torus", "noisy", 30, 0, 0, 80, True),
]
MORE: list[Case] = [
    ("torus", "rugged", 150, 0, 0, 400, False),
    ("five", "stepped", 110, 4, 0, 300, False),
    (2, "rugged", 60, 0, 0, 300, True),
    (10, "smooth", 30, 0, 0, 100, True),
    (3, "noisy", 200, 0, 16, None, False),
    (1, "smooth", 12, 0, 0, 15, True),
    (20, "smooth", 60, 0, 0, None, True),
]
DISCRETE: list[Case] = [
    ("mixed", "smooth", 12, 0, 0, 40, False),
    ("mixed", "rugged", 40, 4, 3, 100, False),
    ("mixed", "noisy", 70, 0, 0, 100, False),
    ("mixed", "rugged", 30, 0, 0, 60, True),
    ("integers", "smooth", 15, 0, 0, 30, False),
    ("integers", "stepped", 50, 0, 2, 60, False),
    ("integers", "flat", 20, 0, 0, None, False),
    ("conditional", "smooth", 11, 0, 0, 100, False),
    ("conditional", "rugged", 60, 5, 0, 100, False),
    ("conditional", "rugged", 30, 0, 0, 100, True),
]
AUTO: list[Case] = [
    ("five", "stepped", 181, 0, 0, 400, False),
    ("five", "rugged", 390, 0, 0, 400, False),
    ("integers", "rugged", 1001, 0, 0, None, False),
    ("mixed", "flat", 31, 0, 0, 60, False),
    ("plane", "flat", 51, 0, 0, 80, False),
]
TESTED = {"classify": {"noise_at": 1_000_000}}
"""A memory of the classifier with which it does not look for noise before so many observations."""


def cases(strategy: str) -> list[Case]:
    """Return the histories of one strategy."""
    if strategy in CONTINUOUS_ONLY:
        return CONTINUOUS + MORE
    return CONTINUOUS + DISCRETE + (AUTO if strategy == "auto" else [])


def bounds_of(space: str | int) -> dict[str, Any]:
    if isinstance(space, str):
        return SPACES[space]
    return {f"x{j:02d}": {"min": -2.0 - j, "max": 5.0} for j in range(space)}


def value_of(objective: str, u: Array, number: int) -> float:
    return 1.0 if objective == "flat" else OBJECTIVES[objective](u, number)


def made_points(solver: ArqonSolver, count: int, seed: int) -> list[dict[str, Any]]:
    """Return points that crowd round the optimum: the later, the nearer."""
    rng, d = np.random.default_rng(seed), solver.space.d
    spread = 0.01 ** (np.arange(count)[:, None] / max(count, 1) * (rng.random((count, 1)) < 0.7))
    return solver.space.decode_array(np.clip(target(d) + spread * (rng.random((count, d)) - 0.5) * 1.5, 0.0, 1.0))


def solver_of(entry: dict[str, Any]) -> ArqonSolver:
    """Return the solver that knows an entry's history."""
    solver = ArqonSolver(entry["config"])
    history = entry["history"]
    told, pending = history["told"], history["pending"]
    points = history["params"] if "params" in history else made_points(solver, told + pending, history["seed"])
    for k, params in enumerate(points):
        memory = history.get("memory", {}) if k == len(points) - 1 else {}
        solver.adopt(Candidate(k, params, solver.config.strategy if k >= told else "probe", memory))
        if k < told:
            value = value_of(history["objective"], solver.space.encode(params), k)
            solver.observe(k, None if history["fails"] and k % history["fails"] == 1 else value)
    return solver


def ask(entry: dict[str, Any]) -> tuple[str, Array]:
    """Return the origin and the point in the unit cube of the ask that follows an entry's history."""
    solver = solver_of(entry)
    candidate = solver.propose()
    assert candidate is not None
    return candidate.origin, solver.space.encode(candidate.params)


def entry_of(strategy: str, index: int, case: Case) -> dict[str, Any]:
    """Return the recorded entry of one case."""
    space, objective, told, fails, pending, budget, played = case
    config = {"seed": index, "budget": budget, "strategy": strategy, "bounds": bounds_of(space)}
    history: dict[str, Any] = {"objective": objective, "told": told, "fails": fails, "pending": pending, "seed": index}
    if strategy == "auto" and not played and objective != "noisy":
        history["memory"] = TESTED
    if played:
        solver = ArqonSolver(config)
        for k in range(told):
            candidate = solver.propose()
            assert candidate is not None
            solver.observe(k, value_of(objective, solver.space.encode(candidate.params), k))
        history["params"] = [row["params"] for row in solver.history()]
        history["memory"] = json.loads(solver.export())["memory"]
    entry = {"config": config, "history": history}
    origin, point = ask(entry)
    return {**entry, "origin": origin, "point": point.tolist()}


def main() -> None:
    """Write all files; one entry a line."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for strategy in NAMES:
        entries = [json.dumps(entry_of(strategy, i, case)) for i, case in enumerate(cases(strategy))]
        path = FOLDER / f"{strategy}.json"
        path.write_text("[\n" + ",\n".join(entries) + "\n]\n")
        print(path.name, len(entries), "entries,", path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()

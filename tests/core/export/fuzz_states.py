"""Exports with one value changed: each is refused as a state, or every later call works.

``python -m tests.core.export.fuzz_states [STUDY ...]`` tries every mutation of every leaf, some minutes a study;
the tests try a part of them.
"""

from __future__ import annotations

import copy
import json
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from arqon_ray.core import ArqonSolver
from arqon_ray.errors import StateError
from tests.core.spaces import EVERY_KIND
from tests.core.test_solver import PLANE

Path = tuple[str | int, ...]

VALUES: tuple[Any, ...] = (
    *(None, True, False, "", "x", "\ud800", [], {}, [[]], {"a": 1}, [1.0, 2.0]),
    *(-1, 0, 1, 3, 12, 2**31, 2**53, 2**63, 2**64, 10**400),
    *(-0.5, 0.5, 1e-300, 1e9, 1e300, -1e300, float("nan"), float("inf")),
)


def loss(params: dict[str, Any]) -> float:
    """Return a value of any params that a study here may have."""
    return sum(float(v) / 300.0 if isinstance(v, int | float) else 0.1 * len(str(v)) for v in params.values())


def study(strategy: str, bounds: dict[str, Any], told: int, **config: Any) -> ArqonSolver:
    """Return a solver with ``told`` results, some of them failed, and candidates in flight, taken back and seeded."""
    solver = ArqonSolver({"seed": 5, "budget": 4 * told + 40, "strategy": strategy, "bounds": bounds, **config})
    several = "objectives" in config
    for k in range(told):
        candidate = solver.propose()
        assert candidate is not None
        value = loss(candidate.params)
        result = {"values": [value, -value]} if several else {"value": value}
        solver.tell([{"eval_id": candidate.number, **result} if k % 7 != 5 else {"eval_id": k, "status": "failed"}])
    solver.ask(3)
    solver.withdraw(told)
    return solver


def climbing(bounds: dict[str, Any], told: int) -> ArqonSolver:
    """Return a solver whose evaluations ended after different numbers of steps."""
    solver = ArqonSolver({"seed": 5, "budget": 100, "bounds": bounds})
    for k in range(told):
        candidate = solver.propose()
        assert candidate is not None
        for step in (1, 3, 9)[: 1 + k % 3]:
            solver.report(k, step, loss(candidate.params) + 1.0 / step)
        if k % 5:
            solver.tell([{"eval_id": k, "value": loss(candidate.params), "step": 9 if k % 3 == 2 else 1}])
    return solver


STUDIES: dict[str, Callable[[], ArqonSolver]] = {
    "probe": lambda: study("probe", EVERY_KIND, 6),
    "gaussian_process": lambda: study("gaussian_process", PLANE, 14),
    "noisy_gaussian_process": lambda: study("noisy_gaussian_process", PLANE, 13),
    "trust_region": lambda: study("trust_region", PLANE, 14),
    "tpe": lambda: study("tpe", EVERY_KIND, 12),
    "cma_es": lambda: study("cma_es", PLANE, 20),
    "auto": lambda: study("auto", PLANE, 30),
    "mixed": lambda: study("auto", EVERY_KIND, 14),
    "objectives": lambda: study("auto", PLANE, 12, objectives=["min", "max"]),
    "rungs": lambda: climbing(PLANE, 14),
}


def leaves(document: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the way to every value, lists and dicts themselves included."""
    if path:
        yield path
    if isinstance(document, dict | list):
        for key in document if isinstance(document, dict) else range(len(document)):
            yield from leaves(document[key], (*path, key))


def mutations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what was done, and the document in which one value was replaced, removed or doubled."""
    for path in leaves(document):
        for value in (*VALUES, "REMOVED", "DOUBLED"):
            changed = copy.deepcopy(document)
            parent: Any = changed
            for key in path[:-1]:
                parent = parent[key]
            if value == "REMOVED":
                del parent[path[-1]]
            elif value == "DOUBLED" and isinstance(parent, list):
                parent.append(copy.deepcopy(parent[path[-1]]))
            elif value == "DOUBLED":
                parent[f"{path[-1]}2"] = copy.deepcopy(parent[path[-1]])
            else:
                parent[path[-1]] = value
            yield f"{'.'.join(map(str, path))} = {value!r:.40}", changed


def use(text: str) -> str:
    """Load a state and make every call; return ``refused`` or ``works``.

    Raises:
        Exception: whatever is neither.
    """
    try:
        solver = ArqonSolver.from_state(text)
    except StateError:
        return "refused"
    several = solver.config.objectives is not None
    if solver.config.budget is not None:
        solver.extend_budget(min(max(solver.config.budget, solver.handed_out + 6), 2**62))
    for value in (0.5, 0.1, None):
        solver.best(), solver.explain(), solver.history()
        candidate = solver.propose()
        if candidate is None:
            break
        assert all(np.isfinite(v) for v in candidate.params.values() if isinstance(v, float))
        if not several:
            solver.report(candidate.number, 3, value)
        given: dict[str, Any] = {"values": [value, value]} if several else {"value": value}
        solver.tell([{"eval_id": candidate.number, **given}])
    for number in solver.pending:
        solver.withdraw(number)
    for number in solver.withdrawn:
        solver.reissue(number)
    if several:
        solver.pareto()
    again = ArqonSolver.from_state(solver.export())
    assert again.export() == solver.export()
    return "works"


def main() -> None:
    """Try all mutations of the studies that are named, or of every one."""
    warnings.simplefilter("error")
    for name in sys.argv[1:] or STUDIES:
        outcomes: Counter[str] = Counter()
        for what, changed in mutations(json.loads(STUDIES[name]().export())):
            try:
                outcomes[use(json.dumps(changed))] += 1
            except Exception as error:
                outcomes[f"{type(error).__name__}: {error}"[:90]] += 1
                print(f"{name}: {what}: {type(error).__name__}: {str(error)[:200]}", flush=True)
        print(name, dict(outcomes), flush=True)


if __name__ == "__main__":
    main()

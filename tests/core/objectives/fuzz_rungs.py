"""Studies of random curves, some of which diverge: values on one scale are finite, whatever came.

``python -m tests.core.objectives.fuzz_rungs 10000`` tries that many.
"""

from __future__ import annotations

import sys
import warnings

import numpy as np

from arqon_ray.core import ArqonSolver
from arqon_ray.core.objectives.fidelity import scaled

SIZES = (1.0, -1.0, 1e3, 1e160, -1e160, 1e300, 1.7e308, -1.7e308, 0.0, 1e-300, 5e-324)
STEPS = (0, 1, 2, 3, 9, 81, 2**52)


def study(seed: int) -> ArqonSolver:
    """Return a solver of up to a dozen evaluations with values of up to three sizes."""
    rng = np.random.default_rng(seed)
    bounds = {"x": {"min": 0, "max": 1}, "y": {"min": 0, "max": 1}}
    solver = ArqonSolver({"seed": seed, "bounds": bounds, "mode": "max" if seed % 2 else "min"})
    sizes = rng.choice(SIZES, size=3)
    for number in range(int(rng.integers(1, 14))):
        candidate = solver.proposer().propose(probe=True)
        assert candidate is not None
        solver.adopt(candidate)
        for _ in range(int(rng.integers(0, 4))):
            solver.report(number, int(rng.choice(STEPS)), float(rng.choice(sizes) * rng.random()))
        become = rng.random()
        if become < 0.5:
            value = float(rng.choice(sizes) * rng.random()) if rng.random() < 0.9 else None
            step = int(rng.choice(STEPS)) if rng.random() < 0.9 else None
            solver.tell([{"eval_id": number, "value": value, "step": step}])
        elif become < 0.65:
            solver.withdraw(number)
    return solver


def check(seed: int, ask: bool = False) -> None:
    """Look at the values on one scale, and perhaps ask for one more candidate."""
    solver = study(seed)
    found = scaled(solver._ledger.view())
    if found is not None:
        assert np.isfinite(found.y).all(), seed
        assert len(found.X) == len(found.y) == len(found.numbers), seed
        assert not set(found.numbers.tolist()) & set(found.diverged.tolist()) - {-1}, seed
    if ask:
        candidate = solver.propose()
        assert candidate is not None
        assert all(np.isfinite(value) for value in candidate.params.values()), seed


def main() -> None:
    """Try as many studies as are asked for; each that fails is named."""
    warnings.simplefilter("error")
    count, failed = int(sys.argv[1]), 0
    for seed in range(count):
        try:
            check(seed, ask=seed % 20 == 0)
        except Exception as error:
            failed += 1
            print(f"seed {seed}: {type(error).__name__}: {error}", flush=True)
    print(f"{count} studies, {failed} of them failed")


if __name__ == "__main__":
    main()

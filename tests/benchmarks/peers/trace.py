"""What one run found, as its user sees it."""

from __future__ import annotations

import time

import numpy as np

from tests.benchmarks.problems import Params, Problem


class Trace:
    """The evaluations of one run, and the true value of what would be recommended after each of them.

    Attributes:
        curve: that value, after each evaluation.
        spent: CPU seconds of the evaluations, which are no cost of the solver.
    """

    def __init__(self, problem: Problem, seed: int) -> None:
        """Begin an empty run."""
        self._problem = problem
        self._rng = np.random.default_rng([seed, 77])
        self._least = np.inf
        self._best_true = np.inf
        self.curve: list[float] = []
        self.spent = 0.0

    def __call__(self, params: Params) -> float:
        """Evaluate; the recommendation is the best observed value's point."""
        began = time.process_time()
        value = self._problem.evaluate(params, self._rng)
        if value < self._least:
            self._least = value
            self._best_true = self._problem.true(params) if self._problem.noisy else value
        self.curve.append(self._best_true)
        self.spent += time.process_time() - began
        return value

    def recommend(self, params: Params) -> None:
        """Replace the last recommendation."""
        began = time.process_time()
        self.curve[-1] = self._problem.true(params)
        self.spent += time.process_time() - began

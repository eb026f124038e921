"""The solvers that are compared: ours, and peers in their best defaults, all behind one function each.

A solver is ``solver(problem, budget, seed, in_flight)`` and returns its :class:`Trace`. With candidates in flight
the oldest finishes first. On a noisy problem ours recommends by its model, peers their best observed value.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.benchmarks.peers.own import run_arqon, run_random, run_sobol
from tests.benchmarks.peers.trace import Trace
from tests.benchmarks.peers.with_models import run_hebo, run_smac
from tests.benchmarks.peers.with_optuna import optuna_runner
from tests.benchmarks.peers.with_others import run_hyperopt, run_ngopt

__all__ = ["OURS", "SOLVERS", "Trace", "run_arqon", "run_random"]

OURS = "arqon"
SOLVERS: dict[str, Callable[..., Trace]] = {
    OURS: run_arqon,
    "random": run_random,
    "sobol": run_sobol,
    "ngopt": run_ngopt,
    "optuna-tpe": optuna_runner("TPESampler"),
    "optuna-tpe-independent": optuna_runner("TPESampler", multivariate=False),
    "optuna-cmaes": optuna_runner("CmaEsSampler"),
    "optuna-gp": optuna_runner("GPSampler"),
    "hyperopt": run_hyperopt,
    "hebo": run_hebo,
    "smac": run_smac,
}

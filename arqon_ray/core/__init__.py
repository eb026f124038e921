"""The solver and the probe: numpy and scipy alone, usable without Ray."""

from arqon_ray.core.ledger import Candidate
from arqon_ray.core.probe import ArqonProbe
from arqon_ray.core.solver import ArqonSolver

__all__ = ["ArqonProbe", "ArqonSolver", "Candidate"]

"""What a strategy of your own is made of.

Subclass :class:`Strategy`, and make it known: by the decorator :func:`register_strategy` to studies in this process, or
by an entry point of an installed package, in the group ``arqon_ray.strategies``, to the actors of studies too.
:mod:`arqon_ray.testing.strategies` has the tests that every strategy must pass.

>>> import numpy as np
>>> from arqon_ray import ArqonSolver
>>> @register_strategy
... class Jitter(Strategy):
...     '''Tries points close to the best one.'''
...     name = "jitter"
...
...     def propose(self, evidence, memory, rng):
...         best = evidence.X[np.argmin(evidence.y)]
...         step = rng.normal(scale=0.1, size=evidence.space.d)
...         point = evidence.space.snap((best + step)[None])[0]
...         if (evidence.pending == point).all(axis=1).any():
...             return None  # somebody evaluates it now
...         return Proposal(point, memory={})
>>> solver = ArqonSolver({"bounds": {"x": {"min": 0, "max": 1}}, "strategy": "jitter", "budget": 30})
>>> while (params := solver.ask_one()) is not None:
...     _ = solver.tell([{"params": params, "value": (params["x"] - 0.3) ** 2}])
>>> solver.explain()["strategy"]
'jitter'
>>> unregister_strategy("jitter")
"""

import arqon_ray.core.refine  # noqa: F401  (our own strategies take their names first)
from arqon_ray.core.strategies.evidence import Array, Evidence, Memory, Proposal
from arqon_ray.core.strategies.memories import Closed, Count, Finite, MemoryContext, check, require
from arqon_ray.core.strategies.registry import register_strategy, unregister_strategy
from arqon_ray.core.strategies.strategy import Role, Strategy, StrategyParams

__all__ = [
    "Array",
    "Closed",
    "Count",
    "Evidence",
    "Finite",
    "Memory",
    "MemoryContext",
    "Proposal",
    "Role",
    "Strategy",
    "StrategyParams",
    "check",
    "register_strategy",
    "require",
    "unregister_strategy",
]

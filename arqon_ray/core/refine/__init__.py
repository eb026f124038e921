"""Refine: strategies that exploit what the observations say.

Each is a pure function of evidence, memory and random numbers; see :mod:`arqon_ray.core.strategies.strategy`. Importing
this room imports every module in it, and each strategy registers itself: a new one is one new file here.
"""

from importlib import import_module
from pkgutil import iter_modules

for _module in sorted(module.name for module in iter_modules(__path__)):
    import_module(f"{__name__}.{_module}")

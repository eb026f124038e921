"""What solvers that releases before 0.2.0 cloudpickled import: such a pickle holds code that names this module."""

from arqon_ray.core.export.state import config_of, parse, restore

__all__ = ["config_of", "parse", "restore"]

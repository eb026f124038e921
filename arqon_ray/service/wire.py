"""What the actors of releases before 0.2.0 import for their errors; see :mod:`arqon_ray.service.host`."""

from arqon_ray.service.protocol import from_plain, to_plain

__all__ = ["from_plain", "to_plain"]

"""The versions on which candidates depend: on the same platform, the same versions compute the same bits."""

from __future__ import annotations

import platform

import numpy as np
import scipy

import arqon_ray


def versions() -> dict[str, str]:
    """Return the versions of ``arqon_ray``, ``python``, ``numpy`` and ``scipy``."""
    return {
        "arqon_ray": arqon_ray.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
    }

"""The manifest in the directory of a sweep: what is swept, as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from arqon_ray.errors import ConfigError

FORMAT_VERSION = 1
MANIFEST = "_manifest.json"  # readers of Parquet data sets skip names that begin with _ or .


def read_manifest(path: Path) -> dict[str, Any] | None:
    """Return the manifest in a directory; None if there is none.

    Raises:
        ConfigError: it cannot be read, or is damaged.
    """
    try:
        text = (path / MANIFEST).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"output is {str(path)!r}: {error.strerror or error}") from None
    try:
        manifest = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path / MANIFEST} is damaged ({error}): give another output") from None
    if not isinstance(manifest, dict):
        raise ConfigError(f"{path / MANIFEST} is damaged (it is not a JSON object): give another output")
    return manifest

"""Rules for the names of studies and for ``storage_path``."""

from __future__ import annotations

import os
import re
from urllib.parse import parse_qs, urlparse

from arqon_ray.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
SUPPORTED = (
    "supported are a plain path or file:// (a local disk, or a file system that is mounted, such as NFS), and the "
    "URIs that pyarrow.fs knows, such as s3://bucket/folder and gs://bucket/folder"
)


def check_name(name: object) -> str:
    """Return a study's name, which is that of an actor and of a folder.

    Raises:
        ConfigError: it cannot be both.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigError(
            f"a study's name is {name!r}: use 1 to 128 letters, digits, '.', '_', '-', the first a letter or digit"
        )
    return name


def is_shared(storage_path: str | None) -> bool:
    """Tell whether a checked ``storage_path`` is a URI, which means the same on every node."""
    return storage_path is not None and SCHEME.match(storage_path) is not None


def same_place(storage_path: str, other: str) -> bool:
    """Tell whether two checked ``storage_path`` are the same storage, as seen from this node."""
    return _address(storage_path) == _address(other)


def _address(storage_path: str) -> tuple[str, ...]:
    if not is_shared(storage_path):
        return ("file", os.path.realpath(storage_path))
    # Credentials and options other than the endpoint do not matter.
    parts = urlparse(storage_path)
    endpoint = parse_qs(parts.query).get("endpoint_override", [])
    return (parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), *endpoint)

"""Opens the store of a ``storage_path``: a directory or an object store, by the form of the path."""

from __future__ import annotations

import os
from urllib.parse import unquote, urlparse

from arqon_ray.errors import ConfigError
from arqon_ray.service.storage.base import Store
from arqon_ray.service.storage.paths import SCHEME, SUPPORTED, check_name, is_shared


def check_storage_path(storage_path: object) -> str:
    """Return a ``storage_path`` as an absolute local path, or as a URI for ``pyarrow.fs``.

    Args:
        storage_path: a plain path, ``~`` allowed, or a URI.

    Raises:
        ConfigError: it is neither.
    """
    if isinstance(storage_path, os.PathLike):
        storage_path = os.fspath(storage_path)
    if not isinstance(storage_path, str) or not storage_path or "\0" in storage_path:
        raise ConfigError(f"storage_path is {storage_path!r}: {SUPPORTED}")
    scheme = SCHEME.match(storage_path)
    if scheme is None:
        return os.path.abspath(os.path.expanduser(storage_path))
    parts = urlparse(storage_path)
    if scheme.group(1).lower() == "file":
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            raise ConfigError(f"storage_path is {storage_path!r}: {SUPPORTED}")
        return os.path.abspath(unquote(parts.path))
    if not parts.netloc:
        raise ConfigError(f"storage_path is {storage_path!r}: {SUPPORTED}")
    from arqon_ray.service.storage.objects import check_uri

    return check_uri(storage_path)


def open_store(storage_path: str, name: str) -> Store:
    """Return the store of one study under a checked ``storage_path``, without accessing the storage."""
    if is_shared(storage_path):
        from arqon_ray.service.storage.objects import ObjectStore

        return ObjectStore(storage_path, check_name(name))
    from arqon_ray.service.storage.local import LocalStore

    return LocalStore(storage_path, name)

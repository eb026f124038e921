"""Reads a stored study while somebody else may be serving it: nothing is claimed, truncated or written."""

from __future__ import annotations

import os
import time

from arqon_ray.core import ArqonSolver
from arqon_ray.core.config import load_config
from arqon_ray.errors import ConfigError, StateError, StudyNotFoundError, StudyRefusedError
from arqon_ray.service.log.manifest import read_study
from arqon_ray.service.log.segments import PositionError, accepted_records, read_segments
from arqon_ray.service.log.snapshots import read_snapshots
from arqon_ray.service.server.durable import replayed
from arqon_ray.service.server.state import LoggedState
from arqon_ray.service.storage.base import Store
from arqon_ray.service.storage.opening import check_storage_path, open_store
from arqon_ray.service.storage.paths import check_name, is_shared

_ATTEMPTS, _PAUSE = 4, 0.25


def read_state(storage_path: str, name: str) -> LoggedState:
    """Return the state of a stored study, as far as its log has been written.

    Args:
        storage_path: as it was given to ``start``: a directory or a URI.
        name: the study's name.

    Raises:
        ConfigError: the path or the name breaks a rule.
        StudyNotFoundError: there is no such study.
        StudyRefusedError: it is damaged, or of a newer format.
        OSError: the storage failed.
    """
    store = open_store(check_storage_path(storage_path), check_name(name))
    for attempt in range(_ATTEMPTS):
        try:
            return _read(store)
        except StudyRefusedError:
            # An actor that opens the study meanwhile may add a segment after they were listed.
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(_PAUSE)
    raise AssertionError("the last attempt returns or raises")


def _read(store: Store) -> LoggedState:
    described = read_study(store)
    if described is None:
        raise StudyNotFoundError(f"no study in {store}: give the storage_path and the name that start() was given")
    for snapshot in read_snapshots(store):
        if isinstance(snapshot, str):
            continue
        try:
            segments, _ = read_segments(store, snapshot.at)
            state = LoggedState.thaw(snapshot.take(), time.monotonic, snapshot.at.seq)
        except (PositionError, StateError):
            continue  # the log holds everything
        return replayed(state, list(accepted_records(segments)), store)
    segments, _ = read_segments(store)
    fresh = LoggedState(ArqonSolver(load_config(described["config"])), time.monotonic)
    return replayed(fresh, list(accepted_records(segments)), store)


def find_study(path: str) -> tuple[str, str] | None:
    """Return ``storage_path`` and name of the study at a path; None if there is none.

    Args:
        path: a study's own folder, or a ``storage_path`` that holds one study; a directory or a URI.

    Raises:
        ConfigError: no study can be stored there, or there are several.
        StudyRefusedError: the study there is damaged.
        OSError: the storage failed.
    """
    root = check_storage_path(path)
    parent, name = _split(root)
    if name and _is_study(parent, name):
        return parent, name
    names = [each for each in _folders(root) if _is_study(root, each)]
    if len(names) > 1:
        shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
        raise ConfigError(f"{path} holds {len(names)} studies: name one of {shown}, as {_joined(root, names[0])}")
    return (root, names[0]) if names else None


def _split(root: str) -> tuple[str, str]:
    """Return parent and name of a study's folder; an empty name if there is no parent."""
    address, mark, query = root.partition("?") if is_shared(root) else (root, "", "")
    parent, _, name = address.rpartition("/")
    return (parent + mark + query, name) if parent and not parent.endswith("/") else (root, "")


def _joined(root: str, name: str) -> str:
    address, mark, query = root.partition("?") if is_shared(root) else (root, "", "")
    return f"{address}/{name}{mark}{query}"


def _is_study(root: str, name: str) -> bool:
    try:
        check_name(name)
    except ConfigError:
        return False
    return read_study(open_store(root, name)) is not None


def _folders(root: str) -> list[str]:
    if is_shared(root):
        from arqon_ray.service.storage.pyarrow_files import folders_of

        return folders_of(root)
    return sorted(entry.name for entry in os.scandir(root) if entry.is_dir()) if os.path.isdir(root) else []

"""The searcher's file: everything that a new searcher needs to go on.

It is a pickle, like every other file that Tune keeps beside it: a Tune space and a trial's config may hold any
object. The solver's state inside is its own JSON export.
"""

from __future__ import annotations

import os
from typing import Any

from ray import cloudpickle

from arqon_ray.errors import StateError

_FORMAT = "arqon_ray.tune.ArqonSearcher"
_VERSION = 1


def write(path: str, state: dict[str, Any]) -> None:
    """Write a state; whoever reads the path sees the old file or the whole new one."""
    unfinished = f"{path}.writing"
    with open(unfinished, "wb") as file:
        file.write(cloudpickle.dumps({"format": _FORMAT, "version": _VERSION, **state}))  # type: ignore[no-untyped-call]
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)


def read(path: str) -> dict[str, Any]:
    """Read a state.

    Raises:
        StateError: when there is no file, it is damaged, something else's, or of a newer version.
    """
    try:
        with open(path, "rb") as file:
            state = cloudpickle.load(file)
    except Exception as error:  # damaged bytes make pickle raise anything at all
        raise StateError(f"{path} cannot be read as the file of an ArqonSearcher: {error!r}") from error
    if not isinstance(state, dict) or state.get("format") != _FORMAT:
        raise StateError(f"{path} holds no ArqonSearcher but a {type(state).__name__}: restore with what saved it")
    if state.get("version") != _VERSION:
        version = state.get("version")
        raise StateError(
            f"{path} is of version {version!r}, this arqon_ray reads {_VERSION}: install the one that saved it"
        )
    return state

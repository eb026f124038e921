"""Checks of the snapshot from which a study continues elsewhere, made before anything of it is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from arqon_ray.core import ArqonSolver
from arqon_ray.core.config import identity, load_config
from arqon_ray.core.propose.roster import without_unread
from arqon_ray.core.strategies.memories import Count, Strict, check
from arqon_ray.errors import IdentityError, StateError
from arqon_ray.service.validation import MAX_TEXT


class _Snapshot(Strict):
    uuid: str = Field(min_length=1, max_length=MAX_TEXT)
    seq: Count
    export: str
    keys: dict[str, str | Count] | None = None


def read_snapshot(snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """Return a snapshot as a plain dict, with its keys and types checked.

    Raises:
        StateError: a key is missing or malformed.
    """
    if not isinstance(snapshot, Mapping):
        raise StateError(f"snapshot is a {type(snapshot).__name__}: give what snapshot() returned")
    try:
        check(_Snapshot, snapshot)
    except ValueError as error:
        raise StateError(f"snapshot.{error}. Give what snapshot() returned") from None
    return dict(snapshot)


def check_handover(snapshot: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    """Check that a study can continue from a snapshot.

    Args:
        snapshot: as it was given to ``start``.
        config: that of the study that is to begin from it.

    Raises:
        StateError: the snapshot is malformed, or its export cannot be read.
        IdentityError: the snapshot is that of another study.
    """
    read_snapshot(snapshot)
    solver = ArqonSolver.from_state(snapshot["export"])
    theirs, ours = (identity(without_unread(each)) for each in (solver.config, load_config(config)))
    other = [key for key in dict.fromkeys([*theirs, *ours]) if theirs.get(key) != ours.get(key)]
    if other:
        raise IdentityError(f"the snapshot is of another study, whose {', '.join(other)} differ: start it with its own")
    for key, number in (snapshot.get("keys") or {}).items():
        if not str(number).isdecimal() or int(number) >= solver.handed_out:
            raise StateError(f"snapshot.keys[{key!r}] is {number!r}: the export has no such candidate")

"""What a study is begun from when it goes on elsewhere, checked whole before anything of it is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from arqon_ray.core import ArqonSolver
from arqon_ray.core.config import StudyConfig
from arqon_ray.core.memories import Count, Strict, check
from arqon_ray.errors import IdentityError, StateError
from arqon_ray.service.checks import MAX_TEXT
from arqon_ray.service.study import differences_of


class _Snapshot(Strict):
    uuid: str = Field(min_length=1, max_length=MAX_TEXT)
    seq: Count
    export: str
    keys: dict[str, str | Count] | None = None


def check_snapshot(snapshot: Mapping[str, Any], config: StudyConfig) -> None:
    """Refuse what ``snapshot()`` did not return, or returned for another study.

    Args:
        snapshot: what ``start`` was given.
        config: that of the study that is to begin from it.

    Raises:
        StateError: a key is missing or malformed, or the export cannot be read.
        IdentityError: it is another study's.
    """
    try:
        check(_Snapshot, snapshot)
    except ValueError as error:
        raise StateError(f"snapshot.{error}. Give what snapshot() returned") from None
    solver = ArqonSolver.from_state(snapshot["export"])

"""What a study's folder says of itself: which study it is, and whether it is being deleted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from arqon_ray.errors import StudyRefusedError
from arqon_ray.service.records import FORMAT
from arqon_ray.service.storage import LocalStore

SEGMENTS = "segments"
_STUDY, _TOMBSTONE = "study.json", "TOMBSTONE"
_STUDY_KEYS = {"format": int, "uuid": str, "config": dict}


def read_json(store: LocalStore, name: str, keys: Mapping[str, type]) -> dict[str, Any] | None:
    """Return the JSON object of this name, or None when there is none.

    Args:
        store: where it lies.
        name: its name.
        keys: the keys that it must have, with the types of their values.

    Raises:
        StudyRefusedError: it is no such object.
    """
    data = store.read(name)
    if data is None:
        return None
    try:
        value = json.loads(data)
    except ValueError as error:
        raise StudyRefusedError(f"{store.where(name)} is damaged ({error}): restore it from a copy") from error
    wrong = [key for key, kind in keys.items() if not isinstance(value, dict) or not isinstance(value.get(key), kind)]
    if wrong:
        raise StudyRefusedError(f"{store.where(name)} is damaged ({', '.join(wrong)}): restore it from a copy")
    return dict(value)


def write_json(store: LocalStore, name: str, value: Mapping[str, Any]) -> None:
    """Write a JSON object in one atomic, durable step."""
    store.replace(name, json.dumps(value, indent=1).encode())


def read_study(store: LocalStore) -> dict[str, Any] | None:
    """Return a stored study's description (uuid, config, format), or None when there is no study.

    Raises:
        StudyRefusedError: it is damaged, of a newer format, or its segments lie there without it.
    """
    study = read_json(store, _STUDY, _STUDY_KEYS)
    if study is None:
        if store.names(SEGMENTS):
            raise StudyRefusedError(f"{store.where(_STUDY)} is missing beside its segments: restore it from a copy")
        return None
    if study["format"] > FORMAT:
        raise StudyRefusedError(
            f"{store.where(_STUDY)} is of format {study['format']}, this arqon_ray reads up to {FORMAT}: "
            "install a newer arqon_ray"
        )
    return study


def write_study(store: LocalStore, study_uuid: str, config: Mapping[str, Any]) -> None:
    """Begin a study on an empty store."""
    write_json(store, _STUDY, {"format": FORMAT, "uuid": study_uuid, "config": dict(config)})


def entomb(store: LocalStore) -> None:
    """Delete a study for good: first a tombstone, so that nobody serves half of it, then everything."""
    write_json(store, _TOMBSTONE, {"purge": True})
    finish_entombing(store)


def finish_entombing(store: LocalStore) -> None:
    """End a deletion that was begun."""
    store.delete(last=_TOMBSTONE)


def entombed(store: LocalStore) -> bool:
    """Tell whether a deletion of the study was begun and not ended."""
    return store.read(_TOMBSTONE) is not None

"""What a study's folder says of itself: which study it is, and whether it is being deleted."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

from arqon_ray.errors import StudyRefusedError
from arqon_ray.service.log.records import FORMAT
from arqon_ray.service.storage.base import Store

SEGMENTS = "segments"
_STUDY, _TOMBSTONE = "study.json", "TOMBSTONE"
_STUDY_KEYS = {"format": int, "uuid": str, "config": dict}


def encode_json(value: Mapping[str, Any]) -> bytes:
    """Return a JSON object as bytes, with a checksum of the rest under the key ``crc``."""
    return json.dumps({**value, "crc": _crc(value)}, indent=1).encode()


def _crc(value: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(value, sort_keys=True).encode())


def read_json(store: Store, name: str, keys: Mapping[str, type]) -> dict[str, Any] | None:
    """Return the JSON object of this name, without its checksum, or None when there is none.

    Args:
        store: where it lies.
        name: its name.
        keys: the keys that it must have, with the types of their values.

    Raises:
        StudyRefusedError: it is no such object, or its checksum is another. Those of format 1 have none.
    """
    data = store.read(name)
    if data is None:
        return None
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _damaged(store, name, str(error)) from error
    wrong = [key for key, kind in keys.items() if not isinstance(value, dict) or not isinstance(value.get(key), kind)]
    if wrong:
        raise _damaged(store, name, ", ".join(wrong))
    crc = value.pop("crc", None)
    if crc is None and set(value) - set(keys):
        raise _damaged(store, name, "its checksum is missing")
    if crc is not None and crc != _crc(value):
        raise _damaged(store, name, "its checksum does not hold")
    return dict(value)


def _damaged(store: Store, name: str, problem: str) -> StudyRefusedError:
    return StudyRefusedError(f"{store.where(name)} is damaged at offset 0 ({problem}): restore it from a copy")


def read_study(store: Store) -> dict[str, Any] | None:
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


def write_study(store: Store, study_uuid: str, config: Mapping[str, Any]) -> None:
    """Begin a study on an empty store."""
    study = {"format": FORMAT, "uuid": study_uuid, "config": dict(config)}
    store.replace(_STUDY, encode_json(study))


def begin_purge(store: Store) -> None:
    """Delete a study for good: first a tombstone, so that nobody serves half of it, then everything."""
    store.replace(_TOMBSTONE, encode_json({"purge": True}))
    finish_purge(store)


def finish_purge(store: Store) -> None:
    """End a deletion that was begun."""
    store.delete(last=_TOMBSTONE)


def is_purging(store: Store) -> bool:
    """Tell whether a deletion of the study was begun and not ended."""
    return store.read(_TOMBSTONE) is not None

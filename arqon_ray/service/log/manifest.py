"""The manifest of a stored study, ``study.json``, and the tombstone of one that is being purged."""

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
    """Return a JSON object as bytes, with a checksum of it under the key ``crc``."""
    return json.dumps({**value, "crc": _crc(value)}, indent=1).encode()


def _crc(value: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(value, sort_keys=True).encode())


def read_json(store: Store, name: str, keys: Mapping[str, type]) -> dict[str, Any] | None:
    """Return a stored JSON object without its checksum; None if there is none of this name.

    Args:
        store: the study's.
        name: the object's name.
        keys: the keys that it must have, with the types of their values.

    Raises:
        StudyRefusedError: a key is missing, or the checksum is wrong. Objects of format 1 have no checksum.
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
    """Return a stored study's manifest (uuid, config, format); None if there is no study.

    Raises:
        StudyRefusedError: it is damaged, of a newer format, or missing although there are segments.
    """
    study = read_json(store, _STUDY, _STUDY_KEYS)
    if study is None:
        if store.names(SEGMENTS):
            raise StudyRefusedError(
                f"{store.where(_STUDY)} is missing although there are segments: restore it from a copy"
            )
        return None
    if study["format"] > FORMAT:
        raise StudyRefusedError(
            f"{store.where(_STUDY)} is of format {study['format']}, this arqon_ray reads up to {FORMAT}: "
            "install a newer arqon_ray"
        )
    return study


def write_study(store: Store, study_uuid: str, config: Mapping[str, Any]) -> None:
    """Begin a study in an empty store."""
    study = {"format": FORMAT, "uuid": study_uuid, "config": dict(config)}
    store.replace(_STUDY, encode_json(study))


def begin_purge(store: Store) -> None:
    """Delete a study for good: write a tombstone first, so that nobody opens half a study, then delete everything."""
    store.replace(_TOMBSTONE, encode_json({"purge": True}))
    finish_purge(store)


def finish_purge(store: Store) -> None:
    """Finish a purge that was begun."""
    store.delete(last=_TOMBSTONE)


def is_purging(store: Store) -> bool:
    """Tell whether a purge of the study was begun and not finished."""
    return store.read(_TOMBSTONE) is not None

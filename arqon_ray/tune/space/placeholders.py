"""Placeholders: ``tune.run`` replaces objects in a space by them, and trials get the objects back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from arqon_ray.tune.kept import kept_as

_PLACEHOLDERS = ("__ref_ph", "__fn_ph")  # ray/tune/impl/placeholder.py


@kept_as("behind")
class Behind:
    """The object that Tune replaced by a placeholder, in the process of the run; it is never pickled."""

    def __init__(self, *known: Any) -> None:
        self.known = known

    def __getstate__(self) -> dict[str, Any]:
        return {"known": ()}


def has_placeholder(value: Any) -> bool:
    """Tell whether a value is a placeholder of Tune, or contains one."""
    if isinstance(value, dict):
        return any(map(has_placeholder, value.values()))
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str) and value[0] in _PLACEHOLDERS:
        return True
    return isinstance(value, list | tuple) and any(map(has_placeholder, value))


def resolved(value: Any, objects: Mapping[str, Any]) -> Any:
    """Replace Tune's placeholders in a value by the objects, by hash; without any, return the value itself."""
    if isinstance(value, dict):
        inner = {key: resolved(item, objects) for key, item in value.items()}
        return inner if any(inner[key] is not value[key] for key in value) else value
    if not isinstance(value, list | tuple):
        return value
    if len(value) == 2 and isinstance(value[0], str) and value[0] == _PLACEHOLDERS[0]:
        return objects.get(value[1], value)
    items = [resolved(item, objects) for item in value]
    changed = any(new is not old for new, old in zip(items, value, strict=True))
    return (items if isinstance(value, list) else tuple(items)) if changed else value

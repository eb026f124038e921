"""What differs between two configs, in words: for the message that refuses to continue one study with another."""

from __future__ import annotations

from typing import Any

from arqon_ray.core.inputs.plain import same
from arqon_ray.core.inputs.values import shown


def differences(stored: Any, given: Any, where: str = "") -> list[str]:
    """Return one line for each leaf that differs between two JSON documents, with its dotted key."""
    if isinstance(stored, dict) and isinstance(given, dict):
        keys = [*given, *(key for key in stored if key not in given)]
        nested = [differences(stored.get(k), given.get(k), f"{where}.{k}" if where else k) for k in keys]
        order = f"{where}: the order of the parameters differs"
        moved = [order] if where == "bounds" and list(stored) != list(given) and not any(nested) else []
        return [line for lines in nested for line in lines] + moved
    return [] if same(stored, given) else [f"{where} was {shown(stored)} and is {shown(given)}"]

"""What failures of the same cause have in common. The worker of a shard says it of all its rows in one line."""

from __future__ import annotations

import re
from collections.abc import Iterable

_NUMBER = re.compile(r"0x[0-9a-fA-F]+|[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|\b(?:nan|inf|True|False)\b)")


def fingerprint(kind: str | None, error: str) -> str:
    """Return what failures of the same cause have in common: kind and message, numbers and addresses aside."""
    return f"{kind}: {_NUMBER.sub('#', error)}"


def common_fingerprint(failures: Iterable[tuple[str | None, str]]) -> str | None:
    """Return the fingerprint of failures that are all alike, as kinds and messages; None where two differ."""
    first = None
    for kind, error in failures:
        this = fingerprint(kind, error)
        if first is None:
            first = this
        elif this != first:
            return None
    return first

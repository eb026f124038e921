"""The fingerprint of a failure: the same for failures with the same cause."""

from __future__ import annotations

import re
from collections.abc import Iterable

_NUMBER = re.compile(r"0x[0-9a-fA-F]+|[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|\b(?:nan|inf|True|False)\b)")


def fingerprint(kind: str | None, error: str) -> str:
    """Return kind and message of a failure, with numbers and addresses masked."""
    return f"{kind}: {_NUMBER.sub('#', error)}"


def common_fingerprint(failures: Iterable[tuple[str | None, str]]) -> str | None:
    """Return the fingerprint that failures, given as kinds and messages, have in common; None if two differ."""
    first = None
    for kind, error in failures:
        this = fingerprint(kind, error)
        if first is None:
            first = this
        elif this != first:
            return None
    return first

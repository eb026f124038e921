"""What crosses the actor's boundary beside plain data: operation ids, and exceptions as builtin ones.

A driver that cannot import arqon_ray gets a ValueError, TimeoutError or RuntimeError whose message begins with the name
of the original class; the client turns it back into that class.
"""

from __future__ import annotations

import builtins
import uuid

from arqon_ray import errors
from arqon_ray.errors import ArqonError

GENERATED = "op:"
"""The prefix of generated operation ids: those of the client, and Ray's task ids. Only the client and Ray repeat these,
and not for long, so they are remembered within a window; a key that a user chose is remembered for ever."""

_PLAIN = (TimeoutError, ValueError, RuntimeError)


def operation_id() -> str:
    """Return a new operation id, for a call without a ``key``."""
    return GENERATED + uuid.uuid4().hex


def to_plain(error: Exception) -> Exception:
    """Return the builtin exception that stands for ``error``."""
    if isinstance(error, ArqonError):
        kind = next(c.__name__ for c in type(error).__mro__ if c.__module__ == errors.__name__)
        plain = next((c for c in _PLAIN if isinstance(error, c)), RuntimeError)
        return plain(f"{kind}: {error}")
    if type(error).__module__ == builtins.__name__:
        return error
    return RuntimeError(f"{type(error).__name__}: {error}")


def from_plain(error: BaseException) -> BaseException:
    """Return the exception that ``to_plain`` was given, or ``error`` itself if it came from elsewhere."""
    kind, colon, text = str(error).partition(": ")
    wanted = getattr(errors, kind, None) if colon and kind.isidentifier() else None
    if isinstance(wanted, type) and issubclass(wanted, ArqonError):
        return wanted(text)
    return error

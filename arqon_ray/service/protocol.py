"""What crosses the actor's boundary: operation ids, and exceptions as plain Python.

A driver that cannot import arqon_ray meets a ValueError, TimeoutError or RuntimeError whose message begins with
the class it stands for; the client makes that class of it again.
"""

from __future__ import annotations

import builtins
import uuid

from arqon_ray import errors
from arqon_ray.errors import ArqonError

GENERATED = "op:"
"""How an operation id begins that nobody chose: the client's own, and Ray's task id. Nobody repeats it but the
client and Ray, and not for long, so it is remembered within a window; a key that a user chose is kept for ever."""

_PLAIN = (TimeoutError, ValueError, RuntimeError)


def operation_id() -> str:
    """Return a new operation id, for a call that its user gave no key."""
    return GENERATED + uuid.uuid4().hex


def to_plain(error: Exception) -> Exception:
    """Return the builtin exception that says the same as ``error``."""
    if isinstance(error, ArqonError):
        kind = next(c.__name__ for c in type(error).__mro__ if c.__module__ == errors.__name__)
        plain = next((c for c in _PLAIN if isinstance(error, c)), RuntimeError)
        return plain(f"{kind}: {error}")
    if type(error).__module__ == builtins.__name__:
        return error
    return RuntimeError(f"{type(error).__name__}: {error}")


def from_plain(error: BaseException) -> BaseException:
    """Return the exception that ``to_plain`` was given, or ``error`` itself when it came from elsewhere."""
    kind, colon, text = str(error).partition(": ")
    wanted = getattr(errors, kind, None) if colon and kind.isidentifier() else None
    if isinstance(wanted, type) and issubclass(wanted, ArqonError):
        return wanted(text)
    return error

"""How our own objects stand in a searcher's file: under short names, so that their classes can be moved and renamed.

The file is a pickle, since a Tune space and a trial's config may contain any object of the user. Our own objects are
stored as a name and their attributes; :func:`kept_as` gives the name. Files of 0.1.0 name modules instead,
see :mod:`arqon_ray.tune.former`.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import IO, Any, TypeVar, cast

from ray import cloudpickle

from arqon_ray.tune.former import present_name

T = TypeVar("T")

_CLASSES: dict[str, type] = {}
_NAMES: dict[type, str] = {}


def kept_as(name: str) -> Callable[[type[T]], type[T]]:
    """Decorate a class whose instances are stored in a searcher's file.

    Args:
        name: the class's name in the file; it is part of the format and must never change.
    """

    def register(kind: type[T]) -> type[T]:
        _CLASSES[name], _NAMES[kind] = kind, name
        return kind

    return register


class _Pickler(cloudpickle.Pickler):
    def persistent_id(self, each: Any) -> tuple[str, tuple[Any, ...], Any] | None:
        name = _NAMES.get(type(each))
        if name is None:
            return None
        _, (_, *arguments), state, *_ = each.__reduce_ex__(2)
        return name, tuple(arguments), state


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, pid: tuple[str, tuple[Any, ...], Any]) -> Any:
        name, arguments, state = pid
        kind = _CLASSES[name]
        made = kind.__new__(kind, *arguments)
        if hasattr(made, "__setstate__"):
            made.__setstate__(state)
        elif state:
            vars(made).update(state)
        return made

    def find_class(self, module: str, name: str) -> Any:
        return super().find_class(*present_name(module, name))


def dumps(state: dict[str, Any]) -> bytes:
    """Return the bytes of a state."""
    stream = io.BytesIO()
    pickler = cast("Callable[[IO[bytes]], pickle.Pickler]", _Pickler)(stream)  # Ray's has no types
    pickler.dump(state)
    return stream.getvalue()


def loads(data: bytes) -> Any:
    """Return what :func:`dumps` wrote."""
    return _Unpickler(io.BytesIO(data)).load()


def load(file: IO[bytes]) -> Any:
    """Return the state in a file of this release or an earlier one."""
    return _Unpickler(file).load()

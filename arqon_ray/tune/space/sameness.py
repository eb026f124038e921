"""Whether two values are the same, independently of ``==``: how the options of a choice are told apart.

An array answers ``==`` with an array, an unpickled lambda is another object, and NaN does not equal itself. So values
are compared by fingerprints: of type and content for numbers, strings, containers and arrays; of the code for
functions; for any other object of the state that pickle would store, not of the pickle's bytes, which differ between
processes. An object without such a state equals only itself.
"""

from __future__ import annotations

import copyreg
import math
import os
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import partial
from hashlib import blake2b
from typing import Any

import numpy as np

from arqon_ray.core.inputs.values import is_missing

SAME, ALIKE, READ, HIDDEN, OTHER = range(5)
"""How far two values are apart: one object; of one type and content; what Tune's files, tables and people make of it
(a list of a tuple, flat keys of a dict, 1 of 1.0); not to be told; another value."""

_SCALARS = (str, int, float, bool, type(None))
_NUMBERS = (int, float, Decimal, Fraction)


def distance(one: Any, other: Any) -> int:
    """Return how far two values are apart, from :data:`SAME` to :data:`OTHER`; it never raises."""
    if one is other:
        return SAME
    if type(one) in _SCALARS and type(other) in _SCALARS:
        return _between_scalars(one, other)
    if fingerprint(one) == fingerprint(other):
        return ALIKE
    return READ if fingerprint(one, loose=True) == fingerprint(other, loose=True) else OTHER


def find(options: Sequence[Any], value: Any) -> int | None:
    """Return the index of the option that is nearest to a value; None if it is none of them."""
    nearest = min(range(len(options)), key=lambda i: distance(options[i], value), default=0)
    return nearest if options and distance(options[nearest], value) < OTHER else None


def _between_scalars(one: Any, other: Any) -> int:
    if type(one) is type(other):
        return ALIKE if one == other or (one != one and other != other) else OTHER
    numbers = all(type(each) in (int, float) for each in (one, other))
    return READ if numbers and one == other else OTHER


def fingerprint(value: Any, loose: bool = False) -> bytes:
    """Return a digest of what a value is.

    Args:
        value: anything.
        loose: leave out what Tune's files and tables do not keep: the types of numbers and of containers, dicts in
            dicts (their keys become flat), where a function or a class comes from.
    """
    try:
        return _Printer(loose).of(value)
    except RecursionError:
        return _itself(value)


def flattened(value: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    """Return a dict with flat keys such as ``a/b``, as Tune keeps a trial's; an empty dict inside leaves nothing."""
    flat: dict[str, Any] = {}
    for key, item in value.items():
        name = f"{prefix}{key}"
        if isinstance(item, dict) and name not in flat:
            flat |= flattened(item, f"{name}/")
        else:
            flat[name] = item
    return flat


class _Printer:
    """Computes the fingerprint of one value."""

    def __init__(self, loose: bool) -> None:
        self._loose = loose
        self._done: dict[int, tuple[bytes, Any]] = {}  # with the object, so that its id is not reused
        self._above: dict[int, int] = {}

    def of(self, value: Any) -> bytes:
        plain = self._scalar(value)
        if plain is not None:
            return plain
        name = id(value)
        if name in self._done:
            return self._done[name][0]
        if name in self._above:
            return _digest("above", str(self._above[name]))
        self._above[name] = len(self._above)
        try:
            digest = self._whole(value)
        except RecursionError:
            raise
        except Exception:  # a lock, a generator, a class of somebody's own that cannot be pickled
            digest = _itself(value)
        del self._above[name]
        self._done[name] = digest, value
        return digest

    def _scalar(self, value: Any) -> bytes | None:
        if self._loose:
            if isinstance(value, np.generic) and value.dtype.kind in "biufcSU":
                value = value.item()
            if isinstance(value, _NUMBERS) and not isinstance(value, bool):
                return _digest("number", _number(value))
            if isinstance(value, str):
                value = str.__str__(value)
        if type(value) is float:
            return _digest("float", "nan" if math.isnan(value) else value.hex())
        if type(value) is int:
            return _digest("int", hex(value))
        if type(value) in (str, bool, complex, bytes, type(None)):
            return _digest(type(value).__name__, value if isinstance(value, bytes) else str(value))
        return None

    def _whole(self, value: Any) -> bytes:
        kind = type(value)
        if self._loose and isinstance(value, dict):
            return _digest("dict", *sorted(self._pair(key, item) for key, item in flattened(value).items()))
        if self._loose and isinstance(value, list | tuple):
            return self._all("row", value)
        if kind in (list, tuple):
            return self._all(kind.__name__, value)
        if kind is dict:
            return _digest("dict", *sorted(self._pair(key, item) for key, item in value.items()))
        if kind in (set, frozenset):
            return _digest(kind.__name__, *sorted(map(self.of, value)))
        if isinstance(value, np.generic):
            return _digest("scalar", repr(value.dtype), value.tobytes())
        for known, take_apart in _KINDS:
            if isinstance(value, known):
                return take_apart(self, value)
        array = _tensor(value)
        if array is not None:
            return _digest("tensor", self.of(kind), str(value.dtype), self.of(array))
        return self._object(value)

    def _pair(self, key: Any, item: Any) -> bytes:
        return _digest("pair", self.of(key), self.of(item))

    def _all(self, tag: str, items: Iterable[Any]) -> bytes:
        return _digest(tag, *map(self.of, items))

    def _array(self, value: Any) -> bytes:
        if type(value) is not np.ndarray:
            return self._object(value)
        content = self._all("objects", value.ravel().tolist()) if value.dtype.hasobject else value.tobytes()
        return _digest("array", repr(value.dtype), repr(value.shape), content)

    def _enum(self, value: Enum) -> bytes:
        return _digest("enum", self._where(type(value)), value.name)

    def _function(self, value: types.FunctionType) -> bytes:
        cells = [_content(cell) for cell in value.__closure__ or ()]
        parts = (value.__code__, value.__defaults__, value.__kwdefaults__, cells)
        return self._all("function", (self._where(value), *parts))

    def _code(self, code: types.CodeType) -> bytes:
        """Return the fingerprint of the code, without its position in a file."""
        counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
        names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        return self._all("code", (code.co_code, code.co_consts, names, counts))

    def _class(self, value: type) -> bytes:
        if self._loose or (value.__module__ != "__main__" and "<locals>" not in value.__qualname__):
            return _digest("class", self._where(value))
        # A class of a script is a new object after unpickling, so its contents count.
        holds = {name: item for name, item in vars(value).items() if _is_own(name, item)}
        return self._all("class", (self._where(value), value.__bases__, holds))

    def _where(self, value: Any) -> str:
        return value.__qualname__ if self._loose else f"{value.__module__}.{value.__qualname__}"

    def _object(self, value: Any) -> bytes:
        """Return the fingerprint of the state that pickle would store."""
        special = copyreg.dispatch_table.get(type(value))
        kept: Any = value.__reduce_ex__(4) if special is None else special(value)
        if isinstance(kept, str):
            return _digest("global", self.of(type(value)), kept)
        make, args, *rest = kept
        parts = [list(each) if hasattr(each, "__next__") else each for each in rest]
        return self._all("object", (type(value), make, args, parts))


_KINDS: tuple[tuple[Any, Callable[[_Printer, Any], bytes]], ...] = (
    (np.ndarray, _Printer._array),
    (Enum, _Printer._enum),
    (types.FunctionType, _Printer._function),
    (types.CodeType, _Printer._code),
    (type, _Printer._class),
    (types.ModuleType, lambda _, value: _digest("module", value.__name__)),
    (types.BuiltinFunctionType, lambda p, value: p._all("builtin", (value.__qualname__, value.__self__))),
    (types.MethodType, lambda p, value: p._all("method", (value.__func__, value.__self__))),
    (partial, lambda p, value: p._all("partial", (value.func, value.args, value.keywords, vars(value)))),
    (property, lambda p, value: p._all("property", (value.fget, value.fset, value.fdel))),
    ((staticmethod, classmethod), lambda p, value: p._all(type(value).__name__, (value.__func__,))),
)


def _number(value: Any) -> str:
    if isinstance(value, Decimal) and value.is_snan():
        return "nan"  # it raises whatever it is compared with
    if value != value or value in (math.inf, -math.inf):
        return str(float(value))
    return hex(int(value)) if value == int(value) else float(value).hex()


def _tensor(value: Any) -> Any:
    """Return a tensor as an array; None if it is not a tensor."""
    if not (hasattr(value, "__dlpack__") and hasattr(value, "dtype") and hasattr(value, "__array__")):
        return None
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # nothing was put in yet
        return None


def _is_own(name: str, item: Any) -> bool:
    """Tell whether a class attribute is the user's, not added by Python or pickle."""
    dunder = name.startswith("__") and name.endswith("__")
    descriptors = types.MemberDescriptorType | types.GetSetDescriptorType
    if dunder:
        return isinstance(item, types.FunctionType)
    return name != "_abc_impl" and not isinstance(item, descriptors)


def _itself(value: Any) -> bytes:
    return _digest("itself", str(os.getpid()), str(id(value)))


def _digest(tag: str, *parts: str | bytes) -> bytes:
    digest = blake2b(digest_size=16)
    for part in (tag, *parts):
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.digest()


def without_empty_cells(part: Mapping[Any, Any], known: Iterable[Any]) -> dict[Any, Any]:
    """Return a part of a point without empty cells of a table, except under known keys."""
    here = set(known)
    return {key: value for key, value in part.items() if key in here or not is_missing(value)}

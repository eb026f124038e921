"""What people put into a config, as plain Python: the one form that JSON, YAML, msgpack and the schema share."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, EnumType
from typing import Any

from arqon_ray.core.inputs.values import element, is_unicode, shown
from arqon_ray.errors import ConfigError

Scalar = str | int | float | bool | None
"""What a choice may be: the JSON scalars."""

MAX_TEXT = 2**20
"""The longest text of a config, in characters: a log repeats a choice in every record that has it."""

MAX_RANGE = 2**20
"""The most numbers of a ``range`` that is given as a list."""

MAX_DEPTH = 100
"""How deep dicts and lists of a config may be nested."""


def plain(value: Any, where: str = "config", depth: int = 0, members: bool = False) -> Any:
    """Return a value with everything that has a plain form in it.

    Arrays, series, tuples and ranges become lists, numpy's scalars and arrays of one element Python's scalars, and
    members of an enumeration their values. What has no plain form stays as it is, for the schema to refuse.

    Args:
        value: a config, or a part of one.
        where: its dotted key, for messages.
        depth: how many dicts and lists are around it.
        members: whether it is the list of ``choices`` or one of them: an array of one element is a list there, and
            members of an enumeration are kept, see :func:`value_of`.

    Raises:
        ConfigError: for what no log could hold: half of a surrogate pair, a text that is longer than ``MAX_TEXT``, a
            key that is no text, a range of more than ``MAX_RANGE``, dicts and lists nested deeper than ``MAX_DEPTH``.
    """
    if depth > MAX_DEPTH:
        raise ConfigError(f"{where[:200]} is nested deeper than {MAX_DEPTH} dicts and lists: make it flatter")
    if isinstance(value, Enum):
        return value if members else plain(value_of(value), where, depth)
    if isinstance(value, EnumType):
        value = list(value)
    if isinstance(value, Mapping):
        return {
            _key(key, where): plain(item, f"{where}.{key}" if depth else str(key), depth + 1, key == "choices")
            for key, item in value.items()
        }
    if not members and (one := element(value)) is not value:
        return plain(one, where, depth + 1)
    if callable(getattr(value, "tolist", None)):
        value = value.tolist()
    if isinstance(value, str):
        return _text(value, where)
    if isinstance(value, range) and value[MAX_RANGE:]:
        raise ConfigError(f"{where} is {value!r}: it would be written out; give min, max, step and type int instead")
    if isinstance(value, list | tuple | range):
        return [plain(item, f"{where}[{i}]", depth + 1, members) for i, item in enumerate(value)]
    return value


def value_of(choice: Any) -> Any:
    """Return the plain value of a choice: that of a member of an enumeration, or the choice itself."""
    return choice.value if isinstance(choice, Enum) else choice


def kind_and_value(scalar: Any) -> tuple[str, Any]:
    """Return what two scalars have in common that mean the same: 1 and 1.0 do, 1 and True do not."""
    if isinstance(scalar, bool):
        return "bool", scalar
    return ("number" if isinstance(scalar, int | float) else "other"), scalar


def same(one: Any, other: Any) -> bool:
    """Tell whether two plain values mean the same; their numbers may be of either type, their dicts in any order."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return kind_and_value(one) == kind_and_value(other)


def column_text(choices: Sequence[Any], text: Callable[[Any], str | None]) -> Callable[[Any], str | None]:
    """Return how a column of text holds choices: by ``text``, or as JSON where that would make two of them the same."""
    plain_ones = [value_of(choice) for choice in choices]
    return text if len({text(choice) for choice in plain_ones}) == len(plain_ones) else json.dumps


def _key(key: Any, where: str) -> str:
    if not isinstance(key, str):
        raise ConfigError(f"{where} has the key {shown(key)}: a key is text")
    return _text(key, where)


def _text(text: str, where: str) -> str:
    if not is_unicode(text):
        raise ConfigError(f"{where} has {shown(text)}: text must be what UTF-8 can hold; this has half of a surrogate")
    if len(text) > MAX_TEXT:
        raise ConfigError(f"{where} has {shown(text)}: a text has at most 2**20 characters")
    return str(text)

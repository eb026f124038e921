"""Converting configs to plain Python, the form that JSON, YAML, msgpack and the schema have in common."""

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
"""The longest string in a config, in characters; the log repeats a choice in every record that has it."""

MAX_RANGE = 2**20
"""The longest ``range`` that is converted to a list."""

MAX_DEPTH = 100
"""How deep dicts and lists of a config may be nested."""


def plain(value: Any, where: str = "config", depth: int = 0, members: bool = False) -> Any:
    """Convert everything in a value that has a plain form.

    Arrays, series, tuples and ranges become lists, numpy's scalars and arrays of one element Python's scalars, and
    members of an enumeration their values. What has no plain form stays as it is; the schema refuses it.

    Args:
        value: a config, or a part of one.
        where: its dotted key, for error messages.
        depth: how many dicts and lists contain it.
        members: whether it is the list of ``choices`` or one of them: then an array of one element becomes a list, and
            members of an enumeration are kept; see :func:`value_of`.

    Raises:
        ConfigError: a string has an unpaired surrogate or more than ``MAX_TEXT`` characters, a key is not a string, a
            range is longer than ``MAX_RANGE``, or the nesting deeper than ``MAX_DEPTH``.
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
        raise ConfigError(
            f"{where} is {value!r}: it has more than 2**20 values; give min, max, step and type int instead"
        )
    if isinstance(value, list | tuple | range):
        return [plain(item, f"{where}[{i}]", depth + 1, members) for i, item in enumerate(value)]
    return value


def value_of(choice: Any) -> Any:
    """Return the value of a member of an enumeration, and any other choice as it is."""
    return choice.value if isinstance(choice, Enum) else choice


def kind_and_value(scalar: Any) -> tuple[str, Any]:
    """Return a key that is equal for scalars that mean the same: 1 and 1.0 do, 1 and True do not."""
    if isinstance(scalar, bool):
        return "bool", scalar
    return ("number" if isinstance(scalar, int | float) else "other"), scalar


def same(one: Any, other: Any) -> bool:
    """Tell whether two plain values mean the same, where 1 equals 1.0 but not True, and dicts have no order."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return kind_and_value(one) == kind_and_value(other)


def column_text(choices: Sequence[Any], text: Callable[[Any], str | None]) -> Callable[[Any], str | None]:
    """Return how to write choices as strings: with ``text``, or as JSON if ``text`` makes two of them equal."""
    plain_ones = [value_of(choice) for choice in choices]
    return text if len({text(choice) for choice in plain_ones}) == len(plain_ones) else json.dumps


def _key(key: Any, where: str) -> str:
    if not isinstance(key, str):
        raise ConfigError(f"{where} has the key {shown(key)}: a key must be a string")
    return _text(key, where)


def _text(text: str, where: str) -> str:
    if not is_unicode(text):
        raise ConfigError(f"{where} has {shown(text)}: it has an unpaired surrogate, which UTF-8 cannot encode")
    if len(text) > MAX_TEXT:
        raise ConfigError(f"{where} has {shown(text)}: a string may have at most 2**20 characters")
    return str(text)

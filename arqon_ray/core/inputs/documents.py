"""Reading YAML 1.2, with exactly the core schema, and JSON.

Scalars are resolved by section 10.3.2 of https://yaml.org/spec/1.2.2/: ``on``, ``yes``, dates, ``1:30`` and ``<<`` are
strings, ``010`` is ten, ``1e-4`` is a number. PyYAML only parses the text: its own scalars are those of YAML 1.1.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from arqon_ray.core.inputs.plain import MAX_DEPTH
from arqon_ray.core.inputs.values import shown
from arqon_ray.errors import ConfigError

MOST_REPEATED = 100_000
"""The most values that the aliases of a YAML document may repeat."""

_PREFIX = "tag:yaml.org,2002:"
_Reader = Callable[[str], Any]
_CORE: dict[str, tuple[tuple[re.Pattern[str], _Reader], ...]] = {
    "null": ((re.compile(r"null|Null|NULL|~|"), lambda text: None),),
    "bool": ((re.compile(r"true|True|TRUE|false|False|FALSE"), lambda text: text.lower() == "true"),),
    "int": (
        (re.compile(r"[-+]?[0-9]+"), int),
        (re.compile(r"0o[0-7]+"), lambda text: int(text[2:], 8)),
        (re.compile(r"0x[0-9a-fA-F]+"), lambda text: int(text[2:], 16)),
    ),
    "float": (
        (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
        (re.compile(r"[-+]?\.(inf|Inf|INF)"), lambda text: float(text.replace(".", ""))),
        (re.compile(r"\.(nan|NaN|NAN)"), lambda text: float("nan")),
    ),
    "str": ((re.compile(r".*", re.DOTALL), str),),
}


def read_yaml(text: str, where: str) -> Any:
    """Return the one document in a YAML text as None, bool, int, float, str, and lists and dicts of these.

    Args:
        text: YAML 1.2.
        where: the name of the text in messages, such as a file name.

    Raises:
        ConfigError: it is not valid YAML, a key occurs twice in a mapping, it has tags outside of the core schema, or
            is nested too deeply; the message names the line.
    """
    import yaml

    try:
        return _Document(yaml.parse(text, Loader=yaml.SafeLoader)).read()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = "" if mark is None else f" (line {mark.line + 1})"
        raise ConfigError(f"{where} is not valid YAML{line}: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{where} is not valid YAML: {' '.join(str(error).split())}") from None
    except _Malformed as error:
        raise ConfigError(f"{where} is refused: {error}") from None


def read_json(text: str, where: str) -> Any:
    """Return the content of a JSON text, without NaN, infinities and duplicate keys.

    Raises:
        ConfigError: it is not valid JSON, has one of these, or is nested too deeply.
    """

    def refuse(constant: str) -> Any:
        raise ConfigError(f"{where} holds {constant}: numbers must be finite")

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in found if keys.count(key) > 1)
            raise ConfigError(f"{where} has the key {shown(twice)} twice in one object: remove one of them")
        return found

    try:
        found = json.loads(text, parse_constant=refuse, object_pairs_hook=collect)
    except ConfigError:
        raise
    except RecursionError:
        raise ConfigError(_too_deep(where)) from None
    except ValueError as error:
        raise ConfigError(f"{where} is not valid JSON: {error}. Got {shown(text)}") from None
    _check_depth(found, where)
    return found


def _check_depth(value: Any, where: str) -> None:
    waiting = [(value, 0)]
    while waiting:
        each, depth = waiting.pop()
        if isinstance(each, dict | list):
            if depth == MAX_DEPTH:
                raise ConfigError(_too_deep(where))
            waiting.extend((item, depth + 1) for item in (each.values() if isinstance(each, dict) else each))


def _too_deep(where: str) -> str:
    return f"{where} is nested deeper than {MAX_DEPTH} dicts and lists: make it flatter"


class _Malformed(Exception):
    """Something that YAML allows and a config does not."""

    def __init__(self, event: Any, problem: str) -> None:
        super().__init__(f"line {event.start_mark.line + 1}: {problem}")


class _Document:
    """Builds plain data from PyYAML's events."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._anchors: dict[
            str, tuple[Any, int] | None
        ] = {}  # with their sizes; None while the anchored value is being read
        self._count = self._repeated = 0

    def read(self) -> Any:
        """Return the only document; None if the text is empty."""
        import yaml

        value = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _Malformed(event, "a second document begins: only one is allowed")
                value = self._value(next(self._events), 0)
        return value

    def _value(self, event: Any, depth: int) -> Any:
        import yaml

        if isinstance(event, yaml.AliasEvent):
            return self._copy(event)
        before = self._count
        self._count += 1
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event)
        elif depth == MAX_DEPTH:
            raise _Malformed(event, f"nested deeper than {MAX_DEPTH} dicts and lists: make it flatter")
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._list(event, depth)
        else:
            value = self._dict(event, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = value, self._count - before
        return value

    def _copy(self, event: Any) -> Any:
        """Return a copy of what an alias stands for."""
        if event.anchor not in self._anchors:
            raise _Malformed(event, f"*{event.anchor} has no anchor above it")
        if (found := self._anchors[event.anchor]) is None:
            raise _Malformed(event, f"*{event.anchor} refers to a value that contains it")
        value, size = found
        self._count += size
        self._repeated += size
        if self._repeated > MOST_REPEATED:
            raise _Malformed(event, f"aliases repeat more than {MOST_REPEATED} values")
        return copy.deepcopy(value)

    def _list(self, start: Any, depth: int) -> list[Any]:
        import yaml

        _check_tag(start, "seq")
        found = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            found.append(self._value(event, depth + 1))
        return found

    def _dict(self, start: Any, depth: int) -> dict[Any, Any]:
        import yaml

        _check_tag(start, "map")
        found: dict[Any, Any] = {}
        lines: dict[Any, int] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._value(event, depth + 1)
            if isinstance(key, list | dict):
                raise _Malformed(event, f"a key is {shown(key)}: it must be a string or another scalar")
            if key in found:
                raise _Malformed(event, f"the key {shown(key)} occurs twice, first in line {lines[key] + 1}")
            lines[key] = event.start_mark.line
            found[key] = self._value(next(self._events), depth + 1)
        return found


def _check_tag(event: Any, kind: str) -> None:
    if event.tag not in (None, "!", _PREFIX + kind):
        raise _Malformed(event, f"the tag {shown(event.tag)} is not of YAML's core schema")


def _scalar(event: Any) -> Any:
    """Resolve a scalar by its tag or, if it is plain, by its spelling."""
    if event.tag is None and event.implicit[0]:
        kinds = list(_CORE)
    elif event.tag in (None, "!"):
        kinds = ["str"]
    else:
        kinds = [event.tag.removeprefix(_PREFIX)]
        if kinds[0] not in _CORE:
            _check_tag(event, "str")
    for kind in kinds:
        for pattern, read in _CORE[kind]:
            if pattern.fullmatch(event.value):
                try:
                    return read(event.value)
                except ValueError:  # Python converts at most 4300 digits
                    raise _Malformed(event, f"a number has {len(event.value)} digits") from None
    raise _Malformed(event, f"{shown(event.value)} is not of type {kinds[0]}")

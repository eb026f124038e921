"""The nodes of a Tune space, which is a tree to Tune and a flat list of parameters to the study.

A node adds its parameters to the bounds (``declare``), builds its part of a trial's config from values (``build``), and
reads the values from such a part (``read``). ``values`` are Tune's, by the parameter's name; a choice has the study's
value, since its option may be a whole subtree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from arqon_ray.core.inputs.spelling import did_you_mean
from arqon_ray.core.inputs.values import is_missing, shown
from arqon_ray.errors import ConfigError
from arqon_ray.tune.kept import kept_as
from arqon_ray.tune.space.domains import Encoding, holds, read_number
from arqon_ray.tune.space.placeholders import Behind, has_placeholder
from arqon_ray.tune.space.sameness import ALIKE, HIDDEN, OTHER, SAME, distance, find, flattened, without_empty_cells

Values = dict[str, Any]
_ABSENT = object()


class Node(Protocol):
    """One node of a space."""

    @property
    def searched(self) -> bool:
        """Whether this part contains any parameter."""
        ...

    def declare(self, bounds: dict[str, Any], when: Mapping[str, Any]) -> None:
        """Add the parameters of this part, which exist under the condition ``when``."""
        ...

    def build(self, values: Mapping[str, Any], constants: bool) -> Any:
        """Return this part of a config; without ``constants`` dicts contain only the searched parts."""
        ...

    def read(self, part: Any, values: Values, strict: bool) -> None:
        """Find the values in a part of a config, which may be incomplete.

        Raises:
            ConfigError: if the part has another shape; with ``strict`` also if it has an unknown key or a constant
                with another value.
        """
        ...

    def distance_to(self, part: Any) -> int:
        """Return how far a part of a config is from what this node builds, from ``SAME`` to ``OTHER``."""
        ...


@kept_as("constant")
@dataclass(frozen=True)
class Constant:
    """A value that is not a parameter: a constant, Tune's placeholder of one, or a ``sample_from``."""

    key: str
    value: Any
    searched: bool = False
    behind: Behind | None = None

    def declare(self, bounds: dict[str, Any], when: Mapping[str, Any]) -> None:
        """Add nothing."""

    def build(self, values: Mapping[str, Any], constants: bool) -> Any:
        """Return the value."""
        return self.value

    def read(self, part: Any, values: Values, strict: bool) -> None:
        """Find nothing; see :meth:`Node.read`."""
        if strict and self.distance_to(part) == OTHER:
            raise ConfigError(
                f"{self.key} is {shown(part)}: the space has the constant {shown(self.value)} there; leave it out"
            )

    def distance_to(self, part: Any) -> int:
        """Return how far it is from this value; the object behind a placeholder is not always known."""
        if isinstance(part, Mapping) and isinstance(self.value, dict):
            part = without_empty_cells(part, (*self.value, *flattened(self.value)))
        known = () if self.behind is None else self.behind.known
        nearest = min(distance(value, part) for value in (self.value, *known))
        return HIDDEN if nearest == OTHER and not known and has_placeholder(self.value) else nearest


@kept_as("number")
@dataclass(frozen=True)
class Number:
    """A domain of numbers."""

    key: str
    name: str
    encoding: Encoding
    searched: bool = True

    def declare(self, bounds: dict[str, Any], when: Mapping[str, Any]) -> None:
        """Add the one parameter."""
        bounds[self.name] = {**self.encoding.bounds, **({"when": dict(when)} if when else {})}

    def build(self, values: Mapping[str, Any], constants: bool) -> Any:
        """Return the value."""
        return values[self.name]

    def read(self, part: Any, values: Values, strict: bool) -> None:
        """Find the value; see :meth:`Node.read`."""
        value = read_number(part)
        if value is None:
            raise ConfigError(f"{self.key} is {shown(part)}: it must be a number")
        values[self.name] = value

    def distance_to(self, part: Any) -> int:
        """Return ``ALIKE`` if it is one of the domain's numbers, else ``OTHER``."""
        value = read_number(part)
        return ALIKE if value is not None and holds(self.encoding, value) else OTHER


@kept_as("choice")
@dataclass(frozen=True)
class Choice:
    """One of several nodes, each with a value in the study: the option itself, or its index."""

    key: str
    name: str
    keys: tuple[Any, ...]
    options: tuple[Node, ...]
    searched: bool = True

    def declare(self, bounds: dict[str, Any], when: Mapping[str, Any]) -> None:
        """Add the choice, then the parameters inside its options, which exist only if theirs is chosen."""
        bounds[self.name] = {"choices": list(self.keys), **({"when": dict(when)} if when else {})}
        for key, option in zip(self.keys, self.options, strict=True):
            option.declare(bounds, {self.name: key})

    def build(self, values: Mapping[str, Any], constants: bool) -> Any:
        """Return the chosen option, including its constants."""
        index = find(self.keys, values[self.name])
        if index is None:
            raise ConfigError(f"{self.name} is {shown(values[self.name])}: it must be one of {shown(self.keys)}")
        return self.options[index].build(values, True)

    def read(self, part: Any, values: Values, strict: bool) -> None:
        """Find which option it is, and the values inside; see :meth:`Node.read`."""
        apart = [option.distance_to(part) for option in self.options]
        nearest = min(apart)
        if nearest == OTHER:
            options = ", ".join(map(_said, self.options))
            raise ConfigError(f"{self.key} is {shown(part)}: it must be one of {options}")
        index = apart.index(nearest)
        values[self.name] = self.keys[index]
        self.options[index].read(part, values, strict)

    def distance_to(self, part: Any) -> int:
        """Return how far it is from the nearest option."""
        return min(option.distance_to(part) for option in self.options)

    @property
    def has_nothing(self) -> bool:
        """Whether an option is an empty dict, which leaves no trace in Tune's flat config of a trial."""
        return any(
            isinstance(option, Constant) and type(option.value) is dict and not option.value for option in self.options
        )


@kept_as("table")
@dataclass(frozen=True)
class Table:
    """A dict of nodes."""

    key: str
    parts: dict[Any, Node]

    @property
    def searched(self) -> bool:
        """Whether any part is searched."""
        return any(node.searched for node in self.parts.values())

    def declare(self, bounds: dict[str, Any], when: Mapping[str, Any]) -> None:
        """Add the parameters of all parts, in order."""
        for node in self.parts.values():
            node.declare(bounds, when)

    def build(self, values: Mapping[str, Any], constants: bool) -> Any:
        """Return the dict."""
        return {key: node.build(values, constants) for key, node in self.parts.items() if constants or node.searched}

    def read(self, part: Any, values: Values, strict: bool) -> None:
        """Find the values of all parts, nested or with flat keys such as ``a/b``; see :meth:`Node.read`."""
        if not isinstance(part, Mapping):
            keys = ", ".join(map(str, self.parts))
            raise ConfigError(f"{self.key or 'the point'} is {shown(part)}: it must be a dict with the keys {keys}")
        unknown = self._unknown(part)
        if strict and unknown:
            where = f"{self.key}/{unknown[0]}" if self.key else unknown[0]
            near = did_you_mean(unknown[0], self.parts)
            raise ConfigError(f"{where} is not in the space{near}: its keys here are {', '.join(map(str, self.parts))}")
        for key, node in self.parts.items():
            if (inner := _part(part, key)) is not _ABSENT:
                node.read(inner, values, strict)
            elif not strict and isinstance(node, Choice) and node.has_nothing:
                node.read({}, values, strict)

    def distance_to(self, part: Any) -> int:
        """Return the distance of the farthest part; ``OTHER`` if a key is unknown or a constant is missing."""
        if not isinstance(part, Mapping) or self._unknown(part):
            return OTHER
        given = ((node, _part(part, key)) for key, node in self.parts.items())
        return max((_given_distance(node, inner) for node, inner in given), default=ALIKE)

    def _unknown(self, part: Mapping[Any, Any]) -> list[Any]:
        """Return the unknown keys; empty cells of a table are ignored."""
        return [key for key in part if key not in self.parts and not self._flat(key) and not is_missing(part[key])]

    def _flat(self, key: Any) -> bool:
        return isinstance(key, str) and any(key.startswith(f"{name}/") for name in self.parts)


@kept_as("row")
@dataclass(frozen=True)
class Row:
    """A list or a tuple of nodes; Tune replaces it as a whole, so it always includes its constants."""

    key: str
    parts: tuple[Node, ...]
    kind: type[list[Any]] | type[tuple[Any, ...]]

    @property
    def searched(self) -> bool:
        """Whether any part is searched."""
        return any(node.searched for node in self.parts)

    def declare(self, bounds: dict[str, Any], when: Mapping[str, Any]) -> None:
        """Add the parameters of all parts, in order."""
        for node in self.parts:
            node.declare(bounds, when)

    def build(self, values: Mapping[str, Any], constants: bool) -> Any:
        """Return the list or tuple."""
        return self.kind(node.build(values, True) for node in self.parts)

    def read(self, part: Any, values: Values, strict: bool) -> None:
        """Find the values of all parts; see :meth:`Node.read`."""
        items = self._items(part)
        if items is None:
            raise ConfigError(f"{self.key} is {shown(part)}: it must be a list of {len(self.parts)}")
        for node, inner in zip(self.parts, items, strict=True):
            if inner is not _ABSENT:
                node.read(inner, values, strict)

    def distance_to(self, part: Any) -> int:
        """Return the distance of the farthest part."""
        items = self._items(part)
        if items is None:
            return OTHER
        return max((_given_distance(n, i) for n, i in zip(self.parts, items, strict=True)), default=ALIKE)

    def _items(self, part: Any) -> list[Any] | None:
        """Return the parts in order; flat keys such as ``layers/0`` arrive as a dict."""
        if isinstance(part, Mapping):
            return [_part(part, str(i)) for i in range(len(self.parts))]
        return list(part) if isinstance(part, list | tuple) and len(part) == len(self.parts) else None


def _given_distance(node: Node, inner: Any) -> int:
    """Return the distance of a part; a missing one fits if it is searched."""
    if inner is _ABSENT:
        return SAME if node.searched else OTHER
    return node.distance_to(inner)


def _said(option: Node) -> str:
    if isinstance(option, Constant):
        return shown(option.value)
    return f"a value of {shown(option.encoding.bounds)}" if isinstance(option, Number) else "..."


def _part(part: Mapping[Any, Any], key: Any) -> Any:
    """Return a config's part under a key, nested or flat; ``_ABSENT`` if there is none."""
    if key in part:
        return part[key]
    flat = {k[len(str(key)) + 1 :]: v for k, v in part.items() if isinstance(k, str) and k.startswith(f"{key}/")}
    return flat or _ABSENT

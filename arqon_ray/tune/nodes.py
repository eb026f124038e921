"""The parts of a Tune space: what Tune sees as one tree, the study as flat parameters.

A node writes its parameters into the bounds (``declare``), builds its part of a trial's config from values
(``build``), and reads the values back out of such a part (``read``). ``values`` are Tune's, by the
parameter's name; a choice's is the study's own, since it stands for a whole subtree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from arqon_ray.core.spelling import did_you_mean
from arqon_ray.errors import ConfigError
from arqon_ray.tune.domains import Encoding

Values = dict[str, Any]
_ABSENT = object()
_PLACEHOLDERS = ("__ref_ph", "__fn_ph")  # ray/tune/impl/placeholder.py: what tune.run puts for an object


class Node(Protocol):
    """One part of a space."""

    @property
    def searched(self) -> bool:
        """Whether any parameter lies in this part."""
        ...

    def declare(self, bounds: dict[str, Any], when: Mapping[str, Any]) -> None:
        """Add the parameters of this part, which exist under the condition ``when``."""
        ...

    def build(self, values: Mapping[str, Any], constants: bool) -> Any:
        """Return this part of a config; without ``constants`` dicts hold what is searched alone."""
        ...

    def read(self, part: Any, values: Values, strict: bool) -> None:
        """Find the values in a part of a config, as far as it gives them.

        Raises:
            ConfigError: when the part has another shape; with ``strict`` also for an unknown key or a constant
                with another value.
        """
        ...

    def fits(self, part: Any) -> bool:
        """Tell whether a part of a config can have come from this node."""
        ...


@dataclass(frozen=True)
class Constant:
    """A value that is no parameter: a constant, Tune's placeholder of one, or a ``sample_from``."""

    key: str
    value: Any
    searched: bool = False

    def declare(self, bounds: dict[str, Any], when: Mapping[str, Any]) -> None:
        """Add nothing."""

    def build(self, values: Mapping[str, Any], constants: bool) -> Any:
        """Return the value."""
        return self.value

    def read(self, part: Any, values: Values, strict: bool) -> None:
        """Find nothing; see :meth:`Node.read`."""
        if strict and not self.fits(part):
            raise ConfigError(
                f"{self.key} is {part!r}: the space has no parameter there but {self.value!r}; leave it out"
            )

    def fits(self, part: Any) -> bool:
        """Tell whether it is this value; what hides behind a placeholder cannot be told."""
        return _is_placeholder(self.value) or equal(self.value, part)


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
        if not self.fits(part):
            raise ConfigError(f"{self.key} is {part!r}: it must be a number")
        values[self.name] = part.item() if hasattr(part, "item") else part

    def fits(self, part: Any) -> bool:
        """Tell whether it is a number; the study checks the bounds."""
        part = part.item() if hasattr(part, "item") and getattr(part, "size", 1) == 1 else part
        return isinstance(part, int | float) and not isinstance(part, bool)


@dataclass(frozen=True)
class Choice:
    """One of several parts, each with a study value: the option itself, or its index."""

    key: str
    name: str
    keys: tuple[Any, ...]
    options: tuple[Node, ...]
    searched: bool = True

    def declare(self, bounds: dict[str, Any], when: Mapping[str, Any]) -> None:
        """Add the choice, then the parameters inside its options, which exist only under theirs."""
        bounds[self.name] = {"choices": list(self.keys), **({"when": dict(when)} if when else {})}
        for key, option in zip(self.keys, self.options, strict=True):
            option.declare(bounds, {self.name: key})

    def build(self, values: Mapping[str, Any], constants: bool) -> Any:
        """Return the option that was chosen, whole."""
        chosen = values[self.name]
        index = next(i for i, key in enumerate(self.keys) if identical(key, chosen))
        return self.options[index].build(values, True)

    def read(self, part: Any, values: Values, strict: bool) -> None:
        """Find which option it is, and the values inside; see :meth:`Node.read`."""
        fitting = [i for i, option in enumerate(self.options) if option.fits(part)]
        exact = [i for i in fitting if isinstance(o := self.options[i], Constant) and identical(o.value, part)]
        if not fitting:
            options = [option.value if isinstance(option, Constant) else "..." for option in self.options]
            raise ConfigError(f"{self.key} is {part!r}: it must be one of {options!r}")
        index = (exact or fitting)[0]
        values[self.name] = self.keys[index]
        self.options[index].read(part, values, strict)

    def fits(self, part: Any) -> bool:
        """Tell whether any option fits."""
        return any(option.fits(part) for option in self.options)


@dataclass(frozen=True)
class Table:
    """A dict of parts."""

    key: str
    parts: dict[Any, Node]

    @property
    def searched(self) -> bool:
        """Whether any part is."""
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
            raise ConfigError(f"{self.key or 'the point'} is {part!r}: it must be a dict with the keys {keys}")
        unknown = [key for key in part if key not in self.parts and not self._flat(key)]
        if strict and unknown:
            where = f"{self.key}/{unknown[0]}" if self.key else unknown[0]
            near = did_you_mean(unknown[0], self.parts)
            raise ConfigError(f"{where} is not in the space{near}: its keys here are {', '.join(map(str, self.parts))}")
        for key, node in self.parts.items():
            if (inner := _part(part, key)) is not _ABSENT:
                node.read(inner, values, strict)

    def fits(self, part: Any) -> bool:
        """Tell whether every given part fits, none is unknown and no constant is missing."""
        if not isinstance(part, Mapping) or any(key not in self.parts and not self._flat(key) for key in part):
            return False
        given = ((node, _part(part, key)) for key, node in self.parts.items())
        return all(node.searched if inner is _ABSENT else node.fits(inner) for node, inner in given)

    def _flat(self, key: Any) -> bool:
        return isinstance(key, str) and any(key.startswith(f"{name}/") for name in self.parts)


@dataclass(frozen=True)
class Row:
    """A list or a tuple of parts; Tune replaces it as a whole, so it always has its constants."""

    key: str
    parts: tuple[Node, ...]
    kind: type[list[Any]] | type[tuple[Any, ...]]

    @property
    def searched(self) -> bool:
        """Whether any part is."""
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
            raise ConfigError(f"{self.key} is {part!r}: it must be a list of {len(self.parts)}")
        for node, inner in zip(self.parts, items, strict=True):
            if inner is not _ABSENT:
                node.read(inner, values, strict)

    def fits(self, part: Any) -> bool:
        """Tell whether every part fits."""
        items = self._items(part)
        if items is None:
            return False
        return all(n.searched if i is _ABSENT else n.fits(i) for n, i in zip(self.parts, items, strict=True))

    def _items(self, part: Any) -> list[Any] | None:
        """Return the parts in order; flat keys such as ``layers/0`` leave a dict here."""
        if isinstance(part, Mapping):
            return [_part(part, str(i)) for i in range(len(self.parts))]
        return list(part) if isinstance(part, list | tuple) and len(part) == len(self.parts) else None


def identical(one: Any, other: Any) -> bool:
    """Tell 1 from True and from 1.0."""
    return one is other or (type(one) is type(other) and equal(one, other))


def equal(one: Any, other: Any) -> bool:
    """Compare anything; objects without a truth value of equality, such as arrays, by their content."""
    if isinstance(one, bool) != isinstance(other, bool):
        return False
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    try:
        return bool(one is other or one == other)
    except (TypeError, ValueError):  # an array: its == has one answer an element
        return type(one) is type(other) and bool((one == other).all())


def _part(part: Mapping[Any, Any], key: Any) -> Any:
    """Return what a config has under a key, be it nested or flat; ``_ABSENT`` where it has nothing."""
    if key in part:
        return part[key]
    flat = {k[len(str(key)) + 1 :]: v for k, v in part.items() if isinstance(k, str) and k.startswith(f"{key}/")}
    return flat or _ABSENT


def _is_placeholder(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and value[0] in _PLACEHOLDERS

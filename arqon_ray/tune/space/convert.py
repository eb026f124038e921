"""A Tune search space as an arqon space, and trial configs as points of it.

Everything that ``tune.*`` can express can be searched, with the values and types that Tune itself would give:
numbers (:mod:`arqon_ray.tune.space.domains`), ``choice`` of anything, ``choice`` whose options hold domains
(conditional parameters), nested dicts, lists and tuples with domains inside. ``sample_from`` stays Tune's. A
key inside dicts is ``a/b`` in the study; inside the second option of a choice ``model`` it is ``model=1/a``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

from ray.tune.search.sample import Categorical, Domain, Function
from ray.tune.search.variant_generator import generate_variants

from arqon_ray.core.config import load_config
from arqon_ray.core.inputs.spelling import did_you_mean
from arqon_ray.core.inputs.values import is_unicode, shown
from arqon_ray.errors import ConfigError
from arqon_ray.tune.kept import kept_as
from arqon_ray.tune.space.domains import Encoding, encode_domain
from arqon_ray.tune.space.nodes import Choice, Constant, Node, Number, Row, Table, Values
from arqon_ray.tune.space.placeholders import Behind, resolved

_LONGEST_TEXT = 2**20
"""Characters; the study stores the index of a longer option, since every record would repeat its text."""


class SearchSpace(Protocol):
    """What the searcher needs of a space, whether Tune's, ConfigSpace's or arqon's own.

    A point has three forms: ``params`` (the study's, flat), ``values`` (Tune's, flat, with the study's names) and
    ``config`` (what the trial gets).
    """

    bounds: dict[str, Any]

    def decode(self, params: Mapping[str, Any]) -> Values:
        """Convert the study's params to Tune's values."""
        ...

    def encode(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Convert Tune's values to the study's params."""
        ...

    def build(self, values: Mapping[str, Any], constants: bool = True) -> dict[str, Any]:
        """Return the trial's config; without ``constants`` only the searched parts."""
        ...

    def read(self, config: Mapping[str, Any], strict: bool) -> Values:
        """Return the values in a config, which may be incomplete.

        Raises:
            ConfigError: if it does not fit the space; ``strict`` refuses unknown keys and different constants too.
        """
        ...


@kept_as("arqon space")
class ArqonSpace:
    """The bounds of an arqon config: the study's params are what the trial gets."""

    def __init__(self, bounds: Mapping[str, Any]) -> None:
        """Take validated bounds."""
        self.bounds = dict(bounds)

    def decode(self, params: Mapping[str, Any]) -> Values:
        """Return the params."""
        return dict(params)

    def encode(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values."""
        return dict(values)

    def build(self, values: Mapping[str, Any], constants: bool = True) -> dict[str, Any]:
        """Return a copy of the values."""
        return dict(values)

    def read(self, config: Mapping[str, Any], strict: bool) -> Values:
        """Return the values of the known keys; see :meth:`SearchSpace.read`."""
        unknown = [key for key in config if key not in self.bounds]
        if strict and unknown:
            near = did_you_mean(unknown[0], self.bounds)
            raise ConfigError(f"{unknown[0]} is not in the space{near}: its keys are {', '.join(self.bounds)}")
        return {key: value for key, value in config.items() if key in self.bounds}


@kept_as("tune space")
class TuneSpace:
    """A Tune search space, read once.

    Attributes:
        bounds: the parameters, as the ``bounds`` of an arqon config.
    """

    def __init__(self, space: Mapping[str, Any], objects: Mapping[str, Any] | None = None) -> None:
        """Read a Tune space.

        Args:
            space: a dict of domains, constants, dicts and lists, as ``param_space`` takes it.
            objects: the objects that ``tune.run`` replaced by placeholders, by hash.

        Raises:
            ConfigError: if there is a ``grid_search``, a domain without values, or no domain at all; the message
                names the key.
        """
        if not isinstance(space, Mapping) or any(not isinstance(key, str) for key in space):
            raise ConfigError(f"space is {shown(space)}: it must be a dict with names as keys")
        self._encodings: dict[str, Encoding] = {}
        self._names: set[str] = set()
        self._functions = False
        try:
            self._root = self._read(space, objects or {})
        except RecursionError:
            raise ConfigError("space is nested without end: a dict or a list contains itself") from None
        self.bounds: dict[str, Any] = {}
        self._root.declare(self.bounds, {})
        if not self.bounds:
            raise ConfigError(
                f"space {shown(sorted(space))} has only constants: give at least one parameter a domain, such as "
                "tune.uniform(0, 1)"
            )
        load_config({"bounds": self.bounds})

    def decode(self, params: Mapping[str, Any]) -> Values:
        """Convert the study's params to Tune's values."""
        known = self._encodings
        return {name: known[name].decode(value) if name in known else value for name, value in params.items()}

    def encode(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Convert Tune's values to the study's params."""
        known = self._encodings
        return {name: known[name].encode(value) if name in known else value for name, value in values.items()}

    def build(self, values: Mapping[str, Any], constants: bool = True) -> dict[str, Any]:
        """Return the trial's config; ``sample_from`` is called here, with the config so far."""
        config: dict[str, Any] = self._root.build(values, constants)
        if not self._functions or not constants:
            return config
        _, resolved = next(iter(generate_variants(config)))
        return dict(resolved)

    def read(self, config: Mapping[str, Any], strict: bool) -> Values:
        """Return the values in a config, nested or with flat keys; see :meth:`SearchSpace.read`."""
        values: Values = {}
        self._root.read(config, values, strict)
        return values

    def _read(self, space: Mapping[str, Any], objects: Mapping[str, Any]) -> Table:
        self._objects = objects
        root = Table("", {key: self._node(key, value) for key, value in space.items()})
        del self._objects  # must not be pickled
        return root

    def _constant(self, key: str, value: Any) -> Constant:
        meant = resolved(value, self._objects)
        return Constant(key, value) if meant is value else Constant(key, value, behind=Behind(meant))

    def _node(self, key: str, value: Any) -> Node:
        if isinstance(value, dict):
            return self._dict(key, value)
        if isinstance(value, list | tuple):
            parts = tuple(self._node(f"{key}/{i}", item) for i, item in enumerate(value))
            whole = Row(key, parts, tuple if isinstance(value, tuple) else list)
            return whole if whole.searched else self._constant(key, value)
        if isinstance(value, Function):
            self._functions = True
            return Constant(key, value)
        if isinstance(value, Categorical):
            return self._choice(key, value)
        if isinstance(value, Domain):
            encoding = encode_domain(key, value)
            name = self._new_name(encoding.label.format(key))
            self._encodings[name] = encoding
            return Number(key, name, encoding)
        return self._constant(key, value)

    def _dict(self, key: str, value: dict[Any, Any]) -> Node:
        if len(value) == 1 and "grid_search" in value:
            raise _grid_refused(key, value["grid_search"])
        if len(value) == 1 and "eval" in value:
            raise ConfigError(f"{key} is {shown(value)}: use tune.sample_from with a function")
        return Table(key, {k: self._node(f"{key}/{k}", item) for k, item in value.items()})

    def _choice(self, key: str, domain: Any) -> Node:
        """Return the node of a ``Categorical``."""
        if domain.is_grid():
            raise _grid_refused(key, domain.categories)
        if not domain.categories:
            raise ConfigError(f"{key} is a choice without options: give at least one")
        name = self._new_name(key)
        options = tuple(self._option(f"{key}={i}", option) for i, option in enumerate(domain.categories))
        scalars = distinct_scalars(domain.categories)
        return Choice(key, name, tuple(domain.categories if scalars else range(len(options))), options)

    def _option(self, key: str, option: Any) -> Node:
        """Return the node of an option; one without domains keeps its identity."""
        before = self._functions
        self._functions = False
        node = self._node(key, option)
        plain = not node.searched and not self._functions
        self._functions = self._functions or before
        return self._constant(key, option) if plain else node

    def _new_name(self, name: str) -> str:
        while name in self._names:  # the keys "a/b" and "b" inside "a" would be one name
            name += "'"
        self._names.add(name)
        return name


def _grid_refused(key: str, values: Any) -> ConfigError:
    return ConfigError(
        f"{key} is grid_search({shown(values)}): a searcher chooses the values itself; use tune.choice(...) to "
        "search it, or leave search_alg out to run the whole grid"
    )


def distinct_scalars(options: list[Any]) -> bool:
    """Tell whether a study can store the options themselves: JSON scalars that are distinct in JSON."""
    if any(type(option) not in (str, int, float, bool, type(None)) for option in options):
        return False
    if not all(map(_is_writable, options)):
        return False
    return len({(isinstance(option, bool), option) for option in options}) == len(options)


def _is_writable(option: Any) -> bool:
    """Tell whether a study can store a scalar: finite, an integer within 64 bits, or text that UTF-8 can encode."""
    if isinstance(option, str):
        return len(option) <= _LONGEST_TEXT and is_unicode(option)
    return not isinstance(option, int | float) or (math.isfinite(option) and abs(option) < 2**63)

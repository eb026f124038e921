"""A ConfigSpace ``ConfigurationSpace`` as an arqon space.

Each hyperparameter is one parameter of the same name, with the values that ConfigSpace itself would give; a trial gets
a plain dict of the active ones. Ranges are searched on a linear or logarithmic scale, as in ConfigSpace; normal and
beta priors and the weights of choices are ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from arqon_ray.core.config import load_config
from arqon_ray.core.inputs.values import shown
from arqon_ray.errors import ConfigError
from arqon_ray.tune.kept import kept_as
from arqon_ray.tune.space.convert import ArqonSpace, distinct_scalars
from arqon_ray.tune.space.nodes import Values
from arqon_ray.tune.space.sameness import find

_MOST_VALUES = 1000
"""A condition on an integer with more values than this is refused, since all values are listed."""


def is_config_space(space: object) -> bool:
    """Tell whether an object is of ConfigSpace, without importing the package."""
    return any(f"{c.__module__}.{c.__qualname__}".startswith("ConfigSpace.") for c in type(space).__mro__)


@kept_as("configuration space")
class ConfigurationSpaceOf(ArqonSpace):
    """A ConfigurationSpace, read once.

    Attributes:
        bounds: the parameters, as the ``bounds`` of an arqon config.
    """

    def __init__(self, space: Any) -> None:
        """Read a ConfigurationSpace.

        Raises:
            ConfigError: if an arqon space cannot express it: forbidden combinations, a condition on a continuous
                parameter, or a disjunction over different parameters; the message names it.
        """
        if not hasattr(space, "conditions") or not hasattr(space, "forbidden_clauses"):
            raise ConfigError(f"space is a {type(space).__name__}: give the whole ConfigurationSpace")
        if space.forbidden_clauses:
            raise ConfigError(
                f"space forbids {space.forbidden_clauses[0]}: leave it out and let the evaluation fail there, for "
                "example by returning None; the solver learns to avoid it"
            )
        hyperparameters = {hyperparameter.name: hyperparameter for hyperparameter in space.values()}
        self._options = {name: options for name, h in hyperparameters.items() if (options := _options(h)) is not None}
        self._coded = {name for name, options in self._options.items() if not distinct_scalars(options)}
        when: dict[str, dict[str, list[Any]]] = {name: {} for name in hyperparameters}
        for condition in space.conditions:
            for part in _parts(condition):
                self._add_condition(when[condition.child.name], part, hyperparameters)
        super().__init__(
            {name: self._declared(h) | ({"when": when[name]} if when[name] else {}) for name, h in _ordered(space)}
        )
        load_config({"bounds": self.bounds})
        self._integers = {name for name, bounds in self.bounds.items() if bounds.get("type") == "int"}

    def _declared(self, hyperparameter: Any) -> dict[str, Any]:
        options = self._options.get(hyperparameter.name)
        if options is not None:
            coded = hyperparameter.name in self._coded
            ordered = {"ordered": True} if hasattr(hyperparameter, "sequence") and len(options) > 1 else {}
            return {"choices": list(range(len(options))) if coded else list(options), **ordered}
        lower, upper = _plain(hyperparameter.lower), _plain(hyperparameter.upper)
        scale = {"scale": "Log"} if hyperparameter.log else {}
        whole = {"type": "int"} if _is_whole(hyperparameter) else {}
        return {"min": lower, "max": upper, **whole, **scale}

    def _add_condition(self, when: dict[str, list[Any]], part: Any, hyperparameters: Mapping[str, Any]) -> None:
        """Add the values of the parent for which a part of a condition holds."""
        parent = _only_parent(part)
        values = self._options.get(parent.name)
        if values is None and _is_whole(parent) and parent.upper - parent.lower < _MOST_VALUES:
            values = [int(value) for value in range(int(parent.lower), int(parent.upper) + 1)]
        if values is None:
            raise ConfigError(f"the condition {part} is on a range of many values: give {parent.name} a few choices")
        holding = [v for v in values if part.satisfied_by_value({parent.name: v})]
        holding = [values.index(v) for v in holding] if parent.name in self._coded else holding
        before = when.get(parent.name, holding)
        when[parent.name] = [v for v in before if v in holding]
        if not when[parent.name]:
            raise ConfigError(f"the condition {part} never holds: leave {part.child.name} out of the space")

    def decode(self, params: Mapping[str, Any]) -> Values:
        """Convert the study's params to ConfigSpace's values."""
        return {name: self._native(name, value) for name, value in params.items()}

    def _native(self, name: str, value: Any) -> Any:
        if name in self._coded:
            return self._options[name][value]
        return int(value) if name in self._integers else value

    def encode(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Convert ConfigSpace's values to the study's params."""
        return {name: self._code(name, _plain(value)) for name, value in values.items()}

    def _code(self, name: str, value: Any) -> Any:
        if name not in self._coded:
            return value
        options = self._options[name]
        index = find(options, value)
        if index is None:
            raise ConfigError(f"{name} is {shown(value)}: it must be one of {shown(options)}")
        return index


def _ordered(space: Any) -> Iterable[tuple[str, Any]]:
    """Return the hyperparameters in topological order: parents of conditions first."""
    waiting = {h.name: h for h in space.values()}
    parents: dict[str, set[str]] = {name: set() for name in waiting}
    for condition in space.conditions:
        parents[condition.child.name] |= {part.parent.name for leaf in _parts(condition) for part in _leaves(leaf)}
    while waiting:
        name = next(name for name in waiting if not parents[name] & set(waiting))
        yield name, waiting.pop(name)


def _options(hyperparameter: Any) -> list[Any] | None:
    """Return the values of a choice, an ordinal or a constant; None for a range."""
    for attribute in ("choices", "sequence"):
        if hasattr(hyperparameter, attribute):
            return [_plain(value) for value in getattr(hyperparameter, attribute)]
    return [_plain(hyperparameter.value)] if not hasattr(hyperparameter, "lower") else None


def _is_whole(hyperparameter: Any) -> bool:
    return hasattr(hyperparameter, "lower") and isinstance(_plain(hyperparameter.lower), int)


def _parts(condition: Any) -> list[Any]:
    """Return the parts of an and-conjunction, or the condition itself."""
    if type(condition).__name__ == "AndConjunction":
        return [part for component in condition.components for part in _parts(component)]
    return [condition]


def _leaves(condition: Any) -> list[Any]:
    if hasattr(condition, "components"):
        return [leaf for component in condition.components for leaf in _leaves(component)]
    return [condition]


def _only_parent(part: Any) -> Any:
    parents = {leaf.parent.name: leaf.parent for leaf in _leaves(part)}
    if len(parents) > 1:
        raise ConfigError(
            f"the condition {part} is on {' or '.join(parents)}: a disjunction over several parents is not supported"
        )
    return next(iter(parents.values()))


def _plain(value: Any) -> Any:
    """Return a numpy scalar as a Python scalar."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value

"""The search space: named parameters on one side, the unit cube on the other.

Users see native values; the search works in the unit cube. Dimensions are sorted by name, so the order of the
parameters in the config does not matter.

Each point of the cube has a canonical form, ``encode(decode(u))``: finitely many values are the centers of their cells,
and constants and inactive conditional parameters are 0.5.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arqon_ray.core.inputs.plain import Scalar
from arqon_ray.core.inputs.spelling import did_you_mean
from arqon_ray.core.inputs.values import is_missing, shown
from arqon_ray.core.space.config import ParameterConfig
from arqon_ray.core.space.geometry import Geometry
from arqon_ray.core.space.kinds.base import INACTIVE, OutsideError, Parameter
from arqon_ray.core.space.kinds.choose import make_parameter
from arqon_ray.core.space.kinds.finite import Finite
from arqon_ray.core.space.snapping import Snapping
from arqon_ray.errors import OutOfBoundsError, ResultsError

Array = NDArray[np.float64]
Params = dict[str, Scalar]

_MOST_NUMBERS = 2**22
"""The most coordinates of a finite space whose points are enumerated: 32 MB."""


class Space:
    """The parameters of a study and their maps to the unit cube.

    Attributes:
        names: the parameters' names, sorted by their UTF-8 bytes; the dimension order.
        d: the number of parameters.
        parameters: in the same order; see :mod:`arqon_ray.core.space.kinds`.
        geometry: displacements in the unit cube, some of whose axes may be circles.
        moving: ``(k,)`` the columns of the parameters that are not constant.
        real: ``(d,)`` which parameters have infinitely many values.
    """

    def __init__(self, bounds: Mapping[str, ParameterConfig | Parameter]) -> None:
        """Build the space of checked configs of parameters, or of parameters, in declared order."""
        self._declared = tuple(bounds)
        self.names = tuple(sorted(bounds, key=str.encode))
        self.d = len(self.names)
        self.parameters: tuple[Parameter, ...] = tuple(map(_as_parameter, (bounds[name] for name in self.names)))
        self.geometry = Geometry([parameter.periodic for parameter in self.parameters])
        self.moving = np.array([j for j, p in enumerate(self.parameters) if p.levels != 1], dtype=np.intp)
        self.real = np.array([parameter.levels is None for parameter in self.parameters], dtype=bool)
        self._snapping = Snapping(self.parameters, [parameter.column_snap for parameter in self.parameters])
        self._points: dict[int, Array | None] = {}
        self._column = {name: j for j, name in enumerate(self.names)}
        # Parents are declared before their children, so this order resolves chains of conditions.
        self._conditions = [
            (self._column[name], self._condition(config.when))
            for name, config in bounds.items()
            if isinstance(config, ParameterConfig) and config.when
        ]
        self._conditional = {self.names[child] for child, _ in self._conditions}
        self._named = {name: p for name, p in zip(self.names, self.parameters, strict=True) if p.has_members}

    def _condition(self, when: Mapping[str, Sequence[Any]]) -> list[tuple[int, NDArray[np.float64]]]:
        """Return, for each parent, its column and its unit-cube values under which the child exists."""
        conditions = []
        for parent, values in when.items():
            parameter = self.parameters[self._column[parent]]
            conditions.append((self._column[parent], np.array([parameter.encode(value) for value in values])))
        return conditions

    @property
    def conditional(self) -> bool:
        """Whether any parameter depends on another."""
        return bool(self._conditions)

    @property
    def continuous(self) -> bool:
        """Whether all parameters but constants are real numbers, and none is conditional."""
        return not self.conditional and bool(np.all(self.real[self.moving]))

    @property
    def cardinality(self) -> int | None:
        """The number of combinations of values, regardless of conditions; None if infinite."""
        levels = [parameter.levels for parameter in self.parameters]
        return None if None in levels else math.prod(level for level in levels if level is not None)

    def points(self, limit: int) -> Array | None:
        """Return all canonical points ``(q, d)`` of a finite space, in lexicographic order; cached.

        Conditional parameters only multiply the points at which they exist.

        Args:
            limit: for a space of more points, and for an infinite one, the result is None.
        """
        if limit not in self._points:
            small = self.cardinality is not None and (self.conditional or self.cardinality <= limit)
            self._points[limit] = self._enumerate(min(limit, _MOST_NUMBERS // self.d)) if small else None
        return self._points[limit]

    def _enumerate(self, limit: int) -> Array | None:
        """Branch on one parameter after another, in declared order, which has parents first."""
        U, here = np.full((1, self.d), INACTIVE), np.ones((1, self.d), dtype=bool)
        conditions = dict(self._conditions)
        for j in (self._column[name] for name in self._declared):
            for parent, values in conditions.get(j, ()):
                here[:, j] &= here[:, parent] & np.isin(U[:, parent], values)
            parameter = self.parameters[j]
            if not isinstance(parameter, Finite):
                return None
            counts = np.where(here[:, j], parameter.levels, 1)
            if np.sum(counts, dtype=np.float64) > limit:
                return None
            rows = np.repeat(np.arange(len(U)), counts)
            level = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
            U, here = U[rows], here[rows]
            U[:, j] = np.where(here[:, j], parameter.coordinate(level), INACTIVE)
        return np.unique(self.snap(U), axis=0)

    def active(self, U: Array) -> NDArray[np.bool_]:
        """Return for ``(n, d)`` points a boolean ``(n, d)``: which parameters exist there."""
        return self._activity(self._snap_each(U))

    def snap(self, U: Array) -> Array:
        """Return the canonical form of ``(n, d)`` points."""
        snapped = self._snap_each(U)
        if self._conditions:
            snapped[~self._activity(snapped)] = INACTIVE
        return snapped

    def decode(self, u: Array) -> Params:
        """Return the native values at a ``(d,)`` point, in declared order, without inactive parameters."""
        return self.decode_array(np.asarray(u)[None])[0]

    def decode_array(self, U: Array) -> list[Params]:
        """Return the native values at ``(n, d)`` points, one dict for each."""
        U = np.asarray(U, dtype=np.float64)
        columns = [parameter.decode(U[:, j]) for j, parameter in enumerate(self.parameters)]
        order = [self._column[name] for name in self._declared]
        rows = zip(*(columns[j] for j in order), strict=True)
        if not self._conditions:
            return [dict(zip(self._declared, row, strict=True)) for row in rows]
        active = self.active(U)[:, order].tolist()
        return [
            {name: value for name, value, here in zip(self._declared, row, mask, strict=True) if here}
            for row, mask in zip(rows, active, strict=True)
        ]

    def to_native(self, U: Array) -> Array:
        """Return native values as ``(n, d)`` float64; categories are indices, inactive parameters NaN."""
        native = np.stack([p.to_native(U[:, j]) for j, p in enumerate(self.parameters)], axis=1)
        if self._conditions:
            native[~self.active(U)] = np.nan
        return native

    def encode(self, params: Mapping[str, Any]) -> Array:
        """Return the canonical ``(d,)`` point of native values.

        Inactive parameters must be left out or missing (None, NaN or ``pandas.NA``, as in a table).

        Raises:
            ResultsError: a name is unknown, an active parameter is missing, an inactive one is given, or a value has
                the wrong type.
            OutOfBoundsError: a value has the right type but lies outside, or an active one is missing in a table.
        """
        point: Array = self.encode_many([params])[0]
        return point

    def native(self, params: Mapping[str, Any]) -> Params:
        """Return given values as plain Python within the bounds, in declared order, without inactive parameters."""
        here = set(params)
        if any(is_missing(params[name]) for name in here & self._conditional):
            active = self._activity(self.encode(params)[None])[0]
            here = {name for name, there in zip(self.names, active, strict=True) if there}
        return {
            name: self.parameters[self._column[name]].native(params[name]) for name in self._declared if name in here
        }

    def given(self, params: Params) -> dict[str, Any]:
        """Return native values with members of enumerations in place of their values, as the config gave them."""
        if not self._named:
            return dict(params)
        return {n: self._named[n].member(value) if n in self._named else value for n, value in params.items()}

    def encode_many(self, rows: Sequence[Mapping[str, Any]]) -> Array:
        """Return the canonical ``(n, d)`` points of ``n`` dicts of native values; see :meth:`encode`."""
        U = np.full((len(rows), self.d), INACTIVE)
        given = np.zeros(U.shape, dtype=bool)
        for i, params in enumerate(rows):
            self._encode_into(U[i], given[i], params)
        if self._conditions:
            self._check_conditions(U, given, rows)
        # No negative zero: points are compared by their bytes.
        return U + 0.0

    def _encode_into(self, u: Array, given: NDArray[np.bool_], params: Any) -> None:
        """Fill in the coordinates of params, and mark which parameters they give."""
        if not isinstance(params, Mapping):
            names = _listed(self._declared)
            raise ResultsError(f"params is {shown(params)}: it must be a dict of the values of {names}")
        for name, value in params.items():
            j = self._column.get(name)
            if j is None:
                names, near = _listed(self._declared), did_you_mean(name, self._declared)
                raise ResultsError(f"params has {shown(name)}{near}: the parameters of this study are {names}")
            try:
                u[j] = self.parameters[j].encode(value)
            except ValueError as error:
                if name in self._conditional and is_missing(value):
                    continue
                kind = OutOfBoundsError if isinstance(error, OutsideError) else ResultsError
                raise kind(f"params.{name} is {shown(value)}: {error}") from None
            given[j] = True
        if len(params) < self.d and not self._conditions:
            missing = _listed([name for name in self._declared if name not in params])
            raise ResultsError(f"params {shown(dict(params))} lacks {missing}: give every parameter a value")

    def _check_conditions(self, U: Array, given: NDArray[np.bool_], rows: Sequence[Mapping[str, Any]]) -> None:
        """Check that exactly the parameters that exist are given; missing values of others do not count as given."""
        active = self._activity(U)
        for i, j in np.argwhere(active & ~given):
            kind = OutOfBoundsError if self.names[j] in rows[i] else ResultsError  # a missing value, or no value
            raise kind(f"params {shown(dict(rows[i]))}: {self.names[j]} is missing")
        for i, j in np.argwhere(given & ~active):
            name = self.names[j]
            if not is_missing(rows[i][name]):
                raise ResultsError(f"params {shown(dict(rows[i]))}: {name} is given, but its condition does not hold")
            U[i, j] = INACTIVE

    def _snap_each(self, U: Array) -> Array:
        return self._snapping(np.asarray(U, dtype=np.float64))

    def _activity(self, snapped: Array) -> NDArray[np.bool_]:
        active = np.ones(snapped.shape, dtype=bool)
        for child, parents in self._conditions:
            for parent, values in parents:
                active[:, child] &= active[:, parent] & np.isin(snapped[:, parent], values)
        return active


def _as_parameter(given: ParameterConfig | Parameter) -> Parameter:
    return given if isinstance(given, Parameter) else make_parameter(given)


def _listed(names: Sequence[str]) -> str:
    """Join names for a message; only the first 20 are shown."""
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return ", ".join(names[:20]) + more

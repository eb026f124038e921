"""Evaluations as typed columns of plain Python: what every table of them is made of.

``id``, ``number``, ``origin``, ``status``, ``params.NAME`` in the config's order, ``value`` (and ``values`` of several
objectives), ``metrics.NAME``, ``cost``, ``step``, ``started`` and ``ended`` (UTC), ``seconds``, ``node``, ``pid``,
``attempt``, ``error_kind`` and ``error``. No two of them clash, whatever parameters and metrics are called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from arqon_ray.core.record.evaluation import Evaluation
from arqon_ray.core.space.config import ParameterConfig
from arqon_ray.core.space.description import Options, Range
from arqon_ray.tables import Column, Kind, widest

_KINDS = {bool: Kind.BOOL, int: Kind.INT, float: Kind.FLOAT, str: Kind.TEXT}


def columns_of(evaluations: Sequence[Evaluation], bounds: Mapping[str, ParameterConfig]) -> list[Column]:
    """Return evaluations as columns, with a column for each parameter and each metric that one of them has.

    Args:
        evaluations: the rows.
        bounds: the config's; parameters that it does not name follow after those that it does.
    """

    def own(name: str, kind: Kind, read: Callable[[Evaluation], Any] | None = None) -> Column:
        return Column(name, kind, [(getattr(e, name) if read is None else read(e)) for e in evaluations])

    several = any(e.values is not None for e in evaluations)
    return [
        own("id", Kind.TEXT),
        own("number", Kind.INT),
        own("origin", Kind.TEXT),
        own("status", Kind.TEXT),
        *_params(evaluations, bounds),
        own("value", Kind.FLOAT),
        *([own("values", Kind.FLOATS)] if several else []),
        *metric_columns(evaluations),
        own("cost", Kind.FLOAT),
        own("step", Kind.INT),
        own("started", Kind.TIME),
        own("ended", Kind.TIME),
        own("seconds", Kind.FLOAT),
        own("node", Kind.TEXT),
        own("pid", Kind.INT),
        own("attempt", Kind.INT),
        own("error_kind", Kind.TEXT, lambda e: None if e.error is None else e.error.kind),
        own("error", Kind.TEXT, lambda e: None if e.error is None else e.error.message),
    ]


def _params(evaluations: Sequence[Evaluation], bounds: Mapping[str, ParameterConfig]) -> list[Column]:
    columns = []
    for name in dict.fromkeys([*bounds, *(name for e in evaluations for name in e.params)]):
        entries = [e.params.get(name) for e in evaluations]
        described = bounds[name].describe() if name in bounds else None
        # The kind is that of all choices, so that tables of one study have one schema.
        possible = [*described.choices, *entries] if isinstance(described, Options) else entries
        whole = isinstance(described, Range) and described.integer
        kind = _kind(possible, Kind.INT if whole else Kind.FLOAT)
        columns.append(Column(f"params.{name}", kind, entries))
    return columns


def metric_columns(evaluations: Sequence[Evaluation]) -> list[Column]:
    """Return a column ``metrics.NAME`` for each metric that one of the evaluations has."""
    names = dict.fromkeys(name for e in evaluations for name in e.metrics)
    columns = []
    for name in names:
        entries = [e.metrics.get(name) for e in evaluations]
        columns.append(Column(f"metrics.{name}", _kind(entries, Kind.FLOAT), entries))
    return columns


def _kind(entries: Iterable[Any], empty: Kind) -> Kind:
    """Return the kind of which all entries are; ``empty`` where all are None."""
    kinds = {_KINDS.get(type(entry)) or _list_kind(entry) for entry in entries if entry is not None}
    return widest(kinds) if kinds else empty


def _list_kind(entry: Any) -> Kind:
    if not isinstance(entry, list):
        return Kind.MIXED
    return Kind.INTS if entry and all(type(each) is int for each in entry) else Kind.FLOATS

"""Evaluations as named columns of plain Python: how the log and its snapshots hold many of them.

A column is left out when every evaluation has the default; otherwise it has one entry for each evaluation. By default
an evaluation ended ``seconds`` after it ``started``. ``nodes`` has the different names of machines and, where
there are several, ``node`` an index into them for each evaluation. When the first metric of every evaluation with a
value is that value, always under the same name, then ``metric`` is that name and ``metrics`` has the others.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from arqon_ray.core.record.evaluation import Error, Evaluation, Metric, Step

Columns = dict[str, Any]

_PLAIN: dict[str, Any] = {
    "number": None,
    "value": None,
    "status": "complete",
    "step": None,
    "cost": 1.0,
    "started": None,
    "seconds": None,
    "pid": None,
    "origin": "",
    "attempt": 1,
}
"""The columns whose entries are the fields of the record as they are, with their defaults."""

_DEFAULTS: dict[str, Any] = {
    **_PLAIN,
    "ended": None,
    "params": {},
    "metrics": {},
    "values": None,
    "steps": (),
    "error": None,
    "node": None,
}
_entries = attrgetter(*_DEFAULTS)


def pack(evaluations: Sequence[Evaluation]) -> Columns:
    """Return the columns of evaluations; :func:`unpack` reads them."""
    count = len(evaluations)
    columns: Columns = {}
    entries = zip(_DEFAULTS.items(), zip(*map(_entries, evaluations), strict=True), strict=bool(count))
    for (name, default), column in entries:
        if column.count(default) != count:
            columns[name] = _WRITTEN[name](column) if name in _WRITTEN else list(column)
    if "ended" in columns or ("started" in columns and "seconds" in columns):
        ended = [_end(evaluation.started, evaluation.seconds) for evaluation in evaluations]
        if columns.setdefault("ended", [None] * count) == ended:
            del columns["ended"]
    if "metrics" in columns:
        columns |= _without_value(columns.pop("metrics"), evaluations)
    if "node" in columns:
        columns |= _nodes(columns.pop("node"))
    return columns


_WRITTEN: dict[str, Callable[[Sequence[Any]], list[Any]]] = {
    "params": lambda column: list(map(dict, column)),
    "metrics": lambda column: list(map(dict, column)),
    "values": lambda column: [each and list(each) for each in column],
    "steps": lambda column: [list(map(list, steps)) for steps in column],
    "error": lambda column: [each and list(each) for each in column],
}
"""How the other columns are converted to plain Python."""


def _nodes(column: Sequence[str | None]) -> Columns:
    """Return the different names, and the index of each entry's name when there are several."""
    indices = {node: index for index, node in enumerate(dict.fromkeys(column))}
    there = {"nodes": list(indices)}
    return there if len(indices) == 1 else {**there, "node": [indices[node] for node in column]}


def _end(started: float | None, seconds: float | None) -> float | None:
    return None if started is None or seconds is None else started + seconds


def _without_value(metrics: list[dict[str, Metric]], evaluations: Sequence[Evaluation]) -> Columns:
    """Return the metrics without the objective, if that is always the first of them."""
    values = [evaluation.value for evaluation in evaluations]
    pairs = [(each, value) for each, value in zip(metrics, values, strict=True) if value is not None]
    name = next(iter(pairs[0][0]), None) if pairs else None
    if name is None or not all(_begins_with(each, name, value) for each, value in pairs):
        return {"metrics": metrics}
    for each, _ in pairs:
        del each[name]
    return {"metric": name, "metrics": metrics} if any(metrics) else {"metric": name}


def _begins_with(metrics: Mapping[str, Metric], name: str, value: float) -> bool:
    first = metrics.get(name)
    same = type(first) is float and first == value and (first != 0.0 or str(first) == str(value))
    return same and next(iter(metrics)) == name


def unpack(columns: Mapping[str, Any], count: int) -> list[Evaluation]:
    """Return the ``count`` evaluations that :func:`pack` wrote.

    Raises:
        ValueError: a column has the wrong length.
        LookupError, TypeError: a column has the wrong form.
    """
    nodes = [node and sys.intern(node) for node in columns.get("nodes", [None])]
    plain = {name: columns.get(name) or [default] * count for name, default in _PLAIN.items()}
    numbers, absent = plain["number"], [None] * count
    pids: dict[int | None, int | None] = {}
    metrics = columns.get("metrics") or [{} for _ in range(count)]
    name = columns.get("metric")
    if name is not None:
        pairs = zip(plain["value"], metrics, strict=True)
        metrics = [each if value is None else {name: value, **each} for value, each in pairs]
    # In the order of the record's fields.
    fields = (
        [None if number is None else str(number) for number in numbers],
        columns.get("params") or [{} for _ in range(count)],
        plain["value"],
        plain["status"],
        numbers,
        [None if each is None else tuple(each) for each in columns.get("values") or absent],
        metrics,
        plain["step"],
        [tuple(Step(*step) for step in each) for each in columns.get("steps") or [()] * count],
        plain["cost"],
        plain["started"],
        columns.get("ended") or list(map(_end, plain["started"], plain["seconds"])),
        plain["seconds"],
        [nodes[index] for index in columns.get("node") or [0] * count],
        [pids.setdefault(pid, pid) for pid in plain["pid"]],
        [None if each is None else Error(*each) for each in columns.get("error") or absent],
        plain["origin"],
        plain["attempt"],
    )
    if any(len(column) != count for column in fields):
        raise ValueError(f"the columns have {sorted({len(column) for column in fields})} entries: it must be {count}")
    return list(map(Evaluation, *fields))

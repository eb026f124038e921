"""Evaluations as named columns of plain Python: how the log and its snapshots hold many of them.

A column is there when any of the evaluations has something other than the default in it, and then has one entry for
each of them. By default an evaluation ended ``seconds`` after it ``started``. ``nodes`` has the different names and
``node`` the places in it, where there are several. Where the first metric of every evaluation with a value is that
value, under one name, this name is ``metric``, and ``metrics`` has the others.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from arqon_ray.core.evaluation import Error, Evaluation, Metric, Step

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
"""The columns whose entries are as the record has them, with their defaults."""


def pack(evaluations: Sequence[Evaluation]) -> Columns:
    """Return the columns of evaluations; :func:`unpack` reads them."""
    columns: Columns = {}
    for name, default in _PLAIN.items():
        column = [getattr(evaluation, name) for evaluation in evaluations]
        if column.count(default) != len(column):
            columns[name] = column
    ended = [evaluation.ended for evaluation in evaluations]
    if ended != [_end(evaluation.started, evaluation.seconds) for evaluation in evaluations]:
        columns["ended"] = ended
    params = [evaluation.params for evaluation in evaluations]
    if any(params):
        columns["params"] = [dict(each) for each in params]
    if any(evaluation.metrics for evaluation in evaluations):
        columns |= _metrics(evaluations)
    if any(evaluation.values is not None for evaluation in evaluations):
        columns["values"] = [None if e.values is None else list(e.values) for e in evaluations]
    if any(evaluation.steps for evaluation in evaluations):
        columns["steps"] = [[list(step) for step in evaluation.steps] for evaluation in evaluations]
    if any(evaluation.error is not None for evaluation in evaluations):
        columns["error"] = [None if e.error is None else list(e.error) for e in evaluations]
    if any(evaluation.node is not None for evaluation in evaluations):
        nodes = {node: place for place, node in enumerate(dict.fromkeys(e.node for e in evaluations))}
        columns["nodes"] = list(nodes)
        if len(nodes) > 1:
            columns["node"] = [nodes[evaluation.node] for evaluation in evaluations]
    return columns


def _end(started: float | None, seconds: float | None) -> float | None:
    return None if started is None or seconds is None else started + seconds


def _metrics(evaluations: Sequence[Evaluation]) -> Columns:
    """Return the metrics, without the objective where it is the first of them."""
    name = next((next(iter(e.metrics)) for e in evaluations if e.metrics and e.value is not None), None)
    if name is None or not all(e.value is None or _begins_with(e.metrics, name, e.value) for e in evaluations):
        return {"metrics": [dict(evaluation.metrics) for evaluation in evaluations]}
    rest = [dict(evaluation.metrics) for evaluation in evaluations]
    for evaluation, metrics in zip(evaluations, rest, strict=True):
        if evaluation.value is not None:
            del metrics[name]
    return {"metric": name, "metrics": rest} if any(rest) else {"metric": name}


def _begins_with(metrics: Mapping[str, Metric], name: str, value: float) -> bool:
    first = metrics.get(name)
    same = type(first) is float and first == value and (first != 0.0 or str(first) == str(value))
    return same and next(iter(metrics)) == name


def unpack(columns: Mapping[str, Any], count: int) -> list[Evaluation]:
    """Return the ``count`` evaluations that :func:`pack` wrote.

    Raises:
        ValueError: when a column has another length.
        LookupError, TypeError: when one is of another form.
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
        [nodes[place] for place in columns.get("node") or [0] * count],
        [pids.setdefault(pid, pid) for pid in plain["pid"]],
        [None if each is None else Error(*each) for each in columns.get("error") or absent],
        plain["origin"],
        plain["attempt"],
    )
    if any(len(column) != count for column in fields):
        raise ValueError(f"the columns have {sorted({len(column) for column in fields})} entries: {count} were written")
    return list(map(Evaluation, *fields))

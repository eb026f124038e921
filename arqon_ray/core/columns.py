"""Evaluations as named columns of plain Python: how the log and its snapshots hold many of them.

A column is there when any of the evaluations has something other than the default in it, and then has one entry for
each of them. ``node`` is a table of the different names and a column of places in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from arqon_ray.core.evaluation import Error, Evaluation, Step

Columns = dict[str, Any]

_PLAIN: dict[str, Any] = {
    "number": None,
    "value": None,
    "status": "complete",
    "step": None,
    "cost": 1.0,
    "started": None,
    "ended": None,
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
        if any(entry != default for entry in column):
            columns[name] = column
    params = [evaluation.params for evaluation in evaluations]
    if any(params):
        columns["params"] = [dict(each) for each in params]
    if any(evaluation.metrics for evaluation in evaluations):
        columns["metrics"] = [dict(evaluation.metrics) for evaluation in evaluations]
    if any(evaluation.values is not None for evaluation in evaluations):
        columns["values"] = [None if e.values is None else list(e.values) for e in evaluations]
    if any(evaluation.steps for evaluation in evaluations):
        columns["steps"] = [[list(step) for step in evaluation.steps] for evaluation in evaluations]
    if any(evaluation.error is not None for evaluation in evaluations):
        columns["error"] = [None if e.error is None else list(e.error) for e in evaluations]
    if any(evaluation.node is not None for evaluation in evaluations):
        nodes = {node: place for place, node in enumerate(dict.fromkeys(e.node for e in evaluations))}
        columns["nodes"] = list(nodes)
        columns["node"] = [nodes[evaluation.node] for evaluation in evaluations]
    return columns


def unpack(columns: Mapping[str, Any], count: int) -> list[Evaluation]:
    """Return the ``count`` evaluations that :func:`pack` wrote.

    Raises:
        ValueError: when a column has another length.
        LookupError, TypeError: when one is of another form.
    """
    nodes = columns.get("nodes", [None])
    plain = {name: columns.get(name) or [default] * count for name, default in _PLAIN.items()}
    numbers, absent = plain["number"], [None] * count
    # In the order of the record's fields.
    fields = (
        [None if number is None else str(number) for number in numbers],
        columns.get("params") or [{} for _ in range(count)],
        plain["value"],
        plain["status"],
        numbers,
        [None if each is None else tuple(each) for each in columns.get("values") or absent],
        columns.get("metrics") or [{} for _ in range(count)],
        plain["step"],
        [tuple(Step(*step) for step in each) for each in columns.get("steps") or [()] * count],
        plain["cost"],
        plain["started"],
        plain["ended"],
        plain["seconds"],
        [nodes[place] for place in columns.get("node") or [0] * count],
        plain["pid"],
        [None if each is None else Error(*each) for each in columns.get("error") or absent],
        plain["origin"],
        plain["attempt"],
    )
    if any(len(column) != count for column in fields):
        raise ValueError(f"the columns have {sorted({len(column) for column in fields})} entries: {count} were written")
    return list(map(Evaluation, *fields))

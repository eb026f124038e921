"""The typed table of a sweep: one Arrow column a parameter, one row an index, packed as Parquet.

The columns are ``index``, one per parameter in the declared order, ``value`` (null where it failed), ``error``
(null where it did not), ``error_kind``, ``seconds``, ``started`` and ``ended`` (UTC), ``node``, ``pid``, ``attempt``,
``metrics.NAME`` for each metric of the shard, and ``steps`` where there are intermediate reports. A parameter that is
inactive at a point is null there. A column of the evaluation whose name a parameter has is ``evaluation.NAME``.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from arqon_ray.core.config import ParameterConfig
from arqon_ray.core.evaluation import Evaluation
from arqon_ray.core.kinds import RAISED
from arqon_ray.core.metrics import from_json, to_json
from arqon_ray.core.plain import column_text
from arqon_ray.errors import ConfigError
from arqon_ray.fanout.failfast import common_likeness
from arqon_ray.fanout.outcome import Outcome
from arqon_ray.report.columns import metric_columns
from arqon_ray.report.tables import arrow_array

if TYPE_CHECKING:
    import pyarrow as pa

OWN_COLUMNS = ("index", "value", "error", "seconds")
METRIC = "metrics."
"""How the names of the metrics' columns begin, and no parameter's."""
SUMMARY_KEY = b"arqon_ray"
KEPT_ERRORS = 20
"""Failures that a shard's summary, and a sweep's result, carry."""

Bounds = Mapping[str, ParameterConfig]


def check_names(bounds: Bounds) -> None:
    """Refuse a parameter that would hide one of the table's own columns.

    Raises:
        ConfigError: naming the parameter.
    """
    for name in bounds:
        if name in OWN_COLUMNS:
            raise ConfigError(f"bounds.{name}: a sweep's table has a column {name} of its own; rename the parameter")
        if name.startswith(METRIC):
            raise ConfigError(f"bounds.{name}: a sweep's table has its metrics under {METRIC}; rename the parameter")


def own_name(name: str, bounds: Bounds) -> str:
    """Return what a column of the evaluation is called beside these parameters."""
    return f"evaluation.{name}" if name in bounds else name


def schema(bounds: Bounds) -> pa.Schema:
    """Return the Arrow schema of the table, but for the columns of metrics and ``steps``."""
    import pyarrow as pa

    parameters = [pa.field(name, _column_type(parameter)) for name, parameter in bounds.items()]
    time = pa.timestamp("us", "UTC")
    own = (
        ("error_kind", pa.string()),
        ("started", time),
        ("ended", time),
        ("node", pa.string()),
        ("pid", pa.int64()),
        ("attempt", pa.int64()),
    )
    return pa.schema(
        [
            pa.field("index", pa.int64(), nullable=False),
            *parameters,
            pa.field("value", pa.float64()),
            pa.field("error", pa.string()),
            pa.field("seconds", pa.float64()),
            *(pa.field(own_name(name, bounds), kind) for name, kind in own),
        ]
    )


def _column_type(parameter: ParameterConfig) -> pa.DataType:
    import pyarrow as pa

    if parameter.choices is None:
        return pa.int64() if parameter.type == "int" else pa.float64()
    kinds = {type(choice) for choice in parameter.choices if choice is not None}
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int}:
        return pa.int64()
    # An int beyond 2**53 beside a float would be rounded; such a mixture is written out like any other.
    if kinds and kinds <= {int, float} and all(abs(c) <= 2**53 for c in parameter.choices if isinstance(c, int)):
        return pa.float64()
    return pa.string()


def pack_rows(bounds: Bounds, start: int, points: Sequence[Mapping[str, Any]], outcomes: Sequence[Outcome]) -> bytes:
    """Return the rows ``start .. start + len(points)`` as one Parquet file, its summary in the file's metadata.

    Choices of mixed types become text: a string as it is, anything else as JSON; all of them as JSON where two would
    be the same text.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = schema(bounds)
    columns: dict[str, Any] = {"index": range(start, start + len(points))}
    for name, parameter in bounds.items():
        columns[name] = [point.get(name) for point in points]
        if types.field(name).type == pa.string():
            text = column_text(parameter.choices or (), _text)
            columns[name] = [text(point[name]) if name in point else None for point in points]
    evaluations = [outcome.evaluation for outcome in outcomes]
    columns |= {
        "value": [e.value for e in evaluations],
        "error": [None if e.error is None else e.error.message for e in evaluations],
        "seconds": [e.seconds for e in evaluations],
        own_name("error_kind", bounds): [None if e.error is None else e.error.kind for e in evaluations],
        own_name("started", bounds): [_microseconds(e.started) for e in evaluations],
        own_name("ended", bounds): [_microseconds(e.ended) for e in evaluations],
        own_name("node", bounds): [e.node for e in evaluations],
        own_name("pid", bounds): [e.pid for e in evaluations],
        own_name("attempt", bounds): [e.attempt for e in evaluations],
    }
    arrays = {field.name: pa.array(columns[field.name], type=field.type) for field in types}
    arrays |= {column.name: arrow_array(column) for column in metric_columns(evaluations)}
    if any(e.steps for e in evaluations):
        arrays[own_name("steps", bounds)] = _steps(evaluations)
    table = pa.table(arrays).replace_schema_metadata({SUMMARY_KEY: json.dumps(summarize(start, points, outcomes))})
    sink = io.BytesIO()
    times = [own_name("started", bounds), own_name("ended", bounds)]
    # Times of one shard differ little from row to row.
    packing = {"column_encoding": dict.fromkeys(times, "DELTA_BINARY_PACKED")}
    dictionary = [name for name in table.column_names if name not in times]
    pq.write_table(table, sink, compression="zstd", use_dictionary=dictionary, **packing)
    return sink.getvalue()


def _microseconds(time: float | None) -> int | None:
    return None if time is None else round(time * 1e6)


def _steps(evaluations: Sequence[Evaluation]) -> Any:
    import pyarrow as pa

    step = pa.struct([("step", pa.int64()), ("value", pa.float64()), ("time", pa.timestamp("us", "UTC"))])
    rows = [[{**each._asdict(), "time": _microseconds(each.time)} for each in e.steps] or None for e in evaluations]
    return pa.array(rows, pa.list_(step))


def _text(choice: Any) -> str | None:
    return choice if choice is None or isinstance(choice, str) else json.dumps(choice)


def summarize(start: int, points: Sequence[Mapping[str, Any]], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return what the driver must know of these rows: counts, both extremes, the first failures."""

    def row(i: int) -> dict[str, Any]:
        metrics = to_json(outcomes[i].evaluation.metrics)
        return {"index": start + i, "params": dict(points[i]), "value": outcomes[i].value, "metrics": metrics}

    finite = [(outcome.value, i) for i, outcome in enumerate(outcomes) if outcome.value is not None]
    failed = [i for i, outcome in enumerate(outcomes) if outcome.value is None]
    return {
        "count": len(points),
        "failed": len(failed),
        "seconds": sum(outcome.seconds for outcome in outcomes if not math.isnan(outcome.seconds)),
        "min": row(min(finite)[1]) if finite else None,
        "max": row(min(finite, key=lambda pair: (-pair[0], pair[1]))[1]) if finite else None,
        "errors": [
            {
                "index": start + i,
                "params": dict(points[i]),
                "error": outcomes[i].error,
                "kind": outcomes[i].kind or RAISED,
            }
            for i in failed[:KEPT_ERRORS]
        ],
        "notes": [note for outcome in outcomes for note in outcome.notes],
        **_failing([outcomes[i] for i in failed] if not finite else []),
    }


def _failing(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return what is said of rows that failed one and all: what they have in common, and the first traceback."""
    if not outcomes:
        return {}
    counted = [(outcome.kind, outcome.error or "") for outcome in outcomes]
    lacking = [outcome.error for outcome in outcomes if outcome.lacking]
    return {
        "lacking": len(lacking),
        "lacks": lacking[0] if lacking else "",
        "alike": common_likeness(counted),
        "counted": len(counted),
        "trace": outcomes[0].trace,
    }


def read_summary(source: Any) -> dict[str, Any]:
    """Return the summary of a Parquet file without reading its rows.

    Args:
        source: a path, or a file object.

    Raises:
        ValueError: when it is no such file.
        OSError: when it cannot be read.
    """
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(source)
    packed = (metadata.metadata or {}).get(SUMMARY_KEY)
    if packed is None:
        raise ValueError("it holds no summary")
    summary = json.loads(packed)
    if not isinstance(summary, dict) or summary.get("count") != metadata.num_rows:
        raise ValueError("its summary does not fit its rows")
    for row in (summary.get("min"), summary.get("max")):
        if row is not None:
            row["metrics"] = from_json(row.get("metrics", {}))  # what 0.1.0 wrote has none
    return summary

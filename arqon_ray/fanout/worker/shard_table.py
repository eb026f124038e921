"""The table of a shard as Parquet: a row per index, a typed Arrow column per parameter.

The columns are ``index``, one per parameter in the declared order, ``value`` (null if the evaluation failed), ``error``
(null if it did not), ``error_kind``, ``seconds``, ``started`` and ``ended`` (UTC), ``node``, ``pid``, ``attempt``,
``metrics.NAME`` for each metric of the shard, and ``steps`` if there are intermediate reports. An inactive parameter is
null. A column of the evaluation is called ``evaluation.NAME`` if a parameter has its name.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from arqon_ray.core.inputs.plain import column_text
from arqon_ray.core.record.evaluation import Evaluation
from arqon_ray.core.record.table import metric_columns
from arqon_ray.core.space.config import ParameterConfig
from arqon_ray.core.space.description import Range
from arqon_ray.errors import ConfigError
from arqon_ray.fanout.worker.outcome import Outcome
from arqon_ray.fanout.worker.shard_summary import SUMMARY_KEY, summarize
from arqon_ray.tables import Column, Kind, arrow_array, arrow_type, step_type, steps_array

if TYPE_CHECKING:
    import pyarrow as pa

OWN_COLUMNS = ("index", "value", "error", "seconds")
METRIC = "metrics."
"""The prefix of the columns of metrics, which no parameter may have."""

Bounds = Mapping[str, ParameterConfig]


def check_names(bounds: Bounds) -> None:
    """Refuse a parameter whose column would clash with another one of the table.

    Raises:
        ConfigError: it names the parameter.
    """
    for name in bounds:
        if name in OWN_COLUMNS:
            raise ConfigError(
                f"bounds.{name}: the table of a sweep has a column {name} of its own; rename the parameter"
            )
        if name.startswith(METRIC):
            raise ConfigError(
                f"bounds.{name}: in the table of a sweep {METRIC} is the prefix of metrics; rename the parameter"
            )


def own_name(name: str, bounds: Bounds) -> str:
    """Return the name of a column of the evaluation, which no parameter has."""
    while name in bounds:
        name = f"evaluation.{name}"
    return name


def schema(bounds: Bounds) -> pa.Schema:
    """Return the Arrow schema of the table, without the columns of metrics and ``steps``."""
    import pyarrow as pa

    parameters = [pa.field(name, _column_type(parameter)) for name, parameter in bounds.items()]
    own = (
        ("error_kind", pa.string()),
        ("started", _time()),
        ("ended", _time()),
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


def with_optional_columns(types: pa.Schema, bounds: Bounds, metrics: Mapping[str, Kind], *, steps: bool) -> pa.Schema:
    """Return the schema with the columns that not every shard has.

    Args:
        types: what :func:`schema` returns.
        bounds: the parameters.
        metrics: the kinds of the metrics, by column.
        steps: whether there are intermediate reports.
    """
    import pyarrow as pa

    for name, kind in metrics.items():
        types = types.append(pa.field(name, arrow_type(kind)))
    return types.append(pa.field(own_name("steps", bounds), step_type())) if steps else types


def _column_type(parameter: ParameterConfig) -> pa.DataType:
    import pyarrow as pa

    described = parameter.describe()
    if isinstance(described, Range):
        return pa.int64() if described.integer else pa.float64()
    kinds = {type(choice) for choice in described.choices if choice is not None}
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int}:
        return pa.int64()
    # As floats, whole numbers beyond 2**53 would be rounded: those are written as text.
    if kinds and kinds <= {int, float} and all(abs(c) <= 2**53 for c in described.choices if isinstance(c, int)):
        return pa.float64()
    return pa.string()


def pack_rows(bounds: Bounds, start: int, points: Sequence[Mapping[str, Any]], outcomes: Sequence[Outcome]) -> bytes:
    """Return the rows from index ``start`` on as a Parquet file, with their summary in its metadata.

    Choices of mixed types become text: strings as they are and anything else as JSON, or all as JSON if two of them
    would be the same text.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    evaluations = [outcome.evaluation for outcome in outcomes]
    metrics = metric_columns(evaluations)
    types = schema(bounds)
    arrays = [pa.array(range(start, start + len(points)), pa.int64())]
    arrays += [_parameter(types.field(name).type, name, parameter, points) for name, parameter in bounds.items()]
    arrays += _own(evaluations)  # in the order of the schema
    arrays += [arrow_array(column) for column in metrics]
    steps = (
        steps_array([each.steps for each in evaluations])
        if any(evaluation.steps for evaluation in evaluations)
        else None
    )
    types = with_optional_columns(
        types, bounds, {column.name: column.kind for column in metrics}, steps=steps is not None
    )
    arrays += [] if steps is None else [steps]
    summary = json.dumps(summarize(start, points, outcomes, metrics))
    sink = io.BytesIO()
    # zstd compresses text better, but takes longer than everything else for a small shard of numbers.
    texts = steps is not None or any(e.error is not None for e in evaluations) or any(map(_is_long, metrics))
    packing = {"compression": "zstd" if texts else "snappy", **_encoding(types, bounds)}
    with pq.ParquetWriter(sink, types, store_schema=False, **packing) as file:
        file.write_table(pa.Table.from_arrays(arrays, schema=types))
        file.add_key_value_metadata({SUMMARY_KEY: summary})
    return sink.getvalue()


def _is_long(column: Column) -> bool:
    return column.kind not in (Kind.BOOL, Kind.INT, Kind.FLOAT)


def _encoding(types: pa.Schema, bounds: Bounds) -> dict[str, Any]:
    """Return the encoding of each column. There are many small shards, so that a column must cost little."""
    import pyarrow as pa

    # Neighbouring entries differ little in these; text and whole numbers repeat few entries; floats do neither.
    rising = ["index", own_name("started", bounds), own_name("ended", bounds)]
    few = [f.name for f in types if f.type in (pa.string(), pa.int64()) and f.name not in rising]
    few += [name for name, parameter in bounds.items() if parameter.choices is not None and name not in few]
    return {
        "column_encoding": dict.fromkeys(rising, "DELTA_BINARY_PACKED"),
        "use_dictionary": few,
        "write_statistics": ["index", "value", "error"],
    }


def _parameter(kind: pa.DataType, name: str, parameter: ParameterConfig, points: Sequence[Mapping[str, Any]]) -> Any:
    import pyarrow as pa

    if kind != pa.string():
        return pa.array([point.get(name) for point in points], kind)
    text = column_text(parameter.choices or (), _text)
    return pa.array([text(point[name]) if name in point else None for point in points], kind)


def _own(evaluations: Sequence[Evaluation]) -> list[Any]:
    """Return the columns from ``value`` to ``attempt``."""
    import pyarrow as pa

    errors = [evaluation.error for evaluation in evaluations]
    started = np.array([evaluation.started for evaluation in evaluations], float)
    ended = np.array([evaluation.ended for evaluation in evaluations], float)
    return [
        pa.array([evaluation.value for evaluation in evaluations], pa.float64()),
        pa.array([None if error is None else error.message for error in errors], pa.string()),
        pa.array([evaluation.seconds for evaluation in evaluations], pa.float64()),
        pa.array([None if error is None else error.kind for error in errors], pa.string()),
        _times(started),
        _times(ended),
        pa.array([evaluation.node for evaluation in evaluations], pa.string()),
        pa.array([evaluation.pid for evaluation in evaluations], pa.int64()),
        pa.array([evaluation.attempt for evaluation in evaluations], pa.int64()),
    ]


def _times(seconds: Any) -> Any:
    """Return seconds since 1970 as timestamps; NaN, an unknown time, becomes null."""
    import pyarrow as pa

    unknown = np.isnan(seconds)
    microseconds = np.round(np.where(unknown, 0.0, seconds) * 1e6).astype(np.int64)
    return pa.array(microseconds, mask=unknown).cast(_time())


def _time() -> pa.DataType:
    import pyarrow as pa

    return pa.timestamp("us", "UTC")


def _microseconds(time: float | None) -> int | None:
    return None if time is None else round(time * 1e6)


def _text(choice: Any) -> str | None:
    return choice if choice is None or isinstance(choice, str) else json.dumps(choice)

"""The summary of a shard in the metadata of its file: what the driver needs without reading the rows."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from arqon_ray.core.record.error_kinds import RAISED
from arqon_ray.core.record.evaluation import Error
from arqon_ray.core.record.metrics import from_json, to_json
from arqon_ray.fanout.worker.fingerprint import common_fingerprint
from arqon_ray.fanout.worker.outcome import Outcome
from arqon_ray.tables import Column

Summary = Mapping[str, Any]

SUMMARY_KEY = b"arqon_ray"
KEPT_ERRORS = 20
"""The most failures in the summary of a shard, and in the result of a sweep."""


def summarize(
    start: int, points: Sequence[Mapping[str, Any]], outcomes: Sequence[Outcome], metrics: Sequence[Column] = ()
) -> dict[str, Any]:
    """Return the summary of a shard: counts, smallest and largest value, the first failures, names of metrics.

    Args:
        start: the index of the first row.
        points: the parameters of the rows.
        outcomes: their outcomes.
        metrics: the columns of their metrics.
    """
    evaluations = [outcome.evaluation for outcome in outcomes]

    def row(i: int) -> dict[str, Any]:
        metrics = to_json(evaluations[i].metrics)
        return {"index": start + i, "params": dict(points[i]), "value": evaluations[i].value, "metrics": metrics}

    values = [evaluation.value for evaluation in evaluations]
    finite = [value for value in values if value is not None]
    failed = [i for i, value in enumerate(values) if value is None] if len(finite) < len(values) else []
    return {
        "start": start,
        "count": len(points),
        "failed": len(failed),
        "seconds": math.fsum(evaluation.seconds or 0.0 for evaluation in evaluations),
        "min": row(values.index(min(finite))) if finite else None,
        "max": row(values.index(max(finite))) if finite else None,
        "errors": [_failure(start + i, points[i], evaluations[i].error) for i in failed[:KEPT_ERRORS]],
        "metrics": {column.name: _kind(column) for column in metrics},
        "steps": any(evaluation.steps for evaluation in evaluations),
        "notes": [note for outcome in outcomes if outcome.notes for note in outcome.notes],
        **_failing([outcomes[i] for i in failed] if not finite else []),
    }


def _failure(index: int, params: Mapping[str, Any], error: Error | None) -> dict[str, Any]:
    message, kind = (None, RAISED) if error is None else (error.message, error.kind)
    return {"index": index, "params": dict(params), "error": message, "kind": kind}


def _kind(column: Column) -> str | None:
    """Return the kind of a column's entries; None if all are None."""
    return column.kind.name if any(entry is not None for entry in column.entries) else None


def _failing(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return what a shard in which all rows failed adds: what the failures have in common, and the first traceback."""
    if not outcomes:
        return {}
    counted = [(outcome.kind, outcome.error or "") for outcome in outcomes]
    missing = [outcome.error for outcome in outcomes if outcome.metric_missing]
    return {
        "lacking": len(missing),
        "lacks": missing[0] if missing else "",
        "alike": common_fingerprint(counted),
        "counted": len(counted),
        "trace": outcomes[0].trace,
    }


def read_summary(source: Any) -> dict[str, Any]:
    """Return the summary of a Parquet file without reading its rows.

    Args:
        source: a path, or a file object.

    Raises:
        ValueError: it is not the file of a shard.
        OSError: it cannot be read.
    """
    import pyarrow.parquet as pq

    return unpack_summary(pq.read_metadata(source))


def unpack_summary(metadata: Any) -> dict[str, Any]:
    """Return the summary in the metadata of a Parquet file.

    Raises:
        ValueError: there is none, or it is damaged.
    """
    packed = (metadata.metadata or {}).get(SUMMARY_KEY)
    if packed is None:
        raise ValueError("it has no summary")
    summary = json.loads(packed)
    if not isinstance(summary, dict) or summary.get("count") != metadata.num_rows:
        raise ValueError("its summary does not fit its rows")
    try:
        # Sweeps of 0.1.0 have no metrics, and failures without a kind.
        for row in (summary["min"], summary["max"]):
            if row is not None:
                row["metrics"] = from_json(row.get("metrics", {}))
        summary["errors"] = [{"kind": None, **failure} for failure in summary["errors"]]
        return {"metrics": {}, "steps": False, "notes": [], **summary}
    except (TypeError, LookupError, AttributeError) as error:
        raise ValueError(f"its summary is damaged: {error!r}") from None

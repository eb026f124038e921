"""A result of Tune: the user's metrics, and what Tune measured."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

from ray.air.constants import TIMESTAMP, TRAINING_ITERATION
from ray.tune import result as names

from arqon_ray.core.inputs.values import as_number
from arqon_ray.core.record.evaluation import Metric
from arqon_ray.core.record.metrics import flatten

logger = logging.getLogger(__name__)

_SCHEDULERS = "hyperband_info"
_AUTOMATIC = frozenset(
    {
        *(*names.AUTO_RESULT_KEYS, *names.DEBUG_METRICS, *names.DEFAULT_EXPERIMENT_INFO_KEYS),
        *(names.DONE, names.SHOULD_CHECKPOINT, names.EPISODES_THIS_ITER, names.TIMESTEPS_THIS_ITER),
        *(names.RESULT_DUPLICATE, names.TRIAL_INFO, names.STDOUT_FILE, names.STDERR_FILE, names.DEFAULT_METRIC),
    }
)
"""The keys that Tune adds to every result, and its name for a bare number."""
_NESTED = (f"{names.CONFIG_PREFIX}/", f"{_SCHEDULERS}/")
_RESOLUTION = 1.0
"""Seconds: Tune's time stamps are integers."""


def metrics_of(result: Mapping[str, Any], objectives: Mapping[str, Any]) -> dict[str, Metric]:
    """Return the user's metrics in a result, and Tune's total time; see :func:`.core.record.metrics.flatten`.

    Args:
        result: the result, flat as Tune passes it on.
        objectives: metrics that are kept in any case, even if there are too many; a bare number has no name.
    """
    first = {key: value for key, value in objectives.items() if key != names.DEFAULT_METRIC}
    if names.TIME_TOTAL_S in result:
        first.setdefault(names.TIME_TOTAL_S, result[names.TIME_TOTAL_S])
    rest = {
        key: value
        for key, value in result.items()
        if key not in _AUTOMATIC and key not in first and not str(key).startswith(_NESTED)
    }
    return flatten(first | rest, lambda name, message: logger.warning(message))


def reduced(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the useful part of a result as plain values: a result may contain anything, even a whole model."""
    automatic = {key: result[key] for key in _AUTOMATIC if isinstance(result.get(key), int | float | str)}
    return {**metrics_of(result, {}), **automatic}


def number(value: Any) -> float | None:
    """Return a metric of any number type as a float; None if it is not a number."""
    try:
        return as_number(value)
    except TypeError:
        return None


def finite(value: Any) -> float | None:
    """Return a metric as a finite float, else None."""
    found = number(value)
    return found if found is not None and math.isfinite(found) else None


def step_of(result: Mapping[str, Any]) -> int | None:
    """Return the step of a result; None if it has none."""
    step = finite(result.get(TRAINING_ITERATION))
    return None if step is None else int(step)


def time_of(result: Mapping[str, Any], now: float) -> float | None:
    """Return when a result was reported, in seconds since 1970: within the second that Tune stamped, nearest to now."""
    stamp = finite(result.get(TIMESTAMP))
    return None if stamp is None else min(max(now, stamp), stamp + _RESOLUTION)


def seconds_of(result: Mapping[str, Any]) -> float | None:
    """Return how many seconds a trial has taken so far; None if unknown."""
    seconds = finite(result.get(names.TIME_TOTAL_S))
    return None if seconds is None or seconds < 0 else seconds


def node_and_pid_of(result: Mapping[str, Any]) -> tuple[str | None, int | None]:
    """Return the address of the node where a trial ran, and the process id."""
    node, pid = result.get(names.NODE_IP), finite(result.get(names.PID))
    return (node if isinstance(node, str) and node else None), (int(pid) if pid is not None and pid >= 0 else None)

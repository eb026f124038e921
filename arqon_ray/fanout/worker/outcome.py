"""The outcome of an evaluation on its way from the worker to the driver, also if its process died."""

from __future__ import annotations

import math
import os
import sys
import time
from typing import NamedTuple

from arqon_ray.core.record.error_kinds import DIED, TIMEOUT
from arqon_ray.core.record.evaluation import Error, Evaluation
from arqon_ray.fanout.worker.context import Context

LONGEST_ERROR = 1000
"""Characters of an error message that are kept: some print whole arrays."""


class Outcome(NamedTuple):
    """The outcome of one evaluation.

    Attributes:
        evaluation: the record, without id and parameters.
        metric_missing: whether the returned dict lacks the metric that counts; the error lists the names in it.
        notes: names of metrics that were left out or shortened, each with its warning; once in a process.
    """

    evaluation: Evaluation
    metric_missing: bool = False
    notes: tuple[tuple[str, str], ...] = ()

    @property
    def value(self) -> float | None:
        """The value; None if the evaluation failed."""
        return self.evaluation.value

    @property
    def seconds(self) -> float:
        """The wall time of the call in seconds; NaN if its process died."""
        return math.nan if self.evaluation.seconds is None else self.evaluation.seconds

    @property
    def error(self) -> str | None:
        """Why it failed, one line; None if it did not."""
        return None if self.evaluation.error is None else self.evaluation.error.message

    @property
    def kind(self) -> str | None:
        """Why it failed, one of :mod:`arqon_ray.core.record.error_kinds`; None if it did not."""
        return None if self.evaluation.error is None else self.evaluation.error.kind

    @property
    def trace(self) -> str | None:
        """The last lines of the traceback; None if there is none."""
        return None if self.evaluation.error is None else self.evaluation.error.trace


def died(reason: str, attempts: int, kind: str = DIED) -> Outcome:
    """Return the outcome of an evaluation whose process died at every attempt."""
    times = f"{attempts} times" if attempts > 1 else "once"
    error = Error(kind, f"the worker process died, tried {times}: {reason}"[:LONGEST_ERROR])
    return Outcome(Evaluation(None, {}, status="failed", error=error, attempt=attempts))


def timed_out(
    limit: float,
    seconds: float,
    trace: str | None,
    here: bool = False,
    context: Context | None = None,
    attempt: int = 1,
) -> Outcome:
    """Return the outcome of an evaluation that took too long.

    Args:
        limit: the seconds it was allowed to take.
        seconds: the seconds it took.
        trace: where it was interrupted, if that is known.
        here: whether it still runs in this process, so that node, process and start are known.
        context: has its reports; None if it took none.
        attempt: how often it was started.
    """
    ended = time.time() if here else None
    evaluation = Evaluation(
        id=None,
        params={},
        status="failed",
        metrics={} if context is None else context.metrics,
        steps=() if context is None else context.end(),
        started=None if ended is None else ended - seconds,
        ended=ended,
        seconds=seconds,
        node=node() if here else None,
        pid=os.getpid() if here else None,
        error=Error(TIMEOUT, f"timeout: it ran longer than {limit:g} s", trace),
        attempt=attempt,
    )
    return Outcome(evaluation)


_node: str | None = None


def node() -> str | None:
    """Return the address of this machine as Ray knows it; None without Ray."""
    global _node
    if _node is None and (ray := sys.modules.get("ray")) is not None and ray.is_initialized():
        _node = str(ray.util.get_node_ip_address())
    return _node

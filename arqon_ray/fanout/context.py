"""What a function may learn of its own evaluation, and report while it runs.

A function that has a parameter named ``context`` is given a :class:`Context`; others cost nothing. A worker imports
this module: beside the standard library it needs the readers of values alone.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from arqon_ray.core import metrics as metric_rules
from arqon_ray.core import values as read
from arqon_ray.core.evaluation import Metric, Step
from arqon_ray.core.running import Running
from arqon_ray.errors import ResultsError
from arqon_ray.fanout.shipping import Shipped

NAME = "context"
INTERVAL = 1.0
"""Seconds between two batches of reports."""

Report = dict[str, Any]
"""``step``, ``value``, ``time`` and, where there are any, ``metrics``."""
Send = Callable[[list[Report]], object]


class Context:
    """An evaluation as its function sees it.

    Make one by hand to test such a function without Ray::

        context = Context(index=3, seed=7)
        train({"lr": 0.1}, context)
        assert context.steps[-1].value < 1.0

    Attributes:
        id: the candidate's id in its study; None in a sweep.
        index: the number of the candidate, or the point's index in a sweep.
        replicate: which repetition of the point it is, from 0.
        attempt: how often the evaluation was started, from 1.
        seed: for the function's own random numbers, below 2**32. It follows from the study's seed, index and replicate
            alone, so that a stochastic function gives the same at every attempt.
    """

    def __init__(
        self,
        id: str | None = None,
        index: int = 0,
        replicate: int = 0,
        attempt: int = 1,
        seed: int = 0,
        send: Send | None = None,
    ) -> None:
        """Begin an evaluation.

        Args:
            id: see the attributes.
            index: likewise.
            replicate: likewise.
            attempt: likewise.
            seed: likewise.
            send: takes the reports of at least a second, in a thread of its own; None keeps all of them here.
        """
        self.id, self.index, self.replicate, self.attempt, self.seed = id, index, replicate, attempt, seed
        self._running = Running()
        self._unsent: list[Report] = []
        self._under_way: list[Report] = []
        self._send = send
        self._sender: threading.Thread | None = None
        self._ended = threading.Event()
        self._lock = threading.Lock()

    def report(self, step: int, value: float, metrics: Mapping[str, Any] | None = None) -> None:
        """Report how far the evaluation has come; it takes no time, and fails for nothing but its arguments.

        Reports may come in any order; one of a step that was reported before replaces it.

        Args:
            step: 0 or more: an epoch, a number of trees.
            value: what the parameters are worth by then; one that is not finite is kept as None.
            metrics: what else is known; of each name the last one is kept.

        Raises:
            ResultsError: when step, value or a metric is malformed.
        """
        step = read.whole("step", step, 0, read.MAX_WHOLE, ResultsError)
        finite = read.result("value", value, ResultsError)
        last: dict[str, Metric] = {} if metrics is None else metric_rules.check("metrics", metrics)
        now = time.time()
        report: Report = {"step": step, "value": finite, "time": now, **({"metrics": last} if last else {})}
        with self._lock:
            self._running.add(Step(step, finite, now), last)
            if self._send is not None and not self._ended.is_set():
                self._unsent.append(report)
                self._begin_sending()

    def should_stop(self) -> bool:
        """Tell whether the evaluation is no longer wanted: Ray has cancelled its task, since the run has ended.

        A function that looks may end in good order; one that does not is interrupted.
        """
        ray = sys.modules.get("ray")
        if ray is None or not ray.is_initialized():
            return False
        try:
            return bool(ray.get_runtime_context().is_canceled())
        except RuntimeError:  # in a driver, which nobody cancels
            return False

    @property
    def steps(self) -> tuple[Step, ...]:
        """The reports so far, by step; at most 1000, evenly thinned."""
        with self._lock:
            return self._running.sorted()

    @property
    def metrics(self) -> dict[str, Metric]:
        """The metrics that were reported last."""
        with self._lock:
            return dict(self._running.metrics)

    def end(self) -> tuple[Step, ...]:
        """End the sending; return the reports that were not sent, by step: they travel with the result."""
        with self._lock:
            self._ended.set()
            if self._send is None:
                return self._running.sorted()
            kept = {report["step"] for report in (*self._under_way, *self._unsent)}
            self._unsent = []
            return tuple(step for step in self._running.sorted() if step.step in kept)

    def _begin_sending(self) -> None:
        if self._sender is None:
            self._sender = threading.Thread(target=self._keep_sending, name="arqon-reports", daemon=True)
            self._sender.start()

    def _keep_sending(self) -> None:
        while not self._ended.wait(INTERVAL):
            with self._lock:
                batch, self._unsent = self._unsent, []
                self._under_way = batch
            if not batch or self._send is None:
                continue
            try:
                self._send(batch)
            except Exception:  # the study is away: they go with the next ones, or with the result
                with self._lock:
                    self._unsent = batch + self._unsent
            with self._lock:
                self._under_way = []


def seed_of(seed: int, index: int, replicate: int = 0) -> int:
    """Return the seed of one evaluation, below 2**32: what every library takes.

    Args:
        seed: the study's.
        index: the number of the candidate, or the point's index.
        replicate: which repetition of the point.
    """
    text = f"{seed}/{index}/{replicate}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=4, person=b"arqon-context").digest(), "big")


def takes_context(fn: Any) -> bool:
    """Tell whether a function, a class whose instances are called, or a callable object has such a parameter.

    It is not the first one, which takes the parameters.
    """
    if isinstance(fn, Shipped):
        fn = fn.function
    try:
        return _takes(fn)
    except TypeError:  # it cannot be hashed
        return _takes.__wrapped__(fn)


@lru_cache(maxsize=64)
def _takes(fn: Any) -> bool:
    target = fn.__call__ if isinstance(fn, type) else fn
    try:
        names = list(inspect.signature(target).parameters)
        outermost = inspect.signature(target, follow_wrapped=False).parameters.values()
    except (TypeError, ValueError):  # written in C, or without a signature
        return False
    first = 2 if isinstance(fn, type) else 1
    if NAME not in names[first:]:
        return False
    # A decorator may show the parameters of what it wraps and yet not pass them on.
    return any(each.name == NAME or each.kind is each.VAR_KEYWORD for each in outermost)

"""What a function may learn of its own evaluation, and report while it runs.

A function that has a parameter named ``context`` is given a :class:`Context`; others cost nothing. A worker imports
this module: beside the standard library it needs the readers of values alone.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from arqon_ray.core.inputs import values as read
from arqon_ray.core.record.evaluation import Metric, Step
from arqon_ray.core.record.metrics import MAX_STEPS, flatten
from arqon_ray.core.record.running import Running
from arqon_ray.errors import ResultsError
from arqon_ray.fanout.worker.shipping import Shipped

NAME = "context"
INTERVAL = 1.0
"""Seconds between two batches of reports."""

Report = dict[str, Any]
"""``step``, ``value``, ``time`` and, where there are any, ``metrics``."""
Send = Callable[[list[Report]], object]


class Context:
    """An evaluation as its function sees it.

    Make one by hand to test such a function without Ray.

    Attributes:
        id: the candidate's id in its study; None in a sweep.
        index: the number of the candidate, or the point's index in a sweep.
        replicate: which repetition of the point it is, from 0.
        attempt: how often the evaluation was started, from 1.
        seed: for the function's own random numbers, below 2**32. It follows from the study's seed, index and replicate
            alone, so that a stochastic function gives the same at every attempt.
        stopping: whether :meth:`should_stop` has said so: what the function returns then is not taken for its value.

    Example:
        >>> from arqon_ray import Context
        >>> def train(params, context):
        ...     for epoch in range(3):
        ...         context.report(epoch, 1.0 / (1 + epoch))
        >>> context = Context(index=3, seed=7)
        >>> train({}, context)
        >>> [step.value for step in context.steps]
        [1.0, 0.5, 0.3333333333333333]
    """

    def __init__(
        self,
        id: str | None = None,
        index: int = 0,
        replicate: int = 0,
        attempt: int = 1,
        seed: int = 0,
        send: Send | None = None,
        stopped: Callable[[], bool] | None = None,
    ) -> None:
        """Begin an evaluation.

        Args:
            id: see the attributes.
            index: likewise.
            replicate: likewise.
            attempt: likewise.
            seed: likewise.
            send: takes the reports of at least a second, in a thread of its own; None keeps all of them here.
            stopped: tells whether the evaluation is no longer wanted; None asks Ray.
        """
        self.id, self.index, self.replicate, self.attempt, self.seed = id, index, replicate, attempt, seed
        self.stopping = False
        self.notes: list[tuple[str, str]] = []
        self._named: set[str] = set()
        self._stopped = cancelled if stopped is None else stopped
        self._reports = _Reports(send)

    def report(self, step: int, value: float, metrics: Mapping[str, Any] | None = None) -> None:
        """Report how far the evaluation has come; it takes no time, and fails for nothing but its arguments.

        Reports may come in any order; one of a step that was reported before replaces it. At most 1000 are kept,
        evenly thinned, the first and the last one always.

        Args:
            step: 0 or more: an epoch, a number of trees.
            value: what the parameters are worth by then; one that is not finite is kept as None.
            metrics: what else is known; of each name the last one is kept, and 64 names. As in what the function
                returns, what is no metric is left out or cut, and named once in a warning.

        Raises:
            ResultsError: when the step is no whole number, the value none, or the metrics no dict.
        """
        step = read.whole("step", step, 0, read.MAX_WHOLE, ResultsError)
        finite = read.result("value", value, ResultsError)
        last: dict[str, Metric] = {}
        if metrics is not None:
            if not isinstance(metrics, Mapping):
                raise ResultsError(read.broken("metrics", metrics, "a dict of metrics by name"))
            last = flatten(metrics, lambda *note: self.notes.append(note), self._named)
        self._reports.add(Step(step, finite, time.time()), last)

    def should_stop(self) -> bool:
        """Tell whether the evaluation is no longer wanted: Ray has cancelled its task, since the run has ended.

        Ray interrupts the main thread by a KeyboardInterrupt at the same time, and after two seconds the process is
        ended. Ask where that does not come through: in other threads, in callbacks of a library, or where the
        exception is caught to end in good order. Once this has said True the evaluation is given back, whatever the
        function returns.
        """
        if not self.stopping:
            self.stopping = self._stopped()
        return self.stopping

    @property
    def steps(self) -> tuple[Step, ...]:
        """The reports so far, by step; at most 1000, evenly thinned."""
        return self._reports.steps()

    @property
    def metrics(self) -> dict[str, Metric]:
        """The metrics that were reported last."""
        return self._reports.metrics()

    def end(self) -> tuple[Step, ...]:
        """End the sending; return the reports that were not sent, by step: they travel with the result."""
        return self._reports.end()


class _Reports:
    """The reports of one evaluation; they are sent in batches, in the background, and it is known which the study has.

    Any thread of the function may report.
    """

    def __init__(self, send: Send | None) -> None:
        self._send = send
        self._running = Running()
        self._unsent: set[int] = set()
        self._news: set[str] = set()  # the metrics that were not sent
        self._sender: threading.Thread | None = None
        self._ended = threading.Event()
        self._lock = threading.Lock()

    def add(self, report: Step, metrics: dict[str, Metric]) -> None:
        """Take a report; the first one starts the thread."""
        with self._lock:
            self._running.add(report, metrics)
            self._unsent.add(report.step)
            self._news.update(metrics)
            if len(self._unsent) > 2 * MAX_STEPS:  # what was thinned out is not sent either
                self._unsent &= self._running.steps.keys()
            if self._sender is None and self._send is not None:
                self._sender = threading.Thread(target=self._keep_sending, name="arqon-reports", daemon=True)
                self._sender.start()

    def steps(self) -> tuple[Step, ...]:
        """Return the reports that are kept, by step."""
        with self._lock:
            return self._running.sorted()

    def metrics(self) -> dict[str, Metric]:
        """Return the last of each metric."""
        with self._lock:
            return dict(self._running.metrics)

    def end(self) -> tuple[Step, ...]:
        """Send nothing more; return what the study does not have, or may not have."""
        self._ended.set()
        with self._lock:
            return self._to_send()

    def _to_send(self) -> tuple[Step, ...]:
        return tuple(step for step in self._running.sorted() if step.step in self._unsent)

    def _keep_sending(self) -> None:
        assert self._send is not None
        while not self._ended.wait(INTERVAL):
            with self._lock:
                steps, news = self._to_send(), self._news
                metrics = {name: value for name, value in self._running.metrics.items() if name in news}
                self._news = set()
            if not steps:
                continue
            batch: list[Report] = [step._asdict() for step in steps]
            if metrics:
                batch[-1]["metrics"] = metrics
            try:
                self._send(batch)
            except Exception:  # the study is away: they go with the next ones, or with the result
                with self._lock:
                    self._news |= news
                continue
            with self._lock:
                # One whose step was reported again meanwhile is to be sent again.
                self._unsent -= {step.step for step in steps if self._running.steps.get(step.step) in (step, None)}


def cancelled() -> bool:
    """Tell whether this is a task that Ray has cancelled; known in its main thread alone."""
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return False
    try:
        return bool(ray.get_runtime_context().is_canceled())
    except RuntimeError:  # in a driver, which nobody cancels
        return False


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

    It is not the first one, which takes the parameters, nor one that a ``functools.partial`` has given already.
    """
    if isinstance(fn, Shipped):
        fn = fn.function
    try:
        return _takes(fn)
    except TypeError:  # it cannot be hashed
        return _takes.__wrapped__(fn)


@lru_cache(maxsize=64)
def _takes(fn: Any) -> bool:
    if isinstance(fn, functools.partial) and NAME in fn.keywords:
        return False
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

"""What a function can learn about its own evaluation, and what it can report while it runs.

A function with a parameter named ``context`` is given a :class:`Context`. For others none is made.
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
        index: the candidate's number, or in a sweep the index of the point.
        replicate: which repetition of the point this is, from 0.
        attempt: how often the evaluation was started, from 1.
        seed: for the function's own random numbers, below 2**32. It depends on the study's seed, the index and the
            replicate only, so a stochastic function returns the same at every attempt.
        stopping: whether :meth:`should_stop` has returned True. The result of the function is then ignored.

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
        """Start an evaluation without reports.

        Args:
            id: see the attributes.
            index: likewise.
            replicate: likewise.
            attempt: likewise.
            seed: likewise.
            send: called with the new reports about once a second, in a thread of its own; None keeps all of them here.
            stopped: whether the evaluation is no longer wanted; None asks Ray.
        """
        self.id, self.index, self.replicate, self.attempt, self.seed = id, index, replicate, attempt, seed
        self.stopping = False
        self.notes: list[tuple[str, str]] = []
        self._named: set[str] = set()
        self._stopped = cancelled if stopped is None else stopped
        self._reports = _Reports(send)

    def report(self, step: int, value: float, metrics: Mapping[str, Any] | None = None) -> None:
        """Report an intermediate value. It returns at once, and raises only if an argument is wrong.

        Reports may come in any order. A second report of a step replaces the first. At most 1000 are kept: if there
        are more, they are thinned out evenly, except the first and the last.

        Args:
            step: 0 or more, such as an epoch or a number of trees.
            value: the objective at this step; NaN and infinities are kept as None.
            metrics: further metrics by name. The last value of each name is kept, of at most 64 names. What cannot be
                a metric is left out or shortened, with one warning, as in the dict that the function returns.

        Raises:
            ResultsError: the step is not a whole number, the value not a number, or the metrics not a dict.
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
        """Return whether the evaluation is no longer wanted, because the run has ended and Ray cancelled the task.

        Ray also raises KeyboardInterrupt in the main thread, and kills the process two seconds later. Use this method
        where that exception does not arrive: in other threads, in callbacks of a library, or where it is caught to
        clean up. Once it has returned True the evaluation is given back to the study, whatever the function returns.
        """
        if not self.stopping:
            self.stopping = self._stopped()
        return self.stopping

    @property
    def steps(self) -> tuple[Step, ...]:
        """The reports so far, by step, at most 1000."""
        return self._reports.steps()

    @property
    def metrics(self) -> dict[str, Metric]:
        """The last reported value of each metric."""
        return self._reports.metrics()

    def end(self) -> tuple[Step, ...]:
        """Stop sending; return the reports that were not sent yet, by step: they travel with the result."""
        return self._reports.end()


class _Reports:
    """The reports of one evaluation, and which of them the study already has. Thread-safe.

    A background thread sends the new ones in batches.
    """

    def __init__(self, send: Send | None) -> None:
        self._send = send
        self._running = Running()
        self._unsent: set[int] = set()
        self._unsent_metrics: set[str] = set()  # the metrics that were not sent
        self._sender: threading.Thread | None = None
        self._ended = threading.Event()
        self._lock = threading.Lock()

    def add(self, report: Step, metrics: dict[str, Metric]) -> None:
        """Add a report; the first one starts the thread."""
        with self._lock:
            self._running.add(report, metrics)
            self._unsent.add(report.step)
            self._unsent_metrics.update(metrics)
            if len(self._unsent) > 2 * MAX_STEPS:  # what was thinned out is not sent either
                self._unsent &= self._running.steps.keys()
            if self._sender is None and self._send is not None:
                self._sender = threading.Thread(target=self._keep_sending, name="arqon-reports", daemon=True)
                self._sender.start()

    def steps(self) -> tuple[Step, ...]:
        """Return the kept reports, by step."""
        with self._lock:
            return self._running.sorted()

    def metrics(self) -> dict[str, Metric]:
        """Return the last value of each metric."""
        with self._lock:
            return dict(self._running.metrics)

    def end(self) -> tuple[Step, ...]:
        """Stop sending; return what the study does not have, or may not have."""
        self._ended.set()
        with self._lock:
            return self._to_send()

    def _to_send(self) -> tuple[Step, ...]:
        return tuple(step for step in self._running.sorted() if step.step in self._unsent)

    def _keep_sending(self) -> None:
        assert self._send is not None
        while not self._ended.wait(INTERVAL):
            with self._lock:
                steps, unsent = self._to_send(), self._unsent_metrics
                metrics = {name: value for name, value in self._running.metrics.items() if name in unsent}
                self._unsent_metrics = set()
            if not steps:
                continue
            batch: list[Report] = [step._asdict() for step in steps]
            if metrics:
                batch[-1]["metrics"] = metrics
            try:
                self._send(batch)
            except Exception:  # the study cannot be reached: they are sent with the next batch, or with the result
                with self._lock:
                    self._unsent_metrics |= unsent
                continue
            with self._lock:
                # A step that was reported again meanwhile has to be sent again.
                self._unsent -= {step.step for step in steps if self._running.steps.get(step.step) in (step, None)}


def cancelled() -> bool:
    """Return whether Ray has cancelled the task that runs here. Only the main thread of a worker can tell."""
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return False
    try:
        return bool(ray.get_runtime_context().is_canceled())
    except RuntimeError:  # in a driver, which is never cancelled
        return False


def seed_of(seed: int, index: int, replicate: int = 0) -> int:
    """Return the seed of one evaluation, below 2**32, since some libraries take no larger one.

    Args:
        seed: the study's seed.
        index: the candidate's number, or the index of the point.
        replicate: which repetition of the point this is.
    """
    text = f"{seed}/{index}/{replicate}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=4, person=b"arqon-context").digest(), "big")


def takes_context(fn: Any) -> bool:
    """Return whether a function, a class with ``__call__`` or a callable object has a parameter ``context``.

    The first parameter does not count, since it takes the candidate's parameters; nor does one that a
    ``functools.partial`` has already bound.
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
    # A decorator may show the signature of what it wraps without passing the argument on.
    return any(each.name == NAME or each.kind is each.VAR_KEYWORD for each in outermost)

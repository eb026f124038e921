"""What a running experiment knows but does not tell its searcher.

Tune tells a searcher its ``metric`` and ``mode`` only together with a ``param_space`` (``ray/tune/tune.py``:
``if config and not ... set_search_properties``), and nothing about the experiment's end when trials are still
running then (time budget, ``fail_fast``, Ctrl-C). ``tune.run`` is on the stack whenever a searcher is called, so its
arguments are looked up there, and a callback is added to those of the run.
"""

from __future__ import annotations

import inspect
import logging
import weakref
from collections.abc import Iterator
from types import FrameType
from typing import Any

from ray.tune import Callback
from ray.tune.impl.placeholder import _FunctionResolver
from ray.tune.search import Repeater

logger = logging.getLogger(__name__)


def frames() -> Iterator[FrameType]:
    """Return the stack, innermost frame first."""
    frame = inspect.currentframe()
    while frame is not None:
        yield frame
        frame = frame.f_back


def _run() -> dict[str, Any]:
    """Return the local variables of ``tune.run``; empty outside of a run."""
    for frame in frames():
        if frame.f_code.co_name == "run" and frame.f_globals.get("__name__") == "ray.tune.tune":
            return dict(frame.f_locals)
    return {}


def metric_and_mode() -> tuple[str | None, str | None]:
    """Return metric and mode of ``tune.run`` or ``TuneConfig``; None for each that was not given."""
    run = _run()
    metric, mode = run.get("metric"), run.get("mode")
    return (metric if isinstance(metric, str) else None, mode if isinstance(mode, str) else None)


def placeholder_objects() -> dict[str, Any]:
    """Return the objects that the run replaced by placeholders in its space, by hash."""
    resolvers = _run().get("placeholder_resolvers") or {}
    pairs = ((each.hash, getattr(each, "_value", each)) for found in resolvers.values() for each in found)
    return {hash: value for hash, value in pairs if not isinstance(value, _FunctionResolver)}


def waits_for_checkpoint() -> bool:
    """Tell whether the run is writing a checkpoint and waits until it is stored, as it does at its end."""
    for frame in frames():
        if frame.f_code.co_name == "sync_up_experiment_state":
            return bool(frame.f_locals.get("wait"))
    return False


def has_repeater() -> bool:
    """Tell whether a Repeater is calling: then Tune has trials that the searcher does not know."""
    return any(frame.f_code is Repeater.suggest.__code__ for frame in frames())


def ended_trials() -> set[str]:
    """Return the ids of the trials that the run has ended."""
    runner = _run().get("runner")
    return set() if runner is None else {trial.trial_id for trial in runner.get_trials() if trial.is_finished()}


def write_checkpoint() -> None:
    """Make the run write its checkpoint now, as it does at its end: after an error it writes none."""
    runner = _run().get("runner")
    if runner is not None:
        try:
            runner.checkpoint(force=True, wait=True)
        except Exception:  # the user must see the error that ends the run instead
            logger.exception("the experiment's checkpoint could not be written; the last one remains")


def scheduler() -> Any:
    """Return the scheduler of the run; None outside of a run."""
    return _run().get("scheduler")


def notify_at_end(searcher: Any) -> bool:
    """Call ``searcher.end_run()`` when the run ends, for whatever reason.

    Returns:
        Whether this is a new run.
    """
    callbacks = _run().get("callbacks")
    if not isinstance(callbacks, list) or any(
        isinstance(each, _AtEnd) and each.searcher() is searcher for each in callbacks
    ):
        return False
    callbacks.append(_AtEnd(searcher, callbacks))
    return True


class _AtEnd(Callback):
    """Tells the searcher that a run ended, and leaves the list of callbacks, which may be the user's own."""

    def __init__(self, searcher: Any, callbacks: list[Any]) -> None:
        self.searcher = weakref.ref(searcher)
        self._callbacks = callbacks

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        self._callbacks.remove(self)
        searcher = self.searcher()
        if searcher is not None:
            searcher.end_run()

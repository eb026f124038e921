"""The metric and mode of the experiment that is running.

Tune tells a searcher its ``metric`` and ``mode`` only together with a ``param_space`` (``ray/tune/tune.py``:
``if config and not ... set_search_properties``). A searcher that has its space from the constructor would
never learn them and would optimize something else. They are arguments of ``tune.run``, which is on the stack
whenever a searcher is asked.
"""

from __future__ import annotations

import inspect


def metric_and_mode() -> tuple[str | None, str | None]:
    """Return what ``tune.run`` or ``TuneConfig`` was given; None for each that it was not, or without a run."""
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_name == "run" and frame.f_globals.get("__name__") == "ray.tune.tune":
            metric, mode = frame.f_locals.get("metric"), frame.f_locals.get("mode")
            return (metric if isinstance(metric, str) else None, mode if isinstance(mode, str) else None)
        frame = frame.f_back
    return None, None

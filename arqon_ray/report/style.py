"""What the figures share: plotly, colours, axes, and how an evaluation is described."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from arqon_ray.core.record.evaluation import Evaluation
from arqon_ray.core.record.run import Run

# M. Okabe and K. Ito, Color Universal Design, 2008: distinguishable for colour-blind readers.
PALETTE = ("#999999", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
FAILED = "#B00020"
FADED = "#BBBBBB"
SCALE = "Viridis"
WHOLE, STOPPED = "circle", "circle-open"
"""The symbols of complete and of stopped evaluations."""
_METRICS = 8
_MOST_HOVERS = 2000


def plotly() -> Any:
    """Return plotly's graph objects.

    Raises:
        ImportError: plotly is not installed.
    """
    try:
        import plotly.graph_objects as graph
    except ImportError as error:
        raise ImportError('plots need plotly: pip install "arqon-ray[plot]"') from error
    return graph


def layout(title: str, **more: Any) -> dict[str, Any]:
    """Return the layout of a figure."""
    return {"title": title, "template": "plotly_white", "margin": {"l": 70, "r": 30, "t": 60, "b": 60}, **more}


def spans_decades(values: Sequence[float]) -> bool:
    """Return whether values need a logarithmic axis."""
    return len(values) > 1 and min(values) > 0 and max(values) / min(values) > 1000


def values_of(run: Run) -> list[float]:
    """Return the values of a run's evaluations that have one."""
    return [e.value for e in run.completed if e.value is not None]


def mark(evaluation: Evaluation) -> str:
    """Return the symbol of an evaluation with a value."""
    return STOPPED if evaluation.status == "stopped" else WHOLE


def taken_at(evaluation: Evaluation) -> str:
    """Return the step at which a value was taken, and whether it was stopped; empty for a complete evaluation."""
    if evaluation.step is None:
        return "stopped" if evaluation.status == "stopped" else ""
    return f"{'stopped ' if evaluation.status == 'stopped' else ''}at step {evaluation.step}"


def title_of(evaluation: Evaluation) -> str:
    """Return the title of an evaluation."""
    who = "a point from outside" if evaluation.id is None else f"candidate {evaluation.id}"
    return f"{who} ({evaluation.origin or 'unknown'})"


def hovers(run: Run) -> Callable[[Evaluation], str]:
    """Return the function that makes hover texts: full ones, or if there are many evaluations short ones."""
    return hover if len(run.evaluations) <= _MOST_HOVERS else _brief


def _brief(evaluation: Evaluation) -> str:
    return "<br>".join(escape(line) for line in (title_of(evaluation), taken_at(evaluation)) if line)


def hover(evaluation: Evaluation) -> str:
    """Return the hover text of an evaluation: everything except its value."""
    lines = [title_of(evaluation), taken_at(evaluation)]
    lines += [f"{name} = {short(value)}" for name, value in evaluation.params.items()]
    metrics = list(evaluation.metrics.items())
    lines += [f"metric {name} = {short(value)}" for name, value in metrics[:_METRICS]]
    if len(metrics) > _METRICS:
        lines.append(f"and {len(metrics) - _METRICS} more metrics")
    if evaluation.error is not None:
        lines.append(f"{evaluation.error.kind}: {short(evaluation.error.message)}")
    return "<br>".join(escape(line) for line in lines if line)


def short(value: Any) -> str:
    """Return a short text for a value."""
    if isinstance(value, float):
        return f"{value:.5g}"
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def padded(values: Sequence[float]) -> list[float]:
    """Return the range of an axis with a margin around the values."""
    low, high = min(values), max(values)
    margin = 0.05 * ((high - low) or 1.0)
    return [low - margin, high + margin]


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return evenly spaced ticks from one end to the other."""
    return [low + k * (high - low) / (count - 1) for k in range(count)] if math.isfinite(high - low) else [low, high]

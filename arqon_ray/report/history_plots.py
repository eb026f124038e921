"""Plotly figures of the history, and of the learning curves of evaluations that reported intermediate values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from arqon_ray.core.record.evaluation import Evaluation
from arqon_ray.core.record.run import Run
from arqon_ray.report.opening import Source, open_run
from arqon_ray.report.style import (
    FADED,
    FAILED,
    PALETTE,
    STOPPED,
    hover,
    hovers,
    layout,
    mark,
    padded,
    plotly,
    spans_decades,
    taken_at,
    title_of,
    values_of,
)

MOST_CURVES = 300


def history_figure(run: Source) -> Any:
    """Return a figure of all evaluations in the order told, coloured by what proposed them, and the best so far.

    Stopped evaluations are rings at the value of their last step; the best so far considers those that went as far as
    the best. Failed ones are crosses at the lower edge.
    """
    graph, run = plotly(), open_run(run)
    figure, say = graph.Figure(), hovers(run)
    numbered = list(enumerate(run.evaluations, start=1))
    for color, origin in zip(_colors(run), run.origins(), strict=True):
        mine = [(number, e) for number, e in numbered if e.origin == origin and e.value is not None]
        mine.sort(key=lambda each: each[1].status == "stopped")  # the legend shows the symbol of the first
        figure.add_scatter(
            x=[number for number, _ in mine],
            y=[e.value for _, e in mine],
            mode="markers",
            name=origin or "unknown",
            marker={"color": color, "size": 8, "opacity": 0.8, "symbol": [mark(e) for _, e in mine]},
            text=[say(e) for _, e in mine],
            hovertemplate="%{text}<br><b>%{y:.6g}</b><extra></extra>",
        )
    _add_path(figure, run)
    _add_stopped(figure, run)
    _add_failed(figure, [(number, e) for number, e in numbered if e.value is None])
    values = values_of(run)
    figure.update_layout(
        **layout("History"),
        xaxis_title="evaluation",
        yaxis={"title": run.metric, "type": "log" if spans_decades(values) else "linear"},
        yaxis2={"overlaying": "y", "range": [0, 1], "visible": False},
        legend={"orientation": "h", "y": 1.08, "x": 1, "xanchor": "right"},
        updatemenus=[_zoom_menu(run)] if len(values) > 1 else [],
    )
    return figure


def _add_path(figure: Any, run: Run) -> None:
    steps = run.path()
    if not steps:
        return
    last = (len(run.evaluations), steps[-1][1])
    figure.add_scatter(
        x=[number for number, _ in [*steps, last]],
        y=[e.value for _, e in [*steps, last]],
        mode="lines",
        name="best so far",
        line={"shape": "hv", "color": "#222222", "width": 2},
        hoverinfo="skip",
    )


def _add_stopped(figure: Any, run: Run) -> None:
    """Explain the ring in the legend."""
    if run.stopped:
        marker = {"symbol": STOPPED, "color": "#222222", "size": 8}
        figure.add_scatter(x=[None], y=[None], mode="markers", name="stopped: value of its last step", marker=marker)


def _add_failed(figure: Any, failed: Sequence[tuple[int, Evaluation]]) -> None:
    if failed:
        figure.add_scatter(
            x=[number for number, _ in failed],
            y=[0.015] * len(failed),
            yaxis="y2",
            mode="markers",
            name="failed",
            marker={"symbol": "x", "color": FAILED, "size": 9},
            text=[hover(e) for _, e in failed],
            hovertemplate="%{text}<extra></extra>",
        )


def _zoom_menu(run: Run) -> dict[str, Any]:
    """Return two buttons: show all evaluations, or zoom into the better half of those that went as far as the best."""
    ranked = [e.value for e in run.comparable() if e.value is not None]
    half = ranked[: max(2, len(ranked) // 2)]
    if spans_decades(values_of(run)):
        half = [math.log10(value) for value in half]
    buttons = [
        {"label": "all", "method": "relayout", "args": [{"yaxis.autorange": True}]},
        {"label": "better half", "method": "relayout", "args": [{"yaxis.range": padded(half)}]},
    ]
    return {"type": "buttons", "direction": "right", "x": 0.1, "y": 1.14, "xanchor": "left", "buttons": buttons}


def _colors(run: Run) -> list[str]:
    return [PALETTE[k % len(PALETTE)] for k in range(len(run.origins()))]


def has_curves(run: Run) -> bool:
    """Return whether an evaluation reported more than once."""
    return any(len(e.steps) > 1 for e in (*run.evaluations, *run.running))


def curves_figure(run: Source) -> Any:
    """Return a figure with the learning curve of each evaluation that reported intermediate values.

    At most 300 are shown: the best ones, and those that still run.
    """
    graph, run = plotly(), open_run(run)
    best = run.best
    ended = run.ranked()[:MOST_CURVES]
    groups = {
        "stopped": ([e for e in ended if e.status == "stopped"], FADED, 1.0),
        "complete": ([e for e in ended if e.status != "stopped" and e is not best], PALETTE[1], 1.2),
        "running": (run.running[:MOST_CURVES], PALETTE[5], 1.5),
        "failed": (run.failures[:MOST_CURVES], FAILED, 1.0),
        "best": ([] if best is None else [best], "#222222", 3.0),
    }
    figure = graph.Figure()
    for name, (evaluations, color, width) in groups.items():
        with_steps = [e for e in evaluations if e.steps]
        if with_steps:
            figure.add_scatter(name=name, **_lines(with_steps), line={"color": color, "width": width})
    values = [s.value for e in (*ended, *run.running) for s in e.steps if s.value is not None]
    title = "Curves"
    if len(run.completed) > MOST_CURVES:
        title += f" (the first {MOST_CURVES} of {len(run.completed)})"
    figure.update_layout(
        **layout(title),
        xaxis_title="step",
        yaxis={"title": run.metric, "type": "log" if spans_decades(values) else "linear"},
        legend={"orientation": "h", "y": 1.08, "x": 1, "xanchor": "right"},
    )
    return figure


def _lines(evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """Return the curves of evaluations as one trace, separated by gaps."""
    x: list[int | None] = []
    y: list[float | None] = []
    text: list[str] = []
    for evaluation in evaluations:
        x += [*(step.step for step in evaluation.steps), None]
        y += [*(step.value for step in evaluation.steps), None]
        what = "<br>".join(filter(None, [title_of(evaluation), taken_at(evaluation)]))
        text += [what] * (len(evaluation.steps) + 1)
    template = "%{text}<br>step %{x}: <b>%{y:.6g}</b><extra></extra>"
    return {"x": x, "y": y, "text": text, "hovertemplate": template, "mode": "lines+markers", "marker": {"size": 4}}

"""Plotly figures of a run: its history, one slice per parameter, and parallel coordinates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from arqon_ray.core.config import ParameterConfig
from arqon_ray.core.evaluation import Evaluation
from arqon_ray.core.run import Run
from arqon_ray.report.opening import Source, open_run

# M. Okabe and K. Ito, Color Universal Design, 2008: told apart by colour-blind readers too.
PALETTE = ("#999999", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
FAILED = "#B00020"
SCALE = "Viridis"


def _plotly() -> Any:
    try:
        import plotly.graph_objects as graph
    except ImportError as error:
        raise ImportError('plots need plotly: pip install "arqon-ray[plot]"') from error
    return graph


def _layout(title: str, **more: Any) -> dict[str, Any]:
    return {"title": title, "template": "plotly_white", "margin": {"l": 70, "r": 30, "t": 60, "b": 60}, **more}


def _spans_decades(values: Sequence[float]) -> bool:
    return len(values) > 1 and min(values) > 0 and max(values) / min(values) > 1000


def _hover(evaluation: Evaluation) -> str:
    lines = [f"{name} = {_short(value)}" for name, value in evaluation.params.items()]
    return "<br>".join([f"candidate {evaluation.id} ({evaluation.origin})", *lines])


def _short(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def history_figure(run: Source) -> Any:
    """Return every evaluation in the order told, coloured by the phase that proposed it, and the best so far.

    Failed evaluations stand as crosses at the lower edge.
    """
    graph, run = _plotly(), open_run(run)
    figure = graph.Figure()
    numbered = list(enumerate(run.evaluations, start=1))
    for color, origin in zip(_colors(run), run.origins(), strict=True):
        mine = [(place, e) for place, e in numbered if e.origin == origin and e.value is not None]
        figure.add_scatter(
            x=[place for place, _ in mine],
            y=[e.value for _, e in mine],
            mode="markers",
            name=origin or "unknown",
            marker={"color": color, "size": 8, "opacity": 0.8},
            text=[_hover(e) for _, e in mine],
            hovertemplate="%{text}<br><b>%{y:.6g}</b><extra></extra>",
        )
    steps = run.path()
    if steps:
        last = (len(run.evaluations), steps[-1][1])
        figure.add_scatter(
            x=[place for place, _ in [*steps, last]],
            y=[e.value for _, e in [*steps, last]],
            mode="lines",
            name="best so far",
            line={"shape": "hv", "color": "#222222", "width": 2},
            hoverinfo="skip",
        )
    failed = [(place, e) for place, e in numbered if e.value is None]
    if failed:
        figure.add_scatter(
            x=[place for place, _ in failed],
            y=[0.015] * len(failed),
            yaxis="y2",
            mode="markers",
            name="failed",
            marker={"symbol": "x", "color": FAILED, "size": 9},
            text=[f"{_hover(e)}<br>{e.error.message if e.error else None}" for _, e in failed],
            hovertemplate="%{text}<extra></extra>",
        )
    values = [e.value for e in run.completed if e.value is not None]
    figure.update_layout(
        **_layout("History"),
        xaxis_title="evaluation",
        yaxis={"title": run.metric, "type": "log" if _spans_decades(values) else "linear"},
        yaxis2={"overlaying": "y", "range": [0, 1], "visible": False},
        legend={"orientation": "h", "y": 1.08, "x": 1, "xanchor": "right"},
        updatemenus=[_zoom_menu(run)] if len(values) > 1 else [],
    )
    return figure


def _zoom_menu(run: Run) -> dict[str, Any]:
    """Return two buttons: the value axis over all evaluations, or over the better half, where outliers hide less."""
    ranked = [e.value for e in run.ranked() if e.value is not None]
    half = ranked[: max(2, len(ranked) // 2)]
    low, high = min(half), max(half)
    if _spans_decades(ranked):
        low, high = math.log10(low), math.log10(high)
    margin = 0.05 * ((high - low) or 1.0)
    buttons = [
        {"label": "all", "method": "relayout", "args": [{"yaxis.autorange": True}]},
        {"label": "better half", "method": "relayout", "args": [{"yaxis.range": [low - margin, high + margin]}]},
    ]
    return {"type": "buttons", "direction": "right", "x": 0, "y": 1.14, "xanchor": "left", "buttons": buttons}


def _colors(run: Run) -> list[str]:
    return [PALETTE[k % len(PALETTE)] for k in range(len(run.origins()))]


def slice_figure(run: Source) -> Any:
    """Return one panel per parameter: its value against the metric, later evaluations lighter."""
    graph, run = _plotly(), open_run(run)
    from plotly.subplots import make_subplots

    bounds = run.config.bounds
    columns = min(3, len(bounds))
    rows = math.ceil(len(bounds) / columns)
    figure = make_subplots(rows, columns, shared_yaxes=True, horizontal_spacing=0.04, vertical_spacing=0.25 / rows)
    best = run.best
    for place, (name, parameter) in enumerate(bounds.items()):
        row, column = place // columns + 1, place % columns + 1
        mine = [(k, e) for k, e in enumerate(run.evaluations, start=1) if e.value is not None and name in e.params]
        figure.add_trace(
            graph.Scatter(
                x=[_category(e.params[name]) if parameter.choices else e.params[name] for _, e in mine],
                y=[e.value for _, e in mine],
                mode="markers",
                marker={
                    "color": [k for k, _ in mine],
                    "coloraxis": "coloraxis",
                    "size": [14 if e is best else 7 for _, e in mine],
                    "symbol": ["star" if e is best else "circle" for _, e in mine],
                    "line": {"width": 0.5, "color": "#444444"},
                },
                text=[_hover(e) for _, e in mine],
                hovertemplate="%{text}<br><b>%{y:.6g}</b><extra></extra>",
                showlegend=False,
            ),
            row=row,
            col=column,
        )
        figure.update_xaxes(title_text=name, row=row, col=column, **_axis(parameter))
        if column == 1:
            figure.update_yaxes(title_text=run.metric, row=row, col=column)
    if _spans_decades([e.value for e in run.completed if e.value is not None]):
        figure.update_yaxes(type="log")
    figure.update_layout(
        **_layout("Slices (the star is the best)", height=120 + 260 * rows),
        coloraxis={"colorscale": SCALE, "colorbar": {"title": "evaluation"}},
    )
    return figure


def _category(value: Any) -> str:
    return "null" if value is None else str(value)


def _axis(parameter: ParameterConfig) -> dict[str, Any]:
    if parameter.choices is not None:
        names = [_category(choice) for choice in parameter.choices]
        return {"type": "category", "categoryorder": "array", "categoryarray": names, "range": [-0.5, len(names) - 0.5]}
    return {"type": "log", "exponentformat": "power"} if parameter.scale == "Log" else {}


def parallel_figure(run: Source) -> Any:
    """Return one axis per parameter and the metric as the last; a line is an evaluation, coloured by its value.

    An inactive conditional parameter stands at the tick ``off`` below the axis.
    """
    graph, run = _plotly(), open_run(run)
    shown = run.ranked()[::-1]
    values = [e.value for e in shown]
    axes = [_parallel_axis(name, parameter, shown) for name, parameter in run.config.bounds.items()]
    axes.append({"label": run.metric, "values": values})
    lines = {
        "color": values,
        "colorscale": SCALE,
        "reversescale": run.config.mode == "min",
        "showscale": True,
        "colorbar": {"title": run.metric},
    }
    figure = graph.Figure(graph.Parcoords(line=lines, dimensions=axes, labelangle=-20, labelside="bottom"))
    margin = {"l": 80, "r": 60, "t": 70, "b": 110}
    figure.update_layout(**{**_layout("Parallel coordinates (drag along an axis to choose)"), "margin": margin})
    return figure


def _parallel_axis(name: str, parameter: ParameterConfig, shown: Sequence[Evaluation]) -> dict[str, Any]:
    places, low, high, ticks = _places(parameter, [e.params.get(name) for e in shown])
    missing = [name not in e.params for e in shown]
    if any(missing):
        off = low - 0.15 * ((high - low) or 1.0)
        places = [off if gone else place for gone, place in zip(missing, places, strict=True)]
        low, ticks = off, {off: "off", **ticks}
    if low == high:
        low, high = low - 0.5, high + 0.5
    return {
        "label": name,
        "values": places,
        "range": [low, high],
        "tickvals": list(ticks),
        "ticktext": list(ticks.values()),
    }


def _places(parameter: ParameterConfig, values: Sequence[Any]) -> tuple[list[float], float, float, dict[float, str]]:
    """Return where the values stand on an axis, its two ends, and its ticks."""
    if parameter.choices is not None:
        names = [_category(choice) for choice in parameter.choices]
        places = [float(names.index(_category(v))) if _category(v) in names else 0.0 for v in values]
        return places, 0.0, float(len(names) - 1), {float(k): name for k, name in enumerate(names)}
    low, high = float(parameter.min or 0.0), float(parameter.max or 0.0)
    numbers = [low if v is None else float(v) for v in values]
    if parameter.scale == "Log":
        ends = math.log10(low), math.log10(high)
        inner = [float(k) for k in range(math.ceil(ends[0] - 1e-9), math.floor(ends[1] + 1e-9) + 1)]
        ticks = {at: f"{10**at:.3g}" for at in (inner if len(inner) > 1 else ends)}
        return [math.log10(v) for v in numbers], *ends, ticks
    spots = {low + k * (high - low) / 4 for k in range(5)}
    if parameter.type == "int":
        spots = {float(round(at)) for at in spots}
    return numbers, low, high, {at: f"{at:.4g}" for at in sorted(spots)}

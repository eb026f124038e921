"""Plotly figures of the search space: one slice per parameter, and parallel coordinates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from arqon_ray.core.record.evaluation import Evaluation
from arqon_ray.core.record.run import Run
from arqon_ray.core.space.description import Description, Options
from arqon_ray.report.opening import Source, open_run
from arqon_ray.report.style import (
    FADED,
    SCALE,
    STOPPED,
    hovers,
    layout,
    mark,
    padded,
    plotly,
    spans_decades,
    ticks,
    values_of,
)

_BAND = 0.08
"""The share of the colour bar for stopped evaluations."""


def slice_figure(run: Source) -> Any:
    """Return a figure with a panel per parameter: the metric over its value, with later evaluations lighter.

    Stopped evaluations are rings at the value of their last step.
    """
    graph, run = plotly(), open_run(run)
    from plotly.subplots import make_subplots

    bounds = run.config.bounds
    columns = min(3, len(bounds))
    rows = math.ceil(len(bounds) / columns)
    figure = make_subplots(rows, columns, shared_yaxes=True, horizontal_spacing=0.04, vertical_spacing=0.25 / rows)
    best, say = run.best, hovers(run)
    for panel, (name, parameter) in enumerate(bounds.items()):
        row, column = panel // columns + 1, panel % columns + 1
        described = parameter.describe()
        mine = [(k, e) for k, e in enumerate(run.evaluations, start=1) if e.value is not None and name in e.params]
        figure.add_trace(
            graph.Scatter(
                x=[_category(e.params[name]) if isinstance(described, Options) else e.params[name] for _, e in mine],
                y=[e.value for _, e in mine],
                mode="markers",
                marker={
                    "color": [k for k, _ in mine],
                    "coloraxis": "coloraxis",
                    "size": [14 if e is best else 7 for _, e in mine],
                    "symbol": ["star" if e is best else mark(e) for _, e in mine],
                    "line": {"width": [1.5 if mark(e) == STOPPED else 0.5 for _, e in mine], "color": "#444444"},
                },
                text=[say(e) for _, e in mine],
                hovertemplate="%{text}<br><b>%{y:.6g}</b><extra></extra>",
                showlegend=False,
            ),
            row=row,
            col=column,
        )
        figure.update_xaxes(title_text=name, row=row, col=column, **_axis(described))
        if column == 1:
            figure.update_yaxes(title_text=run.metric, row=row, col=column)
    if spans_decades(values_of(run)):
        figure.update_yaxes(type="log")
    elif run.stopped and len(run.comparable()) > 1:
        figure.update_yaxes(range=padded([e.value for e in run.comparable() if e.value is not None]))
    figure.update_layout(
        **layout("Slices (the star is the best" + (_RINGS if run.stopped else ")"), height=120 + 260 * rows),
        coloraxis={"colorscale": SCALE, "colorbar": {"title": "evaluation"}},
    )
    return figure


_RINGS = "; rings were stopped, with the value of their last step; double-click to see all)"


def _category(value: Any) -> str:
    return "null" if value is None else str(value)


def _axis(parameter: Description) -> dict[str, Any]:
    if isinstance(parameter, Options):
        names = [_category(choice) for choice in parameter.choices]
        return {"type": "category", "categoryorder": "array", "categoryarray": names, "range": [-0.5, len(names) - 0.5]}
    return {"type": "log", "exponentformat": "power"} if parameter.log else {}


def parallel_figure(run: Source) -> Any:
    """Return a figure with an axis per parameter and one for the metric; a line is an evaluation, coloured by value.

    Inactive parameters are at the tick ``off`` below the axis. Stopped evaluations are grey, and if there are any, an
    additional axis shows the step at which each value was taken.
    """
    graph, run = plotly(), open_run(run)
    shown = run.ranked()[::-1]
    axes = [_parallel_axis(name, parameter.describe(), shown) for name, parameter in run.config.bounds.items()]
    if run.stopped:
        furthest = max((e.step for e in shown if e.step is not None), default=0)
        axes.append({"label": "step", "values": [furthest if e.step is None else e.step for e in shown]})
    axes.append({"label": run.metric, "values": [e.value for e in shown]})
    lines = _lines(run, shown)
    figure = graph.Figure(graph.Parcoords(line=lines, dimensions=axes, labelangle=-20, labelside="bottom"))
    margin = {"l": 80, "r": 60, "t": 70, "b": 110}
    figure.update_layout(**{**layout("Parallel coordinates (drag along an axis to choose)"), "margin": margin})
    return figure


def _lines(run: Run, shown: Sequence[Evaluation]) -> dict[str, Any]:
    """Return the colours of the lines by value; stopped evaluations have a separate band below the others."""
    from plotly.colors import get_colorscale

    scale = [(float(at), color) for at, color in get_colorscale(SCALE)]
    if run.config.mode == "min":
        scale = [(1.0 - at, color) for at, color in reversed(scale)]
    values = [e.value or 0.0 for e in shown if e.status != "stopped"] or [0.0]
    low, high = min(values), max(values)
    bar = {"title": run.metric}
    if not run.stopped:
        return {"color": [e.value for e in shown], "colorscale": scale, "showscale": True, "colorbar": bar}
    width = ((high - low) or 1.0) * _BAND / (1.0 - _BAND)
    marks = ticks(low, high)
    names = ["stopped", *(f"{at:.4g}" for at in marks)]
    return {
        "color": [low - width if e.status == "stopped" else e.value for e in shown],
        "cmin": low - width,
        "cmax": low + width / _BAND * (1.0 - _BAND),
        "colorscale": [(0.0, FADED), (_BAND, FADED), *((_BAND + (1.0 - _BAND) * at, color) for at, color in scale)],
        "showscale": True,
        "colorbar": {**bar, "tickvals": [low - width / 2, *marks], "ticktext": names},
    }


def _parallel_axis(name: str, parameter: Description, shown: Sequence[Evaluation]) -> dict[str, Any]:
    positions, low, high, ticks = _positions(parameter, [e.params.get(name) for e in shown])
    missing = [name not in e.params for e in shown]
    if any(missing):
        off = low - 0.15 * ((high - low) or 1.0)
        positions = [off if gone else at for gone, at in zip(missing, positions, strict=True)]
        low, ticks = off, {off: "off", **ticks}
    if low == high:
        low, high = low - 0.5, high + 0.5
    return {
        "label": name,
        "values": positions,
        "range": [low, high],
        "tickvals": list(ticks),
        "ticktext": list(ticks.values()),
    }


def _positions(parameter: Description, values: Sequence[Any]) -> tuple[list[float], float, float, dict[float, str]]:
    """Return the positions of values on an axis, its two ends, and its ticks."""
    if isinstance(parameter, Options):
        names = [_category(choice) for choice in parameter.choices]
        positions = [float(names.index(_category(v))) if _category(v) in names else 0.0 for v in values]
        return positions, 0.0, float(len(names) - 1), {float(k): name for k, name in enumerate(names)}
    low, high = float(parameter.low), float(parameter.high)
    numbers = [low if v is None else float(v) for v in values]
    if parameter.log:
        ends = math.log10(low), math.log10(high)
        inner = [float(k) for k in range(math.ceil(ends[0] - 1e-9), math.floor(ends[1] + 1e-9) + 1)]
        ticks = {at: f"{10**at:.3g}" for at in (inner if len(inner) > 1 else ends)}
        return [math.log10(v) for v in numbers], *ends, ticks
    spots = {low + k * (high - low) / 4 for k in range(5)}
    if parameter.integer:
        spots = {float(round(at)) for at in spots}
    return numbers, low, high, {at: f"{at:.4g}" for at in sorted(spots)}

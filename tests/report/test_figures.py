from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from arqon_ray.core.record.evaluation import Error
from arqon_ray.report import (
    Evaluation,
    Run,
    curves_figure,
    history_figure,
    parallel_figure,
    render_html,
    slice_figure,
    write_html,
)
from arqon_ray.report.history_plots import has_curves
from tests.report.runs import halving

STUDY: dict[str, Any] = {
    "seed": 1,
    "budget": 5,
    "mode": "min",
    "bounds": {
        "lr": {"min": 1e-3, "max": 1.0, "scale": "Log"},
        "kernel": {"choices": ["rbf", "poly"]},
        "degree": {"min": 2, "max": 5, "type": "int", "when": {"kernel": ["poly"]}},
    },
}
FAILED = Error("raised", "ValueError: <b> & co")
EVALUATIONS = (
    Evaluation("0", {"lr": 0.01, "kernel": "rbf"}, 3.0, origin="probe"),
    Evaluation("1", {"lr": 0.1, "kernel": "poly", "degree": 3}, None, "failed", origin="probe", error=FAILED),
    Evaluation("2", {"lr": 0.1, "kernel": "poly", "degree": 4}, 1.0, origin="gaussian_process"),
    Evaluation("3", {"lr": 0.5, "kernel": "rbf"}, 2.0, origin="gaussian_process"),
)


@pytest.fixture
def run() -> Run:
    return Run("job", "loss", STUDY, EVALUATIONS, objective="package.module:f", explain={"evidence": {"r2": 0.5}})


def test_the_history_has_a_trace_per_phase_the_best_so_far_and_the_failures(run: Run) -> None:
    traces = {trace.name: trace for trace in history_figure(run).data}
    assert list(traces) == ["probe", "gaussian_process", "best so far", "failed"]
    assert list(traces["probe"].x) == [1]
    assert list(traces["gaussian_process"].y) == [1.0, 2.0]
    assert list(traces["best so far"].x) == [1, 3, 4]
    assert list(traces["best so far"].y) == [3.0, 1.0, 1.0]
    assert list(traces["failed"].x) == [2]


def test_the_value_axis_is_logarithmic_only_over_decades(run: Run) -> None:
    assert history_figure(run).layout.yaxis.type == "linear"
    wide = Run("job", "loss", STUDY, (*EVALUATIONS, Evaluation("4", {"lr": 0.2, "kernel": "rbf"}, 1e6, origin="tpe")))
    assert history_figure(wide).layout.yaxis.type == "log"


def test_a_button_shows_the_better_half_alone(run: Run) -> None:
    _, better = history_figure(run).layout.updatemenus[0].buttons
    low, high = better.args[0]["yaxis.range"]
    assert low < 1.0 < 2.0 < high < 3.0


def test_there_is_a_slice_for_each_parameter_with_its_own_axis(run: Run) -> None:
    figure = slice_figure(run)
    assert [list(trace.x) for trace in figure.data] == [[0.01, 0.1, 0.5], ["rbf", "poly", "rbf"], [4]]
    assert figure.layout.xaxis.type == "log"
    assert figure.layout.xaxis2.type == "category"
    assert list(figure.data[0].marker.symbol) == ["circle", "star", "circle"]


def test_parallel_coordinates_put_log_scales_and_inactive_parameters_in_their_places(run: Run) -> None:
    lr, kernel, degree, loss = parallel_figure(run).data[0].dimensions
    assert [dimension.label for dimension in (lr, kernel, degree, loss)] == ["lr", "kernel", "degree", "loss"]
    assert list(loss.values) == [3.0, 2.0, 1.0]
    assert lr["values"] == pytest.approx([-2.0, -0.30103, -1.0], abs=1e-5)
    assert list(lr.ticktext) == ["0.001", "0.01", "0.1", "1"]
    assert list(kernel["values"]) == [0.0, 0.0, 1.0]
    assert list(degree["values"]) == [pytest.approx(1.55), pytest.approx(1.55), 4.0]
    assert list(degree.ticktext) == ["off", "2", "3", "4", "5"]


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.loads: list[str] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open = tag == "td"
        self.loads += [str(value) for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        if self._open:
            self.cells.append(data)


def test_the_page_stands_alone_and_escapes_what_users_wrote(run: Run, tmp_path: Path) -> None:
    page = _Page()
    page.feed(write_html(run, tmp_path / "new" / "report.html").read_text(encoding="utf-8"))
    assert page.loads == []
    assert "ValueError: <b> & co" in page.cells
    assert "gaussian_process" in page.cells
    assert "evidence.r2" in page.cells


@pytest.mark.parametrize("evaluations", [(), EVALUATIONS[1:2]])
def test_a_run_without_values_has_a_page_too(evaluations: tuple[Evaluation, ...]) -> None:
    page = render_html(Run("job", "loss", STUDY, evaluations))
    assert re.search(r"<b>none</b>", page)


def test_without_plotly_the_error_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['plotly'] = None\n"
        "from arqon_ray.report import Run, Evaluation, render_html\n"
        "run = Run('job', 'loss', {'bounds': {'x': {'min': 0, 'max': 1}}}, (Evaluation('0', {'x': 0.5}, 1.0),))\n"
        "try:\n    render_html(run)\nexcept ImportError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "arqon-ray[plot]"' in done.stdout


def test_stopped_evaluations_are_rings_that_tell_their_step() -> None:
    run = halving()
    traces = {trace.name: trace for trace in history_figure(run).data}
    assert list(traces["probe"].marker.symbol) == ["circle"] * 3 + ["circle-open"] * 3
    assert list(traces["probe"].x) == [2, 4, 7, 1, 3, 6]
    assert "stopped at step 1" in traces["probe"].text[3]
    assert "metric note = &lt;i&gt;early&lt;/i&gt;" in traces["probe"].text[3]
    assert "stopped: value of its last step" in traces
    assert list(traces["best so far"].y) == [0.7, 0.6, 0.6]
    assert "out_of_memory: the node&#x27;s memory was short" in traces["failed"].text[0]
    (slices,) = slice_figure(run).data
    assert list(slices.marker.symbol) == [
        *("circle-open", "circle", "circle-open", "star", "circle-open", "circle"),
    ]
    low, high = slice_figure(run).layout.yaxis.range
    assert low < 0.6 < 0.7 < high < 0.8


def test_parallel_coordinates_take_stopped_evaluations_apart() -> None:
    lines = parallel_figure(halving()).data[0]
    x, step, loss = lines.dimensions
    assert (x.label, step.label, loss.label) == ("x", "step", "loss")
    assert list(step["values"]) == [1, 1, 2, 3, 3, 3]
    grey = list(lines.line.color)[:3]
    assert grey == [lines.line.cmin] * 3
    assert lines.line.cmin < 0.6
    assert list(lines.line.color)[3:] == [0.7, 0.65, 0.6]
    assert lines.line.cmax == pytest.approx(0.7)
    assert lines.line.colorbar.ticktext[0] == "stopped"


def test_curves_are_one_trace_a_state_with_gaps() -> None:
    traces = {trace.name: trace for trace in curves_figure(halving()).data}
    assert list(traces) == ["stopped", "complete", "running", "best"]
    assert list(traces["best"].y) == [0.9, 0.8, 0.6, None]
    assert list(traces["running"].x) == [1, 2, None]
    assert list(traces["stopped"].x) == [1, 2, None, 1, None, 1, None]


def test_the_page_of_a_run_with_a_scheduler_says_what_it_compares() -> None:
    page = _Page()
    page.feed(render_html(halving()))
    assert page.cells.count("at step 3") == 3
    assert page.cells.count("stopped at step 1") == 2
    row = page.cells.index("only here")
    assert page.cells[row + 1] == "[1, 2]"
    assert "<i>early</i>" not in render_html(halving())
    assert "Traceback &lt;most&gt; recent" in render_html(halving())
    assert {"out_of_memory", "note", "flag"} <= set(page.cells)
    first = page.cells.index("loss")
    assert page.cells[first : first + 6] == ["loss", "0.6", "0.6", "0.65", "0.7", "2"]


def test_a_run_without_reports_has_no_curves() -> None:
    run = Run("job", "loss", STUDY, EVALUATIONS)
    assert not has_curves(run)
    assert "Curves" not in render_html(run)

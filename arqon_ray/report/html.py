"""A run as one self-contained HTML page, which needs no network and no server."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from string import Template

from arqon_ray.core.record.run import Run
from arqon_ray.report import sections
from arqon_ray.report.history_plots import curves_figure, has_curves, history_figure
from arqon_ray.report.opening import Source, open_run
from arqon_ray.report.space_plots import parallel_figure, slice_figure

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1180px; margin: 0 auto; padding: 1.5rem; }
h1 { margin: 0; } h2 { margin-top: 2.2rem; border-bottom: 1px solid #ddd; }
.about { color: #666; margin-top: 0; }
.cards { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1.2rem 0; }
.card { border: 1px solid #ddd; border-radius: .5rem; padding: .6rem 1rem; }
.card b { display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums; } .card span { color: #666; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; text-align: left; border-bottom: 1px solid #eee; white-space: nowrap; }
td.error, pre { white-space: pre-wrap; font-family: ui-monospace, monospace; font-size: .85em; }
summary { cursor: pointer; color: #666; margin-top: .6rem; }
</style>
</head>
<body>
<h1>$title</h1>
<p class="about">$about</p>
<div class="cards">$cards</div>
$sections
</body>
</html>
""")


def render_html(run: Source) -> str:
    """Return the page of a run.

    Args:
        run: a Run, or anything that :func:`open_run` accepts.

    Raises:
        ImportError: plotly, the extra ``[plot]``, is not installed.
        StateError: ``run`` is not accepted by :func:`open_run`.
    """
    run = open_run(run)
    return _PAGE.substitute(
        title=escape(run.name),
        about=escape(_about(run)),
        cards=sections.cards(run),
        sections="\n".join(_sections(run)),
    )


def write_html(run: Source, path: str | Path) -> Path:
    """Write the page of a run and return its path."""
    target = Path(path).expanduser()
    page = render_html(run)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page, encoding="utf-8")
    return target


def _about(run: Run) -> str:
    what = f"{run.objective}, " if run.objective else ""
    about = f"{what}{run.config.mode}imize {run.metric}, seed {run.config.seed}. The run is {run.state}."
    by = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    return f"{about} Computed with {by}." if by else about


def _sections(run: Run) -> Iterator[str]:
    yield sections.section("How it went", _plots(run) or "<p>Nothing was evaluated.</p>")
    if run.completed:
        yield sections.section(f"The best {min(sections.TOP, len(run.completed))}", sections.best_table(run))
    if any(e.metrics for e in run.evaluations):
        yield sections.section("Metrics", sections.metrics_table(run))
    if run.explain:
        yield sections.section("How the solver decided", sections.explanation_table(run))
    if run.failures:
        yield sections.section(f"{len(run.failures)} failed evaluations", sections.failure_table(run))
    yield sections.section("The space", sections.space_table(run))


def _plots(run: Run) -> str:
    figures = [history_figure(run)] if run.evaluations else []
    if has_curves(run):
        figures.append(curves_figure(run))
    if run.completed:
        figures += [slice_figure(run), parallel_figure(run)]
    return "\n".join(
        figure.to_html(full_html=False, include_plotlyjs=k == 0, config={"displaylogo": False})
        for k, figure in enumerate(figures)
    )

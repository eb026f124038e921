"""A run as one HTML page that needs nothing else: no network, no server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from arqon_ray.core.evaluation import Evaluation
from arqon_ray.core.run import Run
from arqon_ray.report.opening import Source, open_run
from arqon_ray.report.plots import history_figure, parallel_figure, slice_figure

TOP = 10

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
td.error { white-space: normal; font-family: ui-monospace, monospace; font-size: .85em; }
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
    """Return the page of a run, or of what ``optimize`` returned.

    Raises:
        ImportError: when plotly, the extra ``[plot]``, is not installed.
    """
    run = open_run(run)
    figures = [history_figure(run)] if run.evaluations else []
    if run.completed:
        figures += [slice_figure(run), parallel_figure(run)]
    plots = "\n".join(
        figure.to_html(full_html=False, include_plotlyjs=k == 0, config={"displaylogo": False})
        for k, figure in enumerate(figures)
    )
    sections = [
        _section("How it went", plots or "<p>Nothing was evaluated.</p>"),
        _section(f"The best {min(TOP, len(run.completed))}", _best_table(run)) if run.completed else "",
        _section("How the solver decided", _table(("what", "answer"), _flat(run.explain))) if run.explain else "",
        _section(f"{len(run.failures)} failed evaluations", _failure_table(run)) if run.failures else "",
        _section("The space", _space_table(run)),
    ]
    about = f"{run.objective}, {run.config.mode}imize {run.metric}, seed {run.config.seed}. The run is {run.state}."
    return _PAGE.substitute(
        title=escape(run.name), about=escape(about), cards=_cards(run), sections="\n".join(filter(None, sections))
    )


def write_html(run: Source, path: str | Path) -> Path:
    """Write the page of a run and return its path."""
    target = Path(path).expanduser()
    page = render_html(run)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page, encoding="utf-8")
    return target


def _section(title: str, body: str) -> str:
    return f'<h2>{escape(title)}</h2>\n<div class="wide">{body}</div>'


def _cards(run: Run) -> str:
    best = run.best
    phases = ", ".join(f"{origin or 'unknown'} {count}" for origin, count in run.origins().items())
    cards = {
        f"best {run.metric}": "none" if best is None else _number(best.value),
        "evaluations": f"{len(run.evaluations)} of {run.config.budget or 'unlimited'}",
        "failed": str(len(run.failures)),
        "proposed by": phases or "nobody yet",
        **({} if run.wall_seconds is None else {"wall time": f"{run.wall_seconds:.1f} s"}),
    }
    return "".join(f'<div class="card"><span>{escape(k)}</span><b>{escape(v)}</b></div>' for k, v in cards.items())


def _best_table(run: Run) -> str:
    names = list(run.config.bounds)
    rows = [
        (
            _id(e),
            e.origin,
            _number(e.value),
            *(_number(e.params[n]) if n in e.params else "off" for n in names),
        )
        for e in run.ranked()[:TOP]
    ]
    return _table(("id", "proposed by", run.metric, *names), rows)


def _failure_table(run: Run) -> str:
    reasons = Counter(map(_reason, run.failures))
    examples = {_reason(e): e for e in reversed(run.failures)}
    rows = [
        (str(count), reason, ", ".join(f"{k}={_number(v)}" for k, v in examples[reason].params.items()))
        for reason, count in reasons.most_common()
    ]
    return _table(("times", "reason", "first with"), rows, {1: "error"})


def _id(evaluation: Evaluation) -> str:
    return "none" if evaluation.id is None else evaluation.id


def _reason(failed: Evaluation) -> str:
    return "no reason given" if failed.error is None else failed.error.message


def _space_table(run: Run) -> str:
    rows = []
    for name, parameter in run.config.bounds.items():
        domain = (
            ", ".join(_number(c) for c in parameter.choices)
            if parameter.choices is not None
            else f"{_number(parameter.min)} .. {_number(parameter.max)}"
        )
        kind = "ordered" if parameter.ordered else "choices" if parameter.choices is not None else parameter.type
        step = "" if parameter.step is None else f", step {_number(parameter.step)}"
        when = "; ".join(f"{k} in {', '.join(map(str, v))}" for k, v in (parameter.when or {}).items())
        rows.append((name, kind + step, domain, "" if parameter.choices is not None else parameter.scale, when))
    return _table(("parameter", "type", "domain", "scale", "only when"), rows)


def _flat(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            rows += _flat(value, f"{prefix}{key}.")
        elif key == "phases":
            rows.append((key, ", then ".join(f"{phase['strategy']} ({phase['candidates']})" for phase in value)))
        else:
            rows.append((f"{prefix}{key}", _number(value)))
    return rows


def _table(head: Iterable[str], rows: Iterable[Iterable[str]], classes: Mapping[int, str] | None = None) -> str:
    kinds = classes or {}
    header = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f'<td class="{kinds.get(k, "")}">{escape(cell)}</td>' for k, cell in enumerate(row)) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table>"


def _number(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)

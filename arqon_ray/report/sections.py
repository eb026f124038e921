"""The sections of the HTML page of a run, see :mod:`.html`."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from arqon_ray.core.record.evaluation import Evaluation
from arqon_ray.core.record.run import Run
from arqon_ray.report.style import taken_at

TOP = 10
_MOST_FAILURES = 20
_MOST_PHASES = 8


def section(title: str, body: str) -> str:
    """Return a section with a title."""
    return f'<h2>{escape(title)}</h2>\n<div class="wide">{body}</div>'


def cards(run: Run) -> str:
    """Return the cards with the main numbers at the top of the page."""
    best = run.best
    known = {
        f"best {run.metric}": "none" if best is None else _with_step(best),
        "evaluations": f"{len(run.evaluations)} of {run.config.budget or 'unlimited'}",
        "stopped early": str(len(run.stopped)) if run.stopped else "",
        "failed": str(len(run.failures)),
        "running": str(len(run.running)) if run.running else "",
        "proposed by": ", ".join(f"{o or 'unknown'} {count}" for o, count in run.origins().items()) or "nobody yet",
        "wall time": "" if run.wall_seconds is None else f"{run.wall_seconds:.1f} s",
    }
    shown = {name: value for name, value in known.items() if value}
    return "".join(f'<div class="card"><span>{escape(k)}</span><b>{escape(v)}</b></div>' for k, v in shown.items())


def _with_step(evaluation: Evaluation) -> str:
    where = taken_at(evaluation)
    return number(evaluation.value) + (f" ({where})" if where else "")


def best_table(run: Run) -> str:
    """Return the table of the best evaluations."""
    names, ranked = list(run.config.bounds), run.ranked()[:TOP]
    stepped = any(e.step is not None or e.status == "stopped" for e in ranked)
    head = ["id", "proposed by", run.metric, *(["taken"] if stepped else []), *names]
    rows = [
        [
            "outside" if e.id is None else e.id,
            e.origin,
            number(e.value),
            *([taken_at(e)] if stepped else []),
            *(number(e.params[name]) if name in e.params else "off" for name in names),
        ]
        for e in ranked
    ]
    return table(head, rows)


def metrics_table(run: Run) -> str:
    """Return the table of metrics: of the best evaluation, and over those that went as far."""
    best, comparable = run.best, run.comparable()
    names = dict.fromkeys(name for e in (*comparable, *run.evaluations) for name in e.metrics)
    mine: Mapping[str, Any] = {} if best is None else best.metrics
    rows = []
    for name in names:
        values = [e.metrics[name] for e in comparable if name in e.metrics]
        rows.append((name, number(mine[name]) if name in mine else "", *_spread(values), str(len(values))))
    of = f"of {len(comparable)} that went as far" if run.stopped else f"of {len(comparable)}"
    return table(("metric", "of the best", "lowest", "median", "highest", of), rows)


def _spread(values: Sequence[Any]) -> tuple[str, str, str]:
    """Return lowest, median and highest of numbers; for other values, the number of different ones."""
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool) and v == v]
    if numbers:
        return number(min(numbers)), number(statistics.median(numbers)), number(max(numbers))
    different = len({repr(value) for value in values})
    return "", f"{different} different" if different > 1 else "", ""


def failure_table(run: Run) -> str:
    """Return the table of failures by reason, the most frequent first, and a traceback for each."""
    alike: dict[tuple[str, str], list[Evaluation]] = {}
    for failed in run.failures:
        error = failed.error
        key = ("", "no reason given") if error is None else (error.kind, error.message)
        alike.setdefault(key, []).append(failed)
    ordered = sorted(alike.items(), key=lambda item: -len(item[1]))
    rows = [
        (str(len(them)), kind, message, ", ".join(f"{k}={number(v)}" for k, v in them[0].params.items()))
        for (kind, message), them in ordered[:_MOST_FAILURES]
    ]
    more = f"<p>and {len(ordered) - len(rows)} other reasons</p>" if len(ordered) > len(rows) else ""
    traces = "".join(_trace(them[0]) for _, them in ordered[:_MOST_FAILURES])
    return table(("times", "kind", "reason", "first with"), rows, {2: "error"}) + more + traces


def _trace(failed: Evaluation) -> str:
    if failed.error is None or failed.error.trace is None:
        return ""
    summary = f"traceback of candidate {escape(str(failed.id))}"
    return f"<details><summary>{summary}</summary><pre>{escape(failed.error.trace)}</pre></details>"


def explanation_table(run: Run) -> str:
    """Return the table of the solver's explanation."""
    return table(("what", "answer"), _flat(run.explain))


def _flat(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            rows += _flat(value, f"{prefix}{key}.")
        elif key == "phases":
            rows.append((key, _phases(value)))
        else:
            rows.append((f"{prefix}{key}", number(value)))
    return rows


def _phases(phases: Sequence[Mapping[str, Any]]) -> str:
    """Return the phases, or if there are many the number of candidates per strategy."""
    if len(phases) <= _MOST_PHASES:
        return ", then ".join(f"{phase['strategy']} ({phase['candidates']})" for phase in phases)
    counts: Counter[str] = Counter()
    for phase in phases:
        counts[phase["strategy"]] += phase["candidates"]
    each = ", ".join(f"{name} ({count})" for name, count in counts.items())
    return f"{each}, in {len(phases)} turns"


def space_table(run: Run) -> str:
    """Return the table of parameters."""
    rows = []
    for name, parameter in run.config.bounds.items():
        domain = (
            ", ".join(number(c) for c in parameter.choices)
            if parameter.choices is not None
            else f"{number(parameter.min)} .. {number(parameter.max)}"
        )
        kind = "ordered" if parameter.ordered else "choices" if parameter.choices is not None else parameter.type
        step = "" if parameter.step is None else f", step {number(parameter.step)}"
        when = "; ".join(f"{k} in {', '.join(map(str, v))}" for k, v in (parameter.when or {}).items())
        rows.append((name, kind + step, domain, "" if parameter.choices is not None else parameter.scale, when))
    return table(("parameter", "type", "domain", "scale", "only when"), rows)


def table(head: Iterable[str], rows: Iterable[Iterable[str]], classes: Mapping[int, str] | None = None) -> str:
    """Return an HTML table; ``classes`` are the CSS classes of cells, by column."""
    kinds = classes or {}
    header = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f'<td class="{kinds.get(k, "")}">{escape(cell)}</td>' for k, cell in enumerate(row)) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table>"


def number(value: Any) -> str:
    """Return the text of a value for a cell."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return "[" + ", ".join(map(number, value[:6])) + (", ..." if len(value) > 6 else "") + "]"
    text = str(value)
    return text if len(text) <= 200 else f"{text[:197]}..."

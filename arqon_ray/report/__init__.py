"""What a run was, as data, as plots and as one HTML page.

Used from outside: :class:`Run`, :class:`Evaluation`, :func:`read_run`, :func:`write_run`, the three figures,
:func:`render_html`, :func:`write_html` and :func:`export_to_optuna`, which take what ``optimize`` returned too. Only
the figures and the page need plotly.
"""

from arqon_ray.report.html import render_html, write_html
from arqon_ray.report.optuna_export import export_to_optuna
from arqon_ray.report.plots import history_figure, parallel_figure, slice_figure
from arqon_ray.report.run import Evaluation, Run, read_run, write_run

__all__ = [
    "Evaluation",
    "Run",
    "export_to_optuna",
    "history_figure",
    "parallel_figure",
    "read_run",
    "render_html",
    "slice_figure",
    "write_html",
    "write_run",
]

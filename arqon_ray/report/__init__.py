"""Reports of runs: as data, figures and one HTML page. Use what this module exports.

Every function that takes a run accepts a :class:`Run` or anything that :func:`open_run` accepts. Only figures and the
page need plotly.
"""

from arqon_ray.core.record.evaluation import Evaluation
from arqon_ray.core.record.run import Run
from arqon_ray.report.history_plots import curves_figure, history_figure
from arqon_ray.report.html import render_html, write_html
from arqon_ray.report.opening import open_run
from arqon_ray.report.optuna_export import export_to_optuna
from arqon_ray.report.run import read_run, write_run
from arqon_ray.report.space_plots import parallel_figure, slice_figure
from arqon_ray.report.tables import to_arrow, to_pandas, write_parquet

__all__ = [
    "Evaluation",
    "Run",
    "curves_figure",
    "export_to_optuna",
    "history_figure",
    "open_run",
    "parallel_figure",
    "read_run",
    "render_html",
    "slice_figure",
    "to_arrow",
    "to_pandas",
    "write_html",
    "write_parquet",
    "write_run",
]

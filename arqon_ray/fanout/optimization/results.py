"""What ``optimize`` returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from arqon_ray.core.record.error_kinds import RAISED
from arqon_ray.core.record.run import UNNAMED, Run, State, evaluations_of
from arqon_ray.core.versions import versions

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


_STATES: dict[str, State] = {"interrupt": "interrupted", "fail_fast": "failed", "nodes_lost": "interrupted"}
"""The states of runs that neither a limit nor the budget has stopped, by ``stopped_by``."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed evaluation in short; its whole record is in the history of the :class:`Result`.

    Attributes:
        id: the candidate's id.
        params: its parameters.
        error: why, one line.
        trace: the last lines of the traceback, for the first 100 failures; None if nothing was raised.
        attempts: how often it was started; more than 1 if its process died or its node was lost.
        kind: ``raised``, ``bad_value``, ``timeout``, ``died`` or ``out_of_memory``.
    """

    id: str
    params: dict[str, Any]
    error: str
    trace: str | None = None
    attempts: int = 1
    kind: str = RAISED


@dataclass(frozen=True, slots=True)
class Result:
    """The result of ``optimize``.

    Attributes:
        name: the study's name in the cluster.
        best: the recommended evaluation as in ``history``, and the value ``predicted`` for it; None if nothing
            succeeded.
        history: the evaluations of the study, of all drivers, in the order told: each as :meth:`.Evaluation.to_dict`.
        failures: the failed evaluations of this call, in short.
        explanation: how the solver decided: phase, landscape, strategy, and the evidence for each.
        evaluations: how many evaluations of this call ended, including failed ones.
        stopped_by: ``finished`` (the budget is spent, or a finite space is), ``max_evaluations``, ``time_budget_s``,
            ``target``, ``patience``, ``callback``, ``fail_fast``, ``nodes_lost`` or ``interrupt``.
        seconds: the wall time of this call.
        path: where the study is stored; None if the client does not say.
        config: the study's config as a dict.

    Example:
        >>> import arqon_ray
        >>> config = {"budget": 8, "bounds": {"x": {"min": 0.0, "max": 1.0}}}
        >>> result = arqon_ray.optimize(lambda params: params["x"], config, progress=False)
        >>> result.stopped_by, result.evaluations, result.failures
        ('finished', 8, [])
    """

    name: str
    best: dict[str, Any] | None
    history: list[dict[str, Any]] = field(repr=False)
    failures: list[Failure] = field(repr=False)
    explanation: dict[str, Any] = field(repr=False)
    evaluations: int
    stopped_by: str
    seconds: float
    path: str | None = None
    config: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def params(self) -> dict[str, Any] | None:
        """The best parameters; None if nothing succeeded."""
        return None if self.best is None else dict(self.best["params"])

    @property
    def value(self) -> float | None:
        """The best value; None if nothing succeeded."""
        return None if self.best is None else float(self.best["value"])

    def explain(self) -> dict[str, Any]:
        """Return how the solver decided: phase, landscape, strategy, and the evidence for each."""
        return dict(self.explanation)

    def run(self) -> Run:
        """Return the run of the study as it was when the call ended, for reports."""
        return Run(
            self.name,
            metric=self.config.get("metric", UNNAMED),
            study=self.config,
            evaluations=evaluations_of(self.history),
            state=_STATES.get(self.stopped_by, "finished"),
            objective="optimize",
            explain=self.explanation,
            recommended=None if self.best is None else self.best["id"],
            wall_seconds=self.seconds,
            versions=versions(),
        )

    def to_pandas(self) -> pd.DataFrame:
        """Return the history as a table, a row for each evaluation: ``id``, ``params.NAME``, ``metrics.NAME``, ...

        Times are UTC timestamps; see :mod:`arqon_ray.core.record.table` for the columns.
        """
        return self.run().to_pandas()

    def to_parquet(self, path: str | Path) -> Path:
        """Write the table of :meth:`to_pandas` to a Parquet file, in typed columns, and return its path."""
        return self.run().to_parquet(path)


class OptimizeInterrupted(KeyboardInterrupt):
    """Ctrl-C during ``optimize``. All results that came in are stored, and the message says how to continue.

    Attributes:
        result: what was found so far.
    """

    def __init__(self, result: Result, advice: str = "repeat the call to continue") -> None:
        """Keep the partial result."""
        found = f"after {result.evaluations} evaluations, best {result.value}"
        super().__init__(f"{found}; study {result.name!r} is stored in {result.path}: {advice}")
        self.result, self._advice = result, advice

    def __reduce__(self) -> tuple[Any, ...]:
        return (OptimizeInterrupted, (self.result, self._advice))

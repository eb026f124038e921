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
"""What the run of a result is that was not stopped by a limit or its budget."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An evaluation that gave no value, in short; the history of the :class:`Result` has its whole record.

    Attributes:
        id: the candidate's id.
        params: its parameters.
        error: why, one line.
        trace: the last lines of the traceback, of the first hundred; None when nothing was raised or the process died.
        attempts: how often it was started; more than 1 when its process died.
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
    """What an optimization found.

    Attributes:
        name: the study's name in the cluster.
        best: the recommended evaluation as ``history`` has it, with the value that is ``predicted`` of it; None when
            nothing succeeded.
        history: the study's evaluations, every driver's, as they were told: each as :meth:`.Evaluation.to_dict`.
        failures: the evaluations of this call that gave no value, in short.
        explanation: how the solver went about it: phase, landscape, strategy and the evidence for each.
        evaluations: how many this call ran to their end, failed ones too.
        stopped_by: ``finished`` (the budget is spent, or a finite space is), ``max_evaluations``, ``time_budget_s``,
            ``target``, ``patience``, ``callback``, ``fail_fast``, ``nodes_lost`` or ``interrupt``.
        seconds: the wall time of this call.
        path: where the study is stored; None when the client does not say.
        config: the study's config, plain; what reports draw the axes from.

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
        """The best parameters; None when nothing succeeded."""
        return None if self.best is None else dict(self.best["params"])

    @property
    def value(self) -> float | None:
        """The best value; None when nothing succeeded."""
        return None if self.best is None else float(self.best["value"])

    def explain(self) -> dict[str, Any]:
        """Return how the solver went about it: phase, landscape, strategy and the evidence for each."""
        return dict(self.explanation)

    def run(self) -> Run:
        """Return the study's run as it stood when the call ended, for reports."""
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
    """Ctrl-C during ``optimize``: every value that came in is stored. The message says how to go on.

    Attributes:
        result: what was found until then.
    """

    def __init__(self, result: Result, advice: str = "the same call goes on") -> None:
        """Keep the partial result."""
        found = f"after {result.evaluations} evaluations, best {result.value}"
        super().__init__(f"{found}; study {result.name!r} is kept at {result.path}: {advice}")
        self.result, self._advice = result, advice

    def __reduce__(self) -> tuple[Any, ...]:
        return (OptimizeInterrupted, (self.result, self._advice))

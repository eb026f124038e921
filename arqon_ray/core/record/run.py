"""A study's run as data: what reports show and the command line writes; every study can return one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from arqon_ray import tables
from arqon_ray.core.config import StudyConfig, load_config
from arqon_ray.core.inputs.plain import value_of
from arqon_ray.core.record.evaluation import Evaluation
from arqon_ray.core.record.table import columns_of

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa

State = Literal["running", "finished", "interrupted", "failed"]

UNNAMED = "value"
"""The name of the metric when the config names none."""


@dataclass(frozen=True)
class Run:
    """A run of one study.

    Attributes:
        name: the name of the job or the study.
        metric: the name of the objective; ``value`` when it has none.
        study: the study's config as a plain dict.
        evaluations: the finished evaluations, in the order in which they were told.
        state: ``running``, ``finished``, ``interrupted`` or ``failed``; a run that was killed still says ``running``.
        objective: the import path of the function.
        explain: the solver's ``explain()``: phase, landscape, strategy and the evidence for each.
        recommended: the id of the candidate that the solver recommends; with noise this need not be the best value.
        wall_seconds: the wall time of all sessions; None when unknown.
        sessions: how many times the run was started or resumed.
        versions: the versions of ``arqon_ray``, ``python``, ``numpy`` and ``scipy`` that computed the latest
            candidates; empty when unknown, as in files of 0.1.0.
        running: the candidates in flight, with their reports.
    """

    name: str
    metric: str
    study: Mapping[str, Any]
    evaluations: tuple[Evaluation, ...] = ()
    state: State = "finished"
    objective: str = ""
    explain: Mapping[str, Any] = field(default_factory=dict)
    recommended: str | None = None
    wall_seconds: float | None = None
    sessions: int = 1
    versions: Mapping[str, str] = field(default_factory=dict)
    running: tuple[Evaluation, ...] = ()

    @cached_property
    def config(self) -> StudyConfig:
        """The study's config, checked."""
        return load_config(self.study)

    @property
    def phases(self) -> tuple[Mapping[str, Any], ...]:
        """How many candidates each strategy proposed, phase by phase: ``{"strategy", "candidates"}``."""
        return tuple(self.explain.get("phases", ()))

    @property
    def completed(self) -> tuple[Evaluation, ...]:
        """The evaluations that have a value, including those that were stopped early."""
        return tuple(e for e in self.evaluations if e.value is not None)

    @property
    def stopped(self) -> tuple[Evaluation, ...]:
        """The evaluations that a scheduler stopped early; their value is that of their last step."""
        return tuple(e for e in self.completed if e.status == "stopped")

    @property
    def failures(self) -> tuple[Evaluation, ...]:
        """The evaluations that failed."""
        return tuple(e for e in self.evaluations if e.value is None)

    def ranked(self) -> list[Evaluation]:
        """Return the evaluations that have a value, the best first; ties in the order in which they were told.

        Evaluations that were stopped early come last, those that got further first, because values at different steps
        cannot be compared.
        """
        sign = -1.0 if self.config.mode == "max" else 1.0
        return sorted(self.completed, key=lambda e: (*_how_far(e), sign * (e.value or 0.0)))

    def comparable(self) -> list[Evaluation]:
        """Return the evaluations that got as far as the first of :meth:`ranked`, the best first.

        These are the evaluations that were not stopped or, if all were, those with the highest step.
        """
        ranked = self.ranked()
        return [e for e in ranked if _how_far(e) == _how_far(ranked[0])]

    @property
    def best(self) -> Evaluation | None:
        """The recommended evaluation, else the first of :meth:`ranked`; None when none has a value."""
        ranked = self.ranked()
        recommended = (e for e in ranked if self.recommended is not None and e.id == self.recommended)
        return next(recommended, ranked[0] if ranked else None)

    def path(self) -> list[tuple[int, Evaluation]]:
        """Return each improvement, as the number of evaluations up to and including it, and the evaluation.

        Only :meth:`comparable` evaluations count.
        """
        comparable = {id(e) for e in self.comparable()}
        larger_is_better = self.config.mode == "max"
        steps: list[tuple[int, Evaluation]] = []
        for count, evaluation in enumerate(self.evaluations, start=1):
            if evaluation.value is None or id(evaluation) not in comparable:
                continue
            best = steps[-1][1].value if steps else None
            if best is None or (evaluation.value > best if larger_is_better else evaluation.value < best):
                steps.append((count, evaluation))
        return steps

    def origins(self) -> dict[str, int]:
        """Return the number of evaluations by origin (a strategy, ``probe``, ...), in the order of first appearance."""
        counts: dict[str, int] = {}
        for evaluation in self.evaluations:
            counts[evaluation.origin] = counts.get(evaluation.origin, 0) + 1
        return counts

    def to_pandas(self) -> pd.DataFrame:
        """Return the evaluations as a table, one row each; see :mod:`.table` for its columns."""
        return tables.to_pandas(*self._table())

    def to_arrow(self) -> pa.Table:
        """Return the evaluations as an Arrow table, one row each."""
        return tables.to_arrow(*self._table())

    def to_parquet(self, path: str | Path) -> Path:
        """Write the table of :meth:`to_pandas` to a Parquet file, and return its path."""
        return tables.write_parquet(self.to_arrow(), path)

    def _table(self) -> tuple[list[tables.Column], list[tables.Steps] | None]:
        reported = any(each.steps for each in self.evaluations)
        steps: list[tables.Steps] | None = [each.steps for each in self.evaluations] if reported else None
        return columns_of(self.evaluations, self.config.bounds), steps


def _how_far(evaluation: Evaluation) -> tuple[bool, int]:
    """Return a key by which evaluations that went further come first; values of equal keys can be compared."""
    stopped = evaluation.status == "stopped"
    return stopped, -(evaluation.step or 0) if stopped else 0


def evaluations_of(history: Sequence[Mapping[str, Any]]) -> tuple[Evaluation, ...]:
    """Convert the rows of a study's ``history()``; members of enumerations become their values."""
    return tuple(_evaluation_of(row) for row in history)


def _evaluation_of(row: Mapping[str, Any]) -> Evaluation:
    plain = {key: value for key, value in row.items() if key != "seq"}
    return Evaluation.from_dict({**plain, "params": {name: value_of(v) for name, v in row["params"].items()}})

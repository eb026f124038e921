"""A study's run as data: what the reports show, what the command line writes, and what every study can return."""

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
"""What the metric of a study is called whose config names none."""


@dataclass(frozen=True)
class Run:
    """A run of one study.

    Attributes:
        name: the job's or the study's name.
        metric: what the values measure; ``value`` where nobody named it.
        study: the study's config, plain.
        evaluations: those that have ended, in the order in which they were told.
        state: ``running`` as long as candidates are to come, or as long as the run was killed without notice.
        objective: where the function stands.
        explain: the solver's own account: phase, landscape, strategy and the evidence for each.
        recommended: the id of the candidate that the solver recommends; on noisy values it is not the luckiest one.
        wall_seconds: over all the run's sessions; None when nobody measured it.
        sessions: how often the run was started or resumed.
        versions: of what computed the candidates last: ``arqon_ray``, ``python``, ``numpy``, ``scipy``; empty where
            nobody wrote it down, as in what 0.1.0 stored.
        running: the candidates in flight, with what they have reported.
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
        """Which strategy proposed how many candidates, in their order: ``{"strategy", "candidates"}``."""
        return tuple(self.explain.get("phases", ()))

    @property
    def completed(self) -> tuple[Evaluation, ...]:
        """The evaluations that have a value, those that were stopped too."""
        return tuple(e for e in self.evaluations if e.value is not None)

    @property
    def stopped(self) -> tuple[Evaluation, ...]:
        """The evaluations that a scheduler stopped: each has the value of its last step."""
        return tuple(e for e in self.completed if e.status == "stopped")

    @property
    def failures(self) -> tuple[Evaluation, ...]:
        """The evaluations that failed."""
        return tuple(e for e in self.evaluations if e.value is None)

    def ranked(self) -> list[Evaluation]:
        """Return the evaluations that have a value, the best first; the earlier of two equal ones first.

        Those that were stopped come after those that were not, and among them those that went further come first:
        values of different steps say nothing of each other.
        """
        sign = -1.0 if self.config.mode == "max" else 1.0
        return sorted(self.completed, key=lambda e: (*_how_far(e), sign * (e.value or 0.0)))

    def comparable(self) -> list[Evaluation]:
        """Return the evaluations that went as far as the first of :meth:`ranked`, the best first.

        They are those that were not stopped or, where all were, those of the furthest step.
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
        """Return each improvement: its place in the history, from 1, and the evaluation.

        Only those that are :meth:`comparable` are in it.
        """
        comparable = {id(e) for e in self.comparable()}
        larger_is_better = self.config.mode == "max"
        steps: list[tuple[int, Evaluation]] = []
        for place, evaluation in enumerate(self.evaluations, start=1):
            if evaluation.value is None or id(evaluation) not in comparable:
                continue
            best = steps[-1][1].value if steps else None
            if best is None or (evaluation.value > best if larger_is_better else evaluation.value < best):
                steps.append((place, evaluation))
        return steps

    def origins(self) -> dict[str, int]:
        """Return how many evaluations each phase or strategy proposed, in the order of their first one."""
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
    """Return the rows of a study's history as evaluations, with choices as plain values."""
    return tuple(_evaluation_of(row) for row in history)


def _evaluation_of(row: Mapping[str, Any]) -> Evaluation:
    plain = {key: value for key, value in row.items() if key != "seq"}
    return Evaluation.from_dict({**plain, "params": {name: value_of(v) for name, v in row["params"].items()}})

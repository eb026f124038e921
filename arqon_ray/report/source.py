"""What the reports take: a run's record, or what ``optimize`` returned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from arqon_ray.core.plain import value_of
from arqon_ray.core.values import shown
from arqon_ray.errors import ArqonError
from arqon_ray.report.run import Evaluation, Run

_OUTSIDE = "outside"


class Optimized(Protocol):
    """What ``optimize`` returns, as far as a report needs it; see ``arqon_ray.fanout.Result``."""

    @property
    def name(self) -> str:
        """The study's name."""
        ...

    @property
    def config(self) -> Mapping[str, Any]:
        """The study's config, plain."""
        ...

    @property
    def history(self) -> Sequence[Mapping[str, Any]]:
        """The study's observations."""
        ...

    @property
    def best(self) -> Mapping[str, Any] | None:
        """The recommended observation."""
        ...

    @property
    def explanation(self) -> Mapping[str, Any]:
        """How the solver went about it."""
        ...

    @property
    def seconds(self) -> float:
        """The wall time of the call."""
        ...


def run_of(source: Run | Optimized) -> Run:
    """Return the record of a run, made of what ``optimize`` returned where that is given.

    Raises:
        ArqonError: when it is neither.
    """
    if isinstance(source, Run):
        return source
    try:
        return Run(
            name=source.name,
            metric="value",
            study=source.config,
            evaluations=tuple(evaluation_of(row) for row in source.history),
            objective="optimize",
            explain=source.explanation,
            recommended=None if source.best is None else source.best["id"],
            wall_seconds=source.seconds,
        )
    except AttributeError:
        raise ArqonError(
            f"run is {shown(source)}: give what optimize() returned, or a Run, as read_run('FOLDER') returns one"
        ) from None


def evaluation_of(row: Mapping[str, Any]) -> Evaluation:
    """Return a row of a study's history as an evaluation."""
    failed = row["status"] == "failed"
    return Evaluation(
        id=_OUTSIDE if row["id"] is None else str(row["id"]),
        params={name: value_of(value) for name, value in row["params"].items()},
        value=None if failed else row["value"],
        origin=row["origin"],
        cost=row["cost"],
        step=row.get("step"),
        error=row.get("reason") or ("no value" if failed else None),
    )

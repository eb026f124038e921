"""The interface of objectives: what each of ours answers, and that a further kind needs no change elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from arqon_ray import ArqonSolver, ConfigError, ResultsError
from arqon_ray.core import study_state
from arqon_ray.core.config import StudyConfig, load_config
from arqon_ray.core.export import frozen, state
from arqon_ray.core.ledger.view import Array, DataView
from arqon_ray.core.objectives.base import Goal, Known, Objective
from arqon_ray.core.objectives.choose import objective_of
from arqon_ray.core.objectives.rungs import OnRungs
from arqon_ray.core.objectives.several import Several, Weighed
from arqon_ray.core.objectives.single import Single, Value
from arqon_ray.core.strategies.classification import Classification

BOUNDS = {"x": {"min": 0.0, "max": 1.0}, "y": {"min": 0.0, "max": 1.0}}


def test_the_config_says_which_kind_it_is_and_the_evaluations_whether_there_are_rungs() -> None:
    assert isinstance(objective_of(load_config({"bounds": BOUNDS})), Single)
    assert isinstance(objective_of(load_config({"bounds": BOUNDS, "objectives": ["min", "max"]})), Several)
    solver = ArqonSolver({"bounds": BOUNDS})
    single = Single("min")
    solver.observe(solver.propose().number, 1.0)  # type: ignore[union-attr]
    assert isinstance(single.at(solver._ledger.view()), Value)
    solver.observe(solver.propose().number, 2.0, step=3)  # type: ignore[union-attr]
    assert isinstance(single.at(solver._ledger.view()), OnRungs)
    assert isinstance(Several(["min", "max"], 1).at(solver._ledger.view()), Weighed)


@pytest.mark.parametrize(
    ("objective", "good", "bad"),
    [(Single("max"), None, (1.0, 2.0)), (Several(["min", "max"], 7), (1.0, 2.0), None)],
)
def test_a_list_of_values_is_taken_where_there_are_several(objective: Objective, good: Any, bad: Any) -> None:
    assert objective.problem(good) is None
    assert "as the config's objectives are" in str(objective.problem(bad))


def test_what_compares_one_value_alone_refuses_several() -> None:
    Single("min").require_one_value("optimize()")
    with pytest.raises(ConfigError, match=r"objectives is \['min', 'min'\]: optimize\(\) takes one objective"):
        Several(["min", "min"], 1).require_one_value("optimize()")
    with pytest.raises(ConfigError, match=r"has best\(\), and no Pareto set"):
        Single("min").pareto([])


class Near:
    """A fourth kind: values are to be near 3, and evaluations beyond 5 count as failed for the model."""

    sign = 1.0
    signs: Array = np.array([])

    def has_values(self, view: DataView) -> bool:
        return bool(np.any(view.y <= 5.0))

    def at(self, view: DataView) -> Goal:
        return NearGoal(view)

    def problem(self, values: Sequence[float] | None) -> str | None:
        return None if values is None else "has a list of values, and it must have one"

    def pareto(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        raise ConfigError("it has one best row")

    def require_one_value(self, who: str) -> None:
        pass


@dataclass(frozen=True, slots=True)
class NearGoal:
    view: DataView
    ended_early = False
    repeats_tell_noise = True
    reusable = True

    @property
    def observed(self) -> int:
        return int(np.sum(self.view.y <= 5.0))

    def known(self, number: int) -> Known:
        view, good = self.view, self.view.y <= 5.0
        failed = np.concatenate([view.failed, view.X[~good]])
        return Known(view.X[good], np.abs(view.y[good] - 3.0), view.numbers[good], failed, np.array([], dtype=np.int64))

    def classification(self, number: int) -> Classification | None:
        return None

    def comparable(self) -> NDArray[np.int64]:
        return np.argsort(np.abs(self.view.y - 3.0))[:1]


def test_a_fourth_kind_is_searched_kept_and_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    def near(config: StudyConfig) -> Objective:
        return Near()

    for module in (study_state, frozen, state):
        monkeypatch.setattr(module, "objective_of", near)
    solver = ArqonSolver({"seed": 3, "budget": 30, "bounds": BOUNDS})
    while (candidate := solver.propose()) is not None:
        solver.observe(candidate.number, 10.0 * candidate.params["x"] + candidate.params["y"])
        if candidate.number == 20:
            again = ArqonSolver.from_state(solver.export())
            other = again.propose()
            assert other is not None
    best = solver.best()
    assert best is not None
    assert abs(best["value"] - 3.0) < 0.05
    assert again.candidate(21).params == solver.candidate(21).params
    with pytest.raises(ResultsError, match="has a list of values, and it must have one"):
        solver.seed([{"params": {"x": 0.1, "y": 0.1}, "values": [1.0, 2.0]}])
    with pytest.raises(ConfigError, match="it has one best row"):
        solver.pareto()


def test_the_objective_alone_says_the_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study_state, "objective_of", lambda config: Single("max"))
    solver = ArqonSolver({"mode": "min", "bounds": BOUNDS})
    candidate = solver.propose()
    assert candidate is not None
    solver.report(candidate.number, 1, 2.5)
    assert solver.freeze().view.reports[0, 2] == -2.5
    assert solver.freeze().reports()[0][2] == 2.5

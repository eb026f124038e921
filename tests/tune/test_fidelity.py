"""Under a scheduler: what trials report on the way reaches the solver, here and in a shared study."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arqon_ray.core import ArqonSolver
from arqon_ray.core.config import load_config
from arqon_ray.service import verify
from arqon_ray.tune import ArqonSearcher, session
from tests.tune.study.test_shared import LocalClient

BOUNDS = {"x": {"min": -5.0, "max": 5.0}, "y": {"min": 0.0, "max": 1.0}}
CONFIG = {"seed": 7, "bounds": BOUNDS}


def value(config: dict[str, Any], step: int) -> dict[str, Any]:
    return {"loss": config["x"] ** 2 + config["y"] + 9.0 / step, "training_iteration": step}


def drive(made: ArqonSearcher, count: int, first: int = 0) -> list[dict[str, Any]]:
    """Run trials as ASHA lets them: one in three goes on after step 1, and one in nine after step 3."""
    configs = []
    for i in range(first, first + count):
        config = made.suggest(f"t{i}")
        assert isinstance(config, dict)
        last = 9 if i % 9 == 0 else 3 if i % 3 == 0 else 1
        for step in range(1, last):
            made.on_trial_result(f"t{i}", value(config, step))
        made.on_trial_complete(f"t{i}", {**value(config, last), "done": True})
        configs.append(config)
    return configs


def test_every_rung_is_in_the_model() -> None:
    made = ArqonSearcher(CONFIG)
    drive(made, 18)
    assert isinstance(made.solver, ArqonSolver)
    explained = made.solver.explain()
    assert explained["landscape"] == "multi-fidelity"
    assert explained["evidence"]["rungs"] == {"1": 12, "3": 4, "9": 2}
    # Whoever stopped at step 1 still had 8 to lose: on one scale all have their final values, none below the best.
    seen = made.solver.proposer().evidence()
    finals = np.array([row["params"]["x"] ** 2 + row["params"]["y"] + 1.0 for row in made.solver.history()])
    expected = np.maximum(finals, min(finals[0], finals[9]))
    tail = expected - np.min(expected) > 10.0 * (np.median(expected) - np.min(expected))
    assert 0 < np.sum(tail) < 6  # the worst are drawn in, in their order
    assert seen.y[~tail] == pytest.approx(expected[~tail])
    assert np.argsort(seen.y).tolist() == np.argsort(expected).tolist()


def test_a_trial_stopped_early_is_not_the_best() -> None:
    made = ArqonSearcher({**CONFIG, "mode": "max"})
    for trial, step, accuracy in (("long", 100, 0.8), ("short", 3, 0.95)):
        made.suggest(trial)
        made.on_trial_complete(trial, {"loss": accuracy, "training_iteration": step})
    best = made.solver.best()
    assert best is not None
    assert best["value"] == 0.8


def test_paused_trials_count_before_they_end() -> None:
    made = ArqonSearcher(CONFIG)
    for i in range(14):
        config = made.suggest(f"t{i}")
        assert isinstance(config, dict)
        made.on_trial_result(f"t{i}", value(config, 1))
        made.on_pause(f"t{i}")
    assert isinstance(made.solver, ArqonSolver)
    assert made.solver.explain()["evidence"]["observations"] == 14
    assert made.solver.get_history_len() == 0


def test_restored_it_goes_on_with_the_curves(tmp_path: Path) -> None:
    made = ArqonSearcher(CONFIG)
    drive(made, 15)
    made.save(str(tmp_path / "state"))
    restored = ArqonSearcher(CONFIG)
    restored.restore(str(tmp_path / "state"))
    assert drive(restored, 3, first=15) == drive(made, 3, first=15)


def test_a_late_result_of_a_told_trial_changes_nothing() -> None:
    made = ArqonSearcher(CONFIG)
    config = drive(made, 1)[0]
    before = made.solver.export()
    made.on_trial_result("t0", value(config, 10))
    assert made.solver.export() == before


def test_a_shared_study_learns_the_same_and_can_be_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = LocalClient(tmp_path / "store", CONFIG)
    monkeypatch.setattr(session, "attach", lambda actor, wanted, mode: (client, load_config(CONFIG)))
    shared = ArqonSearcher(CONFIG, actor="local")
    drive(shared, 20)
    shared.save(str(tmp_path / "state"))  # it waits until everything has arrived
    solver = ArqonSolver.from_state(client.export())
    assert solver.explain()["evidence"]["rungs"] == {"1": 13, "3": 4, "9": 3}
    verified = verify(str(tmp_path / "store"), "local")
    assert verified.candidates >= 20
    assert verified.ok, verified.mismatches

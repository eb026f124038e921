"""A strategy of another package in the study's actor, which finds it through its runtime_env alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import arqon_ray
from arqon_ray.core.refine.tpe import TreeParzen
from arqon_ray.errors import ConfigError, StudyNotFoundError
from arqon_ray.service import SolverClient
from arqon_ray.strategies import register_strategy, unregister_strategy
from tests.core.strategies.packages import install, path_with
from tests.service.live import Start, kill, studies

STUDY: dict[str, Any] = {"seed": 3, "budget": 40, "bounds": {"x": {"min": 0, "max": 1}, "y": {"min": 0, "max": 1}}}


@pytest.fixture(scope="module")
def start(cluster: Any) -> Iterator[Start]:
    with studies() as begin:
        yield begin


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The runtime_env of an actor that has the package; this process has it not."""
    folder = install(tmp_path_factory.mktemp("packages"))
    return {"env_vars": {"PYTHONPATH": path_with(folder)}}


def play(client: SolverClient, count: int) -> list[str]:
    """Ask and tell one after another; returns who proposed."""
    origins = []
    for _ in range(count):
        candidate = client.ask_one()
        assert candidate is not None
        params = candidate["params"]
        client.tell(candidate["id"], (params["x"] - 0.3) ** 2 + params["y"])
        origins.append(client.history()[-1]["origin"])
    return origins


def test_it_runs_by_name_and_goes_on_after_a_restart(start: Start, installed: dict[str, Any], tmp_path: Path) -> None:
    config = {**STUDY, "strategy": "stepper", "strategy_params": {"step": 0.1}}
    client = start(config, runtime_env=installed, storage_path=str(tmp_path))
    origins = play(client, 14)
    assert origins == ["probe"] * 8 + ["stepper"] * 6
    killed = kill(client)
    assert set(play(client, 6)) == {"stepper"}
    assert client.status()["pid"] != killed
    assert client.status()["strategy"] == "stepper"
    assert client.best() is not None
    # This process does not have the package: it reads the study and says what it needs to compute it.
    read = arqon_ray.ArqonSolver.from_state(client.export())
    assert read.explain()["trouble"] is None
    assert read.get_history_len() == 20
    with pytest.raises(ConfigError, match=r"strategy is 'stepper'.*pip"):
        read.ask_one()
    found = arqon_ray.verify(str(tmp_path), client.name)
    assert found.candidates == 20
    assert {each.recorded["origin"] for each in found.mismatches} >= {"stepper"}
    assert all("strategy is 'stepper'" in each.recomputed["error"] for each in found.mismatches)


def test_it_takes_part_in_auto(start: Start, installed: dict[str, Any]) -> None:
    client = start(STUDY, runtime_env=installed)
    assert {"stepper", "trust_region", "gaussian_process"} <= set(play(client, 25))
    kill(client)
    assert "stepper" in play(client, 15)
    assert arqon_ray.ArqonSolver.from_state(client.export()).explain()["trouble"] is None


def test_what_only_the_actor_knows_is_checked_there(start: Start, installed: dict[str, Any]) -> None:
    wrong = {**STUDY, "strategy": "stepper", "strategy_params": {"stpe": 0.1}}
    with pytest.raises(ConfigError, match=r"strategy_params.stpe is 0.1 \(did you mean 'step'\?\)"):
        start(wrong, "misspelt", runtime_env=installed)
    with pytest.raises(StudyNotFoundError):
        arqon_ray.connect("misspelt")
    # Nothing was begun under the name.
    start({**wrong, "strategy_params": {"step": 0.1}}, "misspelt", runtime_env=installed)


def test_what_only_this_process_knows_is_refused_with_what_to_do(start: Start) -> None:
    local = type("Local", (TreeParzen,), {"name": "local_only", "__module__": __name__})
    register_strategy(local)
    try:
        with pytest.raises(ConfigError, match=r"register_strategy made it known to this process.*runtime_env"):
            start({**STUDY, "strategy": "local_only"}, "local-only")
        with pytest.raises(StudyNotFoundError):
            arqon_ray.connect("local-only")
    finally:
        unregister_strategy("local_only")
    with pytest.raises(ConfigError, match=r"strategy is 'nowhere'.*must be installed where the study runs"):
        start({**STUDY, "strategy": "nowhere"}, "nowhere")

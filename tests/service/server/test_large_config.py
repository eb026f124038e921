"""A config of any size: what a restart of the actor depends on is on the storage, and not in Ray's object store."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import ray

import arqon_ray
from arqon_ray.core import ArqonSolver
from arqon_ray.core.config import load_config
from arqon_ray.service import SolverClient
from arqon_ray.service.server.host import ActorSpec, StudyHost
from tests.service.conftest import CONFIG
from tests.service.live import kill, studies

ROOT = Path(__file__).parents[3]


def parameters(count: int) -> dict[str, Any]:
    """Return a config of so many parameters."""
    bounds = {f"layer{i}.learning_rate": {"min": 1e-5, "max": 1.0, "scale": "Log"} for i in range(count)}
    return {"strategy": "probe", "seed": 1, "bounds": bounds}


def choices(megabytes: int) -> dict[str, Any]:
    """Return a config with choices of so many MB."""
    names = [f"data/part-{i:08d}-{'x' * 480}.parquet" for i in range(2000 * megabytes)]
    return {"strategy": "probe", "seed": 1, "bounds": {"file": {"choices": names}, "x": {"min": 0, "max": 1}}}


def survives(study: SolverClient, path: Path) -> None:
    """Kill the actor twice; each time another process goes on with all that was told."""
    for told in (1, 2):
        candidate = study.ask_one()
        assert candidate is not None
        study.tell(candidate["id"], 1.0)
        pid = kill(study)
        deadline = time.monotonic() + 60.0
        while (status := study.status())["pid"] == pid:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert status["state"] == "running"
        assert status["counts"]["told"] == told
        assert str(path) in status["storage"]


@pytest.mark.parametrize("config", [parameters(1000), parameters(2500), choices(10)], ids=["1000", "2500", "10 MB"])
def test_an_actor_with_a_large_config_is_restarted(cluster: Any, tmp_path: Path, config: dict[str, Any]) -> None:
    with studies() as start:
        survives(start(config, storage_path=str(tmp_path)), tmp_path)


DRIVER = """
import sys, ray, arqon_ray
from tests.service.server.test_large_config import choices
arqon_ray.init(sys.argv[1], log_to_driver=False)
study = arqon_ray.start(choices(1), sys.argv[2], storage_path=sys.argv[3])
candidate = study.ask_one()
study.tell(candidate["id"], 2.0)
print("told", flush=True)
"""


def test_its_creator_may_be_gone(cluster: Any, tmp_path: Path, unique_name: str) -> None:
    address = cluster.address_info["gcs_address"]
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, address, unique_name, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert "told" in done.stdout, done.stderr[-2000:]
    with studies() as start:
        study = start(choices(1), unique_name, storage_path=str(tmp_path))
        assert study.status()["counts"]["told"] == 1
        pid = kill(study)
        assert ray.get(study.handle.history.remote(), timeout=60)[0]["value"] == 2.0
        assert study.status()["pid"] != pid


def test_a_call_that_comes_before_the_config_waits_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arqon_ray.service.server.host._PATIENCE", 0.3)
    host = StudyHost(ActorSpec("arqon", "t1", True), str(tmp_path), False, {"pid": 1, "node": "n1"})
    with pytest.raises(arqon_ray.StudyRefusedError, match=r"was not begun: call start\(\)"):
        host.call(lambda study: study.ask_one())
    assert not [*tmp_path.rglob("study.json")]
    assert host.begin(CONFIG, "t1")["counts"]["asked"] == 0
    assert host.call(lambda study: study.ask_one())["id"] == "0"


def test_nothing_shows_a_large_config_whole() -> None:
    config = choices(1)
    checked = load_config(config)
    assert len(repr(checked)) < 400
    assert len(str(checked)) < 400
    assert len(repr(ArqonSolver(config))) < 400
    with pytest.raises(arqon_ray.ConfigError) as refused:
        load_config({**config, "strategy_params": {"a": config["bounds"]["file"]["choices"], "b": object()}})
    assert len(str(refused.value)) < 2000

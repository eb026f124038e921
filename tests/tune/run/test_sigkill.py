"""A driver is killed in the middle of its run, and another one restores it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ray import tune

import arqon_ray
from arqon_ray.tune import ArqonSearcher

pytestmark = [
    pytest.mark.faults,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

TOTAL = 7
CONFIG = {"seed": 7, "budget": TOTAL, "bounds": {"x": {"min": -5.0, "max": 5.0}}}

DRIVER = """
import json, sys
import ray
from ray import tune
from arqon_ray.tune import ArqonSearcher

address, storage, actor, config, total = sys.argv[1:]


def train(config):
    import pathlib, time
    folder = pathlib.Path(config["folder"])
    with open(folder / "begun", "a") as file:
        file.write("x")
    while (folder / "begun").read_text().count("x") > 3 and not (folder / "go").exists():
        time.sleep(0.05)
    return {"loss": config["x"] ** 2}


ray.init(address, namespace="arqon", log_to_driver=False)
tune.Tuner(
    tune.with_resources(train, {"cpu": 2}),
    param_space={"folder": storage},
    tune_config=tune.TuneConfig(
        search_alg=ArqonSearcher(actor=actor) if actor else ArqonSearcher(json.loads(config)),
        num_samples=int(total),
        reuse_actors=True,
    ),
    run_config=tune.RunConfig(storage_path=storage, name="run", verbose=0),
).fit()
"""


def train(config: dict[str, Any]) -> dict[str, float]:
    return {"loss": config["x"] ** 2}


def state_on_disk(path: Path) -> dict[str, list[Any]]:
    """The trials as Tune's newest checkpoint has them, by status."""
    found: dict[str, list[Any]] = {"done": [], "open": []}
    for file in path.glob("experiment_state-*.json"):
        try:
            rows = json.loads(file.read_text())["trial_data"]
        except ValueError:  # it is being written
            return found
        for trial in (json.loads(state) for state, _ in rows):
            found["done" if trial["status"] == "TERMINATED" else "open"].append(trial)
    return found


def killed_run(address: str, path: Path, actor: str) -> dict[str, list[Any]]:
    """Run until some trials are done and others in flight, all of it on disk; kill the driver; return the trials."""
    environment = {**os.environ, "TUNE_GLOBAL_CHECKPOINT_S": "0", "RAY_AIR_NEW_OUTPUT": "0"}
    command = [sys.executable, "-c", DRIVER, address, str(path), actor, json.dumps(CONFIG), str(TOTAL)]
    with open(path / "log", "w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    searchers = "searcher-state-*"
    while len((known := state_on_disk(path / "run"))["done"]) < 3 or len(known["open"]) < 2:
        assert process.poll() is None, (path / "log").read_text()
        time.sleep(0.1)
    while not list((path / "run").glob(searchers)):
        time.sleep(0.1)
    time.sleep(0.5)  # the copy to the storage ends
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    (path / "go").touch()
    return state_on_disk(path / "run")


@pytest.fixture
def actor(request: pytest.FixtureRequest, cluster: Any, unique_name: str) -> Iterator[str]:
    """A shared study's name, or nothing for a solver of the run's own."""
    if not request.param:
        yield ""
        return
    client = arqon_ray.start(CONFIG, unique_name)
    yield unique_name
    client.stop(purge=True)


@pytest.mark.parametrize("actor", [False, True], indirect=True, ids=["own solver", "shared actor"])
def test_the_restored_run_has_every_candidate_once(cluster: Any, tmp_path: Path, actor: str) -> None:
    before = killed_run(cluster.address_info["address"], tmp_path, actor)
    flying = {trial["trial_id"]: trial["evaluated_params"]["x"] for trial in before["open"]}
    assert len(flying) >= 2
    known = arqon_ray.connect(actor).history() if actor else []
    assert len(known) >= (3 if actor else 0)
    tuner = tune.Tuner.restore(str(tmp_path / "run"), tune.with_resources(train, {"cpu": 2}))
    grid = tuner.fit()
    assert not grid.errors
    searcher = ArqonSearcher(actor=actor or None)
    searcher.restore_from_dir(str(tmp_path / "run"))
    rows = searcher.solver.history()
    assert rows[: len(known)] == known
    assert sorted(row["id"] for row in rows) == [str(number) for number in range(TOTAL)]
    assert sorted(row["value"] for row in rows) == sorted(result.metrics["loss"] for result in grid)
    again = {result.metrics["trial_id"]: result.config["x"] for result in grid}
    assert len(again) == TOTAL
    assert flying.items() <= again.items()  # the same trials with the same candidates
    if actor:
        counts = arqon_ray.connect(actor).status()["counts"]
        assert (counts["asked"], counts["told"], counts["pending"]) == (TOTAL, TOTAL, 0)

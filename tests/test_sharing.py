"""One study worked on at once by Tune runs, ``optimize`` and bare handles, from drivers that come and go."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import ray

import arqon_ray

ROOT = Path(__file__).parents[1]
CONFIG: dict[str, Any] = {
    "seed": 5,
    "budget": 60,
    "bounds": {"x": {"min": -2.0, "max": 2.0}, "y": {"min": 0, "max": 1}},
}

COMMON = """
import sys, time
sys.path.insert(0, sys.argv[2])
import arqon_ray
arqon_ray.init(sys.argv[1], log_to_driver=False)
def loss(params):
    time.sleep(0.05)
    return (params["x"] - 0.5) ** 2 + params["y"]
"""
TUNE = (
    COMMON
    + """
from ray import tune
def train(config):
    tune.report({"loss": loss(config)})
tuner = tune.Tuner(train, tune_config=tune.TuneConfig(
    metric="loss", mode="min", num_samples=int(sys.argv[4]), reuse_actors=True, max_concurrent_trials=2,
    search_alg=arqon_ray.ArqonSearcher(actor=sys.argv[3])))
results = tuner.fit()
print(sum(not result.error for result in results))
"""
)
OPTIMIZE = (
    COMMON
    + """
result = arqon_ray.optimize(loss, study=arqon_ray.connect(sys.argv[3]), resources={"cpu": 0.1},
    max_concurrency=2, progress=False, max_evaluations=int(sys.argv[4]))
print(len(result.history))
"""
)


def driver(cluster: Any, script: str, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, cluster.address_info["address"], str(ROOT), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/")


def test_tune_runs_optimize_and_bare_handles_share_one_budget(cluster: Any, unique_name: str) -> None:
    study = arqon_ray.start(CONFIG, unique_name)
    drivers = [
        driver(cluster, TUNE, unique_name, 12),
        driver(cluster, TUNE, unique_name, 12),
        driver(cluster, OPTIMIZE, unique_name, 10),
    ]
    leaving = driver(cluster, OPTIMIZE, unique_name, 1000)
    handle = ray.get_actor(unique_name)
    mine = []
    for _ in range(8):
        asked = ray.get(handle.ask_one.remote())
        mine.append(asked["id"])
        ray.get(handle.tell.remote(asked["id"], asked["params"]["x"] ** 2))
    while study.status()["counts"]["told"] < 12:
        time.sleep(0.1)
    os.kill(leaving.pid, signal.SIGKILL)
    leaving.communicate(timeout=30)
    assert leaving.returncode == -signal.SIGKILL
    assert arqon_ray.start(CONFIG, unique_name, budget=70).status()["budget"] == 70
    for process in drivers:
        out, problems = process.communicate(timeout=240)
        assert process.returncode == 0, problems
        assert int(out.splitlines()[-1]) >= 10
    # What the killed driver held comes back when its lease of a minute ends; nothing here waits for that.
    for _ in range(100):
        try:
            asked = study.ask_one(timeout=0)
        except arqon_ray.AskTimeoutError:
            break
        if asked is None:
            break
        study.tell(asked["id"], 1.0)
    status = study.status()
    counts = status["counts"]
    assert counts["asked"] == 70
    assert counts["told"] + counts["pending"] + counts["released"] == 70
    rows = study.history()
    assert len({row["id"] for row in rows}) == len(rows) == counts["told"]
    assert set(mine) <= {row["id"] for row in rows}
    assert len({str(row["params"]) for row in rows if row["origin"] != "repeat"}) == sum(
        row["origin"] != "repeat" for row in rows
    )
    assert counts["pending"] <= 2
    study.stop(purge=True)

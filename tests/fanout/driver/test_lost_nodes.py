"""A node that is lost takes evaluations along; they are done again, and none of them counts as failed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.faults

_DRIVER = """
import os, sys, threading, time
from pathlib import Path
import ray
import arqon_ray
from ray.cluster_utils import Cluster

marks = Path(sys.argv[1])
nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
doomed = nodes.add_node(num_cpus=1, resources={"far": 1})
nodes.add_node(num_cpus=1, resources={"far": 1})
lost_id = doomed.node_id
nodes.wait_for_nodes()
arqon_ray.init(nodes.address, log_to_driver=False)

def evaluate(params):
    mine = marks / f"{params['x']!r} {params['y']!r} {os.getpid()}"
    mine.touch()
    while ray.get_runtime_context().get_node_id() == lost_id or not (marks / "lost").exists():
        time.sleep(0.02)
    return params["x"]

def lose():
    while len(list(marks.iterdir())) < 2:
        time.sleep(0.02)
    nodes.remove_node(doomed, allow_graceful=False)
    (marks / "lost").touch()

config = {"seed": 1, "budget": 6, "bounds": {"x": {"min": 0.0, "max": 1.0}, "y": {"min": 0.0, "max": 1.0}}}
resources = {"cpu": 1, "far": 1}
losing = threading.Thread(target=lose)
losing.start()
if sys.argv[2] == "optimize":
    result = arqon_ray.optimize(evaluate, config, resources=resources, retries=0, fail_fast=1, progress=False)
    counts = result.evaluations, len(result.failures)
else:
    result = arqon_ray.sweep(
        evaluate, config, 6, shard_size=1, resources=resources, retries=0, fail_fast=1, progress=False
    )
    counts = result.num_done, result.num_failed
losing.join()
began = [name.name.rsplit(" ", 1)[0] for name in marks.iterdir() if name.name != "lost"]
print("counted:", *counts, len(began) - len(set(began)))
ray.shutdown()
nodes.shutdown()
"""


_LOSING = """
import sys, threading, time
from pathlib import Path
import ray
import arqon_ray
from arqon_ray.fanout.driver import pool
from ray.cluster_utils import Cluster

pool._LOSSES = 2  # nodes that are lost one after another take long
marks = Path(sys.argv[1])
nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
doomed = [nodes.add_node(num_cpus=1, resources={"far": 1}) for _ in range(2)]
nodes.wait_for_nodes()
arqon_ray.init(nodes.address, log_to_driver=False)

def evaluate(params, context):
    (marks / f"{context.id} {context.attempt} {ray.get_runtime_context().get_node_id()}").touch()
    while not (marks / "enough").exists():
        time.sleep(0.02)
    return {"loss": params["x"], "attempt": context.attempt}

def lose():
    for attempt in (1, 2):
        while not (begun := list(marks.glob(f"0 {attempt} *"))):
            time.sleep(0.02)
        (node,) = (node for node in doomed if begun[0].name.endswith(node.node_id))
        nodes.remove_node(node, allow_graceful=False)

config = {"seed": 1, "budget": 3, "bounds": {"x": {"min": 0.0, "max": 1.0}}}
study = arqon_ray.start(config, "losing")
resources = {"cpu": 1, "far": 1}
call = dict(
    study=study, metric="loss", max_concurrency=1, resources=resources, retries=0, fail_fast=1, progress=False
)
losing = threading.Thread(target=lose)
losing.start()
try:
    arqon_ray.optimize(evaluate, **call)
except arqon_ray.NodesLostError as error:
    print("ended:", type(error).__name__, error)
    print("kept:", error.result.evaluations, error.result.stopped_by)
losing.join()
counts = study.status()["counts"]
print("counted:", counts["told"], counts["failed"], counts["pending"], counts["released"])
(marks / "enough").touch()
nodes.add_node(num_cpus=1, resources={"far": 1})
result = arqon_ray.optimize(evaluate, **call)
print("again:", result.evaluations, len(result.failures), sorted(row["id"] for row in result.history))
study.stop()
ray.shutdown()
nodes.shutdown()
"""


_SWEEPING = """
import sys, threading, time
from pathlib import Path
import ray
import arqon_ray
from arqon_ray.fanout.driver import pool
from ray.cluster_utils import Cluster

pool._LOSSES = 2
marks, kind = Path(sys.argv[1]), sys.argv[2]
out = marks / "out" if kind == "files" else None
nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
doomed = [nodes.add_node(num_cpus=1, resources={"far": 1}) for _ in range(2)]
nodes.wait_for_nodes()
arqon_ray.init(nodes.address, log_to_driver=False)

def evaluate(params, context):
    if context.index >= 4:
        (marks / f"{context.attempt} {ray.get_runtime_context().get_node_id()}").touch()
        while not (marks / "enough").exists():
            time.sleep(0.02)
    return {"loss": params["x"], "attempt": context.attempt}

def lose():
    for attempt in (1, 2):
        while not (begun := list(marks.glob(f"{attempt} *"))):
            time.sleep(0.02)
        (node,) = (node for node in doomed if begun[0].name.endswith(node.node_id))
        nodes.remove_node(node, allow_graceful=False)

config = {"seed": 1, "bounds": {"x": {"min": 0.0, "max": 1.0}}}
call = dict(
    metric="loss", shard_size=4, output=out, max_in_flight=1, resources={"cpu": 1, "far": 1}, retries=0, fail_fast=1,
    progress=False,
)
losing = threading.Thread(target=lose)
losing.start()
try:
    arqon_ray.sweep(evaluate, config, 8, **call)
except arqon_ray.NodesLostError as error:
    print("ended:", error)
    print("kept:", error.result.num_done, error.result.num_failed, len(error.result.to_table()))
losing.join()
if out is not None:
    (marks / "enough").touch()
    nodes.add_node(num_cpus=1, resources={"far": 1})
    result = arqon_ray.sweep(evaluate, config, 8, **call)
    print("again:", result.num_done, result.num_failed)
ray.shutdown()
nodes.shutdown()
"""


def _run(driver: str, *arguments: str) -> dict[str, str]:
    """Return what a driver prints, by the word before the colon; Ray prints there as well."""
    done = subprocess.run(
        [sys.executable, "-c", driver, *arguments],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "RAY_AUTH_MODE": os.environ.get("RAY_AUTH_MODE", "disabled")},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(line.split(": ", 1) for line in done.stdout.splitlines() if ": " in line)


@pytest.mark.parametrize("kind", ["optimize", "sweep"])
def test_what_a_lost_node_took_along_is_done_again_and_does_not_fail(kind: str, tmp_path: Path) -> None:
    line = _run(_DRIVER, str(tmp_path), kind)["counted"]
    assert line == "6 0 1"  # the node was lost with one of them on it


def test_a_candidate_under_which_one_node_after_another_is_lost_is_given_back_and_the_run_ends(tmp_path: Path) -> None:
    said = _run(_LOSING, str(tmp_path))
    assert said["ended"].startswith("NodesLostError 2 nodes were lost one after another under candidate 0")
    assert said["kept"] == "0 nodes_lost"
    assert said["counted"] == "0 0 0 1"
    assert said["again"] == "3 0 ['0', '1', '2']"


@pytest.mark.parametrize("kind", ["files", "memory"])
def test_a_sweep_under_which_one_node_after_another_is_lost_keeps_what_is_done(kind: str, tmp_path: Path) -> None:
    said = _run(_SWEEPING, str(tmp_path), kind)
    assert said["ended"].startswith("2 nodes were lost one after another under the indices 4 to 7")
    assert said["kept"] == "4 0 4"
    assert said.get("again") == ("8 0" if kind == "files" else None)

"""A node of a cluster of three dies without a word. Each scenario runs in a process and a cluster of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import ray

import arqon_ray
from arqon_ray.errors import StudyRefusedError
from arqon_ray.service import SolverClient
from tests.service.conftest import CONFIG
from tests.service.faults.audit import Answers, audit, load
from tests.service.faults.conftest import ROOT
from tests.service.faults.workers import evaluate

HEALTH = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 500,
    "health_check_failure_threshold": 3,
}
SCENARIO = "import sys; import {0} as home; getattr(home, sys.argv[1])(*sys.argv[2:])"


def in_a_cluster_of_its_own(scenario: Callable[[str], None], folder: Path) -> None:
    command = [sys.executable, "-c", SCENARIO.format("tests.service.faults.test_nodes"), scenario.__name__, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, cwd=ROOT)
    assert done.returncode == 0, done.stderr[done.stderr.find("Traceback") :]


@contextmanager
def three_nodes(folder: str) -> Iterator[tuple[Any, dict[str, Any]]]:
    """A head and two workers, each with a place for journals of its own; yields the cluster and its nodes by id."""
    from ray.cluster_utils import Cluster

    def place(node: str) -> dict[str, str]:
        return {"ARQON_RAY_JOURNALS": os.path.join(folder, node)}

    head = {"num_cpus": 2, "include_dashboard": False, "_system_config": HEALTH, "env_vars": place("head")}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    workers = [cluster.add_node(num_cpus=1, resources={"w": 1}, env_vars=place(f"w{k}")) for k in range(2)]
    try:
        arqon_ray.init(cluster.address, log_to_driver=False)
        yield cluster, {node.node_id: node for node in [cluster.head_node, *workers]}
    finally:
        ray.shutdown()
        cluster.shutdown()


def host_of(client: SolverClient, but: str = "") -> tuple[str, int]:
    """Return the actor's node and pid, once it is not on the node ``but``, where the last process may still answer."""
    deadline = time.monotonic() + 60
    while (status := client.status())["node"] == but:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return status["node"], status["pid"]


def the_actor_on_the_head_survives_a_worker_node(folder: str) -> None:
    answers, notes = Answers(), Path(folder, "notes")
    notes.mkdir()
    with three_nodes(folder) as (cluster, nodes):
        client = arqon_ray.start({**CONFIG, "budget": 60}, "on-the-head")
        before = host_of(client)
        assert before[0] == cluster.head_node.node_id
        assert Path(folder, "head", "on-the-head", "study.json").exists(), "the places are not each node's own"
        tasks = [evaluate.remote(client, str(notes)) for _ in range(2)]
        while len(used := {node for node, _ in running(notes)}) < 2 or client.status()["counts"]["told"] < 10:
            time.sleep(0.05)
        assert used <= nodes.keys() - {cluster.head_node.node_id}
        lost = sorted(used)[0]
        cluster.remove_node(nodes[lost], allow_graceful=False)
        ray.get(tasks, timeout=120)
        dead = [path for node, path in running(notes) if node == lost]
        for path in notes.iterdir():
            answers.read(path)
        held = Answers()
        for path in dead:
            held.read(path)
        # What the dead node held came back when its owner's lease ran out.
        answers.freed += [identity for identity, _ in held.asked if identity not in held.told]
        after = audit(client, answers, Path(folder, "head"))
        assert (after["node"], after["pid"], after["epoch"]) == (*before, 1)
        assert after["state"] == "finished"
        # An evaluator may die between the actor's answer and its note.
        assert len(answers.told) >= 60 - len(dead)
        assert len([node for node in ray.nodes() if node["Alive"]]) == 2


def running(notes: Path) -> list[tuple[str, Path]]:
    """Return the nodes that evaluated, and where each evaluator's notes are."""
    return [(path.name.split("-")[0], path) for path in notes.iterdir() if path.stat().st_size]


def the_actor_moves_with_a_shared_storage(folder: str) -> None:
    answers, storage = Answers(), Path(folder, "shared")
    with three_nodes(folder) as (cluster, nodes):
        options: dict[str, Any] = {"storage_path": str(storage), "resources": {"w": 0.01}}
        client = arqon_ray.start({**CONFIG, "budget": 4000}, "shared", **options)
        before, over = host_of(client), threading.Event()
        with load(client, answers, over=over) as wait:
            wait(50)
            cluster.remove_node(nodes[before[0]], allow_graceful=False)
            host_of(client, but=before[0])
            wait(len(answers.told) + 200)
            over.set()
        after = audit(client, answers, storage)
        assert {before[0], after["node"], cluster.head_node.node_id} == set(nodes)
        assert after["pid"] != before[1]
        assert (after["epoch"], after["restarts"]) == (2, 1)


def without_a_shared_storage_it_refuses(folder: str) -> None:
    answers = Answers()
    with three_nodes(folder) as (cluster, nodes):
        options: dict[str, Any] = {"resources": {"w": 0.01}}
        client = arqon_ray.start({**CONFIG, "budget": 20}, "local", **options)
        node, _ = host_of(client)
        asked = answers.ask(client)
        assert asked is not None
        answers.tell(client, asked)
        (journal,) = Path(folder).glob("*/local/study.json")
        cluster.remove_node(nodes[node], allow_graceful=False)
        assert host_of(client, but=node)[0] != cluster.head_node.node_id
        status = client.status()
        (other,) = {Path(folder, "w0"), Path(folder, "w1")} - {journal.parents[1]}
        assert status["state"] == "refused"
        assert f"no journal in {other}/local on node {status['node']}" in status["reason"]
        with pytest.raises(StudyRefusedError, match="no journal in"):
            client.ask_one()
        assert not list(other.iterdir())
        client.stop()
        anew = arqon_ray.start({**CONFIG, "budget": 20}, "local", **options)
        assert anew.status()["counts"]["asked"] == 0
        # The lost study is whole where it lies.
        assert arqon_ray.verify(str(journal.parents[1]), "local").candidates == len(answers.asked)


def test_the_actor_on_the_head_survives_a_worker_node(tmp_path: Path) -> None:
    in_a_cluster_of_its_own(the_actor_on_the_head_survives_a_worker_node, tmp_path)


def test_the_actor_moves_with_a_shared_storage(tmp_path: Path) -> None:
    in_a_cluster_of_its_own(the_actor_moves_with_a_shared_storage, tmp_path)


def test_without_a_shared_storage_it_refuses(tmp_path: Path) -> None:
    in_a_cluster_of_its_own(without_a_shared_storage_it_refuses, tmp_path)

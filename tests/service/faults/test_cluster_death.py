"""A driver that holds candidates dies, and a whole cluster does."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from arqon_ray.errors import AskTimeoutError
from tests.service.conftest import CONFIG
from tests.service.faults.audit import Answers, audit
from tests.service.faults.conftest import ROOT, Drive, Start

LEASE = 2.0

HOLDER = """
import json, sys, time
import arqon_ray

arqon_ray.init(sys.argv[1], log_to_driver=False)
client = arqon_ray.connect(sys.argv[2])
with client.heartbeat(lease=float(sys.argv[3])) as beat:
    for asked in client.ask(3, owner=beat.owner, lease=beat.lease):
        print(json.dumps(["asked", asked["id"], asked["params"]]), flush=True)
    time.sleep(600)
"""

CLUSTER = """
import json, sys
import arqon_ray
from tests.service.faults.audit import objective

arqon_ray.init("local", num_cpus=1, include_dashboard=False, log_to_driver=False, object_store_memory=10**8)
client = arqon_ray.start(json.loads(sys.argv[1]), sys.argv[2], storage_path=sys.argv[3])
while True:
    asked = client.ask_one()
    print(json.dumps(["asked", asked["id"], asked["params"]]), flush=True)
    value = objective(asked["params"])
    client.tell(asked["id"], value)
    print(json.dumps(["told", asked["id"], value]), flush=True)
"""


def test_what_a_dead_driver_held_comes_back_after_its_lease(
    start: Start, drive: Drive, answers: Answers, storage: Path, tmp_path: Path
) -> None:
    client = start({**CONFIG, "budget": 4})
    process = drive("holder", HOLDER, client.name, str(LEASE))
    printed = tmp_path / "holder.out"
    while printed.read_text().count("\n") < 3:
        assert process.poll() is None, (tmp_path / "holder.err").read_text()
        time.sleep(0.05)
    answers.read(printed)
    held = {identity for identity, _ in answers.asked}
    last = answers.ask(client)
    assert last is not None
    answers.tell(client, last)
    with pytest.raises(AskTimeoutError, match="3 pending"):
        client.ask_one(timeout=1.5 * LEASE)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    died = time.monotonic()
    answers.freed += held
    again = [answers.ask(client, timeout=30) for _ in range(3)]
    assert {asked["id"] for asked in again if asked} == held
    # Its last beat was at most a quarter of the lease ago.
    assert LEASE / 2 < time.monotonic() - died < LEASE + 5
    for asked in again:
        assert asked is not None
        answers.tell(client, asked)
    assert audit(client, answers, storage)["state"] == "finished"


@pytest.fixture
def cluster_of_its_own(storage: Path, tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes], Path]]:
    """A driver with a Ray of its own that asks and tells for ever; yields the study's name, it and its output."""
    name, printed = "survivor", tmp_path / "cluster.out"
    config = json.dumps({**CONFIG, "budget": 5000})
    with printed.open("wb") as out, (tmp_path / "cluster.err").open("wb") as err:
        command = [sys.executable, "-c", CLUSTER, config, name, str(storage)]
        process = subprocess.Popen(command, stdout=out, stderr=err, cwd=ROOT)
    yield name, process, printed
    kill_all(process)


def kill_all(process: subprocess.Popen[bytes]) -> dict[int, str]:
    """Kill a driver and every process of its cluster, all of them its descendants; returns their names."""
    if process.poll() is not None:
        return {}
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    names = {each.pid: " ".join(each.cmdline()[:1]) for each in family}
    for each in family:
        with suppress(psutil.NoSuchProcess):
            each.send_signal(signal.SIGKILL)
    process.wait()
    left = psutil.wait_procs(family[1:], timeout=30)[1]
    assert all(each.status() == psutil.STATUS_ZOMBIE for each in left), left
    return names


def test_a_new_cluster_continues_what_a_dead_one_acknowledged(
    cluster_of_its_own: tuple[str, subprocess.Popen[bytes], Path],
    start: Start,
    answers: Answers,
    storage: Path,
    tmp_path: Path,
) -> None:
    name, process, printed = cluster_of_its_own
    while printed.read_text().count("told") < 100:
        assert process.poll() is None, (tmp_path / "cluster.err").read_text()
        time.sleep(0.05)
    killed = kill_all(process)
    assert process.returncode == -signal.SIGKILL
    for part in ("raylet", "gcs_server", "SolverActor"):
        assert any(part in each for each in killed.values()), killed
    answers.read(printed)
    assert len(answers.told) >= 100
    client = start({**CONFIG, "budget": 5000}, name)
    after = audit(client, answers, storage)
    assert (after["epoch"], after["restarts"]) == (2, 0)
    # One ask or tell may have had its effect without an answer.
    assert after["counts"]["told"] - len(answers.told) in (0, 1)
    assert after["counts"]["asked"] - len(answers.asked) in (0, 1)
    for _ in range(10):
        asked = answers.ask(client)
        assert asked is not None
        answers.tell(client, asked)
    audit(client, answers, storage)

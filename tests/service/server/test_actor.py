"""The actor in a real cluster: several drivers, tasks, and a process that is killed."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import ray

import arqon_ray
from arqon_ray.core.config import load_config
from arqon_ray.errors import (
    ArqonError,
    AskTimeoutError,
    ConfigError,
    IdentityError,
    OutOfBoundsError,
    ResultsError,
    StudyNotFoundError,
    StudyRefusedError,
    UnknownCandidateError,
)
from arqon_ray.service import SolverClient
from tests.service.conftest import CONFIG

ROOT = Path(__file__).parents[3]
Start = Callable[..., SolverClient]

DRIVER = """
import json, sys
sys.path.insert(0, sys.argv[2])
import arqon_ray
arqon_ray.init(sys.argv[1], log_to_driver=False)
import ray
client = arqon_ray.connect(sys.argv[3])
assert ray.get(ray.get_actor(sys.argv[3]).status.remote())["name"] == sys.argv[3]
taken = []
while (asked := client.ask_one(owner="driver " + sys.argv[4])) is not None:
    taken.append(asked["id"])
    client.tell(asked["id"], asked["params"]["x"])
print(json.dumps(taken))
"""

BARE_DRIVER = """
import json, sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "arqon_ray":
            raise ImportError("arqon_ray is not installed here")
sys.meta_path.insert(0, Block())
import ray
ray.init(sys.argv[1], namespace="arqon", log_to_driver=False)
actor = ray.get_actor(sys.argv[2])
asked = ray.get(actor.ask_one.remote())
told = ray.get(actor.tell.remote(asked["id"], 0.5, cost=2.0))
batch = ray.get(actor.ask.remote(2, owner="bare"))
try:
    ray.get(actor.tell.remote("999", 0.5))
except ValueError as error:
    problem = str(error.cause)
assert "arqon_ray" not in sys.modules
print(json.dumps([asked, told, batch, problem, ray.get(actor.status.remote())["counts"]]))
"""


@pytest.fixture
def start(cluster: Any) -> Iterator[Start]:
    """Start studies of the test's own, on names of its own; they are ended with it."""
    started: list[SolverClient] = []

    def starter(config: dict[str, Any] = CONFIG, name: str | None = None, **options: Any) -> SolverClient:
        client = arqon_ray.start(config, name or f"study-{uuid.uuid4().hex[:8]}", **options)
        started.append(client)
        return client

    yield starter
    for name in {client.name for client in started}:
        try:
            arqon_ray.connect(name).stop(purge=True)
        except StudyNotFoundError:
            continue  # The test stopped it.


def driver(cluster: Any, script: str, *args: str, isolated: bool = False) -> subprocess.Popen[str]:
    """Start another driver process; ``isolated`` keeps the repository off its path."""
    command = [sys.executable, *(["-I"] if isolated else []), "-c", script, cluster.address_info["address"], *args]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd="/"
    )


def output(process: subprocess.Popen[str]) -> Any:
    out, problems = process.communicate(timeout=120)
    assert process.returncode == 0, problems
    return json.loads(out.splitlines()[-1])


def killed(client: SolverClient) -> dict[str, Any]:
    """Kill the actor's process and return the status before; the caller asserts that it is another one after."""
    before = client.status()
    os.kill(before["pid"], signal.SIGKILL)
    return before


def test_a_call_answers_in_plain_python_and_errors_are_our_own(start: Start) -> None:
    client = start()
    asked = client.ask_one(key="trial")
    assert asked == client.ask_one(key="trial")
    assert asked is not None
    assert client.tell(asked["id"], 1.0, cost=2.0) == {"id": "0", "accepted": True}
    assert client.history()[0]["cost"] == 2.0
    assert client.best() is not None
    with pytest.raises(ConfigError, match="objectives is None"):
        client.pareto()
    with pytest.raises(ResultsError, match="key is 5"):
        client.ask_one(key=5)  # type: ignore[arg-type]
    assert json.loads(client.export())["handed_out"] == 1
    explained = client.explain()
    assert json.loads(json.dumps(explained)) == explained
    assert explained["phases"] == [{"strategy": "probe", "candidates": 1}]
    assert (explained["phase"], explained["landscape"]) == ("probe", "unknown")
    assert client.seed([{"params": {"x": 0.5, "n": 8}, "value": 2.0}])[0]["accepted"]
    outside = [{"params": {"x": 2.0, "n": 8}, "value": 2.0}]
    with pytest.raises(OutOfBoundsError, match=r"results\[0\].params.x is 2.0"):
        client.seed(outside)
    assert not client.seed(outside, out_of_bounds="skip")[0]["accepted"]
    skipped = ray.get(client.handle.seed.remote(outside, out_of_bounds="skip"))
    assert "skipped: params.x is 2.0" in skipped[0]["note"]
    with pytest.raises(UnknownCandidateError, match="77 was never handed out"):
        client.tell("77", 1.0)
    with pytest.raises(ResultsError, match="id is 0"):
        client.tell(0, 1.0)  # type: ignore[arg-type]
    with client.heartbeat("me", lease=90) as beat:
        client.ask(5, owner=beat.owner, lease=beat.lease)
    with pytest.raises(AskTimeoutError, match="5 pending"):
        client.ask_one(timeout=0.01)
    assert client.report("1", 1, 5.0)["accepted"]
    assert client.renew("me") == 5
    assert [each["accepted"] for each in client.release(owner="me")] == [True] * 5
    assert client.fail("1", "broken")["accepted"]
    again = pickle.loads(pickle.dumps(client))
    assert again.status()["counts"] == {
        "asked": 6,
        "told": 2,
        "failed": 1,
        "pending": 0,
        "released": 4,
        "seeded": 1,
        "retracted": 0,
        "enqueued": 0,
    }


def test_a_driver_that_cannot_import_arqon_ray_asks_and_tells(cluster: Any, start: Start) -> None:
    client = start()
    process = driver(cluster, BARE_DRIVER, client.name, isolated=True)
    asked, told, batch, problem, counts = output(process)
    assert asked["id"] == "0"
    assert told == {"id": "0", "accepted": True}
    assert [each["id"] for each in batch] == ["1", "2"]
    assert problem.startswith("UnknownCandidateError: ")
    assert (counts["asked"], counts["told"]) == (3, 1)
    assert [each["params"] for each in client.pending("bare")] == [each["params"] for each in batch]


def test_drivers_and_tasks_share_a_study_and_never_get_the_same_point(cluster: Any, start: Start) -> None:
    client = start({**CONFIG, "budget": 60})

    @ray.remote(num_cpus=0.5)
    def work(study: SolverClient) -> list[str]:
        taken = []
        while (asked := study.ask_one()) is not None:
            taken.append(asked["id"])
            study.tell(asked["id"], asked["params"]["x"])
        return taken

    drivers = [driver(cluster, DRIVER, str(ROOT), client.name, str(k)) for k in range(2)]
    taken = [each for part in ray.get([work.remote(client) for _ in range(3)]) for each in part]
    taken += [each for process in drivers for each in output(process)]
    assert sorted(map(int, taken)) == list(range(60))
    assert client.status()["state"] == "finished"
    assert len({json.dumps(row["params"]) for row in client.history()}) == 60


@pytest.mark.faults
def test_nothing_acknowledged_is_lost_when_the_process_is_killed_under_load(start: Start) -> None:
    client = start({**CONFIG, "budget": 400})
    acknowledged: dict[str, float] = {}
    handed: list[str] = []
    held = client.ask_one(key="held over the crash", owner="me")

    def work(k: int) -> None:
        own = SolverClient(client.name)
        while len(handed) < 300:
            asked = own.ask_one(owner=f"w{k}")
            assert asked is not None
            handed.append(asked["id"])
            assert own.tell(asked["id"], asked["params"]["x"])["accepted"]
            acknowledged[asked["id"]] = asked["params"]["x"]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    while len(acknowledged) < 40:
        time.sleep(0.01)
    before = killed(client)
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    after = client.status()
    assert after["pid"] != before["pid"]
    assert after["epoch"] == before["epoch"] + 1
    assert after["restarts"] == 1
    assert len(acknowledged) >= 300
    assert len(handed) == len(set(handed))
    told = {row["id"]: row["value"] for row in client.history()}
    assert acknowledged.items() <= told.items()
    assert client.ask_one(key="held over the crash", owner="me") == held
    assert held is not None
    assert [each["id"] for each in client.pending("me")] == [held["id"]]


def test_a_bare_call_that_ray_repeats_has_one_effect(start: Start) -> None:
    client = start()
    client.ask(6, owner="me")
    waiting = client.handle.ask_one.remote(timeout=60)
    before = killed(client)
    client.release("3")
    assert ray.get(waiting, timeout=120)["id"] == "3"
    after = client.status()
    assert after["pid"] != before["pid"]
    assert after["counts"]["pending"] == 6


def test_asks_that_wait_keep_nobody_else_out(start: Start) -> None:
    client = start()
    client.ask(6)
    waiting = [client.handle.ask_one.remote(timeout=60) for _ in range(80)]
    assert client.status()["counts"]["pending"] == 6
    client.tell([{"id": str(k), "value": 1.0} for k in range(6)])
    assert ray.get(waiting, timeout=120) == [None] * 80


def test_starts_at_once_make_one_actor(start: Start, unique_name: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        actors = list(pool.map(lambda _: arqon_ray.start(CONFIG, unique_name).status()["actor"], range(8)))
    assert len(set(actors)) == 1
    assert start(name=unique_name, budget=9).status()["budget"] == 9
    assert start(name=unique_name).status()["budget"] == 9
    with pytest.raises(IdentityError, match="seed is 7 there and 8 here"):
        arqon_ray.start({**CONFIG, "seed": 8}, unique_name)
    assert arqon_ray.connect(unique_name).status()["state"] == "running"


def test_starting_joins_an_actor_that_restarts_at_this_moment(start: Start) -> None:
    client = start(max_task_retries=0)
    asked = client.ask_one(key="k")
    before = killed(client)
    again = start(name=client.name, max_task_retries=0)
    assert again.status()["pid"] != before["pid"]
    assert again.ask_one(key="k") == asked


def test_a_creator_that_is_refused_leaves_the_name_free(start: Start, tmp_path: Path) -> None:
    client = start(storage_path=str(tmp_path))
    ray.get(client.handle.stop.remote())
    with pytest.raises(IdentityError):
        arqon_ray.start({**CONFIG, "seed": 8}, client.name, storage_path=str(tmp_path))
    (tmp_path / client.name / "EPOCH").unlink()
    with pytest.raises(StudyRefusedError, match="EPOCH is missing"):
        arqon_ray.start(CONFIG, client.name, storage_path=str(tmp_path))
    anew = start(name=client.name, storage_path=str(tmp_path), resume=False)
    assert anew.status()["state"] == "running"


def test_stop_and_start_continue_where_it_stood(start: Start, tmp_path: Path) -> None:
    client = start(storage_path=f"file://{tmp_path}")
    first = client.ask_one(key="k")
    client.stop()
    with pytest.raises(StudyNotFoundError, match=r"arqon_ray\.start"):
        client.status()
    again = start(name=client.name, storage_path=str(tmp_path))
    assert again.ask_one(key="k") == first
    again.stop()
    anew = start(name=client.name, storage_path=str(tmp_path), resume=False)
    assert anew.status()["counts"]["asked"] == 0
    assert len(list(tmp_path.glob("*.aside-*"))) == 1
    anew.stop(purge=True)
    assert not (tmp_path / client.name).exists()


def test_a_study_that_runs_elsewhere_is_not_joined(start: Start, tmp_path: Path) -> None:
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    client = start(storage_path=str(here))
    before = client.status()
    (tmp_path / "link").symlink_to(here)
    for place in (None, f"{here}/", f"file://{here}", str(tmp_path / "link"), os.path.relpath(here)):
        assert arqon_ray.start(CONFIG, client.name, storage_path=place).status() == before
    with pytest.raises(IdentityError) as caught:
        arqon_ray.start({**CONFIG, "budget": 50}, client.name, storage_path=str(elsewhere))
    assert f"{here}/{client.name}" in str(caught.value)
    assert f"{elsewhere}/{client.name}" in str(caught.value)
    assert client.status() == before
    assert not elsewhere.exists()


def test_the_config_and_what_is_new_since_a_snapshot_cross_the_boundary_plainly(start: Start) -> None:
    client = start()
    assert load_config(ray.get(client.handle.config.remote())) == load_config(client.config()) == load_config(CONFIG)
    first = client.snapshot()
    assert client.snapshot(since=first) is None
    client.ask_one(key="k")
    later = ray.get(client.handle.snapshot.remote({"uuid": first["uuid"], "seq": first["seq"]}))
    assert later["seq"] == first["seq"] + 1
    with pytest.raises(ResultsError, match="key 'k' was used before"):
        client.ask(2, key="k")
    with pytest.raises(ResultsError, match="key is "):
        client.ask_one(key="\ud800")
    assert client.status()["counts"]["asked"] == 1


def test_what_is_not_there_is_an_error_that_says_what_is(cluster: Any, start: Start) -> None:
    client = start()
    with pytest.raises(StudyNotFoundError, match=rf"studies that run are .*'{client.name}'.*arqon_ray\.start"):
        arqon_ray.connect("nobody")
    listed = {each["name"]: each["state"] for each in arqon_ray.list()}
    assert listed[client.name] == "running"


def test_an_actor_in_another_namespace_is_named(cluster: Any) -> None:
    @ray.remote(num_cpus=0)
    class Other:
        def ready(self) -> bool:
            return True

    actor = Other.options(name="elsewhere-1", namespace="other").remote()
    mine = Other.options(name="elsewhere-2").remote()
    assert ray.get([actor.ready.remote(), mine.ready.remote()])
    with pytest.raises(StudyNotFoundError, match="in the namespace 'other'; studies live in 'arqon'"):
        arqon_ray.connect("elsewhere-1")
    with pytest.raises(StudyNotFoundError, match="is no study"):
        arqon_ray.connect("elsewhere-2")


def test_the_actors_process_imports_neither_tune_nor_stats(start: Start) -> None:
    client = start()
    client.ask_one()
    loaded, threads = ray.get(client.handle.__ray_call__.remote(lambda _: (set(sys.modules), dict(os.environ))))
    assert not {"ray.tune", "scipy.stats", "ray.train"} & loaded
    assert "arqon_ray.service.server.study" in loaded
    assert threads["OPENBLAS_NUM_THREADS"] == "1"


def test_bad_arguments_of_start_create_nothing(cluster: Any, unique_name: str) -> None:
    with pytest.raises(ConfigError):
        arqon_ray.start({"bounds": {}}, unique_name)
    for path in ("s3://", "nosuch://bucket/studies", "file:relative"):
        with pytest.raises(ConfigError, match="supported are"):
            arqon_ray.start(CONFIG, unique_name, storage_path=path)
    with pytest.raises(ConfigError, match="name is"):
        arqon_ray.start(CONFIG, "a/b")
    with pytest.raises(StudyNotFoundError):
        arqon_ray.connect(unique_name)


def test_without_ray_nothing_is_started_silently() -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import arqon_ray, ray\n"
        "for call in (arqon_ray.connect, arqon_ray.list, lambda: arqon_ray.start({})):\n"
        "    try: call()\n"
        "    except arqon_ray.ArqonError as error: print(error)\n"
        "assert not ray.is_initialized()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(ROOT)], capture_output=True, text=True, check=True, cwd="/"
    )
    assert done.stdout.count("call arqon_ray.init()") == 3
    assert issubclass(StudyNotFoundError, ArqonError)

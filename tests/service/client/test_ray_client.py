"""Drivers outside the cluster, which reach it through Ray Client (``ray://``) and show it the token it asks for."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytestmark = pytest.mark.ray
ROOT = Path(__file__).parents[3]
TOKEN = "0123456789abcdef" * 4
SETTINGS = ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name not in SETTINGS},
    "PYTHONPATH": str(ROOT),
    # Else the server that Ray Client forks for a driver dies at its birth, in one of five cases (ray#63202).
    "GRPC_ENABLE_FORK_SUPPORT": "0",
}

PRELUDE = """
import asyncio, json, os, signal, sys, threading, time
sys.path.insert(0, sys.argv[2])
import arqon_ray
from arqon_ray import errors
from tests.service.conftest import CONFIG
arqon_ray.init(sys.argv[1], log_to_driver=False)
import ray

def raised(call):
    try:
        return call()
    except errors.ArqonError as error:
        return [type(error).__name__, str(error)]
"""

CALLS = """
said = {}
client = arqon_ray.start(CONFIG, "calls")
asked = client.ask_one(key="trial")
said["asked"] = [asked, client.ask_one(key="trial"), arqon_ray.connect("calls").ask_one(key="trial")]
said["bare"] = ray.get(ray.get_actor("calls").ask_one.remote("trial"))
said["told"] = client.tell(asked["id"], 1.0, cost=2.0)
said["listed"] = [each["name"] for each in arqon_ray.list()]
said["unknown"] = raised(lambda: client.tell("77", 1.0))
said["malformed"] = raised(lambda: client.tell(0, 1.0))
said["identity"] = raised(lambda: arqon_ray.start({**CONFIG, "seed": 8}, "calls"))
said["nobody"] = raised(lambda: arqon_ray.connect("nobody"))
with client.heartbeat("me", lease=0.8) as beat:
    client.ask(5, owner=beat.owner, lease=beat.lease)
    time.sleep(1.0)
    said["kept"] = len(client.pending("me"))
    said["timeout"] = raised(lambda: client.ask_one(timeout=0.05))
said["in a task"] = ray.get(ray.remote(num_cpus=0.5)(lambda study: study.status()["name"]).remote(client))

@ray.remote(num_cpus=0)
class Other:
    def ready(self):
        return True

other = Other.options(name="other", namespace="arqon").remote()
ray.get(other.ready.remote())
said["no study"] = raised(lambda: arqon_ray.connect("other"))
hurried = arqon_ray.SolverClient("calls", client.handle, patience=0.3)
client.stop(purge=True)
said["stopped"] = raised(hurried.status)
said["left"] = [each["name"] for each in arqon_ray.list()]
print(json.dumps(said))
"""

RESTARTS = """
said = {}
client = arqon_ray.start({**CONFIG, "budget": 120}, "restarts", max_task_retries=0)
problems, told = [], {}

def evaluate(ask_one, tell):
    try:
        while (asked := ask_one()) is not None:
            told[asked["id"]] = asked["params"]["x"]
            tell(asked["id"], asked["params"]["x"])
    except Exception as error:
        problems.append(repr(error))

def kill():
    pid = client.status()["pid"]
    os.kill(pid, signal.SIGKILL)
    return pid

threads = [threading.Thread(target=evaluate, args=(client.ask_one, client.tell)) for _ in range(3)]
[thread.start() for thread in threads]
while len(told) < 30:
    time.sleep(0.002)
pids = [kill()]
said["when killed"] = len(told)
[thread.join(60) for thread in threads]
pids.append(client.status()["pid"])
client.extend_budget(200)

async def more():
    aio = client.aio
    async with aio.heartbeat("async", lease=5) as beat:
        for _ in range(10):
            asked = await aio.ask_one(owner=beat.owner, lease=beat.lease)
            told[asked["id"]] = 0.5
            await aio.tell(asked["id"], 0.5)
        kill()
        try:
            await aio.tell("9999", 1.0)
        except errors.UnknownCandidateError:
            said["async error"] = True
    pids.append((await aio.status())["pid"])

asyncio.run(more())
with client.batched(size=8, delay=0.02) as batch:
    threads = [threading.Thread(target=evaluate, args=(batch.ask_one, batch.tell)) for _ in range(3)]
    [thread.start() for thread in threads]
    [thread.join(60) for thread in threads]
said.update(pids=pids, problems=problems, told=told)
said["history"] = {row["id"]: row["value"] for row in client.history()}
client.stop(purge=True)
print(json.dumps(said))
"""

HICCUPS = """
import socket

host, port = sys.argv[1].removeprefix("ray://").split(":")
streams = []

def pump(source, sink):
    while True:
        try:
            data = source.recv(65536)
            sink.sendall(data)
        except OSError:
            data = b""
        if not data:
            return close(source, sink)

def close(*ends):
    for each in ends:
        try:
            each.shutdown(socket.SHUT_RDWR)
        except OSError:
            continue

def relay(server):
    while True:
        ends = server.accept()[0], socket.create_connection((host, int(port)))
        streams.append(ends)
        for each in (ends, ends[::-1]):
            threading.Thread(target=pump, args=each, daemon=True).start()

server = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=relay, args=(server,), daemon=True).start()
ray.shutdown()
arqon_ray.init(f"ray://127.0.0.1:{server.getsockname()[1]}", log_to_driver=False)
client = arqon_ray.start({**CONFIG, "budget": 24}, "hiccups")
problems, handed = [], []

def work():
    try:
        while (asked := client.ask_one(owner="me")) is not None:
            handed.append(asked["id"])
            client.tell(asked["id"], 1.0)
            time.sleep(0.1)
    except Exception as error:
        problems.append(repr(error))

threads = [threading.Thread(target=work) for _ in range(2)]
[thread.start() for thread in threads]
dropped = 0
while any(thread.is_alive() for thread in threads):
    time.sleep(0.4)
    if len(streams) > dropped:
        close(*streams[-1])
        dropped = len(streams)
said = dict(dropped=dropped, problems=problems, handed=handed, told=[row["id"] for row in client.history()])
client.stop(purge=True)
print(json.dumps(said))
"""

STUDY_FOR_ANOTHER = """
import subprocess
client = arqon_ray.start(CONFIG, "bare")
done = subprocess.run([sys.executable, "-c", sys.argv[3], sys.argv[1]], text=True, stdout=subprocess.PIPE)
client.stop(purge=True)
print(done.stdout.splitlines()[-1])
"""

BARE = """
import json, sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "arqon_ray":
            raise ImportError("arqon_ray is not installed here")
sys.meta_path.insert(0, Block())
import os
os.environ["RAY_AUTH_MODE"] = "token"  # what arqon_ray.init would find out
import ray
ray.init(sys.argv[1], namespace="arqon", log_to_driver=False)
actor = ray.get_actor("bare")
asked = ray.get(actor.ask_one.remote(owner="bare"))
told = ray.get(actor.tell.remote(asked["id"], 0.5, cost=2.0))
try:
    ray.get(actor.tell.remote("999", 0.5))
except ValueError as error:
    problem = str(error.cause)
print(json.dumps([asked["id"], told, problem]))
"""


def free_ports(n: int) -> list[int]:
    sockets = [socket.socket() for _ in range(n)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Head(NamedTuple):
    """A cluster that asks for the token in ``home``, as one does where a local Ray left it."""

    direct: str
    client: str
    home: Path


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    """A head of its own with a server for Ray Client; ended with the processes that it began, and no others."""
    port, client_port = free_ports(2)
    folder = tempfile.mkdtemp(prefix="arqon-", dir="/tmp")  # short: Ray puts sockets there
    home = Path(folder, "home")
    (home / ".ray").mkdir(parents=True)
    (home / ".ray" / "auth_token").write_text(TOKEN)
    options = f"--head --block --port {port} --ray-client-server-port {client_port} --num-cpus 2 --temp-dir {folder}"
    options += " --include-dashboard=false --disable-usage-stats --object-store-memory 100000000"
    log = Path(folder, "head.log")
    with log.open("w") as out:
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", *options.split()]
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**ENVIRONMENT, "HOME": str(home)}, cwd=folder)
    try:
        end = time.monotonic() + 120
        while "Ray runtime started" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        assert "Token authentication is enabled" in log.read_text()
        yield Head(f"127.0.0.1:{port}", f"ray://127.0.0.1:{client_port}", home)
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def run(script: str, head: Head, *more: str, direct: bool = False) -> Any:
    """Run a driver and return what it printed last."""
    address = head.direct if direct else head.client
    command = [sys.executable, "-c", PRELUDE + script, address, str(ROOT), *more]
    environment = {**ENVIRONMENT, "HOME": str(head.home)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd="/", timeout=200)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_every_call_works_and_errors_are_our_own(head: Head) -> None:
    said = run(CALLS, head)
    first, *others = said["asked"]
    assert (first["id"], others, said["bare"]) == ("0", [first, first], first)
    assert said["told"] == {"id": "0", "accepted": True}
    assert (said["listed"], said["left"]) == (["calls"], [])
    assert said["unknown"][0] == "UnknownCandidateError"
    assert said["malformed"][0] == "ResultsError"
    assert said["identity"][0] == "IdentityError"
    assert "the studies that run are 'calls'" in said["nobody"][1]
    assert said["kept"] == 5
    assert said["timeout"][0] == "AskTimeoutError"
    assert said["in a task"] == "calls"
    assert "is no study" in said["no study"][1]
    assert said["stopped"][0] == "StudyNotFoundError"


def test_restarts_are_survived(head: Head) -> None:
    said = run(RESTARTS, head)
    assert said["problems"] == []
    assert 30 <= said["when killed"] < 120
    assert len(set(said["pids"])) == 3
    assert said["async error"]
    assert len(said["told"]) == 200
    assert said["history"] == said["told"]


def test_a_connection_that_breaks_loses_nothing(head: Head) -> None:
    said = run(HICCUPS, head)
    assert said["problems"] == []
    assert said["dropped"] >= 2
    assert sorted(map(int, said["handed"])) == sorted(map(int, said["told"])) == list(range(24))


def test_a_driver_that_cannot_import_arqon_ray_asks_and_tells(head: Head) -> None:
    id, told, problem = run(STUDY_FOR_ANOTHER, head, BARE)
    assert (id, told) == ("0", {"id": "0", "accepted": True})
    assert problem.startswith("UnknownCandidateError: ")


DIRECT = """
client = arqon_ray.start(CONFIG, "direct")
asked = client.ask_one()
client.tell(asked["id"], 1.0)
told = client.status()["counts"]["told"]
client.stop(purge=True)
print(json.dumps([told, os.environ["RAY_AUTH_MODE"]]))
"""


def test_a_driver_at_host_and_port_shows_its_token(head: Head) -> None:
    assert run(DIRECT, head, direct=True) == [1, "token"]


@pytest.mark.parametrize("kind", ["direct", "client"])
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"HOME": "/nowhere"}, "there is none here; it is in ~/.ray/auth_token on the head node"),
        ({"RAY_AUTH_TOKEN": TOKEN[::-1]}, "the one here is another"),
        ({"RAY_AUTH_MODE": "disabled"}, "RAY_AUTH_MODE is 'disabled' here: unset it"),
    ],
)
def test_a_token_that_is_not_here_is_named_as_what_is_missing(
    head: Head, kind: str, settings: dict[str, str], said: str
) -> None:
    address = getattr(head, kind)
    environment = {**ENVIRONMENT, "HOME": str(head.home), **settings}
    command = [sys.executable, "-m", "arqon_ray", "status", "--address", address]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd="/", timeout=100)
    assert done.returncode == 2
    assert f"the Ray cluster at {address!r} asks for a token, and {said}" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_line_shows_its_token(head: Head) -> None:
    command = [sys.executable, "-m", "arqon_ray", "status", "--address", head.direct]
    environment = {**ENVIRONMENT, "HOME": str(head.home)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd="/", timeout=100)
    assert done.returncode == 0, done.stderr
    assert isinstance(json.loads(done.stdout), list)

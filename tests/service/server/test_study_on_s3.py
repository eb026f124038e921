"""A study whose log lies in a bucket, on a real server."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

import arqon_ray
from arqon_ray.service import SolverClient
from arqon_ray.service.log.journal import Journal
from arqon_ray.service.server import snapshotting as snapshotting
from arqon_ray.service.server.study import Study
from arqon_ray.service.server.verification import verify
from arqon_ray.service.storage.objects import MERGE_FROM, ObjectStore
from tests.service.conftest import CONFIG

if TYPE_CHECKING:
    from tests.service.s3 import S3Server

pytest_plugins = ["tests.service.s3"]


@pytest.fixture
def start(cluster: Any, s3: S3Server) -> Iterator[Any]:
    """Start a study in a folder of its own in the bucket."""
    started: list[SolverClient] = []
    uri = s3.uri

    def starter(name: str, **options: Any) -> SolverClient:
        environment = {"env_vars": s3.env}
        client = arqon_ray.start({**CONFIG, "budget": 500}, name, storage_path=uri, runtime_env=environment, **options)
        started.append(client)
        return client

    starter.uri = uri  # type: ignore[attr-defined]
    yield starter
    for client in started[-1:]:
        client.stop(purge=True)


def test_an_actor_survives_its_death_with_its_log_in_a_bucket(start: Any, unique_name: str) -> None:
    client = start(unique_name)
    told = {}
    for _ in range(20):
        asked = client.ask_one(owner="me")
        assert client.tell(asked["id"], asked["params"]["x"])["accepted"]
        told[asked["id"]] = asked["params"]["x"]
    held = client.ask_one(key="mine", owner="me")
    before = client.status()
    os.kill(before["pid"], signal.SIGKILL)
    assert client.ask_one(key="mine", owner="me") == held
    after = client.status()
    assert (after["pid"] != before["pid"], after["epoch"]) == (True, before["epoch"] + 1)
    assert {row["id"]: row["value"] for row in client.history()} == told
    assert "s3://" in after["storage"]
    assert "endpoint_override" not in after["storage"]
    client.stop()
    again = start(unique_name)
    assert again.status()["counts"]["told"] == 20
    assert verify(start.uri, unique_name).ok


def test_many_callers_share_one_put(s3: S3Server, unique_name: str) -> None:
    store = ObjectStore(s3.uri, unique_name)
    study = opened(store)
    with s3.recorded() as requests:
        threads = [threading.Thread(target=study.report, args=("0", k, 1.0)) for k in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    puts = [request for request in requests if request.startswith("PUT")]
    assert 1 <= len(puts) <= 12
    assert study.status()["seq"] >= 42


def test_snapshots_and_merged_parts_shorten_what_is_read(
    s3: S3Server, unique_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshotting, "_EVERY", 100)
    monkeypatch.setattr(snapshotting, "_COMPACT_EVERY", MERGE_FROM)
    store = ObjectStore(s3.uri, unique_name)
    study = opened(store)
    for k in range(2 * MERGE_FROM + 10):
        study.report("0", k, 1.0)
    while not store.names("snapshots") or not study.snapshotting.settle(0):
        time.sleep(0.05)
    found = Journal.open(store, {"pid": 2})
    assert found.snapshot is not None
    assert len(found.records) < MERGE_FROM
    found.journal.close(RuntimeError("the test ended"))
    assert opened(store).status()["counts"]["pending"] == 1
    assert len(store.parts(study.position.segment)) < MERGE_FROM + 10


def opened(store: ObjectStore) -> Study:
    """Open the study in a store, a new one with one candidate in flight where there is none."""
    from arqon_ray.service.log.manifest import read_study, write_study

    if read_study(store) is not None:
        return Study.open(store, {"pid": 3})
    write_study(store, "0" * 32, CONFIG)
    study = Study.open(store, {"pid": 1})
    study.ask_one()
    return study


def test_a_bucket_that_is_not_there_is_said_so_and_the_name_stays_free(
    cluster: Any, s3: S3Server, unique_name: str
) -> None:
    uri = s3.uri.replace("s3://", "s3://no-such-", 1)
    with pytest.raises(arqon_ray.StudyRefusedError, match="there is no bucket 'no-such-"):
        arqon_ray.start(CONFIG, unique_name, storage_path=uri, runtime_env={"env_vars": s3.env})
    while unique_name in {each["name"] for each in arqon_ray.list()}:
        time.sleep(0.1)
    with pytest.raises(arqon_ray.StudyNotFoundError):
        arqon_ray.connect(unique_name)

"""The actor is killed while its log lies in a bucket, at the steps that there are only there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from arqon_ray.service import SolverClient
from arqon_ray.service.storage.objects import MERGE_FROM, ObjectStore
from tests.service.conftest import CONFIG
from tests.service.faults.audit import Answers, audit, load
from tests.service.faults.conftest import Start, in_actor

if TYPE_CHECKING:
    from tests.service.s3 import S3Server

pytest_plugins = ["tests.service.s3"]


def tidy_soon(client: SolverClient) -> None:
    """Look every 80 records whether small objects are to be merged; one thread makes one object a record."""

    def lower(_: object) -> None:
        import arqon_ray.service.server.snapshotting

        arqon_ray.service.server.snapshotting._COMPACT_EVERY = 80

    in_actor(client, lower)


@pytest.mark.parametrize(("point", "budget"), [("compaction=kill", 60), ("written=kill:1:20", 40)])
def test_a_kill_between_writing_an_object_and_the_next_step(
    start: Start, s3: S3Server, answers: Answers, marks: Path, point: str, budget: int
) -> None:
    client = start({**CONFIG, "budget": budget}, storage_path=s3.uri, failpoints=point, env=s3.env)
    before = client.status()
    tidy_soon(client)
    uri = before["storage"].removesuffix(f"/{client.name}") + "?" + s3.options
    with load(client, answers, threads=1):
        pass
    assert len(os.listdir(marks)) == 1
    store = ObjectStore(uri, client.name)
    parts = [len(store.parts(f"segments/{name}")) for name in store.names("segments")]
    assert len(parts) == 2
    after = audit(client, answers, uri)
    assert after["pid"] != before["pid"]
    assert (after["epoch"], after["restarts"]) == (2, 1)
    assert len(answers.told) == budget
    if point == "compaction=kill":
        assert parts[0] > MERGE_FROM, "small parts and the one that they were merged to"

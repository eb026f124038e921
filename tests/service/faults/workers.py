"""What evaluates candidates on other nodes and in other drivers, and notes what it was answered in a file."""

from __future__ import annotations

import json
import os
import time
import uuid

import ray

from arqon_ray.service import SolverClient
from tests.service.faults.audit import objective

LEASE = 3.0


@ray.remote(num_cpus=0, resources={"w": 0.5}, max_retries=-1, scheduling_strategy="SPREAD")
def evaluate(client: SolverClient, notes: str) -> None:
    """Ask and tell until the study is finished; the file's name begins with the node's id."""
    node = ray.get_runtime_context().get_node_id()
    with (
        open(os.path.join(notes, f"{node}-{uuid.uuid4().hex}"), "w", buffering=1) as file,
        client.heartbeat(lease=LEASE) as beat,
    ):
        while (asked := client.ask_one(owner=beat.owner, lease=beat.lease)) is not None:
            print(json.dumps(["asked", asked["id"], asked["params"]]), file=file)
            time.sleep(0.2)
            value = objective(asked["params"])
            assert client.tell(asked["id"], value) == {"id": asked["id"], "accepted": True}
            print(json.dumps(["told", asked["id"], value]), file=file)

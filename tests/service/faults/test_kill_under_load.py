"""The actor's process is killed at random moments while drivers ask and tell: they notice nothing."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arqon_ray.service import SolverClient
from tests.service.conftest import CONFIG
from tests.service.faults.audit import Answers, audit
from tests.service.faults.conftest import Drive, Start, kill

DRIVER = """
import json, sys
import arqon_ray
from tests.service.faults.audit import objective

arqon_ray.init(sys.argv[1], log_to_driver=False)
client = arqon_ray.connect(sys.argv[2])
while (asked := client.ask_one()) is not None:
    print(json.dumps(["asked", asked["id"], asked["params"]]), flush=True)
    value = objective(asked["params"])
    assert client.tell(asked["id"], value) == {"id": asked["id"], "accepted": True}
    print(json.dumps(["told", asked["id"], value]), flush=True)
"""

Run = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def run(drive: Drive, answers: Answers, tmp_path: Path) -> Run:
    """Let drivers finish a study while its actor is killed so often; returns the statuses before the kills."""

    def runner(client: SolverClient, drivers: int, kills: int, pause: tuple[float, float]) -> list[dict[str, Any]]:
        processes = [drive(f"driver-{k}", DRIVER, client.name) for k in range(drivers)]
        while not all((tmp_path / f"driver-{k}.out").stat().st_size for k in range(drivers)):
            assert all(process.poll() is None for process in processes), "a driver ended before all had begun"
            time.sleep(0.05)
        before = []
        moments = random.Random(1)
        for _ in range(kills):
            time.sleep(moments.uniform(*pause))
            before.append(kill(client))
        for k, process in enumerate(processes):
            code, problems = process.wait(120), (tmp_path / f"driver-{k}.err").read_text()
            assert code == 0, problems
            assert "Error" not in problems
            answers.read(tmp_path / f"driver-{k}.out")
        return before

    return runner


def check(
    run: Run, answers: Answers, storage: Path, client: SolverClient, kills: int, **how: Any
) -> list[dict[str, Any]]:
    before = run(client, kills=kills, **how)
    assert all(status["state"] == "running" for status in before), "a kill came after the load"
    after = audit(client, answers, storage)
    assert len({status["pid"] for status in [*before, after]}) == kills + 1
    assert [status["restarts"] for status in [*before, after]] == list(range(kills + 1))
    assert after["epoch"] == kills + 1
    assert after["state"] == "finished"
    # Every candidate reached a driver, and every result was acknowledged.
    assert len(answers.asked) == len(answers.told) == after["budget"]
    return before


def test_twenty_kills_under_eight_drivers(run: Run, start: Start, answers: Answers, storage: Path) -> None:
    client = start({**CONFIG, "budget": 3000})
    check(run, answers, storage, client, 20, drivers=8, pause=(0.0, 0.15))


def test_three_kills_while_models_are_fitted(run: Run, start: Start, answers: Answers, storage: Path) -> None:
    client = start({**CONFIG, "budget": 90, "strategy": "auto"})
    before = check(run, answers, storage, client, 3, drivers=2, pause=(0.3, 1.0))
    assert "refine" in {status["phase"] for status in before}

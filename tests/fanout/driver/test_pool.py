"""What the pool makes of tasks whose process or node died, without a cluster: Ray's answers are given by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import NodeDiedError, OutOfMemoryError, RayError, WorkerCrashedError

from arqon_ray.core.record.error_kinds import DIED, NODE_LOST, OUT_OF_MEMORY
from arqon_ray.fanout.driver import pool as pool_module
from arqon_ray.fanout.driver.interrupts import Interrupts
from arqon_ray.fanout.driver.pool import Died, TaskPool, outcome_of_death


class _Function:
    """A remote function whose tasks end as the list says; it keeps the attempt that each was told."""

    def __init__(self, ends: list[RayError | str]) -> None:
        self.ends, self.attempts = ends, list[int]()

    def options(self, **options: Any) -> _Function:
        return self

    def remote(self, attempt: int) -> int:
        self.attempts.append(attempt)
        return len(self.attempts) - 1

    def get(self, task: int) -> str:
        end = self.ends[task]
        if isinstance(end, RayError):
            raise end
        return end


def _run(monkeypatch: pytest.MonkeyPatch, ends: list[RayError | str], retries: int) -> tuple[Any, list[int]]:
    function = _Function(ends)
    ray = SimpleNamespace(get=function.get, wait=lambda tasks, **_: (tasks, []))
    monkeypatch.setattr(pool_module, "ray", ray)
    pool: TaskPool[str] = TaskPool(function, {}, Interrupts())
    pool.submit("task", retries=retries)
    while not (ended := pool.take()):
        pass
    assert len(pool) == 0
    return ended[0][1], function.attempts


LOST, CRASHED = NodeDiedError("gone"), WorkerCrashedError()


@pytest.mark.parametrize(
    ("last", "kind"), [(CRASHED, DIED), (OutOfMemoryError("full"), OUT_OF_MEMORY)], ids=["died", "out of memory"]
)
def test_a_death_says_how_often_the_task_was_started_on_lost_nodes_too(
    monkeypatch: pytest.MonkeyPatch, last: RayError, kind: str
) -> None:
    death, attempts = _run(monkeypatch, [LOST, CRASHED, LOST, last], retries=1)
    assert isinstance(death, Died)
    assert (death.attempts, death.losses, death.kind) == (4, 2, kind)
    assert attempts == [1, 2, 3, 4]
    assert outcome_of_death(death, None).evaluation.attempt == 4


def test_a_lost_node_costs_no_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    result, attempts = _run(monkeypatch, [LOST, LOST, LOST, "done"], retries=0)
    assert (result, attempts) == ("done", [1, 2, 3, 4])


def test_a_task_that_loses_one_node_after_another_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    death, attempts = _run(monkeypatch, [CRASHED, *[LOST] * 10], retries=1)
    assert (death.kind, death.losses, death.attempts) == (NODE_LOST, 10, 11)
    assert attempts == list(range(1, 12))


def test_a_timeout_that_only_the_driver_saw_says_how_often_it_was_started() -> None:
    outcome = outcome_of_death(Died("", 3, "timeout"), 2.0)
    assert (outcome.kind, outcome.evaluation.attempt) == ("timeout", 3)

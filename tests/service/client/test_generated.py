"""The asynchronous client is what its generator makes of the synchronous one."""

from __future__ import annotations

import inspect

from arqon_ray.service.calls import StudyCalls
from arqon_ray.service.client.async_client import AsyncSolverClient
from arqon_ray.service.client.client import SolverClient
from tests.generate_async_client import TARGET, generated


def test_it_is_fresh() -> None:
    assert TARGET.read_text(encoding="utf-8") == generated(), "run python -m tests.generate_async_client"


def test_every_call_of_a_study_is_a_coroutine_with_the_same_arguments() -> None:
    calls = {name for name, value in vars(StudyCalls).items() if inspect.isfunction(value) and not name.startswith("_")}
    assert {"ask_one", "tell", "snapshot", "stop"} <= calls
    for name in calls:
        here, there = getattr(SolverClient, name), getattr(AsyncSolverClient, name)
        assert inspect.iscoroutinefunction(there), name
        assert inspect.signature(here) == inspect.signature(there), name
        assert name == "stop" or inspect.getdoc(here) == inspect.getdoc(getattr(StudyCalls, name)), name

"""Actors that release 0.1.0 created, whose facade is their own: they run the package that is installed later."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import ray

import arqon_ray
from arqon_ray import ResultsError, StudyNotFoundError
from arqon_ray.service.client.reference import NAMESPACE

FACADE = Path(__file__).parent.parent / "assets" / "actor-0.1.0.txt"
CONFIG = {"seed": 1, "budget": 20, "bounds": {"x": {"min": 0.0, "max": 1.0}}}


@pytest.fixture
def former(cluster: Any) -> Iterator[ModuleType]:
    """The facade of 0.1.0, pickled by value as its ``start`` did."""
    name = "facade_of_0_1_0"
    loader = SourceFileLoader(name, str(FACADE))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    ray.cloudpickle.register_pickle_by_value(module)
    yield module
    ray.cloudpickle.unregister_pickle_by_value(module)
    del sys.modules[name]


def test_it_serves_restarts_and_stops(former: ModuleType, unique_name: str, tmp_path: Path) -> None:
    birth = {"name": unique_name, "token": "t", "resume": True, "awaited": False}
    options = {"name": unique_name, "namespace": NAMESPACE, "lifetime": "detached", "max_restarts": -1, "num_cpus": 0}
    decorate: Any = ray.remote(concurrency_groups=former.GROUPS)  # type: ignore[call-overload]
    made = decorate(former.SolverActor).options(**options, max_task_retries=-1).remote(birth, str(tmp_path))
    assert ray.get(made.begin.remote(CONFIG, "t", None, None))["state"] == "running"
    study = arqon_ray.connect(unique_name)
    first = study.ask_one(key="a")
    assert first is not None
    assert study.tell(first["id"], 0.5, key="t") == {"id": "0", "accepted": True}
    own = study.ask_one(key="own", params={"x": 0.25})
    assert own is not None
    assert own["params"] == {"x": 0.25}
    study.report(own["id"], 1, 2.0)
    with pytest.raises(ResultsError, match=r"value is .text."):
        study.tell(own["id"], "text")
    pid = study.status()["pid"]
    os.kill(pid, signal.SIGKILL)
    assert study.ask_one(key="a") == {**first, "note": "it was told already"}
    assert study.status()["pid"] != pid
    assert study.best()["params"] == first["params"]  # type: ignore[index]
    study.stop()
    with pytest.raises(StudyNotFoundError):
        arqon_ray.connect(unique_name)

"""Objectives of every kind in the workers: functions, coroutine functions, classes, and whatever they raise."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray

import arqon_ray

pytestmark = pytest.mark.usefixtures("cluster")
CONFIG: dict[str, Any] = {"seed": 1, "budget": 8, "strategy": "probe", "bounds": {"x": {"min": 0.0, "max": 1.0}}}
Way = Callable[[Any], list[tuple[Any, Any, str | None]]]
"""Evaluates at eight points of the probe; returns point, value and error of each."""


def by_optimize(fn: Any) -> list[tuple[Any, Any, str | None]]:
    result = arqon_ray.optimize(fn, CONFIG, max_concurrency=2, progress=False)
    return [(row["params"]["x"], row["value"], (row["error"] or {}).get("message")) for row in result.history]


def by_sweep(fn: Any) -> list[tuple[Any, Any, str | None]]:
    table = arqon_ray.sweep(fn, CONFIG, 8, shard_size=4, progress=False).to_table().to_pylist()
    return [(row["x"], row["value"], row["error"]) for row in table]


def by_shards(fn: Any) -> list[tuple[Any, Any, str | None]]:
    shards = ray.get([arqon_ray.probe_shard.remote(CONFIG, 1, start, 4, fn) for start in (0, 4)])
    return [(row["params"]["x"], row["value"], row["error"]) for shard in shards for row in shard]


ways = pytest.mark.parametrize("way", [by_optimize, by_sweep, by_shards])


class Panic(BaseException):
    """What no ``except Exception`` catches."""


@ways
def test_what_is_no_exception_is_a_failed_evaluation_too(way: Way) -> None:
    errors = [Panic("rust"), GeneratorExit(), asyncio.CancelledError(), SystemExit(3), KeyboardInterrupt()]

    def objective(params: dict[str, Any]) -> float:
        place = int(params["x"] * 8)
        if place < len(errors):
            raise errors[place]
        return float(params["x"])

    seen = set()
    for x, value, error in way(objective):
        place = int(x * 8)
        if place < len(errors):
            name = type(errors[place]).__name__
            assert value is None
            assert str(error).startswith(name)
            seen.add(name)
        else:
            assert (value, error) == (x, None)
    assert len(seen) >= 4


@ways
def test_a_coroutine_function_is_awaited_in_the_worker(way: Way) -> None:
    async def objective(params: dict[str, Any]) -> dict[str, float]:
        await asyncio.sleep(0.001)
        return {"loss": params["x"] + 1}

    assert all((value, error) == (x + 1, None) for x, value, error in way(objective))


@ways
def test_a_class_is_constructed_once_in_a_worker(way: Way, tmp_path: Path) -> None:
    made = tmp_path / "made"

    class Model:
        def __init__(self) -> None:
            with made.open("a") as stream:
                stream.write(f"{os.getpid()}\n")

        async def __call__(self, params: dict[str, Any]) -> float:
            return float(params["x"])

    assert all(value == x for x, value, _ in way(Model))
    pids = made.read_text().split()
    assert len(pids) == len(set(pids))
    assert str(os.getpid()) not in pids


@ways
def test_an_instance_is_called_as_it_is(way: Way) -> None:
    class Shift:
        def __init__(self, by: float) -> None:
            self.by = by

        def __call__(self, params: dict[str, Any]) -> float:
            return float(params["x"] + self.by)

    assert all(value == x + 2 for x, value, _ in way(Shift(2.0)))

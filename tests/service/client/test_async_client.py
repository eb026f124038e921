"""The client of coroutines: it blocks no loop, occupies no threads, and survives what the other survives."""

from __future__ import annotations

import asyncio
import logging
import pickle
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import ray

from arqon_ray.errors import AskTimeoutError, ConfigError, StudyNotFoundError, UnknownCandidateError
from arqon_ray.service.client.async_client import AsyncSolverClient
from arqon_ray.service.client.client import SolverClient
from arqon_ray.service.client.heartbeat import AsyncHeartbeat
from tests.service.conftest import CONFIG
from tests.service.live import Start, kill, studies


@pytest.fixture
def start(cluster: Any) -> Iterator[Start]:
    with studies() as starter:
        yield starter


def test_it_has_the_methods_of_the_other() -> None:
    def public(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    assert public(SolverClient) - public(AsyncSolverClient) == {"aio", "batched"}
    assert public(AsyncSolverClient) <= public(SolverClient)
    for name in public(AsyncSolverClient) - {"handle", "heartbeat"}:
        ours, theirs = getattr(AsyncSolverClient, name), getattr(SolverClient, name)
        assert asyncio.iscoroutinefunction(ours)
        assert ours.__annotations__ == theirs.__annotations__
        assert (ours.__defaults__, ours.__kwdefaults__) == (theirs.__defaults__, theirs.__kwdefaults__)


def test_it_pickles_by_name_with_its_patience() -> None:
    client = pickle.loads(pickle.dumps(SolverClient("study", patience=3.0).aio))
    assert (type(client), client.name, client.patience) == (AsyncSolverClient, "study", 3.0)


def test_each_call_answers_as_the_other_client_does(start: Start) -> None:
    client = start()

    async def calls() -> None:
        aio = client.aio
        asked = await aio.ask_one(key="trial")
        assert asked is not None
        assert asked == client.ask_one(key="trial")
        assert await aio.report("0", 1, 2.0) == {"id": "0", "accepted": True}
        assert (await aio.tell(asked["id"], 1.0, cost=2.0))["accepted"]
        assert len(await aio.ask(3, owner="me")) == 3
        assert await aio.renew("me") == 3
        assert (await aio.fail("1", "broken"))["accepted"]
        assert [each["accepted"] for each in await aio.release(owner="me")] == [True, True]
        assert (await aio.seed([{"params": {"x": 0.5, "n": 8}, "value": 2.0}]))[0]["accepted"]
        outside = [{"params": {"x": 2.0, "n": 8}, "value": 2.0}]
        assert not (await aio.seed(outside, out_of_bounds="skip"))[0]["accepted"]
        assert await aio.history() == client.history()
        assert await aio.pending() == client.pending() == []
        assert await aio.best() == client.best()
        with pytest.raises(ConfigError, match="objectives is None"):
            await aio.pareto()
        assert await aio.export() == client.export()
        assert await aio.extend_budget(8) == 8
        assert (await aio.status())["budget"] == 8
        with pytest.raises(UnknownCandidateError, match="77 was never handed out"):
            await aio.tell("77", 1.0)
        await aio.ask(8)
        with pytest.raises(AskTimeoutError, match=r"waited 0.01 s in all"):
            await aio.ask_one(timeout=0.01)
        await aio.stop()
        with pytest.raises(StudyNotFoundError):
            await aio.status()

    asyncio.run(calls())


def test_asks_that_wait_hold_neither_the_loop_nor_threads(start: Start) -> None:
    client = start()
    client.ask(6)

    async def calls() -> tuple[list[Any], int, float]:
        aio = client.aio
        await aio.status()
        threads = threading.active_count()
        waiting = [asyncio.ensure_future(aio.ask_one(timeout=60)) for _ in range(50)]
        longest = 0.0
        for _ in range(20):
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - before)
        more = threading.active_count() - threads
        await aio.tell([{"id": str(k), "value": 1.0} for k in range(6)])
        return await asyncio.gather(*waiting), more, longest

    answers, more, longest = asyncio.run(calls())
    assert answers == [None] * 50
    assert more < 5
    assert longest < 1


def test_coroutines_survive_the_death_of_the_actors_process(start: Start) -> None:
    client = start({**CONFIG, "budget": 200}, max_task_retries=0)
    handed: list[str] = []

    async def work(aio: AsyncSolverClient) -> None:
        while (asked := await aio.ask_one(owner="me")) is not None:
            handed.append(asked["id"])
            assert (await aio.tell(asked["id"], asked["params"]["x"]))["accepted"]

    async def calls() -> int:
        working = [asyncio.ensure_future(work(AsyncSolverClient(client.name))) for _ in range(4)]
        while len(handed) < 40:
            await asyncio.sleep(0.002)
        before = kill(client)
        assert len(handed) < 150
        await asyncio.gather(*working)
        return before

    before = asyncio.run(calls())
    assert client.status()["pid"] != before
    assert sorted(map(int, handed)) == list(range(200))


def test_an_async_actor_uses_it_without_a_warning(start: Start) -> None:
    @ray.remote(num_cpus=0.5)
    class Worker:
        async def work(self, study: AsyncSolverClient) -> tuple[list[str], list[str]]:
            records: list[str] = []
            handler = logging.Handler()
            handler.emit = lambda record: records.append(record.getMessage())  # type: ignore[method-assign]
            logging.getLogger("ray").addHandler(handler)

            async def each() -> list[str]:
                taken = []
                while (asked := await study.ask_one(owner=beat.owner, lease=beat.lease)) is not None:
                    taken.append(asked["id"])
                    await study.tell(asked["id"], asked["params"]["x"])
                return taken

            async with study.heartbeat() as beat:
                taken = await asyncio.gather(*(each() for _ in range(3)))
            return [id for part in taken for id in part], records

    client = start({**CONFIG, "budget": 30})
    taken, records = ray.get(Worker.remote().work.remote(client.aio))
    assert sorted(map(int, taken)) == list(range(30))
    assert records == []


def test_its_heartbeat_keeps_the_leases_until_it_is_stopped(start: Start) -> None:
    client = start()

    async def calls() -> None:
        aio = client.aio
        async with aio.heartbeat("me", lease=0.8) as beat:
            await aio.ask(6, owner=beat.owner, lease=beat.lease)
            await asyncio.sleep(1.2)
            assert len(await aio.pending("me")) == 6
        await beat.stop(release=True)
        assert await aio.pending("me") == []

    asyncio.run(calls())


def test_a_beat_that_fails_is_logged_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    class Client:
        beats = 0

        async def renew(self, owner: str) -> int:
            self.beats += 1
            if self.beats == 1:
                raise ConnectionError("the actor restarts")
            return 1

    async def beat() -> int:
        client: Any = Client()
        async with AsyncHeartbeat(client, lease=0.04) as beat:
            assert beat.start() is beat
            while client.beats < 3:
                await asyncio.sleep(0.002)
        beats: int = client.beats
        await asyncio.sleep(0.05)
        assert client.beats == beats
        return beats

    with caplog.at_level(logging.WARNING):
        assert asyncio.run(beat()) >= 3
    assert "the actor restarts" in caplog.text


def test_what_a_cancelled_ask_is_given_goes_back(start: Start) -> None:
    client = start()
    client.ask(6, owner="other")

    async def calls() -> list[dict[str, Any]]:
        aio = client.aio
        for key in (None, "mine"):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(aio.ask_one(key=key, timeout=3), 0.05)
        await aio.release(["4", "5"])
        while (await aio.status())["counts"]["released"] != 1 or (await aio.pending())[-1]["key"] != "mine":
            await asyncio.sleep(0.01)
        return await aio.pending()

    held = asyncio.run(calls())
    assert len(held) == 5
    assert held[-1]["key"] == "mine"
    again = client.ask_one(key="mine")
    assert again is not None
    assert again["id"] == held[-1]["id"]

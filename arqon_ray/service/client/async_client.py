"""AsyncSolverClient: the client for coroutines, in async actors and async drivers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Unpack

import ray
from ray.exceptions import ActorDiedError

from arqon_ray.core.export.exported import run_of_export
from arqon_ray.core.record.run import Run
from arqon_ray.deprecation import warn_deprecated
from arqon_ray.errors import AskTimeoutError, StudyUnreachableError
from arqon_ray.service.client.heartbeat import LEASE, AsyncHeartbeat
from arqon_ray.service.client.older_actors import lacked, outdated, submit
from arqon_ray.service.client.pulse import SLICE, Pulse
from arqon_ray.service.client.retry import (
    Retry,
    Slices,
    StudyReference,
    key_or_new,
    position_of,
    report_arguments,
)
from arqon_ray.service.told import Told

_log = logging.getLogger(__name__)
_background: set[asyncio.Task[None]] = set()


class AsyncSolverClient(StudyReference):
    """A study's actor for async code; ``SolverClient.aio`` returns one.

    The methods are those of ``SolverClient``, as coroutines: the same restarts are survived, the same errors raised.
    A call that waits neither blocks the event loop nor occupies a thread; only finding the actor, once and after a
    restart, takes the loop some milliseconds. When an ask that was given no ``key`` is cancelled, what it is given
    all the same is released; after one with a key, ask again with that key.

    Args:
        name: the study's name.
        handle: the actor's handle, if it is at hand.
        patience: seconds for which a call that failed is repeated, from its first failure, and for which an actor is
            waited for that shows no sign of life; None for ever.
    """

    async def _call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call the actor and await its answer, through restarts of it; see ``Retry``."""
        retry = Retry(self.patience)
        while True:
            try:
                handle = self.handle
                return await _answer(submit(handle, method, args, kwargs), self._pulse(handle))
            except Exception as error:
                lacking = lacked(error, method, kwargs)
                if lacking is None:
                    pause = retry.pause_after(error)
            if lacking is not None:
                self._forget()
                raise outdated(self.name, lacking, {} if method == "status" else await self.status())
            self._forget()
            await asyncio.sleep(pause)

    async def ask_one(
        self,
        key: str | None = None,
        owner: str | None = None,
        lease: float | None = None,
        timeout: float | None = 30.0,
        params: Mapping[str, Any] | None = None,
    ) -> dict[str, Any] | None:
        """See ``SolverClient.ask_one``."""
        answer: dict[str, Any] | None
        if params is not None:
            answer = await self._call("place", dict(params), key=key_or_new(key), owner=owner, lease=lease)
        else:
            answer = await self._ask("ask_one", (), key, owner, lease, timeout)
        return answer

    async def ask(
        self,
        n: int,
        key: str | None = None,
        owner: str | None = None,
        lease: float | None = None,
        timeout: float | None = 30.0,
    ) -> list[dict[str, Any]]:
        """See ``SolverClient.ask``."""
        answer: list[dict[str, Any]] = await self._ask("ask", (n,), key, owner, lease, timeout)
        return answer

    async def _ask(
        self, method: str, args: tuple[Any, ...], key: str | None, owner: Any, lease: Any, timeout: float | None
    ) -> Any:
        operation, slices = key_or_new(key), Slices(timeout)
        while True:
            hold = {"key": operation, "owner": owner, "lease": lease}
            call = asyncio.ensure_future(self._call(method, *args, **hold, timeout=slices.next()))
            try:
                return await asyncio.shield(call)
            except AskTimeoutError as error:
                slices.over(error)
            except asyncio.CancelledError:
                if key is None:
                    task = asyncio.ensure_future(self._give_back(call, owner))
                    _background.add(task)  # the loop alone would hold it weakly
                    task.add_done_callback(_background.discard)
                else:
                    call.cancel()
                raise

    async def _give_back(self, call: asyncio.Future[Any], owner: Any) -> None:
        """Release what an ask is given that was cancelled."""
        try:
            answer = await call
            items = answer if isinstance(answer, list) else [answer]
            given = [item["id"] for item in items if item is not None]
            if given:
                await self.release(given, owner)
        except Exception as error:
            _log.info("what a cancelled ask was given stays leased until its lease runs out: %s", error)

    async def place(
        self, params: Mapping[str, Any], key: str | None = None, owner: str | None = None, lease: float | None = None
    ) -> dict[str, Any] | None:
        """See ``SolverClient.place``; deprecated since 0.2.0."""
        warn_deprecated("place()", since="0.2.0", removed="0.4.0", instead="ask_one(params=...)")
        return await self.ask_one(key, owner, lease, params=params)

    async def enqueue(
        self, params: Mapping[str, Any] | Sequence[Mapping[str, Any]], key: str | None = None
    ) -> list[dict[str, Any]]:
        """See ``SolverClient.enqueue``."""
        points = [dict(params)] if isinstance(params, Mapping) else params
        answer: list[dict[str, Any]] = await self._call("enqueue", points, key=key_or_new(key))
        return answer

    async def tell(
        self,
        id: str | Mapping[str, Any] | Sequence[Mapping[str, Any]],
        value: Any = ...,
        cost: float = 1.0,
        key: str | None = None,
        **rest: Unpack[Told],
    ) -> Any:
        """See ``SolverClient.tell``."""
        return await self._call("tell", id, value, cost, key=key_or_new(key), **rest)

    async def report(
        self,
        id: str | Mapping[str, Any] | Sequence[Mapping[str, Any]],
        step: Any = ...,
        value: Any = ...,
        metrics: Mapping[str, Any] | None = None,
    ) -> Any:
        """See ``SolverClient.report``."""
        return await self._call("report", *report_arguments(id, step, value, metrics))

    async def retract(self, id: str, reason: str | None = None, key: str | None = None) -> dict[str, Any]:
        """See ``SolverClient.retract``."""
        answer: dict[str, Any] = await self._call("retract", id, reason, key=key_or_new(key))
        return answer

    async def fail(self, id: str, reason: str | None = None, key: str | None = None) -> dict[str, Any]:
        """See ``SolverClient.fail``."""
        answer: dict[str, Any] = await self._call("fail", id, reason, key=key_or_new(key))
        return answer

    async def release(
        self, id: str | Sequence[str] | None = None, owner: str | None = None, key: str | None = None
    ) -> Any:
        """See ``SolverClient.release``."""
        return await self._call("release", id, owner, key=key_or_new(key))

    async def renew(self, owner: str) -> int:
        """See ``SolverClient.renew``."""
        return int(await self._call("renew", owner))

    def heartbeat(self, owner: str | None = None, lease: float = LEASE) -> AsyncHeartbeat:
        """Return a task that keeps the leases of an owner alive, to be used in an ``async with``.

        ::

            async with client.heartbeat(lease=60) as beat:
                candidate = await client.ask_one(owner=beat.owner, lease=beat.lease)
        """
        return AsyncHeartbeat(self, owner, lease)

    async def seed(
        self,
        observations: Sequence[Mapping[str, Any]] | str,
        key: str | None = None,
        out_of_bounds: Literal["raise", "skip"] = "raise",
    ) -> list[dict[str, Any]]:
        """See ``SolverClient.seed``."""
        hold = {"key": key_or_new(key), "out_of_bounds": out_of_bounds}
        answer: list[dict[str, Any]] = await self._call("seed", observations, **hold)
        return answer

    async def best(self) -> dict[str, Any] | None:
        """See ``SolverClient.best``."""
        answer: dict[str, Any] | None = await self._call("best")
        return answer

    async def history(self, since: int | None = None) -> list[dict[str, Any]]:
        """See ``SolverClient.history``."""
        answer: list[dict[str, Any]] = await self._call("history", *(() if since is None else (since,)))
        return answer

    async def pareto(self) -> list[dict[str, Any]]:
        """See ``SolverClient.pareto``."""
        answer: list[dict[str, Any]] = await self._call("pareto")
        return answer

    async def pending(self, owner: str | None = None) -> list[dict[str, Any]]:
        """See ``SolverClient.pending``."""
        answer: list[dict[str, Any]] = await self._call("pending", owner)
        return answer

    async def status(self) -> dict[str, Any]:
        """See ``SolverClient.status``."""
        answer: dict[str, Any] = await self._call("status")
        return answer

    async def export(self) -> str:
        """See ``SolverClient.export``."""
        return str(await self._call("export"))

    async def run(self) -> Run:
        """See ``SolverClient.run``; a thread restores what was exported."""
        exported = await self.export()
        return await asyncio.to_thread(run_of_export, exported, self.name)

    async def config(self) -> dict[str, Any]:
        """See ``SolverClient.config``."""
        answer: dict[str, Any] = await self._call("config")
        return answer

    async def snapshot(self, since: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """See ``SolverClient.snapshot``."""
        answer: dict[str, Any] | None = await self._call("snapshot", *(() if since is None else (position_of(since),)))
        return answer

    async def extend_budget(self, budget: int | None) -> int | None:
        """See ``SolverClient.extend_budget``."""
        answer: int | None = await self._call("extend_budget", budget)
        return answer

    async def stop(self, purge: bool = False) -> None:
        """See ``SolverClient.stop``."""
        handle, retry = self.handle, Retry(self.patience)
        killed: StudyUnreachableError | None = None
        while True:
            try:
                await _answer(handle.stop.remote(purge), self._pulse(handle))
            except ActorDiedError:
                break
            except StudyUnreachableError as error:
                ray.kill(handle, no_restart=True)
                killed = error if purge else None
                break
            except Exception as error:
                pause = retry.pause_after(error)
            else:
                break
            await asyncio.sleep(pause)
        self._forget()
        for pause in self._until_gone(handle):
            await asyncio.sleep(pause)
        if killed is not None:
            raise killed


async def _answer(reference: Any, pulse: Pulse) -> Any:
    """Await an object reference, and look at the actor's pulse meanwhile; see :func:`.pulse.answer`."""
    # asyncio.wait leaves the future alone: Ray logs an error when one was cancelled in between.
    future = asyncio.wrap_future(reference.future())
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    while not (await asyncio.wait({future}, timeout=SLICE))[0]:
        await asyncio.to_thread(pulse.take)
    return future.result()

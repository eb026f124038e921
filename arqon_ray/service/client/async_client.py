"""AsyncSolverClient: the client for coroutines. Generated from ``client.py``, which is the file to edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Unpack, overload

from arqon_ray.core.export.exported import run_of_export
from arqon_ray.core.record.run import Run
from arqon_ray.deprecation import warn_deprecated
from arqon_ray.service.answers import (
    AskedCandidate,
    BestPoint,
    Explanation,
    HistoryRow,
    PendingRow,
    ResultFields,
    Seeded,
    StudySnapshot,
    StudyStatus,
    Told,
)
from arqon_ray.service.client.awaiting import AwaitingReference
from arqon_ray.service.client.heartbeat import LEASE, AsyncHeartbeat
from arqon_ray.service.client.older_actors import send_report
from arqon_ray.service.client.retry import key_or_new, position_of


class AsyncSolverClient(AwaitingReference):
    """A study's actor for async code; ``SolverClient.aio`` returns one.

    The methods are those of ``SolverClient``, as coroutines: they survive the same restarts and raise the same errors.
    A call that waits neither blocks the event loop nor occupies a thread; only looking up the actor, once and after a
    restart, blocks it for some milliseconds. When an ask without a ``key`` is cancelled, candidates that arrive for it
    are released; after one with a key, ask again with that key.

    Args:
        name: the study's name.
        handle: the actor's handle, if it is at hand.
        patience: seconds for which a failed call is repeated, and after which an actor that answers no ping is given
            up; None for ever.

    Example:
        >>> import asyncio, arqon_ray
        >>> study = arqon_ray.start({"budget": 4, "bounds": {"x": {"min": 0.0, "max": 1.0}}}, "awaited")
        >>> async def work(client):
        ...     while (candidate := await client.ask_one()) is not None:
        ...         await client.tell(candidate["id"], candidate["params"]["x"])
        ...     return (await client.status())["state"]
        >>> asyncio.run(work(arqon_ray.AsyncSolverClient("awaited")))
        'finished'
        >>> study.stop(purge=True)
    """

    async def ask_one(
        self,
        key: str | None = None,
        owner: str | None = None,
        lease: float | None = None,
        timeout: float | None = 30.0,
        params: Mapping[str, Any] | None = None,
    ) -> AskedCandidate | None:
        """See :meth:`.StudyCalls.ask_one`."""
        if params is not None:  # by the call that actors of 0.1.0 have too
            point, operation = dict(params), key_or_new(key)
            return await self._call(lambda study: study.place(point, key=operation, owner=owner, lease=lease))
        return await self._ask(
            lambda study, operation, limit: study.ask_one(key=operation, owner=owner, lease=lease, timeout=limit),
            key,
            owner,
            timeout,
        )

    async def ask(
        self,
        n: int,
        key: str | None = None,
        owner: str | None = None,
        lease: float | None = None,
        timeout: float | None = 30.0,
    ) -> list[AskedCandidate]:
        """See :meth:`.StudyCalls.ask`."""
        return await self._ask(
            lambda study, operation, limit: study.ask(n, key=operation, owner=owner, lease=lease, timeout=limit),
            key,
            owner,
            timeout,
        )

    async def place(
        self, params: Mapping[str, Any], key: str | None = None, owner: str | None = None, lease: float | None = None
    ) -> AskedCandidate | None:
        """See :meth:`.StudyCalls.place`."""
        warn_deprecated("place()", since="0.2.0", removed="0.4.0", instead="ask_one(params=...)")
        return await self.ask_one(key, owner, lease, params=params)

    async def enqueue(
        self, params: Mapping[str, Any] | Sequence[Mapping[str, Any]], key: str | None = None
    ) -> list[dict[str, Any]]:
        """See :meth:`.StudyCalls.enqueue`."""
        points, operation = [dict(params)] if isinstance(params, Mapping) else params, key_or_new(key)
        return await self._call(lambda study: study.enqueue(points, key=operation))

    @overload
    async def tell(
        self,
        id: str | Mapping[str, Any],
        value: Any = ...,
        cost: float = 1.0,
        key: str | None = None,
        **rest: Unpack[ResultFields],
    ) -> Told: ...

    @overload
    async def tell(
        self,
        id: Sequence[Mapping[str, Any]],
        value: Any = ...,
        cost: float = 1.0,
        key: str | None = None,
        **rest: Unpack[ResultFields],
    ) -> list[Told]: ...

    async def tell(
        self, id: Any, value: Any = ..., cost: float = 1.0, key: str | None = None, **rest: Unpack[ResultFields]
    ) -> Any:
        """See :meth:`.StudyCalls.tell`."""
        operation = key_or_new(key)
        return await self._call(lambda study: study.tell(id, value, cost, key=operation, **rest))

    @overload
    async def report(
        self, id: str | Mapping[str, Any], step: Any = ..., value: Any = ..., metrics: Mapping[str, Any] | None = None
    ) -> Told: ...

    @overload
    async def report(
        self,
        id: Sequence[Mapping[str, Any]],
        step: Any = ...,
        value: Any = ...,
        metrics: Mapping[str, Any] | None = None,
    ) -> list[Told]: ...

    async def report(self, id: Any, step: Any = ..., value: Any = ..., metrics: Mapping[str, Any] | None = None) -> Any:
        """See :meth:`.StudyCalls.report`."""
        return await self._call(lambda study: send_report(study, id, step, value, metrics))

    async def retract(self, id: str, reason: str | None = None, key: str | None = None) -> Told:
        """See :meth:`.StudyCalls.retract`."""
        operation = key_or_new(key)
        return await self._call(lambda study: study.retract(id, reason, key=operation))

    async def fail(self, id: str, reason: str | None = None, key: str | None = None) -> Told:
        """See :meth:`.StudyCalls.fail`."""
        operation = key_or_new(key)
        return await self._call(lambda study: study.fail(id, reason, key=operation))

    @overload
    async def release(self, id: str, owner: str | None = None, key: str | None = None) -> Told: ...

    @overload
    async def release(
        self, id: list[str] | tuple[str, ...] | None = None, owner: str | None = None, key: str | None = None
    ) -> list[Told]: ...

    async def release(self, id: Any = None, owner: str | None = None, key: str | None = None) -> Any:
        """See :meth:`.StudyCalls.release`."""
        operation = key_or_new(key)
        return await self._call(lambda study: study.release(id, owner, key=operation))

    async def renew(self, owner: str) -> int:
        """See :meth:`.StudyCalls.renew`."""
        return await self._call(lambda study: study.renew(owner))

    def heartbeat(self, owner: str | None = None, lease: float = LEASE) -> AsyncHeartbeat:
        """Return a heartbeat, which keeps the leases of an owner alive; to be used in an ``async with``.

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
    ) -> list[Seeded]:
        """See :meth:`.StudyCalls.seed`."""
        operation = key_or_new(key)
        return await self._call(lambda study: study.seed(observations, key=operation, out_of_bounds=out_of_bounds))

    async def best(self) -> BestPoint | None:
        """See :meth:`.StudyCalls.best`."""
        return await self._call(lambda study: study.best())

    async def explain(self) -> Explanation:
        """See :meth:`.StudyCalls.explain`."""
        return await self._call(lambda study: study.explain())

    async def history(self, since: int | None = None) -> list[HistoryRow]:
        """See :meth:`.StudyCalls.history`."""
        # An older actor takes no argument.
        return await self._call(lambda study: study.history() if since is None else study.history(since))

    async def pareto(self) -> list[HistoryRow]:
        """See :meth:`.StudyCalls.pareto`."""
        return await self._call(lambda study: study.pareto())

    async def pending(self, owner: str | None = None) -> list[PendingRow]:
        """See :meth:`.StudyCalls.pending`."""
        return await self._call(lambda study: study.pending(owner))

    async def status(self) -> StudyStatus:
        """See :meth:`.StudyCalls.status`."""
        return await self._call(lambda study: study.status())

    async def export(self) -> str:
        """See :meth:`.StudyCalls.export`."""
        return await self._call(lambda study: study.export())

    async def run(self) -> Run:
        """Return the study so far as a :class:`.Run`, for reports.

        It makes one :meth:`export`, and asks the model in this process: the actor is free meanwhile.
        """
        return await self._run_here(run_of_export, await self.export(), self.name)

    async def config(self) -> dict[str, Any]:
        """See :meth:`.StudyCalls.config`."""
        return await self._call(lambda study: study.config())

    async def snapshot(self, since: Mapping[str, Any] | None = None) -> StudySnapshot | None:
        """See :meth:`.StudyCalls.snapshot`."""
        known = None if since is None else position_of(since)
        return await self._call(lambda study: study.snapshot() if known is None else study.snapshot(known))

    async def extend_budget(self, budget: int | None) -> int | None:
        """See :meth:`.StudyCalls.extend_budget`."""
        return await self._call(lambda study: study.extend_budget(budget))

    async def stop(self, purge: bool = False) -> None:
        """End the study's actor, for everybody; returns when its name is free.

        An actor that does not answer because its process is frozen or its storage hangs is killed after ``patience``
        seconds; everything that was acknowledged is on its storage.

        Args:
            purge: delete the study from its storage; otherwise ``start`` with that ``storage_path`` continues it.

        Raises:
            StudyUnreachableError: it was killed, and could not be purged.
        """
        await self._stop(purge)

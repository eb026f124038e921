"""SolverClient: one study, called from any driver, task or actor of the cluster.

``async_client.py`` is generated from this file: run ``python -m tests.generate_async_client`` after each change.
"""

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
from arqon_ray.service.calls import StudyCalls
from arqon_ray.service.client.async_client import AsyncSolverClient
from arqon_ray.service.client.batched import BatchedClient
from arqon_ray.service.client.blocking import BlockingReference
from arqon_ray.service.client.heartbeat import LEASE, Heartbeat
from arqon_ray.service.client.older_actors import send_report
from arqon_ray.service.client.retry import key_or_new, position_of


class SolverClient(BlockingReference, StudyCalls):
    """A study's actor, found by its name; ``start`` and ``connect`` return one.

    Its methods are those of :class:`.StudyCalls`, which documents their arguments, answers and errors. A restart of the
    actor is no error: Ray repeats the call, and where Ray gives up the client repeats it for ``patience`` seconds. The
    client waits for a long call as long as the actor answers pings. If the actor does not, the call raises
    StudyUnreachableError after ``patience`` seconds, even an ask with a longer ``timeout``. Each call that changes
    something has an operation id (``key``, made by the client if none is given), so that its effect happens once
    however often the call is repeated. Any number of threads may use a client. It pickles by name: pass it to tasks and
    actors.

    Args:
        name: the study's name.
        handle: the actor's handle, if it is at hand.
        patience: seconds for which a failed call is repeated, and after which an actor that answers no ping is given
            up; None for ever.

    Example:
        >>> import arqon_ray
        >>> arqon_ray.start({"budget": 2, "bounds": {"x": {"min": 0.0, "max": 1.0}}}, "shared").name
        'shared'
        >>> client = arqon_ray.SolverClient("shared")  # in any process of the cluster
        >>> candidate = client.ask_one()
        >>> client.tell(candidate["id"], candidate["params"]["x"])
        {'id': '0', 'accepted': True}
        >>> client.stop(purge=True)
    """

    def ask_one(
        self,
        key: str | None = None,
        owner: str | None = None,
        lease: float | None = None,
        timeout: float | None = 30.0,
        params: Mapping[str, Any] | None = None,
    ) -> AskedCandidate | None:
        if params is not None:  # by the call that actors of 0.1.0 have too
            point, operation = dict(params), key_or_new(key)
            return self._call(lambda study: study.place(point, key=operation, owner=owner, lease=lease))
        return self._ask(
            lambda study, operation, limit: study.ask_one(key=operation, owner=owner, lease=lease, timeout=limit),
            key,
            owner,
            timeout,
        )

    def ask(
        self,
        n: int,
        key: str | None = None,
        owner: str | None = None,
        lease: float | None = None,
        timeout: float | None = 30.0,
    ) -> list[AskedCandidate]:
        return self._ask(
            lambda study, operation, limit: study.ask(n, key=operation, owner=owner, lease=lease, timeout=limit),
            key,
            owner,
            timeout,
        )

    def place(
        self, params: Mapping[str, Any], key: str | None = None, owner: str | None = None, lease: float | None = None
    ) -> AskedCandidate | None:
        warn_deprecated("place()", since="0.2.0", removed="0.4.0", instead="ask_one(params=...)")
        return self.ask_one(key, owner, lease, params=params)

    def enqueue(
        self, params: Mapping[str, Any] | Sequence[Mapping[str, Any]], key: str | None = None
    ) -> list[dict[str, Any]]:
        points, operation = [dict(params)] if isinstance(params, Mapping) else params, key_or_new(key)
        return self._call(lambda study: study.enqueue(points, key=operation))

    @overload
    def tell(
        self,
        id: str | Mapping[str, Any],
        value: Any = ...,
        cost: float = 1.0,
        key: str | None = None,
        **rest: Unpack[ResultFields],
    ) -> Told: ...

    @overload
    def tell(
        self,
        id: Sequence[Mapping[str, Any]],
        value: Any = ...,
        cost: float = 1.0,
        key: str | None = None,
        **rest: Unpack[ResultFields],
    ) -> list[Told]: ...

    def tell(
        self, id: Any, value: Any = ..., cost: float = 1.0, key: str | None = None, **rest: Unpack[ResultFields]
    ) -> Any:
        operation = key_or_new(key)
        return self._call(lambda study: study.tell(id, value, cost, key=operation, **rest))

    @overload
    def report(
        self, id: str | Mapping[str, Any], step: Any = ..., value: Any = ..., metrics: Mapping[str, Any] | None = None
    ) -> Told: ...

    @overload
    def report(
        self,
        id: Sequence[Mapping[str, Any]],
        step: Any = ...,
        value: Any = ...,
        metrics: Mapping[str, Any] | None = None,
    ) -> list[Told]: ...

    def report(self, id: Any, step: Any = ..., value: Any = ..., metrics: Mapping[str, Any] | None = None) -> Any:
        return self._call(lambda study: send_report(study, id, step, value, metrics))

    def retract(self, id: str, reason: str | None = None, key: str | None = None) -> Told:
        operation = key_or_new(key)
        return self._call(lambda study: study.retract(id, reason, key=operation))

    def fail(self, id: str, reason: str | None = None, key: str | None = None) -> Told:
        operation = key_or_new(key)
        return self._call(lambda study: study.fail(id, reason, key=operation))

    @overload
    def release(self, id: str, owner: str | None = None, key: str | None = None) -> Told: ...

    @overload
    def release(
        self, id: list[str] | tuple[str, ...] | None = None, owner: str | None = None, key: str | None = None
    ) -> list[Told]: ...

    def release(self, id: Any = None, owner: str | None = None, key: str | None = None) -> Any:
        operation = key_or_new(key)
        return self._call(lambda study: study.release(id, owner, key=operation))

    def renew(self, owner: str) -> int:
        return self._call(lambda study: study.renew(owner))

    def heartbeat(self, owner: str | None = None, lease: float = LEASE) -> Heartbeat:
        """Return a heartbeat, which keeps the leases of an owner alive; to be used in a ``with``.

        ::

            with client.heartbeat(lease=60) as beat:
                candidate = client.ask_one(owner=beat.owner, lease=beat.lease)
        """
        return Heartbeat(self, owner, lease)

    def seed(
        self,
        observations: Sequence[Mapping[str, Any]] | str,
        key: str | None = None,
        out_of_bounds: Literal["raise", "skip"] = "raise",
    ) -> list[Seeded]:
        operation = key_or_new(key)
        return self._call(lambda study: study.seed(observations, key=operation, out_of_bounds=out_of_bounds))

    def best(self) -> BestPoint | None:
        return self._call(lambda study: study.best())

    def explain(self) -> Explanation:
        return self._call(lambda study: study.explain())

    def history(self, since: int | None = None) -> list[HistoryRow]:
        # An older actor takes no argument.
        return self._call(lambda study: study.history() if since is None else study.history(since))

    def pareto(self) -> list[HistoryRow]:
        return self._call(lambda study: study.pareto())

    def pending(self, owner: str | None = None) -> list[PendingRow]:
        return self._call(lambda study: study.pending(owner))

    def status(self) -> StudyStatus:
        return self._call(lambda study: study.status())

    def export(self) -> str:
        return self._call(lambda study: study.export())

    def run(self) -> Run:
        """Return the study so far as a :class:`.Run`, for reports.

        It makes one :meth:`export`, and asks the model in this process: the actor is free meanwhile.
        """
        return self._run_here(run_of_export, self.export(), self.name)

    def config(self) -> dict[str, Any]:
        return self._call(lambda study: study.config())

    def snapshot(self, since: Mapping[str, Any] | None = None) -> StudySnapshot | None:
        known = None if since is None else position_of(since)
        return self._call(lambda study: study.snapshot() if known is None else study.snapshot(known))

    def extend_budget(self, budget: int | None) -> int | None:
        return self._call(lambda study: study.extend_budget(budget))

    def stop(self, purge: bool = False) -> None:
        """End the study's actor, for everybody; returns when its name is free.

        An actor that does not answer because its process is frozen or its storage hangs is killed after ``patience``
        seconds; everything that was acknowledged is on its storage.

        Args:
            purge: delete the study from its storage; otherwise ``start`` with that ``storage_path`` continues it.

        Raises:
            StudyUnreachableError: it was killed, and could not be purged.
        """
        self._stop(purge)

    # What the asynchronous client does not have

    @property
    def aio(self) -> AsyncSolverClient:
        """The same study for async code: each method a coroutine."""
        return AsyncSolverClient(self.name, self._handle, self.patience)

    def batched(
        self, size: int = 32, delay: float = 0.1, owner: str | None = None, lease: float = LEASE
    ) -> BatchedClient:
        """Return a client that asks and tells in blocks, for many threads of this process; to be used in a ``with``.

        Args:
            size: candidates leased at once, and results sent at once; 1 to 4096.
            delay: seconds for which a result waits for others.
            owner: who holds the candidates; None for a name that nobody else has.
            lease: seconds until they go back to the pool when this process dies.
        """
        return BatchedClient(self, size, delay, owner, lease)

"""SolverClient: one study, called from any driver, task or actor of the cluster."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import ray
from ray.exceptions import ActorDiedError

from arqon_ray.core.run import Run
from arqon_ray.core.solver import ArqonSolver
from arqon_ray.errors import AskTimeoutError, StudyUnreachableError
from arqon_ray.service.async_client import AsyncSolverClient
from arqon_ray.service.batched import BatchedClient
from arqon_ray.service.calling import NAMESPACE, Retry, Slices, StudyReference, key_or_new, position_of, require_ray
from arqon_ray.service.heartbeat import LEASE, Heartbeat
from arqon_ray.service.pulse import answer

__all__ = ["NAMESPACE", "SolverClient", "require_ray"]


class SolverClient(StudyReference):
    """A study's actor, found by its name; ``start`` and ``connect`` return one.

    The methods are the actor's. A restart of the actor is no error here: a call is carried through it by Ray, and
    where Ray gives up it is repeated for ``patience`` seconds. A call that takes long is waited for as long as the
    actor answers a ping beside it. Where it does not, the call raises StudyUnreachableError after ``patience`` seconds,
    an ask too, whatever its ``timeout``. Each call that changes something has an operation id (``key``, made here when
    none is given), so that its effect happens once however often it is made. Any number of threads may use it. It
    pickles by name: pass it to tasks and actors.

    Args:
        name: the study's name.
        handle: the actor's handle, if it is at hand.
        patience: seconds for which a call that failed is repeated, from its first failure, and for which an actor is
            waited for that shows no sign of life; None for ever.
    """

    @property
    def aio(self) -> AsyncSolverClient:
        """The same study for async code: each method a coroutine."""
        return AsyncSolverClient(self.name, self._handle, self.patience)

    def batched(
        self, size: int = 32, delay: float = 0.1, owner: str | None = None, lease: float = LEASE
    ) -> BatchedClient:
        """Return a client that asks and tells in blocks, for many threads of this process; use it in a ``with``.

        Args:
            size: candidates leased at once, and results sent at once; 1 to 4096.
            delay: seconds for which a result waits for others.
            owner: who holds the candidates; None for a name that nobody else has.
            lease: seconds until they go back to the pool when this process dies.
        """
        return BatchedClient(self, size, delay, owner, lease)

    def _call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call the actor and wait for its answer, through restarts of it; see ``Retry``."""
        retry = Retry(self.patience)
        while True:
            try:
                handle = self.handle
                return answer(getattr(handle, method).remote(*args, **kwargs), self._pulse(handle))
            except Exception as error:
                pause = retry.pause_after(error)
            self._forget()
            time.sleep(pause)

    def ask_one(
        self,
        key: str | None = None,
        owner: str | None = None,
        lease: float | None = None,
        timeout: float | None = 30.0,
    ) -> dict[str, Any] | None:
        """Ask for one candidate.

        Args:
            key: the operation id; the same key is given the same candidate, always. Tune's trial id, for example.
            owner: who holds the candidate; a ``heartbeat`` of this owner keeps it.
            lease: seconds until the candidate goes back to the pool; by default 60 with an owner, 24 h without.
            timeout: seconds to wait while every candidate is held by somebody; None waits for ever.

        Returns:
            ``{"id": str, "params": dict}``, or None when the study is finished. With a ``note`` when a repeated key's
            candidate was told already or is held by somebody else now.

        Raises:
            AskTimeoutError: no candidate came free in time.
        """
        answer: dict[str, Any] | None = self._ask("ask_one", (), key, owner, lease, timeout)
        return answer

    def ask(
        self,
        n: int,
        key: str | None = None,
        owner: str | None = None,
        lease: float | None = None,
        timeout: float | None = 30.0,
    ) -> list[dict[str, Any]]:
        """Ask for up to ``n`` candidates (at most 4096); see ``ask_one``. An empty list means finished."""
        answer: list[dict[str, Any]] = self._ask("ask", (n,), key, owner, lease, timeout)
        return answer

    def _ask(
        self, method: str, args: tuple[Any, ...], key: str | None, owner: Any, lease: Any, timeout: float | None
    ) -> Any:
        """Ask in slices under one key, so that no call waits in the actor for long."""
        key, slices = key_or_new(key), Slices(timeout)
        while True:
            try:
                return self._call(method, *args, key=key, owner=owner, lease=lease, timeout=slices.next())
            except AskTimeoutError as error:
                slices.over(error)

    def place(
        self, params: Mapping[str, Any], key: str | None = None, owner: str | None = None, lease: float | None = None
    ) -> dict[str, Any] | None:
        """Hand out a point of the caller's own as the next candidate: it counts in the budget as any other.

        Args:
            params: the point, whole.
            key: the operation id; the same key is given the same candidate, always.
            owner: who holds the candidate.
            lease: seconds until the candidate goes back to the pool; as for ``ask_one``.

        Returns:
            ``{"id": str, "params": dict}``, or None when the budget is spent.

        Raises:
            ResultsError: the point does not fit the space.
        """
        answer: dict[str, Any] | None = self._call("place", params, key=key_or_new(key), owner=owner, lease=lease)
        return answer

    def tell(
        self,
        id: str | Mapping[str, Any] | Sequence[Mapping[str, Any]],
        value: Any = ...,
        cost: float = 1.0,
        key: str | None = None,
        **rest: Any,
    ) -> Any:
        """Tell a candidate's result, ``tell(id, value, cost=1.0)``, or many, ``tell([{"id", "value"}, ...])``.

        Args:
            id: a candidate's id, or a list of dicts with ``id``, ``value`` and optionally ``cost``, ``status``
                ("complete" or "failed"), ``step`` and ``reason``; with several objectives ``values``, a list, in
                place of ``value``.
            value: of one candidate; None, NaN and infinities mean a failed evaluation.
            cost: of one candidate's evaluation, in the user's units.
            key: the operation id.
            **rest: ``status``, ``step`` and ``reason`` of one candidate.

        Returns:
            ``{"id", "accepted"}``, or a list of them for a list; with a ``note`` where a result was not accepted.

        Raises:
            ResultsError: an entry is malformed; nothing was taken.
            UnknownCandidateError: an id was never handed out; nothing was taken.
        """
        return self._call("tell", id, value, cost, key=key_or_new(key), **rest)

    def report(self, id: str, step: int, value: float) -> dict[str, Any]:
        """Report an intermediate value of a candidate's evaluation; answers as ``tell``."""
        answer: dict[str, Any] = self._call("report", id, step, value)
        return answer

    def fail(self, id: str, reason: str | None = None, key: str | None = None) -> dict[str, Any]:
        """Tell that a candidate's evaluation failed, and why; answers as ``tell``."""
        answer: dict[str, Any] = self._call("fail", id, reason, key=key_or_new(key))
        return answer

    def release(self, id: str | Sequence[str] | None = None, owner: str | None = None, key: str | None = None) -> Any:
        """Give candidates back unevaluated; they are handed out again when nothing fresh is left.

        Args:
            id: one id or a list of them; None for all that ``owner`` holds.
            owner: only what this owner holds is released.
            key: the operation id.

        Returns:
            ``{"id", "accepted"}``, or a list of them; with a ``note`` where a candidate was not released.
        """
        return self._call("release", id, owner, key=key_or_new(key))

    def renew(self, owner: str) -> int:
        """Give all that an owner holds its full lease again; returns how many candidates that is."""
        return int(self._call("renew", owner))

    def heartbeat(self, owner: str | None = None, lease: float = LEASE) -> Heartbeat:
        """Return a thread that keeps the leases of an owner alive, to be used in a ``with``.

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
    ) -> list[dict[str, Any]]:
        """Give points from outside: dicts (or their JSON) with ``params``, ``value`` and optionally ``cost``.

        Rows of ``history()``, ``best()`` and ``pareto()``, of this or another study, are taken as they are: the ids in
        them are where they came from, never candidates of this study.

        Args:
            observations: the points with their values.
            key: the operation id.
            out_of_bounds: ``skip`` passes rows over whose parameters lie outside the space, such as old results in a
                range that was narrowed; ``raise`` refuses the list.

        Returns:
            One dict a row: ``id``, ``accepted`` and, for a row that was skipped, a ``note`` that says why.

        Raises:
            OutOfBoundsError: a row lies outside the space; nothing was taken.
            ResultsError: any row is malformed; nothing was taken.
        """
        hold = {"key": key_or_new(key), "out_of_bounds": out_of_bounds}
        answer: list[dict[str, Any]] = self._call("seed", observations, **hold)
        return answer

    def best(self) -> dict[str, Any] | None:
        """Return the recommended point (id, params, value, predicted); None before any value."""
        answer: dict[str, Any] | None = self._call("best")
        return answer

    def history(self) -> list[dict[str, Any]]:
        """Return all observations in the order in which they were told: id, params, value, cost, status."""
        answer: list[dict[str, Any]] = self._call("history")
        return answer

    def pareto(self) -> list[dict[str, Any]]:
        """Return the observations that no other one beats in all objectives, as ``history`` has them.

        Raises:
            ConfigError: the study has a single objective.
        """
        answer: list[dict[str, Any]] = self._call("pareto")
        return answer

    def pending(self, owner: str | None = None) -> list[dict[str, Any]]:
        """Return the candidates that are held, by ``owner`` or by anybody: id, params, owner, key."""
        answer: list[dict[str, Any]] = self._call("pending", owner)
        return answer

    def status(self) -> dict[str, Any]:
        """Return how the study stands: state, epoch, restarts, pid, node, counts, budget, phase, strategy, best, ..."""
        answer: dict[str, Any] = self._call("status")
        return answer

    def export(self) -> str:
        """Return the solver's state as JSON, for ``ArqonSolver.from_state``."""
        return str(self._call("export"))

    def run(self) -> Run:
        """Return what has become of the study so far, for reports.

        It costs one :meth:`export` and its restoration here, where the model is asked too: the actor goes on meanwhile.
        """
        return ArqonSolver.from_state(self.export()).run(self.name)

    def config(self) -> dict[str, Any]:
        """Return the config as a dict, with the budget in force; it costs the same however long the study is."""
        answer: dict[str, Any] = self._call("config")
        return answer

    def snapshot(self, since: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """Return what ``start(snapshot=...)`` can begin this study from elsewhere.

        Args:
            since: an earlier snapshot, or a dict of its ``uuid`` and ``seq``.

        Returns:
            ``{"uuid", "seq", "export", "storage_path"}``: which study, at which record, and where its journal lies.
            None when nothing was written to the log since the earlier one, which is as good then.
        """
        answer: dict[str, Any] | None = self._call("snapshot", *(() if since is None else (position_of(since),)))
        return answer

    def extend_budget(self, budget: int | None) -> int | None:
        """Set a larger budget, None for no limit; returns the budget in force."""
        answer: int | None = self._call("extend_budget", budget)
        return answer

    def stop(self, purge: bool = False) -> None:
        """End the study's actor, for everybody; returns when its name is free.

        An actor that does not answer, because its process is frozen or its storage hangs, is killed after
        ``patience`` seconds; what was acknowledged lies on its storage.

        Args:
            purge: delete the study from its storage; otherwise ``start`` with that ``storage_path`` continues it.

        Raises:
            StudyUnreachableError: it was killed, and could not be purged.
        """
        handle, retry = self.handle, Retry(self.patience)
        killed: StudyUnreachableError | None = None
        while True:
            try:
                answer(handle.stop.remote(purge), self._pulse(handle))
            except ActorDiedError:
                break
            except StudyUnreachableError as error:
                ray.kill(handle, no_restart=True)
                killed = error if purge else None
                break
            except Exception as error:
                time.sleep(retry.pause_after(error))
            else:
                break
        self._forget()
        for pause in self._until_gone(handle):
            time.sleep(pause)
        if killed is not None:
            raise killed

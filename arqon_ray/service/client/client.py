"""SolverClient: one study, called from any driver, task or actor of the cluster."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Unpack

import ray
from ray.exceptions import ActorDiedError

from arqon_ray.core.export.exported import run_of_export
from arqon_ray.core.record.run import Run
from arqon_ray.deprecation import warn_deprecated
from arqon_ray.errors import AskTimeoutError, StudyUnreachableError
from arqon_ray.service.client.async_client import AsyncSolverClient
from arqon_ray.service.client.batched import BatchedClient
from arqon_ray.service.client.heartbeat import LEASE, Heartbeat
from arqon_ray.service.client.older_actors import lacked, outdated, submit
from arqon_ray.service.client.pulse import answer
from arqon_ray.service.client.retry import (
    NAMESPACE,
    Retry,
    Slices,
    StudyReference,
    key_or_new,
    position_of,
    report_arguments,
    require_ray,
)
from arqon_ray.service.told import Told

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
                return answer(submit(handle, method, args, kwargs), self._pulse(handle))
            except Exception as error:
                lacking = lacked(error, method, kwargs)
                if lacking is None:
                    pause = retry.pause_after(error)
            if lacking is not None:
                self._forget()
                raise outdated(self.name, lacking, {} if method == "status" else self.status())
            self._forget()
            time.sleep(pause)

    def ask_one(
        self,
        key: str | None = None,
        owner: str | None = None,
        lease: float | None = None,
        timeout: float | None = 30.0,
        params: Mapping[str, Any] | None = None,
    ) -> dict[str, Any] | None:
        """Ask for one candidate.

        Args:
            key: the operation id; the same key is given the same candidate, always. Tune's trial id, for example.
            owner: who holds the candidate; a ``heartbeat`` of this owner keeps it.
            lease: seconds until the candidate goes back to the pool; by default 60 with an owner, 24 h without.
            timeout: seconds to wait while every candidate is held by somebody; None waits for ever.
            params: a point of the caller's own, whole, to be the candidate: it counts in the budget as any other.

        Returns:
            ``{"id": str, "params": dict}``, or None when the study is finished; with ``params``, when the budget is
            spent. With a ``note`` when a repeated key's
            candidate was told already or is held by somebody else now.

        Raises:
            AskTimeoutError: no candidate came free in time.
            ResultsError: ``params`` do not fit the space.
        """
        answer: dict[str, Any] | None
        if params is not None:  # by the call that actors of 0.1.0 have too
            answer = self._call("place", dict(params), key=key_or_new(key), owner=owner, lease=lease)
        else:
            answer = self._ask("ask_one", (), key, owner, lease, timeout)
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
        """Do as ``ask_one(params=params, ...)``; deprecated since 0.2.0."""
        warn_deprecated("place()", since="0.2.0", removed="0.4.0", instead="ask_one(params=...)")
        return self.ask_one(key, owner, lease, params=params)

    def enqueue(
        self, params: Mapping[str, Any] | Sequence[Mapping[str, Any]], key: str | None = None
    ) -> list[dict[str, Any]]:
        """Put a point, or a list of them, before the solver's own: the next asks of anybody are given them, each once.

        They count in the budget when they are handed out, and ``status()["counts"]["enqueued"]`` says how many wait.

        Args:
            params: native values of some or all parameters, what is left out is completed; or a list of such dicts.
            key: the operation id.

        Returns:
            The whole points.

        Raises:
            ResultsError: a point does not fit the space; nothing was enqueued.
        """
        points = [dict(params)] if isinstance(params, Mapping) else params
        answer: list[dict[str, Any]] = self._call("enqueue", points, key=key_or_new(key))
        return answer

    def tell(
        self,
        id: str | Mapping[str, Any] | Sequence[Mapping[str, Any]],
        value: Any = ...,
        cost: float = 1.0,
        key: str | None = None,
        **rest: Unpack[Told],
    ) -> Any:
        """Tell a candidate's result, or many.

        ::

            client.tell(id, 0.25)
            client.tell(id, 0.25, metrics={"loss": 0.25, "size": 12}, seconds=81.5)
            client.tell(id, metrics={"loss": 0.25, "size": 12})  # where the config has "metric": "loss"
            client.tell([{"id": id, "value": 0.25, "metrics": {...}}, ...])

        Args:
            id: a candidate's id, or a list of dicts with ``id``, ``value`` and the keys of ``rest``.
            value: of one candidate; None, NaN and infinities mean a failed evaluation. With several objectives give
                ``values``, a list, in its place; with ``metrics`` and a config that names its metric give neither.
            cost: of one candidate's evaluation, in the user's units.
            key: the operation id.
            **rest: what else is known of one candidate's evaluation: ``metrics``, ``status``, ``step``, ``steps``,
                ``started``, ``ended``, ``seconds``, ``node``, ``pid``, ``error`` or ``reason``, ``attempt``; see
                :class:`~arqon_ray.service.told.Told`.

        Returns:
            ``{"id", "accepted"}``, or a list of them for a list; with a ``note`` where a result was not accepted.

        Raises:
            ResultsError: an entry is malformed, or failed of what says nothing about its point (a lost node); nothing
                was taken.
            UnknownCandidateError: an id was never handed out; nothing was taken.
        """
        return self._call("tell", id, value, cost, key=key_or_new(key), **rest)

    def report(
        self,
        id: str | Mapping[str, Any] | Sequence[Mapping[str, Any]],
        step: Any = ...,
        value: Any = ...,
        metrics: Mapping[str, Any] | None = None,
    ) -> Any:
        """Report an intermediate result of a candidate's evaluation, or many; answers as ``tell``.

        At most 1000 of an evaluation are kept, evenly thinned. One of a step that was reported before replaces it.

        Args:
            id: the candidate's; or a list of dicts with ``id``, ``step``, ``value`` and optionally ``metrics`` and
                ``time`` (seconds since 1970, by default when the study takes it).
            step: how far the evaluation has come, 0 or more.
            value: what it is worth by then; one that is not finite says nothing to the model.
            metrics: what else is known; the evaluation has the last ones.

        Raises:
            ResultsError: a report is malformed; none was taken.
            UnknownCandidateError: an id was never handed out; none was taken.
        """
        return self._call("report", *report_arguments(id, step, value, metrics))

    def retract(self, id: str, reason: str | None = None, key: str | None = None) -> dict[str, Any]:
        """Take a candidate's result back, since it was wrong: the model and the history forget it, the log does not.

        The candidate is not handed out again, and counts in the budget as before. It may be told again, which is how a
        wrong result is corrected.

        Args:
            id: the candidate's.
            reason: why; the log keeps it.
            key: the operation id.

        Returns:
            ``{"id", "accepted"}``; with a ``note`` where there was no result to take back.

        Raises:
            UnknownCandidateError: the id was never handed out.
        """
        answer: dict[str, Any] = self._call("retract", id, reason, key=key_or_new(key))
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

    def history(self, since: int | None = None) -> list[dict[str, Any]]:
        """Return what was told, in the order in which it was; or what is new.

        ::

            rows = client.history()
            while running:
                rows += client.history(since=rows[-1]["seq"] if rows else 0)

        Args:
            since: only what was told after the log's record of this number: the last row's ``seq``, or that of
                ``status()``. A result that was retracted since then is not told of: ``status()["counts"]["retracted"]``
                has grown then.

        Returns:
            One dict a result, see ``Evaluation.to_dict``, and ``seq``: the number of the record that brought it.
        """
        answer: list[dict[str, Any]] = self._call("history", *(() if since is None else (since,)))
        return answer

    def pareto(self) -> list[dict[str, Any]]:
        """Return the observations that no other one beats in all objectives, as ``history`` has them.

        Raises:
            ConfigError: the study has a single objective.
        """
        answer: list[dict[str, Any]] = self._call("pareto")
        return answer

    def pending(self, owner: str | None = None) -> list[dict[str, Any]]:
        """Return the evaluations that run, of ``owner`` or of anybody.

        Returns:
            One dict each, see ``Evaluation.to_dict``: ``steps`` and ``metrics`` are what it has reported so far. Beside
            that ``owner``, and the ``key`` of its ask.
        """
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
        return run_of_export(self.export(), self.name)

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

"""The study that the cluster's actor serves, as a searcher needs it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import ray

from arqon_ray.core.config import StudyConfig, load_config
from arqon_ray.core.export import state
from arqon_ray.core.record.evaluation import Evaluation, Step
from arqon_ray.core.record.run import Run
from arqon_ray.core.solver import ArqonSolver
from arqon_ray.errors import AskTimeoutError, StateError
from arqon_ray.service import SolverClient
from arqon_ray.service.calls import StudyCalls
from arqon_ray.tune.study.asks import FRESH, Asks
from arqon_ray.tune.study.call_queue import Call, once, telling
from arqon_ray.tune.study.connection import Connection
from arqon_ray.tune.study.ticket import Ticket, entry

logger = logging.getLogger(__name__)

_FLUSH_WITHIN = 30.0


class SharedStudy:
    """One searcher's share of a study; its trials' candidates are leased as long as this process lives.

    It is pickled and kept by name. Nothing is called before the first ask or result; see
    :class:`~arqon_ray.tune.study.connection.Connection` for what happens then. Nothing else changes the live study.

    Attributes:
        finished: whether the last ask returned None because there will never be a candidate again.
        full: whether the last point was refused because the budget is spent.
    """

    def __init__(self, client: SolverClient, config: StudyConfig, kept: Mapping[str, Any] | None = None) -> None:
        """Attach to a study; :func:`arqon_ray.tune.study.attach.attach` finds it.

        Args:
            client: the study.
            config: its config.
            kept: the :meth:`state` of the process that is continued.
        """
        self.config = config
        self.finished = self.full = False
        self.name = client.name
        self.solver = client
        self._keys: dict[str, str] = {} if kept is None else dict(kept["keys"])
        self._connection = Connection(client, kept, self._keys)
        self._asks = Asks(self._connection.id, {} if kept is None else kept.get("asks", {}))
        self._open: Future[list[tuple[str, Any]]] | None = None
        # Snapshot and storage path; together, since the thread that writes a checkpoint replaces them.
        self._copy: tuple[Any, str | None] = (
            (None, None) if kept is None else (kept.get("snapshot"), kept.get("storage_path"))
        )

    # Candidates

    def ask(self, key: str, patience: float, point: Mapping[str, Any] | None = None) -> Ticket | None:
        """Return a candidate; see :mod:`.asks` for what becomes of an answer that is late.

        Args:
            key: the trial's id.
            patience: seconds to wait.
            point: the params of the user's own point, which becomes the candidate.

        Raises:
            ArqonError: if the study is refused, is gone, or has not answered for :data:`.connection.PATIENCE` seconds.
        """
        if point is None:
            return self._answer(FRESH, key, patience, None)[1]
        answered, ticket = self._answer(f"the point {sorted(point.items())!r}", key, patience, point)
        if not answered:
            self.full = False
        self.finished = False
        return ticket

    def _answer(
        self, purpose: str, trial: str, patience: float, point: Mapping[str, Any] | None
    ) -> tuple[bool, Ticket | None]:
        """Return whether the study gave its final answer, and the candidate, if it gave one."""
        connection = self._connection
        if connection.fault is not None:
            raise connection.fault
        key, future = self._asks.answer_to(purpose, trial, lambda key: connection.ask_candidate(key, point))
        if not _done(future, patience):
            connection.check_patience()
            self.finished = False
            return False, None
        self._asks.close(purpose)
        try:
            answer = future.result()
        except AskTimeoutError:
            return False, None
        if connection.fault is not None:  # an earlier call failed
            raise connection.fault
        self.finished = self.full = answer is None
        if answer is None:
            return True, None
        if "note" in answer:  # it is another owner's by now; the next ask is a new one
            return False, None
        self._keys[answer["id"]] = key
        return True, Ticket(answer["id"], dict(answer["params"]))

    def match(self, key: str, params: Mapping[str, Any], patience: float | None = None) -> Ticket | None:
        """Return the candidate of a trial that is missing from the checkpoint: the one with its params, or a new one.

        Args:
            key: the trial's id.
            params: what it evaluates.
            patience: seconds to wait; None for half a minute.

        Returns:
            None if the study has not answered yet: call it again.

        Raises:
            ArqonError: as :meth:`ask`.
        """
        patience = _FLUSH_WITHIN if patience is None else patience
        if self._open is None:
            self._open = self._connection.ask(Call(_candidates_without_result))
        if not _done(self._open, patience):
            self._connection.check_patience()
            return None
        candidates = [] if self._open.exception() is not None else self._open.result()
        for index, (number, found) in enumerate(candidates):
            if found == params and number not in self._keys:
                del candidates[index]
                return Ticket(number, dict(params))
        answered, ticket = self._answer(_trial(key), key, patience, params)
        return ticket or (Ticket(None, dict(params)) if answered else None)

    def forget(self, key: str) -> None:
        """Release what :meth:`match` may still get for a trial, which Tune has ended meanwhile."""
        future = self._asks.close(_trial(key))
        if future is not None:
            future.add_done_callback(self._release_answer)

    def _release_answer(self, future: Future[Any]) -> None:
        answer = None if future.exception() is not None else future.result()
        if answer is not None and "note" not in answer:
            self._connection.send(once("release", answer["id"], self._connection.owner))

    # Results

    def report(self, ticket: Ticket, step: Step) -> None:
        """Send an intermediate value."""
        if ticket.id is not None:
            self._connection.send(telling("report", [{"id": ticket.id, **step._asdict()}]))

    def end(self, evaluation: Evaluation) -> None:
        """Send the evaluation."""
        if evaluation.id is None:
            self.seed([entry(evaluation)])
            return
        self._keys.pop(evaluation.id, None)
        self._connection.send(once("tell", [entry(evaluation)]))

    def release(self, ticket: Ticket) -> None:
        """Give the candidate back."""
        if ticket.id is not None:
            self._keys.pop(ticket.id, None)
            self._connection.send(once("release", ticket.id, self._connection.owner))

    def seed(self, observations: Sequence[Mapping[str, Any]]) -> None:
        """Send points with their values."""
        self._connection.send(once("seed", [dict(observation) for observation in observations]))

    def leave(self) -> None:
        """Give back all that is held and stop the heartbeat; the next call connects again."""
        if not self._connection.open:
            return
        self._asks.clear()
        self._open = None
        self._keys.clear()
        released = self._connection.ask(once("release", owner=self._connection.owner))
        if not _done(released, _FLUSH_WITHIN):
            logger.warning("the study %r does not answer: this process keeps trying as long as it lives", self.name)
            return
        self._connection.close()

    def run(self, known: Mapping[str, Any]) -> Run:
        """Return the whole study as a run; outside of a cluster, as of the last snapshot.

        Raises:
            StateError: if there is neither.
        """
        if ray.is_initialized():
            return replace(self.solver.run(), **known)
        snapshot, _ = self._copy
        if snapshot is None:
            raise StateError(
                f"the study {self.name!r} is in a cluster to which this process is not connected: call ray.init(...) "
                "first, or open the study's journal"
            )
        return ArqonSolver.from_state(snapshot["export"]).run(self.name, **known)

    # Checkpoints

    @property
    def small(self) -> bool:
        """Never: the study's snapshot has to come from the actor."""
        return False

    def keep(self) -> Callable[[], dict[str, Any]]:
        """Capture what a checkpoint keeps, as of now; the function that is returned completes it, in any thread.

        It includes a snapshot of the study, for a cluster in which nothing is left of it. The actor takes one when all
        earlier calls have arrived, unless nothing changed since the last one. The function waits for it, for at most
        half a minute; calls that have not arrived by then are kept.
        """
        kept, connection = self.state(), self._connection
        if not connection.open:
            return lambda: kept
        since = self._copy[0]
        snapshot = connection.ask(Call(lambda study: study.snapshot() if since is None else study.snapshot(since)))

        def complete() -> dict[str, Any]:
            if _done(snapshot, _FLUSH_WITHIN) and snapshot.exception() is None and snapshot.result() is not None:
                plain = dict(snapshot.result())
                self._copy = plain, plain.pop("storage_path", None)
            under_way = {id(call) for call in connection.unsent()}
            unsent = [call for call in kept["unsent"] if id(call) in under_way]
            if unsent:
                logger.warning(
                    "%d results have not reached the study %r yet; the checkpoint keeps them", len(unsent), self.name
                )
            return {**kept, **self._kept_copy(), "unsent": unsent}

        return complete

    def flush(self) -> None:
        """Wait until all calls have arrived, at most half a minute."""
        self.keep()()

    def state(self) -> dict[str, Any]:
        """Return name, config, and what a new process needs to take the candidates over."""
        connection = self._connection
        if connection.continued is not None:
            return dict(connection.continued)
        kept = {"kind": "shared", "name": self.name, "config": self.config.to_dict(), "id": connection.id}
        held = {"owner": connection.owner, "keys": dict(self._keys), "asks": self._asks.keys()}
        return {**kept, **self._kept_copy(), **held, "unsent": connection.unsent()}

    def _kept_copy(self) -> dict[str, Any]:
        snapshot, path = self._copy
        return {"snapshot": snapshot, "storage_path": path}

    @classmethod
    def restored(cls, kept: Mapping[str, Any]) -> SharedStudy:
        """Continue from what :meth:`state` returned; the first ask raises if the study cannot be found or served."""
        return cls(SolverClient(kept["name"]), load_config(kept["config"]), kept)

    def __reduce__(self) -> tuple[Any, ...]:
        return SharedStudy.restored, (self.state(),)


def _done(future: Future[Any], timeout: float) -> bool:
    """Tell whether a future gets its answer or error within ``timeout`` seconds."""
    try:
        future.exception(timeout)
    except TimeoutError:
        return False
    return True


def _trial(key: str) -> str:
    """Return the purpose of an ask for a trial that is missing from the checkpoint."""
    return f"the trial {key}"


def _candidates_without_result(study: StudyCalls) -> list[tuple[str, Any]]:
    """Return id and params of the candidates that are pending or withdrawn."""
    snapshot = study.snapshot()
    document = {"pending": [], "withdrawn": []} if snapshot is None else state.parse(snapshot["export"])
    return [(str(row["number"]), row["params"]) for row in (*document["pending"], *document["withdrawn"])]

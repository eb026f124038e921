"""The searcher's view of the study that the cluster's actor serves."""

from __future__ import annotations

import logging
import uuid
import weakref
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
from arqon_ray.errors import ArqonError, AskTimeoutError, StateError
from arqon_ray.service import Heartbeat, SolverClient
from arqon_ray.service.calls import StudyCalls
from arqon_ray.tune.study.asks import FRESH, Asks
from arqon_ray.tune.study.attach import reattach
from arqon_ray.tune.study.call_queue import Call, Courier, Kept, call_of, once, telling
from arqon_ray.tune.study.ticket import Ticket, entry

logger = logging.getLogger(__name__)

PATIENCE = 600.0
"""Seconds without any answer of the actor after which the run ends."""

_FLUSH_WITHIN = 30.0


class SharedStudy:
    """One searcher's share of a study: what its trials hold lives as long as this process beats.

    It is pickled and kept by name. Nothing happens before the first call; then, where it continues a former
    process, the study is found again (or begun from the checkpoint where nothing is left of it), the results that had
    not arrived are sent again, the trials' candidates are leased to this process, and what the former one held
    besides goes back. The live study is never changed otherwise.

    Attributes:
        finished: whether the last ask came back empty because there will never be a candidate again.
        full: whether the last point that was to be placed came back because the budget is spent.
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
        self._kept = kept
        self._id: str = uuid.uuid4().hex if kept is None else kept["id"]
        self._owner = f"tune-{self._id}-{uuid.uuid4().hex[:8]}"
        self._keys: dict[str, str] = {} if kept is None else dict(kept["keys"])
        self._asks = Asks(self._id, {} if kept is None else kept.get("asks", {}))
        self._open: Future[list[tuple[str, Any]]] | None = None
        self._fault: Exception | None = None
        self._courier: Courier | None = None
        self._lease: float | None = None
        self._rest: Callable[[], object] | None = None
        # Together, since the thread that writes a checkpoint replaces them.
        self._copy: tuple[Any, str | None] = (
            (None, None) if kept is None else (kept.get("snapshot"), kept.get("storage_path"))
        )

    def _going(self) -> Courier:
        """Return the courier, begun together with the heartbeat at the first call."""
        if self._courier is None:
            kept, self._kept = self._kept, None
            self._courier = Courier(self.solver, None if kept is None else Call(lambda _: reattach(kept)))
            beat = Heartbeat(self.solver, self._owner)
            self._lease = beat.lease
            self._rest = weakref.finalize(self, _stop, self._courier, beat.start())
            if kept is not None:
                self._take_over(kept)
        return self._courier

    def _take_over(self, kept: Mapping[str, Any]) -> None:
        for call in kept["unsent"]:
            self._send(call_of(call))
        for number, key in self._keys.items():
            self._going().send(self._ask_call(key)).add_done_callback(self._expect(number))
        self._send(once("release", owner=kept["owner"]))

    def _ask_call(self, key: str) -> Call:
        owner, lease = self._owner, self._lease
        return Call(lambda study: study.ask_one(key=key, owner=owner, lease=lease, timeout=0.0))

    def ask(self, key: str, patience: float, point: Mapping[str, Any] | None = None) -> Ticket | None:
        """Return a candidate; see :mod:`.asks` for what becomes of an answer that is late.

        Args:
            key: the trial's id.
            patience: seconds to wait.
            point: the params of the user's own point, which is to be the candidate.

        Raises:
            ArqonError: when the study refuses, is gone, or has not answered for :data:`PATIENCE` seconds.
        """
        if point is None:
            answered, ticket = self._answer(FRESH, key, patience, None)
            return ticket
        answered, ticket = self._answer(f"the point {sorted(point.items())!r}", key, patience, point)
        if not answered:
            self.full = False
        self.finished = False
        return ticket

    def _answer(
        self, purpose: str, trial: str, patience: float, point: Mapping[str, Any] | None
    ) -> tuple[bool, Ticket | None]:
        """Return whether the study has answered for good, and the candidate, if it gave one."""
        courier = self._going()
        if self._fault is not None:
            raise self._fault
        call = self._ask_call if point is None else lambda key: self._place_call(key, point)
        key, future = self._asks.answer_to(purpose, trial, lambda key: courier.send(call(key)))
        if not _done(future, patience):
            self._check_patience(courier)
            self.finished = False
            return False, None
        self._asks.close(purpose)
        try:
            answer = future.result()
        except AskTimeoutError:
            return False, None
        if self._fault is not None:  # a call that was made before this one failed
            raise self._fault
        self.finished = self.full = answer is None
        if answer is None:
            return True, None
        if "note" in answer:  # it is somebody else's by now; the next ask is another one
            return False, None
        self._keys[answer["id"]] = key
        return True, Ticket(answer["id"], dict(answer["params"]))

    def _place_call(self, key: str, point: Mapping[str, Any]) -> Call:
        owner, lease, params = self._owner, self._lease, dict(point)
        return Call(lambda study: study.ask_one(key=key, owner=owner, lease=lease, params=params))

    def _check_patience(self, courier: Courier) -> None:
        seconds, error = courier.trouble()
        if seconds > PATIENCE:
            raise ArqonError(
                f"the study {self.name!r} has not answered for {seconds:.0f} s ({error}): see whether its actor's node "
                "is alive; Tuner.restore continues this run"
            )

    def match(self, key: str, params: Mapping[str, Any], patience: float | None = None) -> Ticket | None:
        """Return the candidate of a trial that the checkpoint did not know yet: the one with its params, or a new one.

        Args:
            key: the trial's id.
            params: what it evaluates.
            patience: seconds to wait; None for half a minute.

        Returns:
            None when the study has not answered yet: match it again.

        Raises:
            ArqonError: as :meth:`ask`.
        """
        patience = _FLUSH_WITHIN if patience is None else patience
        courier = self._going()
        if self._open is None:
            self._open = courier.send(Call(_candidates_without_result))
        if not _done(self._open, patience):
            self._check_patience(courier)
            return None
        candidates = [] if self._open.exception() is not None else self._open.result()
        for place, (number, found) in enumerate(candidates):
            if found == params and number not in self._keys:
                del candidates[place]
                return Ticket(number, dict(params))
        answered, ticket = self._answer(_trial(key), key, patience, params)
        return ticket or (Ticket(None, dict(params)) if answered else None)

    def forget(self, key: str) -> None:
        """Give back what :meth:`match` may still be given for a trial, which Tune has ended meanwhile."""
        future = self._asks.close(_trial(key))
        if future is not None:
            future.add_done_callback(self._release_answer)

    def _release_answer(self, future: Future[Any]) -> None:
        answer = None if future.exception() is not None else future.result()
        if answer is not None and "note" not in answer:
            self._send(once("release", answer["id"], self._owner))

    def report(self, ticket: Ticket, step: Step) -> None:
        """Send an intermediate value."""
        if ticket.id is not None:
            self._send(telling("report", [{"id": ticket.id, **step._asdict()}]))

    def end(self, evaluation: Evaluation) -> None:
        """Send the evaluation."""
        if evaluation.id is None:
            self.seed([entry(evaluation)])
            return
        self._keys.pop(evaluation.id, None)
        self._send(once("tell", [entry(evaluation)]))

    def release(self, ticket: Ticket) -> None:
        """Give the candidate back."""
        if ticket.id is not None:
            self._keys.pop(ticket.id, None)
            self._send(once("release", ticket.id, self._owner))

    def seed(self, observations: Sequence[Mapping[str, Any]]) -> None:
        """Send points with their values."""
        self._send(once("seed", [dict(observation) for observation in observations]))

    def leave(self) -> None:
        """Give back all that is held, and beat no more; the next call begins anew."""
        if self._courier is None or self._rest is None:
            return
        self._asks.clear()
        self._open = None
        self._keys.clear()
        released = self._courier.send(once("release", owner=self._owner))
        if not _done(released, _FLUSH_WITHIN):
            logger.warning("the study %r does not answer: this process goes on trying while it lives", self.name)
            return
        self._rest()
        self._courier = None

    def run(self, known: Mapping[str, Any]) -> Run:
        """Return the run of the whole study; without a cluster as of the last snapshot.

        Raises:
            StateError: when there is neither.
        """
        if ray.is_initialized():
            return replace(self.solver.run(), **known)
        snapshot, _ = self._copy
        if snapshot is None:
            raise StateError(
                f"the study {self.name!r} is in a cluster, and this process in none: ray.init(...) first, or open the "
                "study's journal"
            )
        return ArqonSolver.from_state(snapshot["export"]).run(self.name, **known)

    def flush(self) -> None:
        """Wait until everything has arrived, at most half a minute."""
        self.keep()()

    @property
    def small(self) -> bool:
        """Never: the study's snapshot has to come from the actor."""
        return False

    def keep(self) -> Callable[[], dict[str, Any]]:
        """Take down what a checkpoint keeps, as of now; what is returned completes it, in any thread.

        It keeps a snapshot of the study too, for a cluster in which nothing is left of it. The actor makes one when
        all that was passed on before has arrived, unless nothing happened since the last one; that is waited for, at
        most half a minute. What has not arrived by then is kept.
        """
        kept, courier = self.state(), self._courier
        if courier is None:
            return lambda: kept
        since = self._copy[0]
        snapshot = courier.send(Call(lambda study: study.snapshot() if since is None else study.snapshot(since)))

        def complete() -> dict[str, Any]:
            if _done(snapshot, _FLUSH_WITHIN) and snapshot.exception() is None and snapshot.result() is not None:
                plain = dict(snapshot.result())
                self._copy = plain, plain.pop("storage_path", None)
            under_way = {id(call.kept) for call in courier.undelivered()}
            unsent = [call for call in kept["unsent"] if id(call) in under_way]
            if unsent:
                logger.warning(
                    "%d results have not reached the study %r yet; the checkpoint keeps them", len(unsent), self.name
                )
            return {**kept, **self._kept_copy(), "unsent": unsent}

        return complete

    def _unsent(self) -> list[Kept]:
        calls = self._courier.undelivered() if self._courier is not None else []
        return [call.kept for call in calls if call.kept is not None]

    def _send(self, call: Call) -> None:
        self._going().send(call).add_done_callback(self._note_fault)

    def _note_fault(self, future: Future[Any]) -> None:
        """Keep what no waiting can mend for the next ask: raised anywhere else it would cost Tune's trials."""
        error = future.exception()
        if isinstance(error, Exception):
            self._fault = self._fault or error

    def state(self) -> dict[str, Any]:
        """Return name, config, and what a new process needs to take the candidates over."""
        if self._courier is None and self._kept is not None:
            return dict(self._kept)
        kept = {"kind": "shared", "name": self.name, "config": self.config.to_dict(), "id": self._id}
        held = {"owner": self._owner, "keys": dict(self._keys), "asks": self._asks.keys()}
        return {**kept, **self._kept_copy(), **held, "unsent": self._unsent()}

    def _kept_copy(self) -> dict[str, Any]:
        snapshot, place = self._copy
        return {"snapshot": snapshot, "storage_path": place}

    @classmethod
    def restored(cls, kept: Mapping[str, Any]) -> SharedStudy:
        """Take up what :meth:`state` kept; what is wrong with the study now is raised by the first ask."""
        return cls(SolverClient(kept["name"]), load_config(kept["config"]), kept)

    def __reduce__(self) -> tuple[Any, ...]:
        return SharedStudy.restored, (self.state(),)

    def _expect(self, number: str) -> Any:
        def check(future: Future[Any]) -> None:
            error = future.exception()
            if isinstance(error, Exception) and not isinstance(error, AskTimeoutError):
                self._fault = self._fault or error
                return
            answer = None if error else future.result()
            if answer is None or answer["id"] != number:
                found = error or (answer and answer["id"])
                self._fault = self._fault or StateError(
                    f"the study {self.name!r} does not know candidate {number!r} of this run any more ({found!r}): "
                    "it is another study than the one that this run was attached to"
                )

        return check


def _done(future: Future[Any], timeout: float) -> bool:
    """Tell whether a future has its answer or error within so many seconds."""
    try:
        future.exception(timeout)
    except TimeoutError:
        return False
    return True


def _trial(key: str) -> str:
    """Return the purpose of an ask for a trial that the checkpoint did not know."""
    return f"the trial {key}"


def _candidates_without_result(client: StudyCalls) -> list[tuple[str, Any]]:
    """Return id and params of the candidates in flight or taken back."""
    snapshot = client.snapshot()
    document = {"pending": [], "withdrawn": []} if snapshot is None else state.parse(snapshot["export"])
    return [(str(row["number"]), row["params"]) for row in (*document["pending"], *document["withdrawn"])]


def _stop(courier: Courier, beat: Heartbeat) -> None:
    courier.close()
    beat.stop()

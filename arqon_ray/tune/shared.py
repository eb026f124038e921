"""The searcher's view of the study that the cluster's actor serves."""

from __future__ import annotations

import logging
import time
import uuid
import weakref
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from arqon_ray.core import state
from arqon_ray.core.config import StudyConfig, identity, load_config
from arqon_ray.errors import ArqonError, AskTimeoutError, IdentityError, StateError, StudyNotFoundError
from arqon_ray.service import Heartbeat, SolverClient, connect, start
from arqon_ray.tune.courier import Call, Courier, once
from arqon_ray.tune.outcome import Outcome, Ticket

logger = logging.getLogger(__name__)

PATIENCE = 600.0
"""Seconds without any answer of the actor after which the run ends."""

_FLUSH_WITHIN = 30.0


class SharedStudy:
    """One searcher's share of a study: what its trials hold lives as long as this process beats.

    It is pickled and kept by name. Nothing happens before the first call; then, where it continues a former
    process, the results that had not arrived are sent again, the trials' candidates are leased to this process,
    and what the former one held besides goes back. The live study is never changed otherwise.
    """

    def __init__(self, client: SolverClient, config: StudyConfig, kept: Mapping[str, Any] | None = None) -> None:
        """Attach to a study; :func:`attach` finds it.

        Args:
            client: the study.
            config: its config.
            kept: the :meth:`state` of the process that is continued.
        """
        self.config = config
        self.finished = False
        self.name = client.name
        self.solver = client
        self._kept = kept
        self._id: str = uuid.uuid4().hex if kept is None else kept["id"]
        self._owner = f"tune-{self._id}-{uuid.uuid4().hex[:8]}"
        self._keys: dict[str, str] = {} if kept is None else dict(kept["keys"])
        self._asking: tuple[str, Future[Any]] | None = None
        self._fault: Exception | None = None
        self._courier: Courier | None = None
        self._lease: float | None = None

    def _going(self) -> Courier:
        """Return the courier, begun together with the heartbeat at the first call."""
        if self._courier is None:
            self._courier = Courier(self.solver)
            beat = Heartbeat(self.solver, self._owner)
            self._lease = beat.lease
            weakref.finalize(self, _stop, self._courier, beat.start())
            if self._kept is not None:
                self._take_over(self._kept)
        return self._courier

    def _take_over(self, kept: Mapping[str, Any]) -> None:
        for call in kept["unsent"]:
            self._send(call)
        for number, key in self._keys.items():
            self._going().send(self._ask_call(key)).add_done_callback(self._expect(number))
        self._send(once("release", owner=kept["owner"]))

    def _ask_call(self, key: str) -> Call:
        return Call("ask_one", (), {"key": key, "owner": self._owner, "lease": self._lease, "timeout": 0.0})

    def ask(self, key: str, patience: float) -> Ticket | None:
        """Return a candidate, the one that an unanswered ask before this one was for.

        Args:
            key: the trial's id.
            patience: seconds to wait; what comes later is the next ask's answer.

        Raises:
            ArqonError: when the study refuses, is gone, or has not answered for :data:`PATIENCE` seconds.
        """
        courier = self._going()
        if self._fault is not None:
            raise self._fault
        if self._asking is None:
            key = f"{self._id}/{key}"
            self._asking = key, courier.send(self._ask_call(key))
        key, future = self._asking
        if not _done(future, patience):
            self._check_patience(courier)
            return None
        self._asking = None
        return self._ticket(key, future)

    def _ticket(self, key: str, future: Future[Any]) -> Ticket | None:
        try:
            answer = future.result()
        except AskTimeoutError:
            return None
        if self._fault is not None:  # a call that was made before this one failed
            raise self._fault
        self.finished = answer is None
        if answer is None or "note" in answer:  # with a note it is somebody else's by now
            return None
        self._keys[answer["id"]] = key
        return Ticket(answer["id"], dict(answer["params"]))

    def _check_patience(self, courier: Courier) -> None:
        seconds, error = courier.trouble()
        if seconds > PATIENCE:
            raise ArqonError(
                f"the study {self.name!r} has not answered for {seconds:.0f} s ({error}): see whether its actor's node "
                "is alive; Tuner.restore continues this run"
            )

    def place(self, params: Mapping[str, Any]) -> Ticket | None:
        """Return the user's point as one from outside: the study takes it when it has its value."""
        return Ticket(None, dict(params))

    def report(self, ticket: Ticket, step: int, value: float) -> None:
        """Send an intermediate value."""
        if ticket.id is not None:
            self._send(Call("report", (ticket.id, step, value)))

    def end(self, ticket: Ticket, outcome: Outcome) -> None:
        """Send the outcome."""
        told = {"value": outcome.value, "status": outcome.status, "step": outcome.step, "reason": outcome.reason}
        if ticket.id is None:
            if outcome.status != "released":
                self.seed([{"params": ticket.params, **_given(told)}])
            return
        self._keys.pop(ticket.id, None)
        if outcome.status == "released":
            self._send(once("release", ticket.id, self._owner))
        else:
            self._send(once("tell", [{"id": ticket.id, **_given(told)}]))

    def seed(self, observations: Sequence[Mapping[str, Any]]) -> None:
        """Send points with their values."""
        self._send(once("seed", [dict(observation) for observation in observations]))

    def flush(self) -> None:
        """Wait until everything has arrived, at most half a minute; the checkpoint keeps the rest."""
        deadline = time.monotonic() + _FLUSH_WITHIN
        while (calls := self._unsent()) and time.monotonic() < deadline:
            time.sleep(0.01)
        if calls:
            logger.warning(
                "%d results have not reached the study %r yet; the checkpoint keeps them", len(calls), self.name
            )

    def _unsent(self) -> list[Call]:
        calls = self._courier.undelivered() if self._courier is not None else []
        return [call for call in calls if call.method != "ask_one"]

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
        return {**kept, "owner": self._owner, "keys": dict(self._keys), "unsent": self._unsent()}

    @classmethod
    def restored(cls, kept: Mapping[str, Any]) -> SharedStudy:
        """Take up what :meth:`state` kept; what is wrong with the study now is raised by the first ask."""
        return cls(SolverClient(kept["name"]), load_config(kept["config"]), kept)

    def __reduce__(self) -> tuple[Any, ...]:
        return SharedStudy.restored, (self.state(),)

    def _expect(self, number: str) -> Any:
        def check(future: Future[Any]) -> None:
            error = future.exception()
            answer = None if error else future.result()
            if answer is None or answer["id"] != number:
                found = error or (answer and answer["id"])
                self._fault = self._fault or StateError(
                    f"the study {self.name!r} does not know candidate {number!r} of this run any more ({found!r}): "
                    "it is another study than the one that this run was attached to"
                )

        return check


def attach(actor: str | SolverClient, wanted: Mapping[str, Any] | None, mode: str | None) -> SharedStudy:
    """Find a study, or begin it where there is none and a space is known.

    Args:
        actor: its name, or a client of it.
        wanted: the arqon config as far as the user decided it; None to take the study as it is.
        mode: ``min`` or ``max``, or None for the study's.

    Raises:
        StudyNotFoundError: when there is none and ``wanted`` is None.
        IdentityError: when the study has other bounds, or another value for what the user decided.
    """
    client = SolverClient(actor) if isinstance(actor, str) else actor
    try:
        connect(client.name)
    except StudyNotFoundError:
        if wanted is None:
            raise
        client = start(dict(wanted), client.name)
    config = state.config_of(state.parse(client.export()))
    decided = dict(wanted or ({} if mode is None else {"mode": mode}))
    _check_identity(client.name, config, decided)
    budget = decided.get("budget")
    if budget is not None and config.budget is not None and budget > config.budget:
        client.extend_budget(budget)
    return SharedStudy(client, config)


def _check_identity(name: str, config: StudyConfig, decided: Mapping[str, Any]) -> None:
    there = identity(config)
    here = identity(load_config({"bounds": there["bounds"], **decided}))
    different = [key for key in there if key in decided and there[key] != here[key]]
    if different:
        said = "; ".join(f"{key} is {there[key]!r} there and {here[key]!r} here" for key in different)
        raise IdentityError(
            f"the study {name!r} is another one: {said}. Leave out what it decides, or use another name"
        )


def _given(told: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in told.items() if value is not None or key == "value"}


def _done(future: Future[Any], timeout: float) -> bool:
    """Tell whether a future has its answer or error within so many seconds."""
    try:
        future.exception(timeout)
    except TimeoutError:
        return False
    return True


def _stop(courier: Courier, beat: Heartbeat) -> None:
    courier.close()
    beat.stop()

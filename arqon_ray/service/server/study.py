"""One study: the state machine that the actor serves. It knows nothing of Ray."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any, cast

from arqon_ray import __version__
from arqon_ray.core.config import StudyConfig, identity
from arqon_ray.core.inputs.plain import same
from arqon_ray.core.inputs.values import shown
from arqon_ray.core.propose.roster import without_unread
from arqon_ray.errors import IdentityError
from arqon_ray.service.answers import BestPoint, Explanation, HistoryRow, PendingRow
from arqon_ray.service.background import Trouble, short
from arqon_ray.service.server.asking import Asking
from arqon_ray.service.server.changes import Budget, Import
from arqon_ray.service.server.telling import Telling
from arqon_ray.service.validation import check_position, check_since, check_text

_MODEL_KEYS = ("phase", "landscape", "strategy", "best")
_log = logging.getLogger(__name__)


class Study(Asking, Telling):
    """A study, opened for writing with ``Study.open``; any number of threads may call it.

    Its calls, and those of the classes above, are described in :class:`.StudyCalls`.
    """

    # Reading

    def best(self) -> BestPoint | None:
        solver = self._state.solver
        with self._durably(), self._working():
            proposer, frozen = solver.proposer(), solver.freeze()
        with self._guard.running():
            return cast("BestPoint | None", solver.best_of(proposer, frozen))

    def explain(self) -> Explanation:
        solver = self._state.solver
        with self._durably(), self._working():
            proposer, frozen = solver.proposer(), solver.freeze()
        with self._guard.running():
            return cast("Explanation", solver.explain_of(proposer, frozen))

    def history(self, since: int | None = None) -> list[HistoryRow]:
        after = check_since(since)
        with self._durably(), self._working():
            frozen = self._state.solver.freeze()
        with self._guard.running():
            return cast("list[HistoryRow]", frozen.history(after))

    def pareto(self) -> list[HistoryRow]:
        with self._durably(), self._working():
            frozen = self._state.solver.freeze()
        with self._guard.running():
            return cast("list[HistoryRow]", frozen.pareto())

    def pending(self, owner: str | None = None) -> list[PendingRow]:
        owner = check_text("owner", owner)
        with self._durably(), self._working():
            self._expire()
            state = self._state
            held = state.solver.pending if owner is None else state.leases.held_by(owner)
            holds = {n: {"owner": state.leases.owner(n), "key": state.asker.get(n)} for n in sorted(held)}
            frozen = state.solver.freeze()
        with self._guard.running():
            rows = {row.number: row for row in frozen.underway() if row.number in holds}
            found = [{**rows[number].to_dict(), **hold} for number, hold in holds.items()]
            return cast("list[PendingRow]", found)

    def export(self) -> str:
        with self._durably(), self._working():
            frozen = self._state.solver.freeze()
        with self._guard.running():
            return frozen.export()

    def config(self) -> dict[str, Any]:
        with self._durably(), self._working():
            config = self._state.solver.config
        return config.to_dict()

    def snapshot(self, since: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        known = None if since is None else check_position(since)
        with self._durably(), self._working():
            seq = self._journal.last_seq
            frozen = None if known == (self._uuid, seq) else self._state.solver.freeze()
        if frozen is None:
            return None
        with self._guard.running():
            return {"uuid": self._uuid, "seq": seq, "export": frozen.export()}

    def status(self) -> dict[str, Any]:
        """Return how the study stands, see :class:`.StudyStatus`; the host adds what it knows itself."""
        with self._lock, self._working():
            self._expire()
            state, journal = self._state, self._journal
            told: dict[str, Any] = {
                "state": "finished" if state.finished else "running",
                "reason": None,
                "epoch": journal.epoch,
                "restarts": state.restarts,
                "counts": state.counts,
                "budget": state.solver.config.budget,
                "uuid": self._uuid,
                "version": __version__,
                "imported": state.imported,
                "seq": journal.last_seq,
                "passed_over": list(journal.passed_over),
            }
        told |= {"storage": str(self._journal.store), "torn": self._journal.torn, "trouble": self.trouble}
        try:
            return told | self._model_status()
        except Exception as error:  # a failing model must not hide the rest of the status, which names the failure
            _log.warning("the model of the study in %s cannot be asked: %s", self._journal.store, short(error))
            unknown = Trouble("asking the model", short(error), time.time(), 1).plain()
            return told | dict.fromkeys(_MODEL_KEYS) | {"trouble": [*told["trouble"], unknown]}

    def _model_status(self) -> dict[str, Any]:
        """Return the part of the status that the model knows: phase, landscape, strategy and best."""
        with self._lock, self._working():
            solver = self._state.solver
            proposer, frozen = solver.proposer(), solver.freeze()
        with self._guard.running():
            explained = proposer.explain()
            return {**{key: explained[key] for key in _MODEL_KEYS[:-1]}, "best": solver.best_of(proposer, frozen)}

    # The study itself

    def awaits_snapshot(self, token: str) -> bool:
        """Tell whether this study was begun under ``token`` and nothing has happened to it yet."""
        state = self._state
        begun = state.imported or state.solver.handed_out or state.solver.get_history_len()
        return self._uuid == token and not begun

    def take_over(self, snapshot: Mapping[str, Any]) -> None:
        """Write to the log that this study, still empty, continues another one's snapshot; it must be reopened then."""
        keys = {key: int(number) for key, number in dict(snapshot.get("keys") or {}).items()}
        change = Import(snapshot["uuid"], snapshot["seq"], snapshot["export"], keys)
        with self._durably(), self._working():
            self._commit(change)

    def join(self, config: StudyConfig) -> None:
        """Check that a config describes this study, and take its budget if that is larger.

        Raises:
            IdentityError: the config describes another study, or names another metric; the message has the keys and
                both values.
        """
        own = self._state.solver.config
        differences = _differences(identity(without_unread(own)), identity(without_unread(config)))
        if None not in (own.metric, config.metric):
            # The metric is not part of the identity, but results would be read under another name than meant.
            differences += _differences({"metric": own.metric}, {"metric": config.metric})
        if differences:
            raise IdentityError(
                f"{self._journal.store} holds a study of another identity: {'; '.join(differences)}. "
                "Use its config, another name, or stop(purge=True) it first"
            )
        if config.budget is not None:
            with self._durably(), self._working():
                budget = self._state.solver.config.budget
                if budget is not None and config.budget > budget:
                    self._set_budget(config.budget)

    def extend_budget(self, budget: int | None) -> int | None:
        with self._durably(), self._working():
            return self._set_budget(budget)

    def _set_budget(self, budget: int | None) -> int | None:
        solver = self._state.solver
        wanted = solver.with_budget(budget).budget
        if wanted != solver.config.budget:
            self._commit(Budget(wanted))
            self._queue.call()
        return solver.config.budget


def _differences(theirs: Mapping[str, Any], ours: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return one phrase for each key that differs, a parameter at a time under ``bounds``."""
    phrases = []
    for key in dict.fromkeys([*theirs, *ours]):
        there, here = theirs.get(key), ours.get(key)
        if key == "bounds" and isinstance(there, Mapping) and isinstance(here, Mapping):
            phrases += _differences(there, here, "bounds.")
        elif not same(there, here):
            phrases.append(f"{prefix}{key} is {shown(there)} there and {shown(here)} here")
    return phrases

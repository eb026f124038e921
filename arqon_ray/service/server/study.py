"""One study: the state machine that the actor serves. No Ray here."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any, cast

from arqon_ray import __version__
from arqon_ray.core.config import StudyConfig, identity
from arqon_ray.core.export.frozen import Frozen
from arqon_ray.core.inputs.plain import same
from arqon_ray.core.inputs.values import shown
from arqon_ray.core.propose.roster import without_unread
from arqon_ray.errors import IdentityError
from arqon_ray.service.answers import BestPoint, HistoryRow, PendingRow
from arqon_ray.service.background import Trouble, short
from arqon_ray.service.server.asking import Asking
from arqon_ray.service.server.changes import Budget, Import
from arqon_ray.service.server.telling import Telling
from arqon_ray.service.validation import check_position, check_since, check_text

_JUDGED = ("phase", "landscape", "strategy", "best")
_log = logging.getLogger(__name__)


class Study(Asking, Telling):
    """A study, opened for writing with ``Study.open``; any number of threads may call it.

    A ``key`` is an operation id: the same call under the same key has its effect once and the same answer.
    """

    # Looking

    def best(self) -> BestPoint | None:
        """Return the recommended point, see ``ArqonSolver.best``; None before any value."""
        solver = self._state.solver
        proposer, frozen = self._durably(lambda: (solver.proposer(), solver.freeze()))
        with self._guard.running():
            return cast("BestPoint | None", solver.best_of(proposer, frozen))

    def history(self, since: int | None = None) -> list[HistoryRow]:
        """Return what was told, in the order in which it was: each as ``Evaluation.to_dict``, and its record's ``seq``.

        Args:
            since: only what was told after the log's record of this number, such as the last row's ``seq``.
        """
        after = check_since(since)
        frozen = self._durably(self._state.solver.freeze)
        with self._guard.running():
            return cast("list[HistoryRow]", frozen.history(after))

    def pareto(self) -> list[HistoryRow]:
        """Return the observations that no other one beats in all objectives, see ``ArqonSolver.pareto``."""
        frozen = self._durably(self._state.solver.freeze)
        with self._guard.running():
            return cast("list[HistoryRow]", frozen.pareto())

    def pending(self, owner: str | None = None) -> list[PendingRow]:
        """Return the evaluations that run, lowest number first: each as ``Evaluation.to_dict``, with owner and key.

        ``steps`` and ``metrics`` are what they have reported; ``key`` is that of the ask.

        Args:
            owner: only what this owner holds.
        """
        owner = check_text("owner", owner)

        def work() -> tuple[Frozen, dict[int, dict[str, Any]]]:
            self._expire()
            state = self._state
            held = state.solver.pending if owner is None else state.leases.held_by(owner)
            holds = {n: {"owner": state.leases.owner(n), "key": state.asker.get(n)} for n in sorted(held)}
            return state.solver.freeze(), holds

        frozen, holds = self._durably(work)
        with self._guard.running():
            rows = {row.number: row for row in frozen.underway() if row.number in holds}
            found = [{**rows[number].to_dict(), **hold} for number, hold in holds.items()]
            return cast("list[PendingRow]", found)

    def export(self) -> str:
        """Return the solver's state as JSON, see ``ArqonSolver.export``."""
        frozen = self._durably(self._state.solver.freeze)
        with self._guard.running():
            return frozen.export()

    def config(self) -> dict[str, Any]:
        """Return the study's config, with the budget in force."""
        return self._durably(lambda: self._state.solver.config).to_dict()

    def snapshot(self, since: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """Return what ``start(snapshot=...)`` can begin this study from elsewhere: uuid, position and export.

        Args:
            since: an earlier snapshot, or its ``uuid`` and ``seq``.

        Returns:
            None when nothing was written to the log since then: the earlier one is as good.
        """
        known = None if since is None else check_position(since)

        def work() -> tuple[Frozen | None, int]:
            seq = self._journal.last_seq
            return (None if known == (self._uuid, seq) else self._state.solver.freeze()), seq

        frozen, seq = self._durably(work)
        if frozen is None:
            return None
        with self._guard.running():
            return {"uuid": self._uuid, "seq": seq, "export": frozen.export()}

    def status(self) -> dict[str, Any]:
        """Return how the study stands; see the actor's ``status``."""

        def work() -> dict[str, Any]:
            self._expire()
            state, journal = self._state, self._journal
            return {
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

        with self._lock:
            told = self._work(work)
        told |= {"storage": str(self._journal.store), "torn": self._journal.torn, "trouble": self.trouble}
        try:
            return told | self._judged()
        except Exception as error:  # what fails in the model must not hide the rest, which names it
            _log.warning("the model of the study in %s cannot be asked: %s", self._journal.store, short(error))
            unknown = Trouble("asking the model", short(error), time.time(), 1).plain()
            return (
                told
                | dict.fromkeys(("phase", "landscape", "strategy", "best"))
                | {"trouble": [*told["trouble"], unknown]}
            )

    def _judged(self) -> dict[str, Any]:
        """Return what the model makes of the study: phase, landscape, strategy and best."""
        with self._lock:
            solver = self._state.solver
            proposer, frozen = self._work(lambda: (solver.proposer(), solver.freeze()))
        with self._guard.running():
            explained = proposer.explain()
            return {**{key: explained[key] for key in _JUDGED[:-1]}, "best": solver.best_of(proposer, frozen)}

    # The study itself

    def awaits_snapshot(self, token: str) -> bool:
        """Tell whether this is the study that was begun under ``token`` and nothing has happened to it yet."""
        state = self._state
        begun = state.imported or state.solver.handed_out or state.solver.get_history_len()
        return self._uuid == token and not begun

    def take_over(self, snapshot: Mapping[str, Any]) -> None:
        """Write down that this study, which has nothing yet, goes on from a snapshot; open it anew after that."""
        keys = {key: int(number) for key, number in dict(snapshot.get("keys") or {}).items()}
        change = Import(snapshot["uuid"], snapshot["seq"], snapshot["export"], keys)
        self._durably(lambda: self._make(change))

    def join(self, config: StudyConfig) -> None:
        """Check that a config means this study, and take its budget if that is larger.

        Raises:
            IdentityError: the config is of another study, or names another metric; the message names the keys and both
                values.
        """
        own = self._state.solver.config
        differences = _differences(identity(without_unread(own)), identity(without_unread(config)))
        if None not in (own.metric, config.metric):
            # It makes no other study, but its results would be read by another name than whoever joins means.
            differences += _differences({"metric": own.metric}, {"metric": config.metric})
        if differences:
            raise IdentityError(
                f"a study of another identity lies in {self._journal.store}: {'; '.join(differences)}. "
                "Use its config, another name, or stop(purge=True) it first"
            )
        if config.budget is not None:
            self._durably(lambda: self._raise_budget(config.budget))

    def _raise_budget(self, budget: int | None) -> None:
        own = self._state.solver.config.budget
        if own is not None and budget is not None and budget > own:
            self._set_budget(budget)

    def extend_budget(self, budget: int | None) -> int | None:
        """Set a larger budget, None for no limit; returns the budget in force.

        Raises:
            ConfigError: it is smaller than the present one.
        """
        return self._durably(lambda: self._set_budget(budget))

    def _set_budget(self, budget: int | None) -> int | None:
        solver = self._state.solver
        wanted = solver.with_budget(budget).budget
        if wanted != solver.config.budget:
            self._make(Budget(wanted))
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

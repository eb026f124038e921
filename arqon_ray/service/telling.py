"""What comes back: results, intermediate values, points from outside, and candidates nobody will evaluate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from arqon_ray.core import seeds
from arqon_ray.core.results import Entry, check_report
from arqon_ray.core.values import shown
from arqon_ray.errors import ResultsError
from arqon_ray.service import checks
from arqon_ray.service.changes import Release, Report, Tell, row_of
from arqon_ray.service.durable import DurableState
from arqon_ray.service.operations import digest_of
from arqon_ray.service.state import Answer


class Telling(DurableState):
    """The tells, reports and releases of a study."""

    def tell(self, results: Any, value: Any = ..., cost: Any = 1.0, key: str | None = None, **rest: Any) -> Any:
        """Take the result of one candidate, or of many.

        Args:
            results: a candidate's id, or a list of dicts (or one) with ``id``, ``value`` and optionally ``cost``,
                ``status`` ("complete" or "failed"), ``step`` and ``reason``.
            value: a number; None, NaN and infinities mean a failed evaluation.
            cost: of this evaluation, in the user's units.
            key: the operation id.
            **rest: ``status``, ``step`` and ``reason`` of one candidate's result.

        Returns:
            ``{"id", "accepted"}`` for one, a list of them for a list; with a ``note`` where a result was not accepted.

        Raises:
            ResultsError: any entry is malformed; nothing was taken.
            UnknownCandidateError: an id was never handed out; nothing was taken.
        """
        given = rest if value is ... else {"value": value, "cost": cost, **rest}
        entries = checks.tell_entries(results, given)
        key = checks.check_text("key", key)
        answers = self._durably(lambda: self._tell(entries, key))
        return answers[0] if isinstance(results, str | Mapping) else answers

    def _tell(self, entries: list[Entry], key: str | None) -> list[Answer]:
        return self._observe("tell", [self._without_params(entry, k) for k, entry in enumerate(entries)], key)

    def seed(self, observations: Any, key: str | None = None, out_of_bounds: str = "raise") -> list[Answer]:
        """Take points from outside; see ``ArqonSolver.seed``.

        They are no candidates of this study, whatever ids they have.

        Raises:
            ResultsError: any entry is malformed or does not fit the space; nothing was taken.
        """
        entries, notes = checks.seed_entries(observations, self._state.solver.space, out_of_bounds)
        key = checks.check_text("key", key)
        return seeds.answers(notes, self._durably(lambda: self._observe("seed", entries, key)))

    def _observe(self, method: str, entries: list[Entry], key: str | None) -> list[Answer]:
        rows = [row_of(entry) for entry in entries]
        digest = None if key is None else digest_of(method, rows)
        done = self._state.done.get(Tell.OP, key, digest)
        if done is not None:
            return done
        self._expire()
        change = Tell(entries, rows, key, digest)
        verdicts = change.resolve(self._state)
        if any(verdict.evaluation is not None for verdict in verdicts):
            self._commit(change, verdicts)
            self._line.call()
        return [verdict.answer for verdict in verdicts]

    def _without_params(self, entry: Entry, place: int) -> Entry:
        """Drop the params that a result repeats; refuse those that are not the candidate's."""
        if entry.params is None:
            return entry
        assert entry.number is not None  # checked_entries has refused None
        known, space = self._state.solver.candidate(entry.number).params, self._state.solver.space
        try:
            space.encode(entry.params)
        except ResultsError as error:
            raise ResultsError(f"results[{place}].{error}") from None
        if space.native(entry.params) != known:
            raise ResultsError(
                f"results[{place}].params is {shown(entry.params)}: candidate '{entry.number}' has {shown(known)}"
            )
        return replace(entry, params=None)

    def fail(self, id: str, reason: str | None = None, key: str | None = None) -> Answer:
        """Tell that a candidate's evaluation failed; answers as ``tell``."""
        answer: Answer = self.tell(id, None, key=key, status="failed", reason=reason)
        return answer

    def report(self, id: str, step: int, value: float) -> Answer:
        """Keep an intermediate value of a candidate's evaluation; the last one of a step counts."""
        number = checks.check_id(id)
        step, finite = check_report(step, value)

        def work() -> Answer:
            self._state.solver.candidate(number)
            if not self._state.is_open(number):
                return {"id": id, "accepted": False, "note": "already told: this report was ignored"}
            if self._state.reports.get(number, {}).get(step, ...) != finite:
                self._make(Report(number, step, finite))
            return {"id": id, "accepted": True}

        return self._durably(work)

    # Leases

    def release(self, id: Any = None, owner: str | None = None, key: str | None = None) -> Any:
        """Give candidates back unevaluated; they are handed out again when nothing fresh is left.

        Args:
            id: one id or a list of them; None for all that ``owner`` holds.
            owner: only what this owner holds is released.
            key: the operation id.

        Returns:
            ``{"id", "accepted"}`` or a list of them, as ``tell``.
        """
        owner = checks.check_text("owner", owner)
        numbers = None if id is None and checks.check_owner(owner) else checks.check_ids(id)
        key = checks.check_text("key", key)
        digest = None if key is None else digest_of(Release.OP, numbers, owner)
        answers = self._durably(lambda: self._release(numbers, owner, key, digest))
        return answers[0] if isinstance(id, str) else answers

    def _release(
        self, numbers: list[int] | None, owner: str | None, key: str | None, digest: bytes | None
    ) -> list[Answer]:
        done = self._state.done.get(Release.OP, key, digest)
        if done is not None:
            return done
        self._expire()
        if numbers is None:
            numbers = self._state.leases.held_by(owner or "")
        for number in numbers:
            self._state.solver.candidate(number)
        free: list[int] = []
        answers = []
        for number in numbers:
            note = self._kept(number, owner, free)
            if note is None:
                free.append(number)
            answers.append({"id": str(number), "accepted": note is None, **({} if note is None else {"note": note})})
        if free:
            self._make(Release(free, "released", key, answers, digest))
            self._line.call()
        return answers

    def _kept(self, number: int, owner: str | None, free: list[int]) -> str | None:
        """Say why a candidate cannot be released; None when it can."""
        if number in self._state.pool or number in free:
            return "it was released already"
        if number not in self._state.leases:
            return "it was told already"
        if owner is not None and self._state.leases.owner(number) != owner:
            return f"it is held by {self._state.leases.owner(number) or 'somebody without a name'} now"
        return None

    def renew(self, owner: str) -> int:
        """Give all that an owner holds its full lease again; returns how many candidates that is."""
        owner = checks.check_owner(owner)

        def work() -> int:
            self._expire()
            return self._state.leases.renew(owner)

        with self._lock:
            count = self._work(work)
        # Otherwise an owner could believe for ever what the study's new actor knows nothing of.
        self._journal.check_owner()
        return count

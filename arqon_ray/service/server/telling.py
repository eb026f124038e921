"""What comes back: results, intermediate ones, points from outside, and candidates nobody will evaluate."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, cast

from arqon_ray.core.inputs.values import shown
from arqon_ray.core.ledger import seeds
from arqon_ray.core.ledger.results import Entry
from arqon_ray.errors import ResultsError
from arqon_ray.service.answers import Seeded, Told
from arqon_ray.service.server.changes import Release
from arqon_ray.service.server.durable import DurableState
from arqon_ray.service.server.entries import report_entries, seed_entries, tell_entries
from arqon_ray.service.server.idempotency import digest_of
from arqon_ray.service.server.outcomes import Report, Reported, Retract, Tell, digest_of_results
from arqon_ray.service.validation import check_id, check_ids, check_owner, check_reason, check_text


class Telling(DurableState):
    """The tells, reports, retractions and releases of a study."""

    def tell(self, results: Any, value: Any = ..., cost: Any = 1.0, key: str | None = None, **rest: Any) -> Any:
        """Take the result of one candidate, or of many.

        Args:
            results: a candidate's id, or a list of dicts (or one) with ``id``, ``value`` and what else is known of the
                evaluation, see :class:`.ResultFields`.
            value: a number; None, NaN and infinities mean a failed evaluation. It may be left out beside ``metrics``
                where the config names its metric.
            cost: of this evaluation, in the user's units.
            key: the operation id.
            **rest: what else is known of one candidate's evaluation.

        Returns:
            ``{"id", "accepted"}`` for one, a list of them for a list; with a ``note`` where a result was not accepted.

        Raises:
            ResultsError: any entry is malformed; nothing was taken.
            UnknownCandidateError: an id was never handed out; nothing was taken.
        """
        given = {"cost": cost, **rest} if value is ... else {"value": value, "cost": cost, **rest}
        entries = tell_entries(results, given, self._state.solver.config.metric)
        key = check_text("key", key)
        answers = self._durably(lambda: self._tell(entries, key))
        return answers[0] if isinstance(results, str | Mapping) else answers

    def _tell(self, entries: list[Entry], key: str | None) -> list[Told]:
        return self._observe("tell", [self._without_params(entry, k) for k, entry in enumerate(entries)], key)

    def seed(
        self, observations: Any, key: str | None = None, out_of_bounds: Literal["raise", "skip"] = "raise"
    ) -> list[Seeded]:
        """Take points from outside; see ``ArqonSolver.seed``.

        They are no candidates of this study, whatever ids they have.

        Raises:
            ResultsError: any entry is malformed or does not fit the space; nothing was taken.
        """
        solver = self._state.solver
        entries, notes = seed_entries(observations, solver.space, out_of_bounds, solver.config.metric)
        key = check_text("key", key)
        answers = self._durably(lambda: self._observe("seed", entries, key))
        return cast("list[Seeded]", seeds.answers(notes, answers))

    def _observe(self, method: str, entries: list[Entry], key: str | None) -> list[Told]:
        digest = None if key is None else digest_of_results(method, entries)
        done = self._state.done.get(Tell.OP, key, digest)
        if done is not None:
            return done
        self._expire()
        change = Tell(entries, key, digest)
        verdicts = change.resolve(self._state)
        if any(verdict.evaluation is not None for verdict in verdicts):
            self._commit(change, verdicts)
            self._queue.call()
        return cast("list[Told]", [verdict.answer for verdict in verdicts])

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

    def fail(self, id: str, reason: str | None = None, key: str | None = None) -> Told:
        """Tell that a candidate's evaluation failed; answers as ``tell``."""
        answer: Told = self.tell(id, None, key=key, status="failed", reason=reason)
        return answer

    def report(
        self,
        id: str | Sequence[Mapping[str, Any]],
        step: Any = ...,
        value: Any = ...,
        metrics: Mapping[str, Any] | None = None,
    ) -> Any:
        """Keep an intermediate result of a candidate's evaluation, or many; the last one of a step counts.

        Args:
            id: the candidate's, or a list of dicts with ``id``, ``step``, ``value`` and optionally ``metrics`` and
                ``time`` (seconds since 1970; by default it is the time at which the study takes it).
            step: how far the evaluation has come, a whole number, 0 or more.
            value: what it is worth by then; one that is not finite says nothing to the model.
            metrics: what else is known, by name; the evaluation has the last ones.

        Returns:
            ``{"id", "accepted"}`` or a list of them, as ``tell``.

        Raises:
            ResultsError: a report is malformed; none was taken.
            UnknownCandidateError: an id was never handed out; none was taken.
        """
        reports = report_entries(id, step, value, metrics, wall_clock)
        answers = self._durably(lambda: self._report(reports))
        return answers[0] if isinstance(id, str | Mapping) else answers

    def _report(self, reports: list[Reported]) -> list[Told]:
        solver, answers, taken = self._state.solver, [], []
        for each in reports:
            answer: Told = {"id": solver.candidate(each.number).id, "accepted": self._state.is_open(each.number)}
            if not answer["accepted"]:
                answer["note"] = f"{self._state.ended(each.number)}: this report was ignored"
            elif not solver.has_reported(each.number, each.step, each.value, each.metrics):
                taken.append(each)
            answers.append(answer)
        if taken:
            self._make(Report(taken))
        return answers

    def retract(self, id: str, reason: str | None = None, key: str | None = None) -> Told:
        """Take a candidate's result back, since it was wrong; see ``ArqonSolver.retract``. The log keeps both.

        Args:
            id: the candidate's.
            reason: why; the log keeps it.
            key: the operation id.

        Returns:
            ``{"id", "accepted"}``; with a ``note`` where there was no result to take back. The right result is told
            under another key than the wrong one: a key names one call.
        """
        number = check_id(id)
        reason, key = check_reason(reason), check_text("key", key)
        digest = None if key is None else digest_of(Retract.OP, number, reason)
        return self._durably(lambda: self._retract(Retract(number, reason, key, digest)))

    def _retract(self, change: Retract) -> Told:
        done = self._state.done.get(change.OP, change.key, change.digest)
        if done is not None:
            answer: Told = done[0]
            return answer
        solver, number = self._state.solver, change.number
        solver.candidate(number)
        if not solver.is_told(number):
            return _told(number, "it has no result" if self._state.is_open(number) else "it was retracted already")
        self._make(change)
        # What lies ready rests on the wrong result.
        self._worker.discard()
        self._queue.call()
        return _told(number, None)

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
        owner = check_text("owner", owner)
        numbers = None if id is None and check_owner(owner) else check_ids(id)
        key = check_text("key", key)
        digest = None if key is None else digest_of(Release.OP, numbers, owner)
        answers = self._durably(lambda: self._release(numbers, owner, key, digest))
        return answers[0] if isinstance(id, str) else answers

    def _release(
        self, numbers: list[int] | None, owner: str | None, key: str | None, digest: bytes | None
    ) -> list[Told]:
        done = self._state.done.get(Release.OP, key, digest)
        if done is not None:
            return done
        self._expire()
        if numbers is None:
            numbers = self._state.leases.held_by(owner or "")
        for number in numbers:
            self._state.solver.candidate(number)
        free: list[int] = []
        answers: list[Told] = []
        for number in numbers:
            note = self._kept(number, owner, free)
            if note is None:
                free.append(number)
            answers.append(_told(number, note))
        if free:
            self._make(Release(free, "released", key, answers, digest))
            self._queue.call()
        return answers

    def _kept(self, number: int, owner: str | None, free: list[int]) -> str | None:
        """Say why a candidate cannot be released; None when it can."""
        if number in self._state.pool or number in free:
            return "it was released already"
        if number not in self._state.leases:
            return f"it was {self._state.ended(number)}"
        if owner is not None and self._state.leases.owner(number) != owner:
            return f"it is held by {self._state.leases.owner(number) or 'somebody without a name'} now"
        return None

    def renew(self, owner: str) -> int:
        """Give all that an owner holds its full lease again; returns how many candidates that is."""
        owner = check_owner(owner)

        def work() -> int:
            self._expire()
            return self._state.leases.renew(owner)

        with self._lock:
            count = self._work(work)
        # Otherwise an owner could believe for ever what the study's new actor knows nothing of.
        self._journal.check_owner()
        return count


def _told(number: int, note: str | None) -> Told:
    """Return the answer about a candidate: accepted, unless a note says why not."""
    answer: Told = {"id": str(number), "accepted": note is None}
    if note is not None:
        answer["note"] = note
    return answer


def wall_clock() -> float:
    """Return the seconds since 1970."""
    return time.time()

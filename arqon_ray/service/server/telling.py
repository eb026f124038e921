"""What comes back to a study: results, reports, points from outside, retractions and released candidates."""

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
        given = {"cost": cost, **rest} if value is ... else {"value": value, "cost": cost, **rest}
        entries = tell_entries(results, given, self._state.solver.config.metric)
        key = check_text("key", key)
        with self._durably(), self._working():
            answers = self._take("tell", [self._without_params(entry, row) for row, entry in enumerate(entries)], key)
        return answers[0] if isinstance(results, str | Mapping) else answers

    def seed(
        self, observations: Any, key: str | None = None, out_of_bounds: Literal["raise", "skip"] = "raise"
    ) -> list[Seeded]:
        solver = self._state.solver
        entries, notes = seed_entries(observations, solver.space, out_of_bounds, solver.config.metric)
        key = check_text("key", key)
        with self._durably(), self._working():
            answers = self._take("seed", entries, key)
        return cast("list[Seeded]", seeds.answers(notes, answers))

    def _take(self, method: str, entries: list[Entry], key: str | None) -> list[Told]:
        """Take results, or answer a repeated call."""
        digest = None if key is None else digest_of_results(method, entries)
        done = self._state.done.get(Tell.OP, key, digest)
        if done is not None:
            return [self._as_of_now(answer) for answer in done]
        self._expire()
        change = Tell(entries, key, digest)
        verdicts = change.resolve(self._state)
        if any(verdict.evaluation is not None for verdict in verdicts):
            self._commit(change, verdicts)
            self._queue.call()
        return cast("list[Told]", [verdict.answer for verdict in verdicts])

    def _as_of_now(self, answer: Told) -> Told:
        """Return what a repeated tell is answered: as before, unless its result was retracted meanwhile.

        The repetition is not taken as a new result: it may be a retry of the very call whose result was wrong.
        """
        number = answer["id"]
        if number is None or not answer["accepted"] or self._state.solver.is_told(int(number)):
            return answer
        return _told(int(number), "its result was retracted since: to tell another one, use another key")

    def _without_params(self, entry: Entry, row: int) -> Entry:
        """Drop the params that a result repeats.

        Raises:
            ResultsError: they are not the candidate's.
        """
        if entry.params is None:
            return entry
        assert entry.number is not None  # checked_entries has refused None
        known, space = self._state.solver.candidate(entry.number).params, self._state.solver.space
        try:
            space.encode(entry.params)
        except ResultsError as error:
            raise ResultsError(f"results[{row}].{error}") from None
        if space.native(entry.params) != known:
            raise ResultsError(
                f"results[{row}].params is {shown(entry.params)}: candidate '{entry.number}' has {shown(known)}"
            )
        return replace(entry, params=None)

    def fail(self, id: str, reason: str | None = None, key: str | None = None) -> Told:
        answer: Told = self.tell(id, None, key=key, status="failed", reason=reason)
        return answer

    def report(
        self,
        id: str | Sequence[Mapping[str, Any]],
        step: Any = ...,
        value: Any = ...,
        metrics: Mapping[str, Any] | None = None,
    ) -> Any:
        reports = report_entries(id, step, value, metrics, time.time)
        with self._durably(), self._working():
            answers, taken = self._judge(reports)
            if taken:
                self._commit(Report(taken))
        return answers[0] if isinstance(id, str | Mapping) else answers

    def _judge(self, reports: list[Reported]) -> tuple[list[Told], list[Reported]]:
        """Return what reports are answered, and those of them that are new."""
        solver = self._state.solver
        answers: list[Told] = []
        taken: list[Reported] = []
        for each in reports:
            solver.candidate(each.number)
            answer = _told(each.number, None)
            if not self._state.is_open(each.number):
                answer = _told(each.number, f"{self._state.ended(each.number)}: this report was ignored")
            elif not solver.has_reported(each.number, each.step, each.value, each.metrics):
                taken.append(each)
            answers.append(answer)
        return answers, taken

    def retract(self, id: str, reason: str | None = None, key: str | None = None) -> Told:
        number = check_id(id)
        reason, key = check_reason(reason), check_text("key", key)
        digest = None if key is None else digest_of(Retract.OP, number, reason)
        with self._durably(), self._working():
            done = self._state.done.get(Retract.OP, key, digest)
            if done is not None:
                answer: Told = done[0]
                return answer
            solver = self._state.solver
            solver.candidate(number)
            if not solver.is_told(number):
                return _told(number, "it has no result" if self._state.is_open(number) else "it was retracted already")
            self._commit(Retract(number, reason, key, digest))
            # Candidates that are ready rest on the wrong result.
            self._worker.discard()
            self._queue.call()
            return _told(number, None)

    # Leases

    def release(self, id: Any = None, owner: str | None = None, key: str | None = None) -> Any:
        owner = check_text("owner", owner)
        numbers = None if id is None and check_owner(owner) else check_ids(id)
        key = check_text("key", key)
        digest = None if key is None else digest_of(Release.OP, numbers, owner)
        with self._durably(), self._working():
            answers = self._release(numbers, owner, key, digest)
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
            self._commit(Release(free, "released", key, answers, digest))
            self._queue.call()
        return answers

    def _kept(self, number: int, owner: str | None, free: list[int]) -> str | None:
        """Return why a candidate cannot be released; None if it can.

        Args:
            number: the candidate.
            owner: whose candidates may be released; None for anybody's.
            free: what the same call releases already.
        """
        if number in self._state.pool or number in free:
            return "it was released already"
        if number not in self._state.leases:
            return f"it was {self._state.ended(number)}"
        if owner is not None and self._state.leases.owner(number) != owner:
            return f"it is held by {self._state.leases.owner(number) or 'somebody without a name'} now"
        return None

    def renew(self, owner: str) -> int:
        owner = check_owner(owner)
        with self._lock, self._working():
            self._expire()
            count = self._state.leases.renew(owner)
        # Otherwise an owner could believe for ever in leases of which the study's new actor knows nothing.
        self._journal.check_owner()
        return count


def _told(number: int, note: str | None) -> Told:
    """Return the answer about a candidate: accepted, unless a note says why not."""
    answer: Told = {"id": str(number), "accepted": note is None}
    if note is not None:
        answer["note"] = note
    return answer

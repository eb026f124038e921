"""StudyState: everything a solver knows, and every change of it.

:class:`~arqon_ray.core.solver.ArqonSolver` adds the calls that users make. The service logs changes and replays them,
so it mostly works with what is here: changes are checked before they are applied (``locate`` and ``adopt``,
``complete`` and ``put``, ``resolve`` and ``apply``), and ``freeze`` and ``thaw`` keep the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

from arqon_ray.core.config import StudyConfig, load_config
from arqon_ray.core.export import state
from arqon_ray.core.export.frozen import Frozen, thaw
from arqon_ray.core.ledger.ledger import Ledger
from arqon_ray.core.ledger.results import Entry
from arqon_ray.core.ledger.verdicts import Verdict, check_number, resolve
from arqon_ray.core.ledger.view import Candidate
from arqon_ray.core.objectives.choose import objective_of
from arqon_ray.core.points import complete_points
from arqon_ray.core.probe.coverage import Coverage
from arqon_ray.core.propose.proposer import Proposer
from arqon_ray.core.propose.roster import Roster, check_strategy, warn_of_unread
from arqon_ray.core.record.evaluation import Evaluation, Step
from arqon_ray.core.space.space import Params, Space
from arqon_ray.core.strategies.memories import remember
from arqon_ray.errors import ConfigError, ResultsError


class StudyState:
    """Config, ledger and the strategies' memory of one study.

    Attributes:
        config: the validated config.
        space: the search space.
    """

    def __init__(self, config: Mapping[str, Any] | str | StudyConfig) -> None:
        """Begin a study.

        Args:
            config: dict or JSON string, see :class:`~arqon_ray.core.config.StudyConfig`.

        Raises:
            ConfigError: if the config is invalid; the message names key, value and rule.
        """
        self.config = load_config(config)
        if config is not self.config:
            check_strategy(self.config)
            warn_of_unread(self.config)
        self.space = Space(self.config.bounds)
        self._roster = Roster(self.config, self.space)
        self._coverage = self._planned_coverage()
        self._objective = objective_of(self.config)
        self._ledger = Ledger(self.space, self._objective.sign, self._objective.signs)
        self._memory: dict[str, Any] = {}
        self._phases: list[list[Any]] = []

    # Candidates

    def proposer(self) -> Proposer:
        """Return a proposer of the next candidates, given what is known now; the solver can go on meanwhile.

        Its cost does not depend on the number of results: only the candidates in flight are copied.
        """
        return Proposer(
            self.config, self.space, self._coverage, self._roster, self._objective, self._ledger.view(), self._memory
        )

    @property
    def version(self) -> int:
        """Advances with each result, report, ask and withdrawal: a proposer of the same ``version`` is up to date."""
        return self._ledger.version

    def locate(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Return the candidates with their points, if they can be adopted one after another; nothing is changed.

        Raises:
            ResultsError: if the parameters of one do not fit the space.
            StateError: if their numbers are not the next ones.
        """
        located = []
        for number, candidate in enumerate(candidates, self._ledger.handed_out):
            state.check_next(candidate, number)
            # The native values are the truth: a point read back from them is the same, bit for bit.
            point = self.space.encode(candidate.params) if candidate.point is None else candidate.point
            located.append(candidate if candidate.point is not None else replace(candidate, point=point))
        return located

    def adopt(self, candidate: Candidate) -> None:
        """Hand out a candidate that was computed before, for example when a log is replayed.

        Raises:
            ResultsError: if its parameters do not fit the space.
            StateError: if its number is not the next one.
        """
        (located,) = self.locate([candidate])
        assert located.point is not None
        self._ledger.hand_out(located, located.point)
        remember(self._memory, candidate.memory)
        if not self._phases or self._phases[-1][0] != candidate.origin:
            self._phases.append([candidate.origin, 0])
        self._phases[-1][1] += 1

    def withdraw(self, number: int) -> None:
        """Take a pending candidate back: nobody evaluates it now, so the model ignores it.

        Raises:
            UnknownCandidateError: if it is not pending.
        """
        self._ledger.withdraw(number)

    def reissue(self, number: int) -> Candidate:
        """Hand a withdrawn candidate out again: the same point with the same number.

        Raises:
            UnknownCandidateError: if it is not withdrawn.
        """
        return self._ledger.reissue(number)

    def complete(self, params: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> list[Params]:
        """Return points as :meth:`~.ArqonSolver.enqueue` would put them into the queue; nothing is changed."""
        return complete_points(params, self.config, self.space, self._ledger.enqueued)

    def put(self, points: Sequence[Params]) -> None:
        """Enqueue points that :meth:`complete` returned."""
        self._ledger.enqueue(points)

    @property
    def queue(self) -> list[Params]:
        """The enqueued points that were not handed out yet, the next one first."""
        return list(self._ledger.queue)

    @property
    def pending(self) -> dict[int, Candidate]:
        """Candidates in flight by number, in the order of their asks."""
        return dict(self._ledger.pending)

    @property
    def withdrawn(self) -> dict[int, Candidate]:
        """Candidates that were withdrawn, by number."""
        return dict(self._ledger.withdrawn)

    @property
    def retracted(self) -> dict[int, Candidate]:
        """Candidates whose result was retracted, by number."""
        return dict(self._ledger.retracted)

    def candidate(self, number: int) -> Candidate:
        """Return a candidate, whatever its state.

        Raises:
            UnknownCandidateError: if there is no such candidate.
        """
        check_number(number, self._ledger)
        return self._ledger.candidate(number)

    def is_open(self, number: int) -> bool:
        """Tell whether a candidate was handed out and has no result yet."""
        return self._ledger.state_of(number) in ("pending", "withdrawn")

    def is_told(self, number: int) -> bool:
        """Tell whether a candidate has a result that was not retracted."""
        return number in self._ledger.told

    # Budget

    @property
    def handed_out(self) -> int:
        """Number of candidates so far."""
        return self._ledger.handed_out

    @property
    def spent(self) -> bool:
        """Whether the whole budget was handed out."""
        return self.config.budget is not None and self._ledger.handed_out >= self.config.budget

    def with_budget(self, budget: int | None) -> StudyConfig:
        """Return the config with a larger budget, None for no limit; nothing is changed.

        Raises:
            ConfigError: if it is smaller than the present one.
        """
        own = self.config.budget
        config = load_config({**self.config.to_dict(), "budget": budget})
        if budget is not None and own is None:
            raise ConfigError(f"budget is {budget}: this study has no limit, and a budget only grows; leave it None")
        if budget is not None and own is not None and budget < own:
            raise ConfigError(f"budget is {budget}, below {own}: a budget only grows")
        return config

    def extend_budget(self, budget: int | None) -> None:
        """Set a larger budget; None lifts the limit.

        Raises:
            ConfigError: if it is smaller than the present one.
        """
        self.config = self.with_budget(budget)
        self._coverage = self._planned_coverage()

    def _planned_coverage(self) -> Coverage:
        return Coverage(self.space, self.config, self._roster.probe_size, self._roster.min_startup)

    # Results

    def resolve(self, entries: Sequence[Entry]) -> list[Verdict]:
        """Return what results would change, without applying them; see :func:`.verdicts.resolve`."""
        return resolve(entries, self.space, self._ledger, self._objective.problem)

    def apply(self, verdicts: Sequence[Verdict], seq: int | None = None) -> None:
        """Apply what :meth:`resolve` returned; nothing may have changed in between.

        Args:
            verdicts: what :meth:`resolve` returned.
            seq: the number of this change; None for the next one.
        """
        for verdict in verdicts:
            if verdict.evaluation is not None:
                self._ledger.record(verdict.evaluation, verdict.point, seq, verdict.unsaid)

    def take(self, entries: Sequence[Entry]) -> list[dict[str, Any]]:
        """Resolve and apply results that were parsed before, and return the answers; see :meth:`.ArqonSolver.tell`."""
        verdicts = self.resolve(entries)
        self.apply(verdicts)
        return [verdict.answer for verdict in verdicts]

    def has_reported(
        self, number: int, step: int, value: float | None, metrics: Mapping[str, Any] | None = None
    ) -> bool:
        """Tell whether a report repeats what is known of a candidate without a result, as a retried call does."""
        running = self._ledger.running.get(number)
        return running is not None and running.says(step, value, metrics)

    def reported(self, number: int) -> Mapping[int, Step]:
        """Return the reports of a candidate without a result, by step."""
        running = self._ledger.running.get(number)
        return {} if running is None else running.steps

    def check_retraction(self, number: int) -> Evaluation:
        """Return what :meth:`~.ArqonSolver.retract` would take back, or raise as it does; nothing is changed."""
        check_number(number, self._ledger)
        if number not in self._ledger.told:
            raise ResultsError(f"candidate {number} is {self._ledger.state_of(number)}: it has no result to retract")
        return self._ledger.observations[self._ledger.told[number]]

    def rebase(self, seq: int) -> None:
        """Number all observations as one change: that by which they were imported from another study."""
        self._ledger.seqs = [seq] * len(self._ledger.seqs)

    # Persistence

    def freeze(self) -> Frozen:
        """Return all that is known now, to be written down by another thread while the solver goes on."""
        ledger = self._ledger
        return Frozen(
            self.config,
            self._objective,
            ledger.view(),
            ledger.observations,
            ledger.seqs,
            len(ledger.observations),
            list(ledger.withdrawn.values()),
            list(ledger.retracted.values()),
            frozenset(ledger.unsaid),
            {number: running.copy() for number, running in ledger.running.items()},
            ledger.enqueued,
            dict(self._memory),
            # Only the last one still grows.
            [*self._phases[:-1], *(phase.copy() for phase in self._phases[-1:])],
        )

    @classmethod
    def thaw(cls, parts: Iterable[dict[str, Any]], seq: int = 0) -> Self:
        """Return a solver that continues from ``freeze().parts()``.

        Args:
            parts: the state.
            seq: the number of the last change; used for states of 0.1.0, which do not number their observations.

        Raises:
            StateError: if the parts are malformed.
        """
        config, ledger, memory, phases = thaw(parts, seq)
        solver = cls(config)
        solver._ledger, solver._memory, solver._phases = ledger, memory, phases
        return solver

    @classmethod
    def from_state(cls, exported: str) -> Self:
        """Return a solver that continues, bit for bit, from what :meth:`~.ArqonSolver.export` returned.

        Raises:
            StateError: if the state is malformed, incomplete or of a version that this release cannot read.
        """
        return cls.from_document(state.parse(exported))

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Return the solver of a state that :func:`.state.parse` read; see :meth:`from_state`."""
        solver = cls(state.config_of(document))
        solver._memory, solver._phases = state.restore(document, solver.config, solver.space, solver._ledger)
        return solver

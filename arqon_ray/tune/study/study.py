"""The searcher's view of a study, and the one that lives in this process.

Two back ends have the same behavior: :class:`OwnStudy` here, :class:`~arqon_ray.tune.study.shared.SharedStudy`
around the actor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from arqon_ray.core.config import StudyConfig
from arqon_ray.core.ledger.results import Entry
from arqon_ray.core.ledger.view import USER, Candidate
from arqon_ray.core.record.evaluation import Evaluation, Step
from arqon_ray.core.record.run import Run
from arqon_ray.core.solver import ArqonSolver
from arqon_ray.tune.study.prefetch import Ahead
from arqon_ray.tune.study.ticket import Ticket

if TYPE_CHECKING:
    from arqon_ray.service import SolverClient

_SMALL = 5000
"""Events times parameters, five at least: so many are written in some 2 ms."""


class Study(Protocol):
    """What the searcher asks of a study. No call waits long; what cannot be done now is done later."""

    @property
    def config(self) -> StudyConfig:
        """The study's checked config."""
        ...

    @property
    def solver(self) -> ArqonSolver | SolverClient:
        """Who answers, for the user's own questions."""
        ...

    @property
    def finished(self) -> bool:
        """Whether the last ``ask`` came back empty because there will never be a candidate again."""
        ...

    @property
    def full(self) -> bool:
        """Whether the last point was not taken because the budget is spent."""
        ...

    def ask(self, key: str, patience: float, point: Mapping[str, Any] | None = None) -> Ticket | None:
        """Return a candidate for the trial ``key``, or None when there is none within ``patience`` seconds.

        A ``point`` of the user's own becomes the candidate: it counts, and the model sees it in flight.
        """
        ...

    def match(self, key: str, params: Mapping[str, Any], patience: float | None = None) -> Ticket | None:
        """Return the candidate of the trial ``key``, which has these params and which the checkpoint did not know.

        None when it is not known within ``patience`` seconds; it is matched again then, or forgotten.
        """
        ...

    def forget(self, key: str) -> None:
        """Wait no longer for the candidate of a trial that was being matched: it goes back."""
        ...

    def report(self, ticket: Ticket, step: Step) -> None:
        """Pass an intermediate value on."""
        ...

    def end(self, evaluation: Evaluation) -> None:
        """Take the evaluation of a trial; it is told from outside where it has no id."""
        ...

    def release(self, ticket: Ticket) -> None:
        """Give a candidate back without a result."""
        ...

    def seed(self, observations: Sequence[Mapping[str, Any]]) -> None:
        """Take points with their values from outside."""
        ...

    def leave(self) -> None:
        """Give back every candidate that has no result: no trial goes on with it."""
        ...

    def run(self, known: Mapping[str, Any]) -> Run:
        """Return what has become of the study, with what is known better."""
        ...

    @property
    def small(self) -> bool:
        """Whether all that a checkpoint keeps is written in next to no time."""
        ...

    def keep(self) -> Callable[[], dict[str, Any]]:
        """Capture what a checkpoint keeps, as of now; the function that is returned completes it, in any thread."""
        ...

    def state(self) -> dict[str, Any]:
        """Return what a pickle of the searcher keeps, without waiting for anybody."""
        ...


class OwnStudy:
    """A solver in this process."""

    def __init__(self, solver: ArqonSolver) -> None:
        """Take a solver that nobody else uses."""
        self.solver = solver
        self.finished = self.full = False
        self._ahead = Ahead(solver)

    @classmethod
    def restored(cls, export: str, held: set[str], budget: int | None) -> OwnStudy:
        """Continue an exported solver.

        Args:
            export: from :meth:`state`.
            held: ids of the candidates that trials still hold; all others in flight go back to the pool.
            budget: extends the exported one when it is larger.
        """
        study = cls(ArqonSolver.from_state(export))
        if budget is not None and study.config.budget is not None and budget > study.config.budget:
            study.solver.extend_budget(budget)
        study.release_all_but(held)
        return study

    def release_all_but(self, held: set[str]) -> None:
        """Take back every candidate in flight that no trial holds: waited for, it would never come."""
        for number in self.solver.pending:
            if str(number) not in held:
                self.solver.withdraw(number)

    @property
    def config(self) -> StudyConfig:
        """The solver's config."""
        return self.solver.config

    def ask(self, key: str, patience: float, point: Mapping[str, Any] | None = None) -> Ticket | None:
        """Return a fresh candidate, or one that was released when nothing fresh is left."""
        if point is not None:
            return self._place(point)
        try:
            candidate = self._ahead.take(patience)
        except TimeoutError:
            self.finished = False
            return None
        if candidate is None and self.solver.withdrawn:
            candidate = self.solver.reissue(min(self.solver.withdrawn))
        # A candidate in flight may be released and come back: only without any is it over.
        self.finished = candidate is None and not self.solver.pending
        return None if candidate is None else Ticket(candidate.id, dict(candidate.params))

    def _place(self, params: Mapping[str, Any]) -> Ticket | None:
        self.full = self.solver.spent
        if self.full:
            return None
        candidate = Candidate(self.solver.handed_out, dict(params), USER)
        self.solver.adopt(candidate)
        return Ticket(candidate.id, dict(params))

    def match(self, key: str, params: Mapping[str, Any], patience: float | None = None) -> Ticket | None:
        """Hand the trial's point out; beyond the budget it is one from outside."""
        return self._place(params) or Ticket(None, dict(params))

    def forget(self, key: str) -> None:
        """Do nothing: every trial is matched at once."""

    def leave(self) -> None:
        """Take everything back."""
        self.release_all_but(set())

    def report(self, ticket: Ticket, step: Step) -> None:
        """Tell the solver, as long as it waits for the candidate's result."""
        if ticket.id is not None and self.solver.is_open(int(ticket.id)):
            self.solver.report(int(ticket.id), step.step, step.value, time=step.time)

    def end(self, evaluation: Evaluation) -> None:
        """Tell the solver; a late word about a candidate that has its value changes nothing."""
        if evaluation.id is None:
            self.solver.take([Entry(evaluation.params, None, evaluation)])
        elif self.solver.is_open(int(evaluation.id)):
            self.solver.take([Entry(None, int(evaluation.id), evaluation)])
            self._ahead.begin()

    def release(self, ticket: Ticket) -> None:
        """Take the candidate back, unless it has a result."""
        if ticket.id is not None and int(ticket.id) in self.solver.pending:
            self.solver.withdraw(int(ticket.id))
            self._ahead.begin()

    def seed(self, observations: Sequence[Mapping[str, Any]]) -> None:
        """Tell the solver."""
        self.solver.seed(list(observations))

    def run(self, known: Mapping[str, Any]) -> Run:
        """Return the solver's run."""
        return self.solver.run(**known)

    @property
    def small(self) -> bool:
        """Whether there are few results, reports and parameters."""
        return self.solver.version * max(5, len(self.config.bounds)) <= _SMALL

    def keep(self) -> Callable[[], dict[str, Any]]:
        """Take down the solver's state; it is exported later."""
        frozen = self.solver.freeze()
        return lambda: {"kind": "own", "export": frozen.export()}

    def state(self) -> dict[str, Any]:
        """Return the solver's state."""
        return self.keep()()

"""What a searcher needs of a study, and the study that lives in this process.

:class:`Study` has two implementations with the same behavior: :class:`OwnStudy` here, and
:class:`~arqon_ray.tune.study.shared.SharedStudy` around the actor.
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
from arqon_ray.tune.study.prefetch import Prefetcher
from arqon_ray.tune.study.ticket import Ticket

if TYPE_CHECKING:
    from arqon_ray.service import SolverClient

_SMALL = 5000
"""Number of events times parameters (at least five): a checkpoint of this size is written in about 2 ms."""


class Study(Protocol):
    """What the searcher needs of a study. No call blocks for long; what cannot be done now is done later."""

    @property
    def config(self) -> StudyConfig:
        """The study's validated config."""
        ...

    @property
    def solver(self) -> ArqonSolver | SolverClient:
        """The solver or client, for the user's own calls."""
        ...

    @property
    def finished(self) -> bool:
        """Whether the last ``ask`` returned None because there will never be a candidate again."""
        ...

    @property
    def full(self) -> bool:
        """Whether the last point was refused because the budget is spent."""
        ...

    def ask(self, key: str, patience: float, point: Mapping[str, Any] | None = None) -> Ticket | None:
        """Return a candidate for the trial ``key``, or None if there is none within ``patience`` seconds.

        The user's own ``point`` becomes the candidate: it counts toward the budget, and the model sees it in flight.
        """
        ...

    def match(self, key: str, params: Mapping[str, Any], patience: float | None = None) -> Ticket | None:
        """Return the candidate of the trial ``key``, which has these params and is missing from the checkpoint.

        None if the study does not answer within ``patience`` seconds: call it again then, or call ``forget``.
        """
        ...

    def forget(self, key: str) -> None:
        """Stop matching a trial: its candidate goes back to the study."""
        ...

    def report(self, ticket: Ticket, step: Step) -> None:
        """Record an intermediate value."""
        ...

    def end(self, evaluation: Evaluation) -> None:
        """Record the evaluation of a trial; without an id it is a point from outside."""
        ...

    def release(self, ticket: Ticket) -> None:
        """Give a candidate back without a result."""
        ...

    def seed(self, observations: Sequence[Mapping[str, Any]]) -> None:
        """Record points from outside with their values."""
        ...

    def leave(self) -> None:
        """Give back every candidate without a result: no trial continues with it."""
        ...

    def run(self, known: Mapping[str, Any]) -> Run:
        """Return the study as a run; ``known`` are attributes of it that the searcher knows better."""
        ...

    @property
    def small(self) -> bool:
        """Whether a checkpoint is so small that it can be written on Tune's event loop."""
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
        """Take a solver, which nobody else may use."""
        self.solver = solver
        self.finished = self.full = False
        self._prefetcher = Prefetcher(solver)

    def __setstate__(self, former: Mapping[str, Any]) -> None:
        """Take what 0.1.0 pickled; today a searcher keeps :meth:`state`."""
        self.solver, self.finished, self.full = former["solver"], former["finished"], former["full"]
        self._prefetcher = Prefetcher(self.solver)

    @classmethod
    def restored(cls, export: str, held: set[str], budget: int | None) -> OwnStudy:
        """Continue an exported solver.

        Args:
            export: an exported solver.
            held: ids of the candidates that trials still hold; all others in flight are withdrawn.
            budget: replaces the exported budget if it is larger.
        """
        study = cls(ArqonSolver.from_state(export))
        if budget is not None and study.config.budget is not None and budget > study.config.budget:
            study.solver.extend_budget(budget)
        study.release_all_but(held)
        return study

    def release_all_but(self, held: set[str]) -> None:
        """Withdraw every candidate in flight that no trial holds, since its result will never come."""
        for number in self.solver.pending:
            if str(number) not in held:
                self.solver.withdraw(number)

    @property
    def config(self) -> StudyConfig:
        """The solver's config."""
        return self.solver.config

    def ask(self, key: str, patience: float, point: Mapping[str, Any] | None = None) -> Ticket | None:
        """Return a fresh candidate, or one that was released if there is no fresh one."""
        if point is not None:
            return self._place(point)
        try:
            candidate = self._prefetcher.take(patience)
        except TimeoutError:
            self.finished = False
            return None
        if candidate is None and self.solver.withdrawn:
            candidate = self.solver.reissue(min(self.solver.withdrawn))
        # A candidate in flight may still be released and be handed out again.
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
        """Hand out the trial's point; if the budget is spent it is a point from outside."""
        return self._place(params) or Ticket(None, dict(params))

    def forget(self, key: str) -> None:
        """Do nothing: ``match`` answers at once."""

    def leave(self) -> None:
        """Withdraw every candidate in flight."""
        self.release_all_but(set())

    def report(self, ticket: Ticket, step: Step) -> None:
        """Report to the solver, unless the candidate has a result."""
        if ticket.id is not None and self.solver.is_open(int(ticket.id)):
            self.solver.report(int(ticket.id), step.step, step.value, time=step.time)

    def end(self, evaluation: Evaluation) -> None:
        """Tell the solver; a second result of a candidate is ignored."""
        if evaluation.id is None:
            self.solver.take([Entry(evaluation.params, None, evaluation)])
        elif self.solver.is_open(int(evaluation.id)):
            self.solver.take([Entry(None, int(evaluation.id), evaluation)])
            self._prefetcher.begin()

    def release(self, ticket: Ticket) -> None:
        """Withdraw the candidate, unless it has a result."""
        if ticket.id is not None and int(ticket.id) in self.solver.pending:
            self.solver.withdraw(int(ticket.id))
            self._prefetcher.begin()

    def seed(self, observations: Sequence[Mapping[str, Any]]) -> None:
        """Tell the solver points from outside."""
        self.solver.seed(list(observations))

    def run(self, known: Mapping[str, Any]) -> Run:
        """Return the solver's run."""
        return self.solver.run(**known)

    @property
    def small(self) -> bool:
        """Whether there are few results, reports and parameters."""
        return self.solver.version * max(5, len(self.config.bounds)) <= _SMALL

    def keep(self) -> Callable[[], dict[str, Any]]:
        """Freeze the solver's state, to be exported later."""
        frozen = self.solver.freeze()
        return lambda: {"kind": "own", "export": frozen.export()}

    def state(self) -> dict[str, Any]:
        """Return the solver's state."""
        return self.keep()()

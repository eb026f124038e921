"""The searcher's view of a study, and the one that lives in this process.

Two back ends have the same behavior: :class:`OwnStudy` here, :class:`~arqon_ray.tune.shared.SharedStudy`
around the actor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from arqon_ray.core.config import StudyConfig
from arqon_ray.core.ledger import Candidate
from arqon_ray.core.solver import ArqonSolver
from arqon_ray.tune.ahead import Ahead
from arqon_ray.tune.outcome import Outcome, Ticket

if TYPE_CHECKING:
    from arqon_ray.service import SolverClient

USER_POINT = "user"
"""The origin of a candidate that stands in ``points_to_evaluate``."""


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

    def ask(self, key: str, patience: float) -> Ticket | None:
        """Return a candidate for the trial ``key``, or None when there is none within ``patience`` seconds."""
        ...

    def place(self, params: Mapping[str, Any]) -> Ticket | None:
        """Return the user's own point as what a trial evaluates next; None when the budget is spent."""
        ...

    def report(self, ticket: Ticket, step: int, value: float) -> None:
        """Pass an intermediate value on."""
        ...

    def end(self, ticket: Ticket, outcome: Outcome) -> None:
        """Take the outcome of a trial."""
        ...

    def seed(self, observations: Sequence[Mapping[str, Any]]) -> None:
        """Take points with their values from outside."""
        ...

    def flush(self) -> None:
        """Wait, within reason, until all that was passed on has arrived."""
        ...

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        ...


class OwnStudy:
    """A solver in this process."""

    def __init__(self, solver: ArqonSolver) -> None:
        """Take a solver that nobody else uses."""
        self.solver = solver
        self.finished = False
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

    def ask(self, key: str, patience: float) -> Ticket | None:
        """Return a fresh candidate, or one that was released when nothing fresh is left."""
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

    def place(self, params: Mapping[str, Any]) -> Ticket | None:
        """Hand the user's point out as the next candidate: it counts, and the model sees it in flight."""
        if self.solver.spent:
            return None
        numbers = [int(row["id"]) for row in self.solver.history() if row["id"] is not None]
        number = 1 + max([*numbers, *self.solver.pending, *self.solver.withdrawn], default=-1)
        self.solver.adopt(Candidate(number, dict(params), USER_POINT))
        return Ticket(str(number), dict(params))

    def report(self, ticket: Ticket, step: int, value: float) -> None:
        """Do nothing: the searcher keeps the curve, and the solver learns its end."""

    def end(self, ticket: Ticket, outcome: Outcome) -> None:
        """Tell the solver; a late word about a candidate that has its value changes nothing."""
        number = int(ticket.id or -1)
        if number not in self.solver.pending and number not in self.solver.withdrawn:
            return
        if outcome.status != "released":
            self.solver.observe(number, outcome.value, status=outcome.status, step=outcome.step, reason=outcome.reason)
        elif number in self.solver.pending:
            self.solver.withdraw(number)
        self._ahead.begin()

    def seed(self, observations: Sequence[Mapping[str, Any]]) -> None:
        """Tell the solver."""
        self.solver.seed(list(observations))

    def flush(self) -> None:
        """Do nothing: nothing is ever under way."""

    def state(self) -> dict[str, Any]:
        """Return the solver's export."""
        return {"kind": "own", "export": self.solver.export()}

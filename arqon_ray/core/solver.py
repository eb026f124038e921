"""ArqonSolver: Probe, Classify, Refine behind ask and tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from arqon_ray.core.export.frozen import Frozen
from arqon_ray.core.inputs import values
from arqon_ray.core.ledger.results import Results, check_report, parse_results
from arqon_ray.core.ledger.seeds import OutOfBounds, answers, fit, parse_seeds
from arqon_ray.core.ledger.verdicts import check_number
from arqon_ray.core.ledger.view import Candidate
from arqon_ray.core.objectives.choose import objective_of
from arqon_ray.core.propose.proposer import Proposer
from arqon_ray.core.record.evaluation import Evaluation, Step
from arqon_ray.core.record.metrics import check as check_metrics
from arqon_ray.core.record.run import UNNAMED, Run
from arqon_ray.core.space.space import Params
from arqon_ray.core.study_state import StudyState
from arqon_ray.core.versions import versions
from arqon_ray.deprecation import warn_deprecated
from arqon_ray.errors import ResultsError


class ArqonSolver(StudyState):
    """Finds good parameters in few evaluations: ask for points, tell their values.

    Candidate ``k`` is a pure function of the config, ``k``, the observations, the candidates in flight and the
    strategies' memory, all of which :meth:`export` keeps. Not thread-safe.

    Attributes:
        config: the validated config.
        space: the search space.

    Example:
        >>> from arqon_ray import ArqonSolver
        >>> solver = ArqonSolver({"seed": 1, "budget": 25, "bounds": {"x": {"min": -1.0, "max": 1.0}}})
        >>> while (params := solver.ask_one()) is not None:
        ...     accepted = solver.tell([{"params": params, "value": (params["x"] - 0.3) ** 2}])
        >>> abs(solver.best()["params"]["x"] - 0.3) < 0.01
        True
    """

    # Asking

    def ask_one(self) -> dict[str, Any] | None:
        """Return the parameters of a fresh candidate, or None if there is none to hand out.

        There is none when the budget is spent, or when every point of a finite space is in flight.
        """
        candidate = self.propose()
        return None if candidate is None else self.space.given(candidate.params)

    def ask(self, n: int | None = None) -> list[dict[str, Any]] | None:
        """Return a batch of fresh candidates, or None if there is none to hand out.

        Args:
            n: the largest number of candidates; None for as many as it makes sense to evaluate in parallel now: the
                rest of the probe, then one at a time.

        Raises:
            ValueError: if ``n`` is not a positive integer.
        """
        proposer = self.proposer()
        if n is None:
            view = self._ledger.view()
            n = max(1, self._coverage.remaining(view.number, view.outside, len(view.y)))
        n = values.whole("n", n, 1)
        batch: list[dict[str, Any]] = []
        while len(batch) < n:
            try:
                candidate = proposer.propose()
            except Exception:
                # Those before are handed out; the next ask meets the error by itself.
                if batch:
                    break
                raise
            if candidate is None:
                break
            self.adopt(candidate)
            batch.append(self.space.given(candidate.params))
        return batch or None

    def propose(self) -> Candidate | None:
        """Hand out a fresh candidate, which is pending from now on; see :meth:`ask_one`."""
        candidate = self.proposer().propose()
        if candidate is not None:
            self.adopt(candidate)
        return candidate

    def draft(self) -> Proposer:
        """Return :meth:`proposer`; this name is deprecated since 0.2.0."""
        warn_deprecated("ArqonSolver.draft()", since="0.2.0", removed="0.4.0", instead="proposer()")
        return self.proposer()

    def enqueue(self, params: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> list[Params]:
        """Put one or several points before the solver's own: the next asks return them, each once.

        A point counts toward the budget when it is handed out. Parameters that it leaves out are filled in.

        Args:
            params: native values of some or all parameters; or a list of such dicts.

        Returns:
            The whole points, in their order.

        Raises:
            ResultsError: if one does not fit the space; nothing is enqueued then.
        """
        points = self.complete(params)
        self._ledger.enqueue(points)
        return [self.space.given(point) for point in points]

    # Telling

    def tell(self, results: Results) -> list[dict[str, Any]]:
        """Record results of candidates, and of points from outside.

        An entry with an ``eval_id`` (or ``id``) belongs to that candidate if the parameters agree or are left out.
        Any other belongs to the pending candidate with these parameters, else it is a point from outside.

        Args:
            results: a list of dicts, or its JSON: ``params``, ``value``, and optionally ``cost`` (1.0),
                ``eval_id``, ``metrics`` and the other fields of an evaluation, see :func:`.parse_results`. Anything
                numeric is accepted as a value, see :mod:`arqon_ray.core.inputs.values`; None, NaN and infinities
                mean a failed evaluation. With several objectives, ``values`` has one of each.

        Returns:
            A dict per entry: ``id``, ``accepted`` and, if it was not accepted, a ``note`` that says why.

        Raises:
            ResultsError: if any entry is malformed; nothing is recorded then.
            UnknownCandidateError: if an id without params was never handed out; nothing is recorded then.
        """
        return self.take(parse_results(results, self.config.metric))

    def seed(self, results: Results, out_of_bounds: OutOfBounds = "raise") -> list[dict[str, Any]]:
        """Record points from outside, such as old results or rows of a table; they do not count toward the budget.

        Rows of :meth:`history`, :meth:`best` and :meth:`pareto`, of this or another study, are accepted as they are.
        The ids in them say where they came from and never mean candidates of this study. A row without an id whose
        parameters are those of a candidate in flight is that candidate's result.

        Args:
            results: as for :meth:`tell`, each with ``params``; see :func:`.parse_seeds`.
            out_of_bounds: what to do with a row whose parameters lie outside the space, such as old results in a
                range that was narrowed: ``raise`` refuses the whole list, ``skip`` skips the row.

        Returns:
            A dict per row, as :meth:`tell`. A skipped row is not ``accepted``, and its ``note`` says why.

        Raises:
            OutOfBoundsError: if a row lies outside the space; nothing is recorded then.
            ResultsError: if any row is malformed; nothing is recorded then.
        """
        fitting, notes = fit(parse_seeds(results, self.config.metric), self.space, out_of_bounds)
        return answers(notes, self.take(fitting))

    def observe(
        self,
        number: int,
        value: float | None,
        cost: float = 1.0,
        status: Literal["complete", "failed"] = "complete",
        step: int | None = None,
        reason: str | None = None,
    ) -> None:
        """Record the result of one candidate that is pending or withdrawn.

        Raises:
            ResultsError: if the value is not a number, or the candidate was told before.
            UnknownCandidateError: if there is no such candidate.
        """
        check_number(number, self._ledger)
        entry = {"eval_id": number, "value": value, "cost": cost, "status": status, "step": step, "reason": reason}
        answer = self.tell([entry])[0]
        if not answer["accepted"]:
            raise ResultsError(f"candidate {number} was told before: a candidate has one result")

    def report(
        self,
        number: int,
        step: int,
        value: float | None,
        metrics: Mapping[str, Any] | None = None,
        time: float | None = None,
    ) -> None:
        """Record an intermediate result of a candidate that is pending or withdrawn.

        Reports may come in any order. A second report of a step replaces the first, as when an evaluation was started
        again. At most 1000 are kept per evaluation, evenly thinned.

        Args:
            number: the candidate's number.
            step: how far the evaluation has come, 0 or more.
            value: its value so far; a non-finite one is kept, but the model ignores it.
            metrics: other metrics; the last ones go into the evaluation.
            time: when it was reported, in seconds since 1970.

        Raises:
            ResultsError: if step, value or a metric is malformed, or the candidate was told before.
            UnknownCandidateError: if there is no such candidate.
        """
        check_number(number, self._ledger)
        step, finite = check_report(step, value)
        last = None if metrics is None else check_metrics("metrics", metrics)
        if not self.is_open(number):
            raise ResultsError(f"candidate {number} is {self._ledger.state_of(number)}: it takes no more reports")
        self._ledger.report(number, Step(step, finite, time), last)

    def retract(self, number: int, reason: str | None = None) -> None:
        """Take back a candidate's result that was wrong: the model and the history forget it.

        The candidate is not handed out again, and still counts toward the budget. To correct a result, retract it and
        tell the candidate again. The strategies start with an empty memory.

        Args:
            number: the candidate's number.
            reason: why, for readers of the code; it is not stored.

        Raises:
            ResultsError: if it has no result.
            UnknownCandidateError: if there is no such candidate.
        """
        self.check_retraction(number)
        self._ledger.retract(number)
        # Strategies remember indices of observations, and what they concluded from this one.
        self._memory = {name: memory for name, memory in self._memory.items() if name == "probe"}
        self._objective = objective_of(self.config)

    # Reading

    def get_history_len(self) -> int:
        """Return the number of observations, including failed ones."""
        return len(self._ledger.observations)

    def history(self, since: int | None = None) -> list[dict[str, Any]]:
        """Return the observations in the order in which they were told, each as :meth:`.Evaluation.to_dict`.

        Each row also has ``seq``, the number of the change that brought it, ascending; a solver restored from an
        export numbers them from 1 again.

        Args:
            since: return only rows with a larger ``seq``, typically that of the last known row.
        """
        return [self._given(row) for row in self.freeze().history(since)]

    def evaluations(self) -> list[Evaluation]:
        """Return the evaluations that have a result, in the order in which they were told."""
        return self.freeze().evaluations()

    def running(self) -> list[Evaluation]:
        """Return the evaluations of the candidates in flight, with their reports so far."""
        return self.freeze().underway()

    def _given(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return a row of the history with its params as users see them."""
        return {**row, "params": self.space.given(row["params"])}

    def pareto(self) -> list[dict[str, Any]]:
        """Return the Pareto front: the observations that no other one dominates, as rows of :meth:`history`.

        Raises:
            ConfigError: if the config has no ``objectives``.
        """
        return [self._given(row) for row in self.freeze().pareto()]

    def best(self) -> dict[str, Any] | None:
        """Return the recommended point: id, params, value (observed) and predicted; None before any value.

        On noisy values it is the one with the best predicted value, not the luckiest. Evaluations that were stopped
        early are ignored if any went further. With several objectives it is the best in the first of them; see
        :meth:`pareto`.
        """
        return self.best_of(self.proposer(), self.freeze())

    def best_of(self, proposer: Proposer, frozen: Frozen) -> dict[str, Any] | None:
        """Return :meth:`best` as of the time both were taken; another thread may call it while the solver goes on."""
        recommended = proposer.recommend()
        if recommended is None:
            return None
        index, predicted = recommended
        return {**self._given(frozen.evaluations(index)[0].to_dict()), "predicted": predicted}

    def explain(self) -> dict[str, Any]:
        """Return phase, landscape, strategy, the reason and the evidence for them, and the phases so far."""
        return self.explain_of(self.proposer(), self.freeze())

    def explain_of(self, proposer: Proposer, frozen: Frozen) -> dict[str, Any]:
        """Return :meth:`explain` as of the time both were taken; any thread may call it while the solver goes on."""
        phases = [{"strategy": name, "candidates": count} for name, count in frozen.phases]
        return {**proposer.explain(), "phases": phases}

    def run(self, name: str = "arqon", **more: Any) -> Run:
        """Return the study so far as a :class:`.Run`, for reports; it asks the model as :meth:`explain` does.

        Args:
            name: the run's name.
            **more: attributes of the :class:`.Run` that the caller knows better, such as ``metric`` and ``state``.
        """
        best = self.best()
        known = {
            "metric": self.config.metric or UNNAMED,
            "study": self.config.to_dict(),
            "evaluations": tuple(self.evaluations()),
            "running": tuple(self.running()),
            "state": "finished" if self.spent and not self.pending and not self.withdrawn else "running",
            "explain": self.explain(),
            "recommended": None if best is None else best["id"],
            "versions": versions(),
        }
        return Run(name, **{**known, **more})

    # Persistence

    def export(self) -> str:
        """Return all that the solver knows, as JSON that is also readable as an ArqonHPO run artifact."""
        return self.freeze().export()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle through the exported state, which executes no code when it is read."""
        return (_unpickled, (type(self), self.export()))


def _unpickled(kind: type[ArqonSolver], exported: str) -> ArqonSolver:
    # A function of the module: cloudpickle would write the code of a class method into the pickle.
    return kind.from_state(exported)

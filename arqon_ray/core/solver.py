"""ArqonSolver: Probe, Classify, Refine behind ask and tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from arqon_ray.core.config import StudyConfig, load_config
from arqon_ray.core.export import state
from arqon_ray.core.export.frozen import Frozen, thaw
from arqon_ray.core.inputs import values
from arqon_ray.core.ledger.ledger import Ledger
from arqon_ray.core.ledger.results import Entry, Results, check_report, parse_results
from arqon_ray.core.ledger.seeds import OutOfBounds, answers, fit, parse_seeds
from arqon_ray.core.ledger.verdicts import Verdict, check_number, resolve
from arqon_ray.core.ledger.view import Candidate
from arqon_ray.core.objectives.choose import objective_of
from arqon_ray.core.probe.coverage import Coverage
from arqon_ray.core.propose.proposer import Proposer
from arqon_ray.core.propose.roster import Roster, check_strategy, warn_of_unread
from arqon_ray.core.record.evaluation import Evaluation, Step
from arqon_ray.core.record.metrics import check as check_metrics
from arqon_ray.core.record.run import Run, run_of_solver
from arqon_ray.core.space.points import whole_points
from arqon_ray.core.space.space import Params, Space
from arqon_ray.core.strategies.memories import remember
from arqon_ray.deprecation import warn_deprecated
from arqon_ray.errors import ConfigError, ResultsError


class ArqonSolver:
    """Finds good parameters in few evaluations: ask for points, tell what they were worth.

    Candidate ``k`` is a pure function of the config, ``k``, the observations and the candidates in flight, and
    what the strategies remembered; all of it is in :meth:`export`. Not safe for use by several threads at once.

    Attributes:
        config: the checked config.
        space: its space.
    """

    def __init__(self, config: Mapping[str, Any] | str | StudyConfig) -> None:
        """Begin a study.

        Args:
            config: dict or JSON string, see :class:`~arqon_ray.core.config.StudyConfig`.

        Raises:
            ConfigError: when the config breaks a rule; the message names key, value and rule.
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

    # Asking

    def ask_one(self) -> Params | None:
        """Return the parameters of a fresh candidate, or None when there is none to hand out.

        There is none when the budget is spent, or when every point of a finite space is in flight.
        """
        candidate = self.propose()
        return None if candidate is None else self.space.given(candidate.params)

    def ask(self, n: int | None = None) -> list[Params] | None:
        """Return a batch of fresh candidates, or None when there is none to hand out.

        Args:
            n: at most so many; None for as many as can sensibly be evaluated side by side now: what is left of
                the probe, then one at a time.

        Raises:
            ValueError: when ``n`` is no whole number above 0.
        """
        proposer = self.proposer()
        if n is None:
            view = self._ledger.view()
            n = max(1, self._coverage.remaining(view.number, view.outside, len(view.y)))
        n = values.whole("n", n, 1)
        batch: list[Params] = []
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

    def enqueue(self, params: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> list[Params]:
        """Put a point, or a list of them, before the solver's own: the next asks are given them, each once.

        A point counts in the budget when it is handed out. What it leaves out is completed.

        Args:
            params: native values of some or all parameters; or a list of such dicts.

        Returns:
            The whole points, in their order.

        Raises:
            ResultsError: when one does not fit the space; nothing is enqueued then.
        """
        points = self.complete(params)
        self._ledger.enqueue(points)
        return [self.space.given(point) for point in points]

    def complete(self, params: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> list[Params]:
        """Return points as :meth:`enqueue` would put them into the queue; nothing is changed."""
        return whole_points(params, self.config, self.space, self._ledger.enqueued)

    def put(self, points: Sequence[Params]) -> None:
        """Enqueue points that :meth:`complete` returned."""
        self._ledger.enqueue(points)

    @property
    def queue(self) -> list[Params]:
        """The points that wait to be handed out before all others, the next one first."""
        return list(self._ledger.queue)

    def proposer(self) -> Proposer:
        """Return a proposer of the next candidates on what is known now; the solver can go on meanwhile.

        It copies what is in flight and nothing else, however much was told.
        """
        return Proposer(
            self.config, self.space, self._coverage, self._roster, self._objective, self._ledger.view(), self._memory
        )

    def draft(self) -> Proposer:
        """Do as :meth:`proposer`; deprecated since 0.2.0."""
        warn_deprecated("ArqonSolver.draft()", since="0.2.0", removed="0.4.0", instead="proposer()")
        return self.proposer()

    @property
    def version(self) -> int:
        """Advances with each result, report, ask and withdrawal: a proposer of the same ``version`` is up to date."""
        return self._ledger.version

    def adopt(self, candidate: Candidate) -> None:
        """Hand out a candidate that was computed before (a log is replayed); its number must be the next.

        Raises:
            ResultsError: when its parameters do not fit the space.
            StateError: when its number is not the next one.
        """
        (located,) = self.locate([candidate])
        assert located.point is not None
        self._ledger.hand_out(located, located.point)
        remember(self._memory, candidate.memory)
        if not self._phases or self._phases[-1][0] != candidate.origin:
            self._phases.append([candidate.origin, 0])
        self._phases[-1][1] += 1

    def locate(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Return candidates with their points, if they can be adopted one after another; nothing is changed.

        Raises:
            ResultsError: when the parameters of one do not fit the space.
            StateError: when their numbers are not the next ones.
        """
        located = []
        for number, candidate in enumerate(candidates, self._ledger.handed_out):
            state.check_next(candidate, number)
            # The native values are the truth: a point read back from them is the same, bit for bit.
            point = self.space.encode(candidate.params) if candidate.point is None else candidate.point
            located.append(candidate if candidate.point is not None else replace(candidate, point=point))
        return located

    @property
    def handed_out(self) -> int:
        """How many candidates there are."""
        return self._ledger.handed_out

    @property
    def spent(self) -> bool:
        """Whether the budget is handed out in full."""
        return self.config.budget is not None and self._ledger.handed_out >= self.config.budget

    def extend_budget(self, budget: int | None) -> None:
        """Set a larger budget; None lifts the limit.

        Raises:
            ConfigError: when it is smaller than the present one.
        """
        self.config = self.with_budget(budget)
        self._coverage = self._planned_coverage()

    def _planned_coverage(self) -> Coverage:
        return Coverage(self.space, self.config, self._roster.probe_size, self._roster.min_startup)

    def with_budget(self, budget: int | None) -> StudyConfig:
        """Return the config with a larger budget, None for no limit; nothing is changed.

        Raises:
            ConfigError: when it is smaller than the present one.
        """
        own = self.config.budget
        config = load_config({**self.config.to_dict(), "budget": budget})
        if budget is not None and own is None:
            raise ConfigError(f"budget is {budget}: this study has no limit, and a budget only grows; leave it None")
        if budget is not None and own is not None and budget < own:
            raise ConfigError(f"budget is {budget}, below {own}: a budget only grows")
        return config

    # Telling

    def tell(self, results: Results) -> list[dict[str, Any]]:
        """Take results: of candidates, and of points from outside.

        An entry with an ``eval_id`` (or ``id``) is that candidate's if the parameters agree or are not given;
        any other is the pending candidate's with these parameters, else a point from outside.

        Args:
            results: a list of dicts, or its JSON: ``params``, ``value``, and optionally ``cost`` (1.0),
                ``eval_id``, ``metrics`` and what else an evaluation has, see :func:`.parse_results`. A value is
                whatever is a number, see :mod:`arqon_ray.core.inputs.values`; None, NaN and infinities are failed
                evaluations. With several objectives ``values``, one of each.

        Returns:
            One dict an entry: ``id``, ``accepted`` and, where it was not, a ``note`` that says why.

        Raises:
            ResultsError: when any entry is malformed; nothing is taken then.
            UnknownCandidateError: when an id without params was never handed out; nothing is taken then.
        """
        return self.take(parse_results(results, self.config.metric))

    def take(self, entries: Sequence[Entry]) -> list[dict[str, Any]]:
        """Take results that were read before; see :meth:`tell`."""
        verdicts = self.resolve(entries)
        self.apply(verdicts)
        return [verdict.answer for verdict in verdicts]

    def seed(self, results: Results, out_of_bounds: OutOfBounds = "raise") -> list[dict[str, Any]]:
        """Take points from outside, which count as evidence and not in the budget: old results, rows of a table.

        Rows of :meth:`history`, :meth:`best` and :meth:`pareto`, of this or another study, are taken as they are. The
        ids in them are where they came from, never candidates of this study. A row without an id whose parameters are
        those of a candidate in flight is that candidate's result.

        Args:
            results: as for :meth:`tell`, each with ``params``; see :func:`.parse_seeds`.
            out_of_bounds: what becomes of a row whose parameters lie outside the space, such as old results in a
                range that was narrowed: ``raise`` refuses the whole list, ``skip`` passes the row over.

        Returns:
            One dict a row, as :meth:`tell`. A row that was skipped is not ``accepted``, and its ``note`` says why.

        Raises:
            OutOfBoundsError: when a row lies outside the space; nothing is taken then.
            ResultsError: when any row is malformed; nothing is taken then.
        """
        fitting, notes = fit(parse_seeds(results, self.config.metric), self.space, out_of_bounds)
        return answers(notes, self.take(fitting))

    def resolve(self, entries: Sequence[Entry]) -> list[Verdict]:
        """Return what results mean to the solver, without taking them; see :func:`.verdicts.resolve`."""
        return resolve(entries, self.space, self._ledger, self._objective.problem)

    def apply(self, verdicts: Sequence[Verdict], seq: int | None = None) -> None:
        """Take results as :meth:`resolve` judged them a moment before.

        Args:
            verdicts: what becomes of them.
            seq: the number of the change that brings them; None for the next one.
        """
        for verdict in verdicts:
            if verdict.evaluation is not None:
                self._ledger.record(verdict.evaluation, verdict.point, seq, verdict.unsaid)

    def observe(
        self,
        number: int,
        value: float | None,
        cost: float = 1.0,
        status: Literal["complete", "failed"] = "complete",
        step: int | None = None,
        reason: str | None = None,
    ) -> None:
        """Take the result of one candidate that is pending or withdrawn.

        Raises:
            ResultsError: when the value is no number, or the candidate was told before.
            UnknownCandidateError: when there is no such candidate.
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
        """Take an intermediate result of a candidate that is pending or withdrawn.

        Reports may come in any order. One of a step that was reported before replaces it, as when an evaluation was
        begun again. At most 1000 are kept of an evaluation, evenly thinned.

        Args:
            number: the candidate's.
            step: how far the evaluation has come, 0 or more.
            value: what it is worth by then; one that is not finite is kept, and says nothing to the model.
            metrics: what else is known; the last ones go into the evaluation.
            time: when it was reported, in seconds since 1970.

        Raises:
            ResultsError: when step, value or a metric is malformed, or the candidate was told before.
            UnknownCandidateError: when there is no such candidate.
        """
        check_number(number, self._ledger)
        step, finite = check_report(step, value)
        last = None if metrics is None else check_metrics("metrics", metrics)
        if not self.is_open(number):
            raise ResultsError(f"candidate {number} is {self._ledger.state_of(number)}: nothing more is reported of it")
        self._ledger.report(number, Step(step, finite, time), last)

    def has_reported(
        self, number: int, step: int, value: float | None, metrics: Mapping[str, Any] | None = None
    ) -> bool:
        """Tell whether a report of a candidate without a result says nothing new: somebody repeats it."""
        running = self._ledger.running.get(number)
        return running is not None and running.says(step, value, metrics)

    def reported(self, number: int) -> Mapping[int, Step]:
        """Return the reports of a candidate without a result, by step."""
        running = self._ledger.running.get(number)
        return {} if running is None else running.steps

    def retract(self, number: int, reason: str | None = None) -> None:
        """Take a candidate's result back, since it was wrong: the model and the history forget it.

        The candidate is not handed out again, and counts in the budget as before; it may be told again, which is how
        a wrong result is corrected. What the strategies remember begins anew.

        Args:
            number: the candidate's.
            reason: why; for those who read the call, it is not kept here.

        Raises:
            ResultsError: when it has no result.
            UnknownCandidateError: when there is no such candidate.
        """
        self.check_retraction(number)
        self._ledger.retract(number)
        # They remember places of observations, and what they made of this one.
        self._memory = {name: memory for name, memory in self._memory.items() if name == "probe"}
        self._objective = objective_of(self.config)

    def check_retraction(self, number: int) -> Evaluation:
        """Refuse what :meth:`retract` refuses, or return what it would take back; nothing is changed."""
        check_number(number, self._ledger)
        if number not in self._ledger.told:
            raise ResultsError(f"candidate {number} is {self._ledger.state_of(number)}: it has no result to retract")
        return self._ledger.observations[self._ledger.told[number]]

    def rebase(self, seq: int) -> None:
        """Let all observations bear the number of one change: that by which another study's were taken up."""
        self._ledger.seqs = [seq] * len(self._ledger.seqs)

    def withdraw(self, number: int) -> None:
        """Take a pending candidate back: nobody evaluates it now, so the model forgets that it is in flight.

        Raises:
            UnknownCandidateError: when it is not pending.
        """
        self._ledger.withdraw(number)

    def reissue(self, number: int) -> Candidate:
        """Hand a withdrawn candidate out again, the same point under the same number.

        Raises:
            UnknownCandidateError: when it is not withdrawn.
        """
        return self._ledger.reissue(number)

    # Looking

    @property
    def pending(self) -> dict[int, Candidate]:
        """Candidates in flight by number, in the order of their asks."""
        return dict(self._ledger.pending)

    @property
    def withdrawn(self) -> dict[int, Candidate]:
        """Candidates that were taken back, by number."""
        return dict(self._ledger.withdrawn)

    def candidate(self, number: int) -> Candidate:
        """Return a candidate, whatever became of it.

        Raises:
            UnknownCandidateError: when there is no such candidate.
        """
        check_number(number, self._ledger)
        return self._ledger.candidate(number)

    def is_open(self, number: int) -> bool:
        """Tell whether a candidate was handed out and has no result yet."""
        return self._ledger.state_of(number) in ("pending", "withdrawn")

    def is_told(self, number: int) -> bool:
        """Tell whether a candidate has a result, that was not taken back."""
        return number in self._ledger.told

    def get_history_len(self) -> int:
        """Return the number of observations, failed ones included."""
        return len(self._ledger.observations)

    @property
    def retracted(self) -> dict[int, Candidate]:
        """Candidates whose result was taken back, by number."""
        return dict(self._ledger.retracted)

    def history(self, since: int | None = None) -> list[dict[str, Any]]:
        """Return the observations in the order in which they were told, each as :meth:`.Evaluation.to_dict`.

        Beside that a row has ``seq``, the number of the change that brought it, ascending; a solver that was restored
        from an export numbers them anew, from 1.

        Args:
            since: only what came after the change of this number: the ``seq`` of the last row that is known.
        """
        return [self._given(row) for row in self.freeze().history(since)]

    def evaluations(self) -> list[Evaluation]:
        """Return the evaluations that have a result, in the order in which they were told."""
        return self.freeze().evaluations()

    def running(self) -> list[Evaluation]:
        """Return the evaluations of the candidates in flight, with what they have reported."""
        return self.freeze().underway()

    def _given(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return a row of the history with its params as users see them."""
        return {**row, "params": self.space.given(row["params"])}

    def pareto(self) -> list[dict[str, Any]]:
        """Return the observations that no other one beats in all objectives, as :meth:`history` has them.

        Raises:
            ConfigError: when the config has no ``objectives``.
        """
        return [self._given(row) for row in self.freeze().pareto()]

    def best(self) -> dict[str, Any] | None:
        """Return the recommended point: id, params, value (observed) and predicted; None before any value.

        On noisy values it is the one that the model predicts to be best, not the luckiest. Evaluations that
        were stopped early are passed over while there are any that went further. With several objectives it is the
        best in the first of them; see :meth:`pareto`.
        """
        return self.best_of(self.proposer(), self.freeze())

    def best_of(self, proposer: Proposer, frozen: Frozen) -> dict[str, Any] | None:
        """Return :meth:`best` as it was when both were taken; another thread may ask while the solver goes on."""
        recommended = proposer.recommend()
        if recommended is None:
            return None
        place, predicted = recommended
        return {**self._given(frozen.evaluations(place)[0].to_dict()), "predicted": predicted}

    def explain(self) -> dict[str, Any]:
        """Return phase, landscape, strategy, the reason and the evidence for them, and the phases so far."""
        phases = [{"strategy": name, "candidates": count} for name, count in self._phases]
        return {**self.proposer().explain(), "phases": phases}

    def run(self, name: str = "arqon", **more: Any) -> Run:
        """Return what has become of the study so far, for reports; it asks the model as :meth:`explain` does.

        Args:
            name: the run's name.
            **more: other attributes of the :class:`.Run` that are known better, such as ``metric`` and ``state``.
        """
        return run_of_solver(self, name, **more)

    # Keeping

    def export(self) -> str:
        """Return all that the solver knows, as JSON that is also readable as an ArqonHPO run artifact."""
        return self.freeze().export()

    def freeze(self) -> Frozen:
        """Return all that the solver knows now, for whoever writes it down while the solver goes on."""
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
    def thaw(cls, parts: Iterable[dict[str, Any]], seq: int = 0) -> ArqonSolver:
        """Return a solver that continues where :meth:`freeze` stood, from ``freeze().parts()``.

        Args:
            parts: the state.
            seq: the number of the last change; for the states of 0.1.0, which do not say which change brought what.

        Raises:
            StateError: the parts are malformed.
        """
        config, ledger, memory, phases = thaw(parts, seq)
        solver = cls(config)
        solver._ledger, solver._memory, solver._phases = ledger, memory, phases
        return solver

    @classmethod
    def from_state(cls, exported: str) -> ArqonSolver:
        """Return a solver that continues, bit for bit, where :meth:`export` stood.

        Raises:
            StateError: when the state is malformed, incomplete or of a version that this release cannot read.
        """
        return cls.from_document(state.parse(exported))

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> ArqonSolver:
        """Return the solver of a state that :func:`.state.parse` read; see :meth:`from_state`."""
        solver = cls(state.config_of(document))
        solver._memory, solver._phases = state.restore(document, solver.config, solver.space, solver._ledger)
        return solver

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle through the exported state, which runs nobody's code."""
        return (type(self).from_state, (self.export(),))

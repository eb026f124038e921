"""ArqonSolver: Probe, Classify, Refine behind ask and tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from arqon_ray.core import state
from arqon_ray.core.classify import Verdict, classify
from arqon_ray.core.config import StudyConfig, load_config
from arqon_ray.core.coverage import Coverage
from arqon_ray.core.evidence import Array, Evidence
from arqon_ray.core.ledger import Candidate, Ledger, Observation
from arqon_ray.core.random import generator
from arqon_ray.core.refine import STRATEGIES, recommend
from arqon_ray.core.results import Entry, Results, parse_results
from arqon_ray.core.space import Params, Space
from arqon_ray.core.threads import one_thread
from arqon_ray.errors import ConfigError, ResultsError, UnknownCandidateError


@dataclass(frozen=True, slots=True)
class _Choice:
    """The next point, what made it, and the memories that changed with it."""

    point: Array
    origin: str
    memory: dict[str, Any]


_COVERING = Verdict("unknown", ("probe",), "the space is being covered", {})


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
        known = ("auto", "probe", *STRATEGIES)
        if self.config.strategy not in known:
            raise ConfigError(f"strategy is {self.config.strategy!r}: it must be one of {', '.join(known)}")
        self.space = Space(self.config.bounds)
        self._coverage = Coverage(self.space, self.config)
        self._ledger = Ledger(self.space, self.config.mode)
        self._memory: dict[str, Any] = {}
        self._phases: list[list[Any]] = []

    # Asking

    def ask_one(self) -> Params | None:
        """Return the parameters of a fresh candidate, or None when there is none to hand out.

        There is none when the budget is spent, or when every point of a finite space is in flight.
        """
        candidate = self.propose()
        return None if candidate is None else dict(candidate.params)

    def ask(self, n: int | None = None) -> list[Params] | None:
        """Return a batch of fresh candidates, or None when there is none to hand out.

        Args:
            n: at most so many; None for as many as can sensibly be evaluated side by side now: what is left of
                the probe, then one at a time.

        Raises:
            ValueError: when ``n`` is no whole number above 0.
        """
        if n is None:
            n = max(1, self._coverage.remaining(self._evidence()))
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise ValueError(f"n is {n!r}: it must be a whole number, 1 or more")
        batch: list[Params] = []
        while len(batch) < n:
            try:
                params = self.ask_one()
            except Exception:
                # Those before are handed out; the next ask meets the error by itself.
                if batch:
                    break
                raise
            if params is None:
                break
            batch.append(params)
        return batch or None

    def propose(self) -> Candidate | None:
        """Hand out a fresh candidate, which is pending from now on; see :meth:`ask_one`."""
        if self.spent:
            return None
        with one_thread():
            choice = self._choose(self._evidence())
        if choice is None:
            return None
        params = self.space.decode(choice.point)
        candidate = Candidate(self._ledger.handed_out, params, choice.origin, choice.memory)
        self.adopt(candidate)
        return candidate

    def adopt(self, candidate: Candidate) -> None:
        """Hand out a candidate that was computed before (a log is replayed); its number must be the next.

        Raises:
            ResultsError: when its parameters do not fit the space.
            StateError: when its number is not the next one.
        """
        state.check_next(candidate, self._ledger.handed_out)
        # The native values are the truth: a point read back from them is the same, bit for bit.
        self._ledger.hand_out(candidate, self.space.encode(candidate.params))
        self._memory.update(candidate.memory)
        if not self._phases or self._phases[-1][0] != candidate.origin:
            self._phases.append([candidate.origin, 0])
        self._phases[-1][1] += 1

    @property
    def spent(self) -> bool:
        """Whether the budget is handed out in full."""
        return self.config.budget is not None and self._ledger.handed_out >= self.config.budget

    def extend_budget(self, budget: int | None) -> None:
        """Set a larger budget; None lifts the limit.

        Raises:
            ConfigError: when it is smaller than the present one.
        """
        config = load_config({**self.config.to_dict(), "budget": budget})
        if budget is not None and (self.config.budget is None or budget < self.config.budget):
            raise ConfigError(f"budget is {budget}, below {self.config.budget}: a budget only grows")
        self.config = config
        self._coverage = Coverage(self.space, config)

    # The three phases

    def _choose(self, evidence: Evidence) -> _Choice | None:
        """Return the next point: cover the space, then decide what it is like, then exploit that."""
        if self._coverage.remaining(evidence) > 0:
            return self._probe()
        verdict = self._classify(evidence)
        if verdict.repeat is not None:
            return _Choice(evidence.X[verdict.repeat], "repeat", {"classify": verdict.memory})
        return self._refine(evidence, verdict)

    def _probe(self) -> _Choice | None:
        """Return the next point of the probe that nobody knows; in an exhausted space, a known one."""
        point, index = self._coverage.fresh(self._memory.get("probe", {}).get("index", 0), self._ledger.knows)
        memory = {"probe": {"index": index}}
        if point is not None:
            return _Choice(point, "probe", memory)
        if self._ledger.withdrawn:
            return None  # in an exhausted space what was taken back goes first
        known = self._coverage.known_again(self._evidence())
        return None if known is None else _Choice(known, "repeat", memory)

    def _classify(self, evidence: Evidence) -> Verdict:
        """Return what the evidence says and which strategies follow from it."""
        if self.config.strategy != "auto":
            return Verdict("unknown", (self.config.strategy,), "the config names the strategy", {})
        surrogate = self._memory.get("gaussian_process", {})
        return classify(evidence, self._memory.get("classify", {}), surrogate)

    def _refine(self, evidence: Evidence, verdict: Verdict) -> _Choice | None:
        """Return the point of the first strategy that has a new one; the probe's when none has."""
        memory: dict[str, Any] = {"classify": verdict.memory} if verdict.memory else {}
        for name in verdict.strategies:
            if name not in STRATEGIES:
                continue
            rng = generator(self.config.seed, name, evidence.number)
            try:
                proposal = STRATEGIES[name].propose(evidence, self._memory.get(name, {}), rng)
            except (ArithmeticError, np.linalg.LinAlgError) as error:
                # A matrix that will not factorize must not end a study: the next strategy answers, explain() tells.
                memory["trouble"] = {"strategy": name, "candidate": evidence.number, "error": str(error)}
                continue
            if proposal is None:
                continue
            memory[name] = proposal.memory
            point = self.space.encode(self.space.decode(proposal.point))
            if not self._ledger.knows(point):
                return _Choice(point, name, memory)
        choice = self._probe()
        return choice and _Choice(choice.point, choice.origin, {**memory, **choice.memory})

    def _evidence(self) -> Evidence:
        return self._ledger.evidence(self.config.budget, self.config.strategy_params)

    # Telling

    def tell(self, results: Results) -> list[dict[str, Any]]:
        """Take results: of candidates, and of points from outside.

        An entry with an ``eval_id`` (or ``id``) is that candidate's if the parameters agree or are not given;
        any other is the pending candidate's with these parameters, else a point from outside.

        Args:
            results: a list of dicts, or its JSON: ``params``, ``value``, and optionally ``cost`` (1.0),
                ``eval_id``, ``status`` (``complete`` or ``failed``), ``step``, ``reason``. A value that is
                None, NaN or infinite is a failed evaluation.

        Returns:
            One dict an entry: ``id``, ``accepted`` and, where it was not, a ``note`` that says why.

        Raises:
            ResultsError: when any entry is malformed; nothing is taken then.
            UnknownCandidateError: when an id without params was never handed out; nothing is taken then.
        """
        entries = parse_results(results)
        points = [self._locate(entry) for entry in entries]
        return [self._take(entry, point) for entry, point in zip(entries, points, strict=True)]

    seed = tell

    def _locate(self, entry: Entry) -> Array | None:
        """Return the point of an entry with params; check the id of one without."""
        if entry.params is not None:
            return self.space.encode(entry.params)
        self._check_number(-1 if entry.number is None else entry.number)
        return None

    def _take(self, entry: Entry, point: Array | None) -> dict[str, Any]:
        number = self._number_of(entry, point)
        if number is not None and number in self._ledger.told:
            return {"id": str(number), "accepted": False, "note": "already told: this result was ignored"}
        of = (
            Candidate(-1, self.space.native(entry.params or {}), "outside")
            if number is None
            else self.candidate(number)
        )
        result = (entry.value, of.origin, entry.cost, entry.status, entry.step, entry.reason)
        self._ledger.record(Observation(of.number, of.params, *result), point)
        return {"id": None if number is None else str(number), "accepted": True}

    def _number_of(self, entry: Entry, point: Array | None) -> int | None:
        if point is None or entry.params is None:
            return entry.number
        if entry.number is None or self._ledger.state_of(entry.number) == "unknown":
            return self._ledger.find(point)
        same = np.array_equal(self.space.encode(self.candidate(entry.number).params), point)
        return entry.number if same else self._ledger.find(point)

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
        self._check_number(number)
        entry = {"eval_id": number, "value": value, "cost": cost, "status": status, "step": step, "reason": reason}
        answer = self.tell([entry])[0]
        if not answer["accepted"]:
            raise ResultsError(f"candidate {number} was told before: a candidate has one result")

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
        self._check_number(number)
        return self._ledger.candidate(number)

    def _check_number(self, number: int) -> None:
        if self._ledger.state_of(number) == "unknown":
            raise UnknownCandidateError(
                f"id {number!r} was never handed out: {self._ledger.handed_out} candidates were, from '0' on; "
                "give a point from outside to seed(), with its params"
            )

    def get_history_len(self) -> int:
        """Return the number of observations, failed ones included."""
        return len(self._ledger.observations)

    def history(self) -> list[dict[str, Any]]:
        """Return all observations in the order in which they were told: id, params, value, cost, status.

        ``id`` is None for a point from outside; ``step`` and ``reason`` are there when they were given.
        """
        return [state.row(observation) for observation in self._ledger.observations]

    def best(self) -> dict[str, Any] | None:
        """Return the recommended point: id, params, value (observed) and predicted; None before any value.

        On noisy values it is the one that the model predicts to be best, not the luckiest. Evaluations that
        were stopped early are passed over while there are any that went further.
        """
        evidence = self._evidence()
        rows = [i for i, o in enumerate(self._ledger.observations) if o.value is not None]
        if not rows:
            return None
        steps = [self._ledger.observations[i].step for i in rows]
        furthest = max((step for step in steps if step is not None), default=None)
        eligible = np.array([k for k, step in enumerate(steps) if step is None or step == furthest])
        row, predicted = int(eligible[np.argmin(evidence.y[eligible])]), None
        if self._memory.get("classify", {}).get("noisy") and len(eligible) == len(rows):
            with one_thread():
                row, predicted = recommend(evidence, self._memory.get("noisy_gaussian_process", {}), warp=False)
            predicted = predicted if self.config.mode == "min" else -predicted
        observation = self._ledger.observations[rows[row]]
        return {**state.row(observation), "predicted": predicted}

    def explain(self) -> dict[str, Any]:
        """Return phase, landscape, strategy, the reason and the evidence for them, and the phases so far."""
        evidence = self._evidence()
        probing = self._coverage.remaining(evidence) > 0
        verdict = _COVERING if probing else self._classify(evidence)
        return {
            "phase": "probe" if probing else "refine",
            "landscape": verdict.landscape,
            "strategy": "probe" if probing else verdict.strategies[0],
            "reason": verdict.reason,
            "evidence": verdict.findings,
            "exhausted": self._coverage.exhausted(self._ledger.distinct),
            "trouble": self._memory.get("trouble"),
            "phases": [{"strategy": name, "candidates": count} for name, count in self._phases],
        }

    # Keeping

    def export(self) -> str:
        """Return all that the solver knows, as JSON that is also readable as an ArqonHPO run artifact."""
        return state.export(self.config, self._ledger, self._memory, self._phases)

    @classmethod
    def from_state(cls, exported: str) -> ArqonSolver:
        """Return a solver that continues, bit for bit, where :meth:`export` stood.

        Raises:
            StateError: when the state is malformed, incomplete or of a version that this release cannot read.
        """
        document = state.parse(exported)
        solver = cls(state.config_of(document))
        solver._memory, solver._phases = state.restore(document, solver.space, solver._ledger)
        return solver

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle through the exported state, which runs nobody's code."""
        return (type(self).from_state, (self.export(),))

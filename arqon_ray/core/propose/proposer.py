"""Probe, Classify, Refine: the next candidates, computed on one view of the data."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from arqon_ray.core.config import StudyConfig
from arqon_ray.core.ledger.view import ENQUEUED, Candidate, DataView
from arqon_ray.core.objectives.base import Goal, Objective
from arqon_ray.core.probe.coverage import Coverage
from arqon_ray.core.propose.attempt import StrategyFailedError, attempt
from arqon_ray.core.propose.classify import classify
from arqon_ray.core.propose.noise import judge
from arqon_ray.core.propose.roster import Roster
from arqon_ray.core.random import generator
from arqon_ray.core.refine.gaussian_process import NoisyGaussianProcess, recommend
from arqon_ray.core.space.space import Params, Space
from arqon_ray.core.strategies.classification import Classification
from arqon_ray.core.strategies.evidence import Array, Evidence
from arqon_ray.core.strategies.memories import remember
from arqon_ray.core.strategies.strategy import Role
from arqon_ray.core.threads import one_thread

_COVERING = Classification("unknown", (), "the space is being covered", {})


@dataclass(frozen=True, slots=True)
class _Choice:
    """The next point, what made it, and the memories that changed with it."""

    point: Array
    origin: str
    memory: dict[str, Any]
    params: Params | None = None


def _quietly() -> AbstractContextManager[object]:
    """Let values near the largest float overflow in silence: what is not finite loses every comparison."""
    return np.errstate(over="ignore", invalid="ignore")


class Proposer:
    """Proposes candidates one after another on the same view of the data; make one with ``ArqonSolver.proposer``.

    It reads nothing that changes, so it may compute in one thread while others tell the solver. Each of its candidates
    counts as pending for the next ones. It becomes the solver's only by ``ArqonSolver.adopt``, in the order of the
    numbers.

    A candidate is a pure function of the config, the view, the candidates added by :meth:`add_pending`, and how many
    the proposer made before it: after the first, strategies may reuse what they computed for the first.

    Making a proposer copies what is pending and no more; whoever proposes pays for the rest of an ask.
    """

    def __init__(
        self,
        config: StudyConfig,
        space: Space,
        coverage: Coverage,
        roster: Roster,
        objective: Objective,
        view: DataView,
        memory: Mapping[str, Any],
    ) -> None:
        self._config, self._space, self._coverage, self._view = config, space, coverage, view
        self._roster, self._objective = roster, objective
        self._memory = dict(memory)
        self._ahead: list[Candidate] = []
        self._points: list[Array] = []
        self._taken: set[bytes] = set()
        self._fresh = self._queued = 0
        self._memo: dict[str, Any] = {}
        self.first = view.number

    @property
    def number(self) -> int:
        """The number of the next candidate."""
        return self._view.number + len(self._ahead)

    @property
    def version(self) -> int:
        """How often the solver's ledger had changed; the proposer is up to date as long as the solver's is the same."""
        return self._view.version

    @property
    def covering(self) -> bool:
        """Whether the next candidate is the probe's: it takes no model, and next to no time."""
        done, observed = (self.number, self._view.outside), len(self._view.y)
        least, most = (self._coverage.remaining(*done, observed, early) > 0 for early in (False, True))
        if least == most and self._objective.has_values(self._view):
            return least  # whether or not evaluations are ended early
        return self._coverage.remaining(*done, self._goal.observed, self._goal.ended_early) > 0

    @property
    def exhausted(self) -> bool:
        """Whether all points of a finite space were handed out or observed."""
        return self._coverage.exhausted(self._view.distinct + self._fresh)

    @cached_property
    def _goal(self) -> Goal:
        """What is minimised; computed when first needed, since it may take a while."""
        return self._objective.at(self._view)

    def add_pending(self, candidate: Candidate) -> None:
        """Treat a candidate that was proposed before, and that the solver does not know yet, as pending.

        Call it before the first proposal, in the order of the candidates' numbers.
        """
        self._take(candidate)
        self.first = self.number

    def propose(self, probe: bool = False) -> Candidate | None:
        """Return the next candidate, or None when the budget is spent or nothing can be handed out now.

        Enqueued points come first, whether or not they are known.

        Args:
            probe: take the probe's next point, whatever the phase: for when a strategy cannot be run.
        """
        if self._config.budget is not None and self.number >= self._config.budget:
            return None
        if self._queued < len(self._view.queue):
            candidate = Candidate(self.number, self._view.queue[self._queued], ENQUEUED)
            self._take(candidate)
            return candidate
        self._roster.require()
        choice = self._probe() if probe or self.covering else self._exploit()
        if choice is None:
            return None
        params = self._space.decode(choice.point) if choice.params is None else choice.params
        candidate = Candidate(self.number, params, choice.origin, choice.memory, choice.point)
        self._take(candidate)
        return candidate

    def _take(self, candidate: Candidate) -> None:
        point = self._space.encode(candidate.params) if candidate.point is None else candidate.point
        self._ahead.append(candidate)
        self._queued += candidate.origin == ENQUEUED
        self._points.append(point)
        self._fresh += not self._knows(point)
        self._taken.add(point.tobytes())
        remember(self._memory, candidate.memory)

    def explain(self) -> dict[str, Any]:
        """Return phase, landscape, strategy, the reason and the evidence for them."""
        probing = self.covering
        with one_thread(), _quietly():
            verdict = _COVERING if probing else self._classify(self.evidence())
        asked = [] if probing else self._roster.choose(verdict.roles, self.number)
        return {
            "phase": "probe" if probing else "refine",
            "landscape": verdict.landscape,
            "strategy": asked[0].name if asked else "probe",
            "reason": self._roster.problem or verdict.reason,
            "evidence": verdict.findings,
            "exhausted": self.exhausted,
            "trouble": self._memory.get("trouble"),
        }

    def recommend(self) -> tuple[int, float | None] | None:
        """Return the index of the best observation, and what the model predicts there; None before any value.

        On noisy values it is the one that the model predicts to be best, not the luckiest; without noise there is no
        prediction. Evaluations that were stopped early are ignored if any went further.
        """
        view = self._view
        if not len(view.y):
            return None
        rows = self._goal.comparable()
        if np.isinf(view.steps).all() and self._noisy():
            with one_thread(), _quietly():
                row, predicted = recommend(self.evidence(), self._memory.get(NoisyGaussianProcess.name, {}), warp=False)
            return int(view.indices[row]), self._objective.sign * predicted
        return int(view.indices[rows[np.argmin(view.y[rows])]]), None

    def _noisy(self) -> bool:
        """Tell whether values are noisy: the config says so, or repeats of a point."""
        if not self._goal.repeats_tell_noise:
            return False
        if self._roster.expects_noise:
            return True
        return judge(self.evidence(), self._memory.get("classify", {})).noisy is True

    # The three phases

    def _exploit(self) -> _Choice | None:
        """Decide what the landscape is like, then exploit that."""
        with one_thread(), _quietly():
            evidence = self.evidence()
            verdict = self._classify(evidence)
            if verdict.repeat is not None:
                return _Choice(evidence.X[verdict.repeat], "repeat", {"classify": verdict.memory})
            return self._refine(replace(evidence, coarse=verdict.coarse), verdict)

    def _probe(self) -> _Choice | None:
        """Return the next point of the probe that nobody knows; in an exhausted space, a known one."""
        memory: dict[str, Any] = {}
        if not self.exhausted:
            found, memory["probe"] = self._coverage.fresh(self._memory.get("probe", {}), self._knows)
            if found is not None:
                return _Choice(found.point, "probe", memory, found.params)
        if self._view.withdrawn:
            return None  # in an exhausted space what was taken back goes first
        known = self._coverage.known_again(self.evidence())
        return None if known is None else _Choice(known, "repeat", memory)

    def _classify(self, evidence: Evidence) -> Classification:
        """Return what the evidence says and which strategies follow from it."""
        if self._config.strategy != "auto":
            return Classification("unknown", (), self._roster.reason, {})
        decided = self._goal.classification(self.number)
        if decided is not None:
            return decided
        surrogate = self._memory.get("gaussian_process", {})
        local_in_flight = self._roster.count(Role.LOCAL, evidence.pending_origins)
        return classify(evidence, self._memory.get("classify", {}), surrogate, local_in_flight)

    def _refine(self, evidence: Evidence, verdict: Classification) -> _Choice | None:
        """Return the point of the first strategy that has a new one; the probe's when none has."""
        memory: dict[str, Any] = {"classify": verdict.memory} if verdict.memory else {}
        for strategy in [] if self.exhausted else self._roster.choose(verdict.roles, evidence.number):
            name = strategy.name
            rng = generator(self._config.seed, name, evidence.number)
            try:
                proposal = attempt(strategy, evidence, self._memory.get(name, {}), rng)
            except StrategyFailedError as error:
                memory["trouble"] = {"strategy": name, "candidate": evidence.number, "error": str(error)}
                continue
            if proposal is None:
                continue
            memory[name] = proposal.memory
            params = self._space.decode(proposal.point)
            point = self._space.encode(params)
            if not self._knows(point):
                return _Choice(point, name, memory, params)
        choice = self._probe()
        return choice and _Choice(choice.point, choice.origin, {**memory, **choice.memory}, choice.params)

    def _knows(self, point: Array) -> bool:
        key = point.tobytes()
        return key in self._taken or self._view.knows(key)

    def evidence(self) -> Evidence:
        """Return what a strategy may see for the next candidate."""
        known = self._goal.known(self.number)
        candidates = (*self._view.pending, *self._ahead)
        flying = np.array([candidate.number for candidate in candidates], dtype=np.int64)
        reported = np.isin(flying, known.reported)
        waiting = zip(candidates, (*self._view.points, *self._points), reported.tolist(), strict=True)
        pending = [(candidate, point) for candidate, point, has_reported in waiting if not has_reported]
        return Evidence(
            space=self._space,
            X=known.X,
            y=known.y,
            numbers=known.numbers,
            failed=known.failed,
            pending=np.array([point for _, point in pending]).reshape(len(pending), self._space.d),
            pending_numbers=np.array([candidate.number for candidate, _ in pending], dtype=np.int64),
            pending_origins=tuple(candidate.origin for candidate, _ in pending),
            number=self.number,
            budget=self._config.budget,
            batch_index=self.number - self.first if self._goal.reusable else 0,
            batch_cache=self._memo,
        )

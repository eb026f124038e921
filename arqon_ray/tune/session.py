"""Session: what one searcher is doing. It gives trials their candidates and tells the study how they end."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from ray.tune.search import Searcher

from arqon_ray.core.objectives.pareto import front
from arqon_ray.core.propose.roster import check_strategy, warn_of_unread
from arqon_ray.core.record.run import Run
from arqon_ray.core.solver import ArqonSolver
from arqon_ray.errors import ConfigError
from arqon_ray.service import SolverClient
from arqon_ray.tune import tune_call
from arqon_ray.tune.objective import Objective
from arqon_ray.tune.plan import Plan
from arqon_ray.tune.restoring import held, unpickled_study
from arqon_ray.tune.run.ending import ending
from arqon_ray.tune.run.outcome import Trial, evaluation_of
from arqon_ray.tune.run.reconcile import Seen
from arqon_ray.tune.run.trials import Complete, Trials
from arqon_ray.tune.space.convert import ArqonSpace, SearchSpace
from arqon_ray.tune.space.points import Point, evaluated, whole_point
from arqon_ray.tune.study.attach import attach
from arqon_ray.tune.study.shared import SharedStudy
from arqon_ray.tune.study.study import OwnStudy, Study

logger = logging.getLogger(__name__)

BUSY, IDLE = 0.0, 5.0
"""Seconds for which a suggestion waits on Tune's event loop: while trials run, and while nothing is held up.

However short a wait is, the thread that computes has the interpreter when it ends, and gives it back 5 ms later.
"""

FORMER_ATTRIBUTES = frozenset(
    {*("_objective", "_plan", "_actor", "_study", "_trials", "_queue", "_evaluated", "_limit", "_repeated", "_over")}
)
"""Attributes of a searcher of 0.1.0 that its session has now; see :meth:`Session.of_attributes`."""


class Session:
    """The study that a searcher works on, its trials, and the points that come before the study's own.

    Attributes:
        objective: which results are optimized.
        plan: what the user said about space, options and points.
        actor: the shared study's name or client; None for a study of this run's own.
        study: None until it is needed.
        trials: the trials that hold candidates.
        queue: the user's points that no trial was given yet.
        evaluated: arguments of :meth:`add_evaluated_point` that wait for the study.
        limit: how many trials may run at once; None for any number.
        repeated: whether a Repeater stands between Tune and the searcher.
        over: whether the run has ended.
    """

    def __init__(self, objective: Objective, plan: Plan, actor: str | SolverClient | None) -> None:
        self.objective = objective
        self.plan = plan
        self.actor = actor
        self.study: Study | None = None
        self.trials = Trials()
        self.queue: list[Point] = []
        self.evaluated: list[tuple[Any, ...]] = []
        self.limit: int | None = None
        self.repeated = False
        self.over = False

    # The study

    def ready(self) -> tuple[Study, SearchSpace]:
        """Return the study and its space, made or found at the first call."""
        if self.study is None or self.plan.space is None:
            self.objective.decide()
            study = self._make_study()
            if self.plan.space is None:
                self.plan.adopt(ArqonSpace(study.config.to_dict()["bounds"]))
            self.objective.learn_from_study(study.config)
            self.objective.check_modes(study.config.objectives)
            self.study = study
            self.repeated = tune_call.has_repeater()
            self._bring_points(study)
        assert self.plan.space is not None
        return self.study, self.plan.space

    def _make_study(self) -> Study:
        space, mode, metric = self.plan.space, self.objective.mode, self.objective.name
        if self.actor is not None:
            return SharedStudy(*attach(self.actor, self.plan.wanted(space, mode, metric) if space else None, mode))
        if space is None:
            raise ConfigError("there is no space: give ArqonSearcher one, or the run a param_space with domains")
        config = self.plan.config(space, mode, metric)
        check_strategy(config)
        warn_of_unread(config)
        return OwnStudy(ArqonSolver(config))

    def _bring_points(self, study: Study) -> None:
        assert self.plan.space is not None
        points = self.plan.complete_points(self.plan.space, study.config)
        if self.plan.evaluated:
            study.seed(self.plan.observations(points))
        else:
            self.queue = points
        for arguments in self.evaluated:
            self.add_evaluated_point(*arguments)
        self.evaluated = []

    def use(self, solver: ArqonSolver) -> None:
        """Continue with another solver of this process."""
        study = OwnStudy(solver)
        study.release_all_but(held(self.trials.held))
        self.objective.learn_from_study(solver.config)
        if self.plan.space is None:
            self.plan.adopt(ArqonSpace(solver.config.to_dict()["bounds"]))
        self.study = study

    def add_evaluated_point(
        self, parameters: Mapping[str, Any], value: Any, error: bool, pruned: bool, reports: Sequence[float]
    ) -> None:
        """Tell the study a point that was evaluated elsewhere; see :meth:`.ArqonSearcher.add_evaluated_point`."""
        space = self.plan.space
        if space is not None:
            config = self.study.config if self.study is not None else self.plan.config(space)
            point = whole_point(parameters, space, config, "parameters", strict=False)
        if space is None or self.study is None:
            self.evaluated.append((parameters, value, error, pruned, reports))
            return
        row = evaluated(point, value, error, pruned, reports)
        if row is not None:
            self.study.seed([row])

    def run(self) -> Run:
        """Return the study so far; of a shared study all of it."""
        study, _ = self.ready()
        known = {"objective": "tune"}
        if self.objective.name:
            known["metric"] = self.objective.name
        if self.over and not self.trials.held:
            known["state"] = "finished"
        return study.run(known)

    def pareto(self) -> list[dict[str, Any]]:
        """Return the Pareto front of several objectives; see :meth:`.ArqonSearcher.pareto`."""
        study, space = self.ready()
        metrics, modes = self.objective.metrics or (), self.objective.modes or ()
        return [
            {
                "id": row["id"],
                "params": space.build(space.decode(row["params"]), self.plan.constants),
                "values": dict(zip(metrics, row["values"], strict=True)),
                "metrics": row.get("metrics", {}),  # an actor of an earlier release has none
            }
            for row in front(study.solver.history(), modes)
        ]

    # Trials

    def suggest(self, trial_id: str, complete: Complete) -> dict[str, Any] | str | None:
        """Return the config of a trial, as :meth:`.ArqonSearcher.suggest` does.

        Args:
            trial_id: Tune's name of the trial.
            complete: told how trials ended of which a restored searcher did not know.
        """
        if trial_id in self.trials.held:
            return self.trials.held[trial_id].config
        study, space = self.ready()
        if not self._match_missed(study, space, complete):
            return None
        if self.limit is not None and self.trials.running >= self.limit:
            self._drop_ended(study)
            return None
        trial = self._next(study, space, trial_id)
        if trial is None:
            self._drop_ended(study)
            return Searcher.FINISHED if study.finished and not self.queue else None
        self.trials.held[trial_id] = trial
        return trial.config

    def _next(self, study: Study, space: SearchSpace, trial_id: str) -> Trial | None:
        """Return a trial with the next of the user's points, then with the study's candidates."""
        if self.queue:
            point = self.queue[0]
            ticket = study.ask(trial_id, self._patience, point.params)
            if ticket is not None:
                self.queue.pop(0)
                return Trial(ticket, space.build(point.values, self.plan.constants))
            if not study.full:
                return None
            self.queue.clear()
        ticket = study.ask(trial_id, self._patience)
        if ticket is None:
            return None
        return Trial(ticket, space.build(space.decode(ticket.params), self.plan.constants))

    @property
    def _patience(self) -> float:
        """Seconds for which Tune's loop may be held up now."""
        return BUSY if self.trials.running else IDLE

    def _drop_ended(self, study: Study) -> None:
        """Stop waiting for trials that Tune ended without telling, as with ``resume_unfinished=False``."""
        if not self.repeated:
            self.trials.release(sorted(tune_call.ended_trials() & self.trials.held.keys()), study)

    def _match_missed(self, study: Study, space: SearchSpace, complete: Complete) -> bool:
        def point_of(trial_id: str, params: dict[str, Any]) -> Point:
            return whole_point(params, space, study.config, f"trial {trial_id}", strict=False)

        def config_of(point: Point) -> dict[str, Any]:
            return space.build(point.values, self.plan.constants)

        return self.trials.match_missed(study, self._patience, point_of, config_of, complete)

    def report(self, trial_id: str, result: Mapping[str, Any]) -> None:
        """Record an intermediate result; one without the metric, or of an unknown trial, is ignored."""
        trial = self.trials.held.get(trial_id)
        if trial is None or self.study is None:
            return
        report = trial.record(result, self.objective.names(result))
        if report is None:
            return
        if self.objective.metrics is not None or trial.ticket.id is None:
            trial.untold.add(report)
        else:
            self.study.report(trial.ticket, report)

    def complete(self, trial_id: str, result: dict[str, Any] | None, error: bool) -> None:
        """Tell the study the result of a trial that has ended; unknown trials are ignored."""
        if self.study is None:
            return
        trial = self.trials.end(trial_id, error)
        if trial is None:
            self.trials.note_missed(trial_id, result, error)
            return
        evaluation = evaluation_of(trial, result, self.objective.names(result), ending(trial_id, result, error))
        if evaluation is None:
            self.study.release(trial.ticket)
            return
        if evaluation.error is not None:
            logger.info("trial %s is a failed evaluation: %s", trial_id, evaluation.error.message)
        self.study.end(evaluation)

    def end(self) -> None:
        """Give back what trials still hold when the run is over; results that come later count all the same."""
        self.over = True
        self.trials.held.clear()
        if self.study is not None:
            self.study.leave()

    # Persistence

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps beside the study, as of now: what still changes is copied."""
        return {
            "objective": copy.copy(self.objective),
            "plan": copy.copy(self.plan),
            "queue": list(self.queue),
            "evaluated": list(self.evaluated),
            "limit": self.limit,
            "repeated": self.repeated,
            **self.trials.state(),
        }

    def take(self, state: Mapping[str, Any], study: Study | None) -> None:
        """Continue from what a checkpoint kept; files of earlier releases lack some of it."""
        own = self.plan
        self.study = study
        self.objective, self.plan = state["objective"], state["plan"]
        self.queue, self.evaluated = state["queue"], [_arguments(each) for each in state["evaluated"]]
        self.limit, self.repeated = state["limit"], state.get("repeated", self.repeated)
        if own.space is not None:
            self.plan.use_live_space(own)
        self.trials.take(state)

    def reconcile(self, seen: Mapping[str, Seen], complete: Complete) -> None:
        """Bring the trials in line with Tune's own checkpoint, unless a Repeater hides Tune's trials."""
        if self.study is not None and not self.repeated:
            self.trials.reconcile(seen, self.study, complete)

    def pickled(self) -> dict[str, Any]:
        """Return the whole session for a pickle of the searcher, which waits for no actor."""
        client = self.actor if isinstance(self.actor, SolverClient) else None
        return {
            **self.state(),
            "missed": self.trials.missed,
            "actor": self.actor if client is None else (client.name, client.patience),
            "study": None if self.study is None else self.study.state(),
            "over": self.over,
        }

    @classmethod
    def unpickled(cls, state: Mapping[str, Any]) -> Session:
        """Return the session that :meth:`pickled` took down."""
        actor = state["actor"]
        client = SolverClient(actor[0], patience=actor[1]) if isinstance(actor, tuple) else actor
        session = cls(state["objective"], state["plan"], client)
        session.take(state, unpickled_study(state["study"]))
        session.trials.missed, session.over = state["missed"], state["over"]
        return session

    @classmethod
    def of_attributes(cls, former: Mapping[str, Any]) -> Session:
        """Return the session of a searcher that 0.1.0 pickled, by the attributes that it had."""
        session = cls(former["_objective"], former["_plan"], former["_actor"])
        session.study, session.trials = former["_study"], former["_trials"]
        session.queue, session.evaluated = former["_queue"], [_arguments(each) for each in former["_evaluated"]]
        session.limit, session.repeated = former["_limit"], former.get("_repeated", False)
        session.over = former.get("_over", False)
        return session


def _arguments(kept: Any) -> tuple[Any, ...]:
    """Return the arguments of :meth:`Session.add_evaluated_point`, which 0.1.0 kept by name."""
    if isinstance(kept, dict):
        reports = list(kept["intermediate_values"] or ())
        return kept["parameters"], kept["value"], kept["error"], kept["pruned"], reports
    return tuple(kept)

"""ArqonSearcher: the solver as a search algorithm of Ray Tune."""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from ray import cloudpickle
from ray.tune.search import Searcher

from arqon_ray.core.objectives.pareto import front
from arqon_ray.core.propose.roster import check_strategy, warn_of_unread
from arqon_ray.core.record.run import Run
from arqon_ray.core.solver import ArqonSolver
from arqon_ray.errors import ArqonError, ConfigError, StateError
from arqon_ray.tune import tune_call
from arqon_ray.tune.objective import Objective
from arqon_ray.tune.plan import Plan
from arqon_ray.tune.restoring import check_same_run, held, restored_study
from arqon_ray.tune.run import checkpoint
from arqon_ray.tune.run.ending import ending, watch
from arqon_ray.tune.run.outcome import Trial, evaluation_of
from arqon_ray.tune.run.reconcile import trials_beside
from arqon_ray.tune.run.trials import Trials
from arqon_ray.tune.space.convert import ArqonSpace, SearchSpace
from arqon_ray.tune.space.points import Point, evaluated, whole_point
from arqon_ray.tune.study.attach import attach
from arqon_ray.tune.study.shared import SharedStudy
from arqon_ray.tune.study.study import OwnStudy, Study

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from arqon_ray.service import SolverClient

logger = logging.getLogger(__name__)

BUSY, IDLE = 0.0, 5.0
"""Seconds for which a suggestion waits on Tune's event loop: while trials run, and while nothing is held up.

However short a wait is, the thread that computes has the interpreter when it ends, and gives it back 5 ms later.
"""

_KEPT = ("objective", "plan", "queue", "evaluated", "limit", "repeated")
_EVALUATED = ("parameters", "value", "error", "pruned", "intermediate_values")


class ArqonSearcher(Searcher):
    """Searches with arqon_ray's solver, one of this run's own or the cluster's shared actor.

    ``FINISHED`` means that the budget is spent and nothing can come back; while a candidate in flight may still
    be released, ``suggest`` answers None.

    A trial is one :class:`~arqon_ray.core.record.evaluation.Evaluation`: its last result's values are the ``metrics``,
    without what Tune adds but ``time_total_s``, and each report is a step. One that a scheduler ended is ``stopped``,
    unless it had come as far as the scheduler lets any; without a final result it counts with the value that it
    reported last, at that ``training_iteration``. One that ends with an error, or whose final metric is NaN, infinite
    or None, is a failed evaluation; one whose node was lost is none, and its candidate goes back.

    Where nobody names metric and mode they are ``loss`` and ``min``. The constructor's metric wins over
    ``TuneConfig``'s; ``TuneConfig`` and ``tune.run`` are heard even without a ``param_space``.

    Say ``reuse_actors=True`` in ``TuneConfig``: a process of its own costs each trial seconds.

    While trials run, ``suggest`` answers None rather than wait for the model, and Tune asks again: the next candidate
    is computed meanwhile. What the run still holds when it ends (a time budget, ``fail_fast``, Ctrl-C) goes back.

    A :class:`~ray.tune.search.ConcurrencyLimiter` around it hands its limit over: trials that
    ``HyperBandForBOHB`` paused do not count, and ``batch`` has no effect, since every result is used at once.

    Args:
        space: an arqon config (dict with ``bounds``, or JSON string), a Tune search space, a ConfigSpace
            ``ConfigurationSpace``, or None for the ``param_space`` of the run or, with ``actor``, for the study that
            is there. A ``grid_search`` in it is refused: a searcher chooses the values itself.
        metric: the result to optimize; or a list of several, whose best compromises :meth:`pareto` returns.
        mode: ``min`` or ``max``, or a list of them, one for each of several metrics.
        seed: 0 .. 2**64 - 1; over the config's. It decides every candidate.
        budget: evaluations in all; over the config's.
        actor: the name of the shared study, or a client of it. It is started where it does not exist, if there is
            a space. Otherwise a space has to be the study's own.
        points_to_evaluate: configs to try first, in this order, nested as the trial gets them or with keys such as
            ``a/b``; what one leaves out is filled in. They count in the budget.
        evaluated_rewards: the metric's values of ``points_to_evaluate``, which then are told and not run.

    Raises:
        ConfigError: when an argument or the space breaks a rule; the message names the key.
    """

    def __init__(
        self,
        space: Mapping[str, Any] | str | ConfigurationSpace | None = None,
        *,
        metric: str | Sequence[str] | None = None,
        mode: str | Sequence[str] | None = None,
        seed: int | None = None,
        budget: int | None = None,
        actor: str | SolverClient | None = None,
        points_to_evaluate: Sequence[Mapping[str, Any]] | None = None,
        evaluated_rewards: Sequence[float | Sequence[float]] | None = None,
    ) -> None:
        self._objective = Objective(metric, mode)
        super().__init__(metric=self.metric, mode=self.mode)  # type: ignore[arg-type]
        options = {"seed": seed, "budget": budget, "objectives": self._objective.modes}
        self._plan = Plan(space, options, points_to_evaluate, evaluated_rewards)
        self._objective.check_modes(self._plan.options.get("objectives"))
        self._objective.learn_from_config(self._plan.config_mode, self._plan.config_metric)
        self._actor = actor
        self._study: Study | None = None
        self._trials = Trials()
        self._queue: list[Point] = []
        self._evaluated: list[dict[str, Any]] = []
        self._limit: int | None = None
        self._repeated = False
        self._over = False
        self._fault: Exception | None = None
        self._writer = checkpoint.Writer()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what was pickled, by an earlier release perhaps, which had no thread that writes."""
        vars(self).update({"_writer": checkpoint.Writer(), "_over": False, **state})

    @property
    def metric(self) -> str | list[str] | None:  # type: ignore[override]
        """The result that is optimized, or a list of several; None until it is decided."""
        return self._objective.metrics or self._objective.metric

    @property
    def mode(self) -> str | list[str] | None:  # type: ignore[override]
        """``min`` or ``max``, or a list; None while nobody said: ``min`` then or, with ``actor``, the study's."""
        return self._objective.modes or self._objective.mode

    @property
    def solver(self) -> ArqonSolver | SolverClient:
        """The solver of this run, or the client of the shared study: ``best()``, ``history()``, ``export()``.

        An :class:`~arqon_ray.ArqonSolver` that is assigned takes its place, as after ``from_state``.

        Raises:
            ArqonError: when there is no space yet, or no such study.
        """
        study, _ = self._ready()
        return study.solver

    @solver.setter
    def solver(self, solver: ArqonSolver) -> None:
        study = OwnStudy(solver)
        study.release_all_but(held(self._trials.held))
        self._objective.learn_from_study(solver.config)
        if self._plan.space is None:
            self._plan.adopt(ArqonSpace(solver.config.to_dict()["bounds"]))
        self._study = study

    def run(self) -> Run:
        """Return what has become of the study so far, for reports; a shared one's as a whole, whoever did it.

        Raises:
            ArqonError: when there is no space yet, or no such study.
        """
        study, _ = self._ready()
        name, over = self._objective.name, self._over and not self._trials.held
        return study.run(
            {"objective": "tune", **({"metric": name} if name else {}), **({"state": "finished"} if over else {})}
        )

    def pareto(self) -> list[dict[str, Any]]:
        """Return the trials that no other one beats in every metric, in the order in which they ended.

        Returns:
            A dict for each: ``id``, ``params`` (the trial's config), ``values`` (by metric) and all its ``metrics``.

        Raises:
            ConfigError: when there is a single metric.
            ArqonError: when there is no space yet, or no such study.
        """
        metrics, modes = self._objective.metrics, self._objective.modes
        if metrics is None or modes is None:
            raise ConfigError(f"metric is {self.metric!r}: a Pareto set needs a list of several")
        study, space = self._ready()
        return [
            {
                "id": row["id"],
                "params": space.build(space.decode(row["params"]), self._plan.constants),
                "values": dict(zip(metrics, row["values"], strict=True)),
                "metrics": row.get("metrics", {}),  # an actor of an earlier release has none
            }
            for row in front(study.solver.history(), modes)
        ]

    # What Tune says about the run

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        """Take metric, mode and search space of the run.

        Args:
            metric: the run's metric, if it has one.
            mode: the run's mode, if it has one.
            config: the ``param_space``; its constants are left to Tune.
            **spec: what Tune says besides; not used.

        Returns:
            False when there are domains although the searcher has its space already; Tune refuses the run then.

        Raises:
            ConfigError: when the space or a point breaks a rule, or the run contradicts the constructor.
        """
        self._objective.learn(metric, mode)
        return self._plan.offer(config or {})

    def set_max_concurrency(self, max_concurrent: int) -> bool:
        """Take the limit of a ConcurrencyLimiter; paused trials do not count.

        Args:
            max_concurrent: trials at once.

        Returns:
            True: this searcher keeps the limit itself.
        """
        self._limit = max_concurrent
        return True

    # Candidates

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """Return the config of a trial, the same one whenever the same trial is asked for.

        Args:
            trial_id: Tune's name of the trial.

        Returns:
            The config; None while it has to wait; ``FINISHED`` when there will never be one again.

        Raises:
            StateError: when an earlier ``restore`` failed.
            ArqonError: when there is no space, or the shared study cannot be served or does not answer.
        """
        try:
            return self._suggest(trial_id)
        except Exception as error:
            tune_call.keep_trials()  # it ends the run, and Tune would lose what was finished since its last checkpoint
            if isinstance(error, ArqonError):
                raise
            raise ArqonError(f"there is no candidate for trial {trial_id}: {error!r}") from error

    def _suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        if self._fault is not None:
            raise self._fault
        if trial_id in self._trials.held:
            return self._trials.held[trial_id].config
        study, space = self._ready()
        if not self._match_missed(study, space):
            return None
        if self._limit is not None and self._trials.running >= self._limit:
            self._drop_ended(study)
            return None
        trial = self._next(study, space, trial_id)
        if trial is None:
            self._drop_ended(study)
            return Searcher.FINISHED if study.finished and not self._queue else None
        self._trials.held[trial_id] = trial
        return trial.config

    def _drop_ended(self, study: Study) -> None:
        """Wait no longer for trials that Tune has ended without a word, as with ``resume_unfinished=False``."""
        if not self._repeated:
            self._trials.give_back(sorted(tune_call.ended_trials() & self._trials.held.keys()), study)

    def _next(self, study: Study, space: SearchSpace, trial_id: str) -> Trial | None:
        patience = self._patience
        if self._queue:
            point = self._queue[0]
            ticket = study.ask(trial_id, patience, point.params)
            if ticket is not None:
                self._queue.pop(0)
                return Trial(ticket, space.build(point.values, self._plan.constants))
            if not study.full:
                return None
            self._queue.clear()
        ticket = study.ask(trial_id, patience)
        if ticket is None:
            return None
        return Trial(ticket, space.build(space.decode(ticket.params), self._plan.constants))

    @property
    def _patience(self) -> float:
        """Seconds for which Tune's loop may be held up now."""
        return BUSY if self._trials.running else IDLE

    def _ready(self) -> tuple[Study, SearchSpace]:
        """Return the study and its space, made or found at the first call."""
        if self._study is None or self._plan.space is None:
            self._objective.settle()
            study = self._make_study()
            if self._plan.space is None:
                self._plan.adopt(ArqonSpace(study.config.to_dict()["bounds"]))
            self._objective.learn_from_study(study.config)
            self._objective.check_modes(study.config.objectives)
            self._study = study
            self._repeated = tune_call.repeated()
            self._bring_points(study)
        self._join_run()
        assert self._plan.space is not None
        return self._study, self._plan.space

    def _join_run(self) -> None:
        if tune_call.at_end(self):
            self._over = False
            watch(tune_call.scheduler())

    def _make_study(self) -> Study:
        space, mode, metric = self._plan.space, self._objective.mode, self._objective.name
        if self._actor is not None:
            return SharedStudy(*attach(self._actor, self._plan.wanted(space, mode, metric) if space else None, mode))
        if space is None:
            raise ConfigError("there is no space: give ArqonSearcher one, or the run a param_space with domains")
        config = self._plan.config(space, mode, metric)
        check_strategy(config)
        warn_of_unread(config)
        return OwnStudy(ArqonSolver(config))

    def _bring_points(self, study: Study) -> None:
        assert self._plan.space is not None
        points = self._plan.whole_points(self._plan.space, study.config)
        if self._plan.evaluated:
            study.seed(self._plan.observations(points))
        else:
            self._queue = points
        for arguments in self._evaluated:
            self.add_evaluated_point(**arguments)
        self._evaluated = []

    # Results

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Record an intermediate result; one without the metric, or of a trial that is not known, says nothing.

        Args:
            trial_id: Tune's name of the trial.
            result: what it reported.
        """
        trial = self._trials.held.get(trial_id)
        if trial is None or self._study is None:
            return
        report = trial.record(result, self._objective.names(result))
        if report is None:
            return
        if self._objective.metrics is not None or trial.ticket.id is None:
            trial.untold.add(report)
        else:
            self._study.report(trial.ticket, report)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tell the study what a trial was worth; one that is not known says nothing.

        Args:
            trial_id: Tune's name of the trial.
            result: its last result, None when a scheduler ended it while it was paused.
            error: whether it failed.
        """
        if self._study is None:
            return
        trial = self._trials.end(trial_id, error)
        if trial is None:
            self._trials.note_missed(trial_id, result, error)
            return
        evaluation = evaluation_of(trial, result, self._objective.names(result), ending(trial_id, result, error))
        if evaluation is None:
            self._study.release(trial.ticket)
            return
        if evaluation.error is not None:
            logger.info("trial %s is a failed evaluation: %s", trial_id, evaluation.error.message)
        self._study.end(evaluation)

    def end_run(self) -> None:
        """Give back what trials still hold when the run is over; their results, if any come, count all the same."""
        self._over = True
        self._trials.held.clear()
        if self._study is not None:
            self._study.leave()

    def on_pause(self, trial_id: str) -> None:
        """Let another trial run in place of one that HyperBandForBOHB paused."""
        self._trials.pause(trial_id, True)

    def on_unpause(self, trial_id: str) -> None:
        """Count a trial again that HyperBandForBOHB let go on."""
        self._trials.pause(trial_id, False)

    # Points evaluated elsewhere

    def add_evaluated_point(
        self,
        parameters: dict[str, Any],
        value: float | Sequence[float] | None,
        error: bool = False,
        pruned: bool = False,
        intermediate_values: list[float] | None = None,
    ) -> None:
        """Tell the study a point that was evaluated elsewhere.

        Args:
            parameters: the whole config of that trial; keys that are not searched are passed over.
            value: the metric's value, or a list of several metrics' values.
            error: whether the evaluation failed.
            pruned: whether it was stopped early; without a value its last intermediate one counts.
            intermediate_values: what it reported, step by step.

        Raises:
            ConfigError: when the point does not fit the space.
        """
        space = self._plan.space
        if space is not None:
            config = self._study.config if self._study is not None else self._plan.config(space)
            point = whole_point(parameters, space, config, "parameters", strict=False)
        if space is None or self._study is None:
            given = (parameters, value, error, pruned, intermediate_values)
            self._evaluated.append(dict(zip(_EVALUATED, given, strict=True)))
            return
        row = evaluated(point, value, error, pruned, list(intermediate_values or ()))
        if row is not None:
            self._study.seed([row])

    # Keeping

    def save(self, checkpoint_path: str) -> None:
        """Write everything that a new searcher needs to go on, what a subclass added included.

        Args:
            checkpoint_path: the file to write; it is complete when this returns.
        """
        if self._fault is not None:
            # A file that could not be read must not be replaced by an empty one.
            raise NotImplementedError(str(self._fault))  # Tune warns of this one and goes on; another ends the run
        checkpoint.write(checkpoint_path, self._keep()())

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Write the file of a session, as Tune's loop lets a searcher do every few seconds.

        The first one is complete when this returns, and so is every one while the study is small. The others are
        written by a thread, with what is known now; until one is complete the one before stands. The last one of a
        run is waited for.

        Args:
            checkpoint_dir: the directory.
            session_str: Tune's name of the session.
        """
        path = os.path.join(checkpoint_dir, self.CKPT_FILE_TMPL.format(session_str))
        at_once = self._study is None or self._study.small or self._writer.written != path
        at_once = at_once or self._writer.failing or tune_call.waits_for_checkpoint()
        if self._fault is None and not at_once:
            self._writer.put(path, self._keep())
            return
        self._writer.drop()
        super().save_to_dir(checkpoint_dir, session_str)
        self._writer.written = path if self._fault is None else None

    def _keep(self) -> Callable[[], dict[str, Any]]:
        """Take down what a checkpoint keeps, as of now; what is returned completes it, in any thread."""
        state = {name: copy.copy(getattr(self, f"_{name}")) for name in _KEPT} | self._trials.state()
        added = {name: value for name, value in vars(self).items() if name not in _ours()}
        # A subclass may change what it added at any time.
        pickled = cloudpickle.dumps(added) if added else None  # type: ignore[no-untyped-call]
        study = None if self._study is None else self._study.keep()

        def complete() -> dict[str, Any]:
            there = {} if pickled is None else cloudpickle.loads(pickled)
            return {**state, "added": there, "study": study and study()}

        return complete

    def restore(self, checkpoint_path: str) -> None:
        """Go on where ``save`` stood. It never raises, since Tune would begin a new experiment then.

        A file that cannot be used makes the first ``suggest`` raise, when Tune has its trials back.

        Args:
            checkpoint_path: a file that ``save`` wrote.
        """
        try:
            self._restore(checkpoint_path)
        except Exception as error:
            self._note_fault(checkpoint_path, error)

    def _restore(self, path: str) -> None:
        state = checkpoint.read(path)
        check_same_run(state, self._objective, self._plan, path)
        study = restored_study(state, self._actor, self._plan.options.get("budget"))
        seen = trials_beside(path)
        own = self._plan
        self._fault, self._study = None, study
        for name in _KEPT:
            if name in state:  # files of earlier releases lack some
                setattr(self, f"_{name}", state[name])
        if own.space is not None:
            self._plan.go_on_with(own)
        self._trials.take(state)
        vars(self).update(state.get("added", {}))
        if study is not None and seen is not None and "ended" in state and not self._repeated:
            self._trials.reconcile(seen, study, self.on_trial_complete)
        self._join_run()

    def restore_from_dir(self, checkpoint_dir: str) -> None:
        """Go on from the newest file in an experiment's directory; as :meth:`restore`, it never raises.

        Args:
            checkpoint_dir: the directory.
        """
        try:
            super().restore_from_dir(checkpoint_dir)
        except Exception as error:
            self._note_fault(checkpoint_dir, error)

    def _note_fault(self, path: str, error: Exception) -> None:
        self._fault = StateError(f"restore({path!r}) failed: {error if isinstance(error, ArqonError) else repr(error)}")
        logger.error("the next suggest raises: %s", self._fault)
        self._fault.__cause__ = error

    def _match_missed(self, study: Study, space: SearchSpace) -> bool:
        def point_of(trial_id: str, params: dict[str, Any]) -> Point:
            return whole_point(params, space, study.config, f"trial {trial_id}", strict=False)

        def config_of(point: Point) -> dict[str, Any]:
            return space.build(point.values, self._plan.constants)

        return self._trials.match_missed(study, self._patience, point_of, config_of, self.on_trial_complete)


@cache
def _ours() -> frozenset[str]:
    """Return the names of a searcher's own attributes."""
    return frozenset(vars(ArqonSearcher()))

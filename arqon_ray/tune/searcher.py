"""ArqonSearcher: the solver as a search algorithm of Ray Tune.

It is what Tune and the user call. :class:`~arqon_ray.tune.session.Session` does what they ask for, and
:mod:`arqon_ray.tune.run.checkpoint` keeps it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from ray.tune.search import Searcher

from arqon_ray.core.record.run import Run
from arqon_ray.core.solver import ArqonSolver
from arqon_ray.errors import ArqonError, ConfigError, StateError
from arqon_ray.tune import kept, tune_call
from arqon_ray.tune.objective import Objective
from arqon_ray.tune.plan import Plan
from arqon_ray.tune.restoring import check_same_run, restored_study
from arqon_ray.tune.run import checkpoint
from arqon_ray.tune.run.ending import watch
from arqon_ray.tune.run.reconcile import trials_beside
from arqon_ray.tune.session import FORMER_ATTRIBUTES, Session
from arqon_ray.tune.study.study import Study

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from arqon_ray.service import SolverClient

logger = logging.getLogger(__name__)


class ArqonSearcher(Searcher):
    """Searches with arqon_ray's solver: one of this run's own, or the cluster's shared actor.

    ``FINISHED`` means that the budget is spent and no candidate can come back; while a candidate in flight may still
    be released, ``suggest`` returns None.

    A trial is one :class:`~arqon_ray.core.record.evaluation.Evaluation`: the values of its last result are the
    ``metrics``, without what Tune adds except ``time_total_s``, and each report is a step. A trial that a scheduler
    ended is ``stopped``, unless it had come as far as the scheduler lets any trial come; without a final result its
    last reported value counts, at that ``training_iteration``. A trial that ends with an error, or whose final metric
    is NaN, infinite or None, is a failed evaluation. If its node was lost, its candidate goes back to the study.

    Metric and mode default to ``loss`` and ``min``. The constructor's metric takes precedence over ``TuneConfig``'s;
    those of ``TuneConfig`` and ``tune.run`` are used even without a ``param_space``.

    Set ``reuse_actors=True`` in ``TuneConfig``: starting a process per trial takes seconds.

    While trials run, ``suggest`` returns None rather than wait for the model, and Tune asks again: the next candidate
    is computed meanwhile. Candidates that trials still hold when the run ends (time budget, ``fail_fast``, Ctrl-C) go
    back to the study.

    A :class:`~ray.tune.search.ConcurrencyLimiter` around it passes its limit on: trials that ``HyperBandForBOHB``
    paused do not count, and ``batch`` has no effect, since every result is used at once.

    Args:
        space: an arqon config (dict with ``bounds``, or JSON string), a Tune search space, a ConfigSpace
            ``ConfigurationSpace``, or None for the ``param_space`` of the run or, with ``actor``, for the existing
            study's. A ``grid_search`` in it is refused, since a searcher chooses the values itself.
        metric: the metric to optimize; or a list of several, whose best compromises :meth:`pareto` returns.
        mode: ``min`` or ``max``, or a list of them, one for each of several metrics.
        seed: 0 .. 2**64 - 1; overrides the config's. It determines every candidate.
        budget: total number of evaluations; overrides the config's.
        actor: the name of the shared study, or a client of it. If there is no such study it is started, which needs a
            space. If there is one, a given space must be the same.
        points_to_evaluate: configs to try first, in this order, nested as the trial gets them or with keys such as
            ``a/b``; parameters that one leaves out are filled in. They count toward the budget.
        evaluated_rewards: the metric's values of ``points_to_evaluate``, which are then told and not run.

    Raises:
        ConfigError: if an argument or the space is invalid; the message names the key.

    >>> from ray import tune
    >>> searcher = ArqonSearcher({"x": tune.uniform(0, 1)}, metric="loss", mode="min", seed=1, budget=20)
    >>> sorted(searcher.suggest("trial-1"))
    ['x']
    >>> searcher.on_trial_complete("trial-1", {"loss": 0.5})
    >>> searcher.solver.best()["value"]
    0.5
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
        super().__init__()  # metric and mode are properties here
        objective = Objective(metric, mode)
        options = {"seed": seed, "budget": budget, "objectives": objective.modes}
        plan = Plan(space, options, points_to_evaluate, evaluated_rewards)
        objective.check_modes(plan.options.get("objectives"))
        objective.learn_from_config(plan.config_mode, plan.config_metric)
        self._session = Session(objective, plan, actor)
        self._fault: Exception | None = None
        self._writer = checkpoint.Writer()

    @property
    def metric(self) -> str | list[str] | None:  # type: ignore[override]
        """The metric that is optimized, or a list of several; None until it is decided."""
        return self._session.objective.metrics or self._session.objective.metric

    @property
    def mode(self) -> str | list[str] | None:  # type: ignore[override]
        """``min`` or ``max``, or a list; None if not given: ``min`` then or, with ``actor``, the study's."""
        return self._session.objective.modes or self._session.objective.mode

    @property
    def solver(self) -> ArqonSolver | SolverClient:
        """The solver of this run, or the client of the shared study: ``best()``, ``history()``, ``export()``.

        Assign an :class:`~arqon_ray.ArqonSolver` to replace it, for example one from ``from_state``.

        Raises:
            ArqonError: if there is no space yet, or no such study.
        """
        return self._ready().solver

    @solver.setter
    def solver(self, solver: ArqonSolver) -> None:
        self._session.use(solver)

    def run(self) -> Run:
        """Return the study so far as a :class:`.Run`, for reports; of a shared study all of it.

        Raises:
            ArqonError: if there is no space yet, or no such study.
        """
        self._ready()
        return self._session.run()

    def pareto(self) -> list[dict[str, Any]]:
        """Return the Pareto front: the trials that no other one dominates, in the order in which they ended.

        Returns:
            A dict for each: ``id``, ``params`` (the trial's config), ``values`` (by metric) and all its ``metrics``.

        Raises:
            ConfigError: if there is a single metric.
            ArqonError: if there is no space yet, or no such study.
        """
        if self._session.objective.metrics is None:
            raise ConfigError(f"metric is {self.metric!r}: a Pareto front needs a list of several")
        self._ready()
        return self._session.pareto()

    def _ready(self) -> Study:
        study, _ = self._session.ready()
        self._join_run()
        return study

    def _join_run(self) -> None:
        if tune_call.notify_at_end(self):
            self._session.over = False
            watch(tune_call.scheduler())

    # Tune's calls

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        """Take metric, mode and search space of the run.

        Args:
            metric: the run's metric, if it has one.
            mode: the run's mode, if it has one.
            config: the ``param_space``; its constants are left to Tune.
            **spec: not used.

        Returns:
            False if there are domains although the searcher has its space already; Tune refuses the run then.

        Raises:
            ConfigError: if the space or a point is invalid, or the run contradicts the constructor.
        """
        self._session.objective.learn(metric, mode)
        return self._session.plan.take_param_space(config or {})

    def set_max_concurrency(self, max_concurrent: int) -> bool:
        """Take the limit of a ConcurrencyLimiter; paused trials do not count.

        Args:
            max_concurrent: the number of trials at once.

        Returns:
            True: this searcher keeps the limit itself.
        """
        self._session.limit = max_concurrent
        return True

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """Return the config of a trial; repeated calls for the same trial return the same one.

        Args:
            trial_id: Tune's name of the trial.

        Returns:
            The config; None while the trial has to wait; ``FINISHED`` if there will never be a config again.

        Raises:
            StateError: if an earlier ``restore`` failed.
            ArqonError: if there is no space, or the shared study is refused or does not answer.
        """
        try:
            if self._fault is not None:
                raise self._fault
            self._join_run()
            return self._session.suggest(trial_id, self.on_trial_complete)
        except Exception as error:
            tune_call.write_checkpoint()  # the run ends, and Tune would lose what was finished since its last one
            if isinstance(error, ArqonError):
                raise
            raise ArqonError(f"there is no candidate for trial {trial_id}: {error!r}") from error

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Record an intermediate result; one without the metric, or of an unknown trial, is ignored.

        Args:
            trial_id: Tune's name of the trial.
            result: what it reported.
        """
        self._session.report(trial_id, result)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Tell the study the result of a trial that has ended; unknown trials are ignored.

        Args:
            trial_id: Tune's name of the trial.
            result: its last result; None if a scheduler ended it while it was paused.
            error: whether it failed.
        """
        self._session.complete(trial_id, result, error)

    def on_pause(self, trial_id: str) -> None:
        """Let another trial run while HyperBandForBOHB pauses this one."""
        self._session.trials.pause(trial_id, True)

    def on_unpause(self, trial_id: str) -> None:
        """Count a trial again that HyperBandForBOHB continues."""
        self._session.trials.pause(trial_id, False)

    def end_run(self) -> None:
        """Give back what trials still hold when the run is over; results that come later count all the same."""
        self._session.end()

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
            parameters: the whole config of that trial; keys that are not searched are ignored.
            value: the metric's value, or a list of several metrics' values.
            error: whether the evaluation failed.
            pruned: whether it was stopped early; without a value its last intermediate one counts.
            intermediate_values: the values that it reported, one per step.

        Raises:
            ConfigError: if the point does not fit the space.
        """
        self._session.add_evaluated_point(parameters, value, error, pruned, list(intermediate_values or ()))

    # Persistence

    def save(self, checkpoint_path: str) -> None:
        """Write everything that a new searcher needs to continue, including attributes that a subclass added.

        Args:
            checkpoint_path: the file to write; it is complete when this returns.
        """
        if self._fault is not None:
            # A file that could not be read must not be replaced by an empty one.
            raise NotImplementedError(str(self._fault))  # Tune warns of this one and goes on; another ends the run
        checkpoint.write(checkpoint_path, self._keep()())

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Write the file of a session, as Tune asks for every few seconds.

        The first one is complete when this returns, and so is every one while the study is small. Later ones are
        written by a thread, with what is known now; until one is complete the one before stands. The last one of a
        run is waited for.

        Args:
            checkpoint_dir: the directory.
            session_str: Tune's name of the session.
        """
        path = os.path.join(checkpoint_dir, self.CKPT_FILE_TMPL.format(session_str))
        study = self._session.study
        at_once = study is None or study.small or self._writer.written != path
        at_once = at_once or self._writer.failing or tune_call.waits_for_checkpoint()
        if self._fault is None and not at_once:
            self._writer.put(path, self._keep())
            return
        self._writer.drop()
        super().save_to_dir(checkpoint_dir, session_str)
        self._writer.written = path if self._fault is None else None

    def _keep(self) -> Callable[[], dict[str, Any]]:
        """Capture what a checkpoint keeps, as of now; the function that is returned completes it, in any thread."""
        state, study = self._session.state(), self._session.study
        added = self._added()
        # A subclass may change what it added at any time.
        pickled = kept.dumps(added) if added else None
        complete_study = None if study is None else study.keep()

        def complete() -> dict[str, Any]:
            there = {} if pickled is None else kept.loads(pickled)
            return {**state, "added": there, "study": complete_study and complete_study()}

        return complete

    def _added(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in _own_attributes()}

    def restore(self, checkpoint_path: str) -> None:
        """Continue where ``save`` stood. It never raises, since Tune would begin a new experiment then.

        A file that cannot be used makes the first ``suggest`` raise, when Tune has its trials back.

        Args:
            checkpoint_path: a file that ``save`` wrote.
        """
        try:
            self._restore(checkpoint_path)
        except Exception as error:
            self._note_fault(checkpoint_path, error)

    def _restore(self, path: str) -> None:
        state, session = checkpoint.read(path), self._session
        check_same_run(state, session.objective, session.plan, path)
        study = restored_study(state, session.actor, session.plan.options.get("budget"))
        seen = trials_beside(path)
        self._fault = None
        session.take(state, study)
        vars(self).update(state.get("added", {}))
        if seen is not None and "ended" in state:
            session.reconcile(seen, self.on_trial_complete)
        self._join_run()

    def restore_from_dir(self, checkpoint_dir: str) -> None:
        """Continue from the newest file in an experiment's directory; like :meth:`restore`, it never raises.

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

    def __getstate__(self) -> dict[str, Any]:
        """Pickle as a checkpoint does, so that a ``tuner.pkl`` names no class of ours but this one."""
        return {"_session": kept.dumps(self._session.pickled()), "_fault": self._fault, **self._added()}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        """Take what was pickled; searchers of 0.1.0 were pickled with all their attributes."""
        super().__init__()
        self._writer, self._fault = checkpoint.Writer(), state["_fault"]
        whole = "_session" not in state
        self._session = Session.of_attributes(state) if whole else Session.unpickled(kept.loads(state["_session"]))
        not_added = FORMER_ATTRIBUTES | _own_attributes()
        vars(self).update({name: value for name, value in state.items() if name not in not_added})


@cache
def _own_attributes() -> frozenset[str]:
    """Return the names of a searcher's own attributes."""
    return frozenset(vars(ArqonSearcher()))

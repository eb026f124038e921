"""``optimize``: the whole way from a function and a config to the best parameters."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from arqon_ray.core import ArqonSolver
from arqon_ray.core.config import StudyConfig, identity, load_config
from arqon_ray.core.inputs.differences import differences
from arqon_ray.core.objectives.choose import objective_of
from arqon_ray.core.points import check_points
from arqon_ray.core.propose.roster import without_unread
from arqon_ray.core.space.space import Space
from arqon_ray.errors import ConfigError, EvaluationsFailedError, IdentityError, NodesLostError, StudyNotFoundError
from arqon_ray.fanout.driver.arguments import check_limits, check_metric, check_most, check_seconds, check_whole
from arqon_ray.fanout.driver.failfast import FailFast
from arqon_ray.fanout.driver.interrupts import Interrupts
from arqon_ray.fanout.driver.progress import show_progress
from arqon_ray.fanout.driver.resources import ensure_ray, task_options
from arqon_ray.fanout.optimization.loop import FAIL_FAST, Callback, Evaluator, Loop
from arqon_ray.fanout.optimization.results import OptimizeInterrupted, Result
from arqon_ray.fanout.optimization.stop import make_stop_rule
from arqon_ray.fanout.worker.context import takes_context
from arqon_ray.fanout.worker.evaluate import Objective
from arqon_ray.fanout.worker.shipped_function import pack
from arqon_ray.service import SolverClient, connect, start
from arqon_ray.service.client.launch import enqueue_once


def optimize(
    fn: Objective,
    config: Mapping[str, Any] | str | None = None,
    *,
    max_concurrency: int | None = None,
    resources: Mapping[str, float] | None = None,
    progress: bool = True,
    name: str | None = None,
    study: SolverClient | None = None,
    storage_path: str | os.PathLike[str] | None = None,
    resume: bool = True,
    metric: str | None = None,
    max_evaluations: int | None = None,
    time_budget_s: float | None = None,
    target: float | None = None,
    evaluation_timeout_s: float | None = None,
    fail_fast: int | None = 10,
    patience: int | None = None,
    callbacks: Sequence[Callback] = (),
    retries: int = 2,
    points_to_evaluate: Sequence[Mapping[str, Any]] | None = None,
) -> Result:
    """Search the parameters for which ``fn`` is best, evaluating on all of the cluster by plain remote tasks.

    It runs until the study's budget is spent, by this driver and all others on the same study, or until a stop
    condition holds; then what still runs is cancelled and goes back to the study unevaluated. An evaluation that
    raises, or gives None, NaN or an infinity, is told as failed and listed in the result.

    Ctrl-C cancels what runs, gives it back, and raises :class:`OptimizeInterrupted`, a KeyboardInterrupt, so that a
    script stops as it should. Its ``result`` has all that was found; the same call with its ``name`` goes on where it
    stopped, in a new Ray too if it had a ``storage_path``. A second Ctrl-C does not wait for what runs. When the driver
    is killed its leases run out.

    Args:
        fn: takes the candidate's parameters as one dict; returns a number or a dict of metrics. A coroutine function is
            awaited in the worker; a class is constructed once in each worker process, and its instance called. One that
            has a parameter ``context`` is given a :class:`.Context`, by which it reports while it runs.
        config: an arqon config, dict or JSON string. With ``study`` it may be left out, and must mean that study.
        max_concurrency: evaluations at once; None for as many as the cluster has resources for.
        resources: what one evaluation takes: ``{"cpu": 1, "gpu": 0.5, "memory": bytes, "custom": 1}``.
        progress: whether progress is shown, on standard error.
        name: the study's name in the cluster; None for a new study of its own.
        study: a study to work on, from ``start`` or ``connect``; it is left running.
        storage_path: where the study's journal lies, see ``start``.
        resume: whether a stored study of this name is continued, see ``start``.
        metric: which entry counts when ``fn`` returns a dict, ``val/loss`` in a nested one; None for the config's or
            the study's ``metric``, or else for the only entry, or ``loss``. All entries are kept as the evaluation's
            metrics; what is no metric is left out, with one warning.
        max_evaluations: evaluations of this call.
        time_budget_s: seconds of wall time.
        target: a value that is good enough.
        evaluation_timeout_s: seconds that one evaluation may run, from when the function starts; None for any time.
            One that takes longer gets an exception raised in it, and 5 s later its process is ended; it is told as
            failed, of the kind ``timeout``, and not tried again. What it has reported is kept.
        fail_fast: give up when so many evaluations, the first of this call, all failed alike: of one kind and with one
            message, numbers aside; lost nodes do not count. None for never.
        patience: stop when so many evaluations in a row brought nothing better; None for any number.
        callbacks: called after each evaluation with its record, see :meth:`.Evaluation.to_dict`; one that returns True
            stops the run.
        retries: how often a candidate whose worker process dies is started again before it is told as failed. One
            whose node is lost is started again without counting, and after ten of them the run ends.
        points_to_evaluate: points that are evaluated before the solver's own, each a dict of some or all parameters;
            what is left out is completed. They count in the budget, and are evaluated once in a study, however often
            the call is repeated.

    Returns:
        The best parameters, the history, the failures, and how the solver went about it.

    Raises:
        ConfigError: for a config or argument that breaks a rule, or a ``metric`` that none of the first results has.
        IdentityError: when the study exists with another config.
        TypeError: when ``fn`` cannot be sent to the workers.
        EvaluationsFailedError: when the first ``fail_fast`` evaluations failed alike; its ``result`` has them.
        NodesLostError: when one node after another is lost under the same candidate, which is given back; its
            ``result`` has the rest.
        OptimizeInterrupted: on Ctrl-C.

    Example:
        >>> import arqon_ray
        >>> config = {"seed": 1, "budget": 20, "bounds": {"x": {"min": -1.0, "max": 1.0}}}
        >>> result = arqon_ray.optimize(lambda params: (params["x"] - 0.3) ** 2, config, progress=False)
        >>> abs(result.best["params"]["x"] - 0.3) < 0.1
        True
    """
    began = time.monotonic()
    max_concurrency = check_most("max_concurrency", max_concurrency)
    max_evaluations = check_most("max_evaluations", max_evaluations)
    retries = check_whole("retries", retries, 0)
    fail_fast, patience = check_most("fail_fast", fail_fast), check_most("patience", patience)
    time_budget_s, target = check_limits(time_budget_s, target)
    limit = check_seconds("evaluation_timeout_s", evaluation_timeout_s)
    metric = check_metric(metric)
    options = task_options(resources)
    checked = None if config is None else _single(_with_metric(load_config(config), metric))
    points = [] if checked is None else check_points(points_to_evaluate, checked)
    if study is not None and (name is not None or storage_path is not None):
        raise ConfigError("study is given together with name or storage_path: a study has both already")
    remark = ensure_ray()
    given = dict if checked is None else Space(checked.bounds).given
    evaluator = Evaluator(pack(fn), metric, options, retries, max_concurrency, limit, given)
    own, advice = False, "the same call goes on"
    if study is None:
        study, own = _start(checked, name, storage_path, resume, points)
        advice = _advice(study.name, storage_path)
    else:
        checked = _own_config(study, checked)
        enqueue_once(study, check_points(points_to_evaluate, checked))
    try:
        assert checked is not None  # _start has refused None
        # Whoever began the study may have named its metric.
        metric = metric or checked.metric or study.config().get("metric")
        evaluator = replace(evaluator, metric=metric, seed=checked.seed if takes_context(fn) else None)
        rule = make_stop_rule(began, checked.mode, max_evaluations, time_budget_s, target, patience)
        failing = FailFast(fail_fast)
        with show_progress("optimize", checked.budget, enabled=progress) as shown, study.heartbeat() as beat:
            if remark:
                shown.note(remark)
            interrupts = Interrupts()
            loop = Loop(study, beat, evaluator, rule, failing, callbacks, shown, interrupts)
            try:
                with interrupts:
                    stopped_by = loop.run()
            except KeyboardInterrupt:
                raise OptimizeInterrupted(_result(study, loop, "interrupt", began), advice) from None
            except NodesLostError as error:
                error.result = _result(study, loop, "nodes_lost", began)
                raise
        result = _result(study, loop, stopped_by, began)
        if stopped_by == FAIL_FAST:
            raise EvaluationsFailedError(failing.message(), result)
        return result
    finally:
        if own:
            study.stop()


def _advice(name: str, storage_path: str | os.PathLike[str] | None) -> str:
    """Return how an interrupted call is continued."""
    if storage_path is None:
        return f"the same call with name={name!r} goes on while this Ray runs; with a storage_path in a new one too"
    return f"the same call with name={name!r}, storage_path={os.fspath(storage_path)!r} goes on"


def _start(
    config: StudyConfig | None,
    name: str | None,
    storage_path: str | os.PathLike[str] | None,
    resume: bool,
    points: Sequence[Mapping[str, Any]],
) -> tuple[SolverClient, bool]:
    """Return the study of a config, and whether its actor was started here."""
    if config is None:
        raise ConfigError("config is None: give a config, or the study to work on")
    name = name or f"optimize-{uuid.uuid4().hex[:8]}"
    path = None if storage_path is None else os.fspath(storage_path)
    try:
        connect(name)
        own = False
    except StudyNotFoundError:
        own = True
    return start(config, name, storage_path=path, resume=resume, points_to_evaluate=points), own


def _own_config(study: SolverClient, config: StudyConfig | None) -> StudyConfig:
    """Return the study's own config; one that was given must mean the same study."""
    stored = load_config(study.config())
    changes = [] if config is None else differences(identity(without_unread(stored)), identity(without_unread(config)))
    if changes:
        raise IdentityError(f"study {study.name!r} is another one ({'; '.join(changes)}): give its config, or none")
    return _single(stored)


def _with_metric(config: StudyConfig, metric: str | None) -> StudyConfig:
    """Return the config of a study that keeps the metric's name."""
    return config if metric is None else config.model_copy(update={"metric": metric})


def _single(config: StudyConfig) -> StudyConfig:
    """Return the config of a study with one objective; refuse another."""
    objective_of(config).require_one_value("optimize()")
    return config


def _result(study: SolverClient, loop: Loop, stopped_by: str, began: float) -> Result:
    solver = ArqonSolver.from_state(study.export())
    best, given = solver.best(), loop.evaluator.given
    return Result(
        name=study.name,
        best=None if best is None else {**best, "params": given(best["params"])},
        history=[{**each.to_dict(), "params": given(dict(each.params))} for each in solver.evaluations()],
        failures=loop.failures,
        explanation=solver.explain(),
        evaluations=loop.evaluations,
        stopped_by=stopped_by,
        seconds=time.monotonic() - began,
        path=study.status().get("storage"),
        config=solver.config.to_dict(),
    )

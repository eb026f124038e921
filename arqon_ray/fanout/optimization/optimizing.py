"""``optimize``: from a function and a config to the best parameters."""

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
    """Find the parameters for which ``fn`` is best, evaluating on the whole cluster by plain remote tasks.

    It runs until the study's budget is spent, by this driver and others on the same study, or until a stop condition
    holds. Evaluations that still run are then cancelled, and their candidates go back to the study. An evaluation that
    raises, or returns None, NaN or an infinity, is told as failed and listed in the result.

    Ctrl-C cancels what runs, gives the candidates back and raises :class:`OptimizeInterrupted`, a KeyboardInterrupt, so
    that a script stops as usual. Its ``result`` has everything found so far. The same call with its ``name`` continues,
    in a new Ray only if it had a ``storage_path``. A second Ctrl-C does not wait for running evaluations. If the driver
    is killed, the leases of its candidates expire.

    Args:
        fn: takes the candidate's parameters as one dict; returns a number or a dict of metrics. A coroutine function is
            awaited in the worker; a class is constructed once in each worker process, and its instance is called. If
            it has a parameter ``context`` it is given a :class:`.Context`, with which it can report while it runs.
        config: an arqon config, dict or JSON string. Optional with ``study``, and then it must be that study's.
        max_concurrency: evaluations at once; None for as many as the cluster has resources for.
        resources: of one evaluation: ``{"cpu": 1, "gpu": 0.5, "memory": bytes, "custom": 1}``.
        progress: whether to show progress, on standard error.
        name: the study's name in the cluster; None for a new study with a random name.
        study: a study to work on, from ``start`` or ``connect``; it is left running.
        storage_path: where the study's log is stored, see ``start``.
        resume: whether a stored study of this name is continued, see ``start``.
        metric: the entry that counts if ``fn`` returns a dict, ``val/loss`` in a nested one; None for the ``metric`` of
            the config or study, or if it has none for the only entry, or ``loss``. All entries are kept as metrics of
            the evaluation, except those that cannot be metrics, of which one warning tells.
        max_evaluations: the most evaluations of this call.
        time_budget_s: seconds of wall time.
        target: a value that is good enough.
        evaluation_timeout_s: seconds that one evaluation may run, counted from the start of the function; None for no
            limit. If it takes longer, an exception is raised in it, and its process is ended 5 s later. It is told as
            failed, with the kind ``timeout``, and not retried. Its reports are kept.
        fail_fast: give up if so many evaluations, the first of this call, all fail alike, that is with the same kind
            and the same message apart from numbers. Lost nodes do not count. None for never.
        patience: stop after so many evaluations in a row without an improvement; None for no limit.
        callbacks: called after each evaluation with its record, see :meth:`.Evaluation.to_dict`; if one returns True
            the run stops.
        retries: how often a candidate is started again if its worker process dies, before it is told as failed. If its
            node is lost it is started again too, which does not count; after ten lost nodes the run ends.
        points_to_evaluate: points to evaluate before the solver's own, each a dict of some or all parameters; missing
            parameters are filled in. They count in the budget, and are evaluated once in a study, however often the
            call is repeated.

    Returns:
        The best parameters, the history, the failures, and how the solver went about it.

    Raises:
        ConfigError: the config or an argument breaks a rule, or none of the first results has the ``metric``.
        IdentityError: the study exists with another config.
        TypeError: ``fn`` cannot be sent to the workers.
        EvaluationsFailedError: the first ``fail_fast`` evaluations failed alike; they are in its ``result``.
        NodesLostError: ten nodes in a row were lost during the same candidate, which is given back; everything else is
            in its ``result``.
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
        raise ConfigError("study cannot be combined with name or storage_path: the study already has both")
    remark = ensure_ray()
    given = dict if checked is None else Space(checked.bounds).given
    evaluator = Evaluator(pack(fn), metric, options, retries, max_concurrency, limit, given)
    own, advice = False, "repeat the call to continue"
    if study is None:
        study, own = _start(checked, name, storage_path, resume, points)
        advice = _advice(study.name, storage_path)
    else:
        checked = _own_config(study, checked)
        enqueue_once(study, check_points(points_to_evaluate, checked))
    try:
        assert checked is not None  # _start has refused None
        # The study may have been started with a metric.
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
    """Return how to continue an interrupted call."""
    if storage_path is None:
        return (
            f"repeat the call with name={name!r} to continue, as long as this Ray runs; only a storage_path outlasts it"
        )
    return f"repeat the call with name={name!r}, storage_path={os.fspath(storage_path)!r} to continue"


def _start(
    config: StudyConfig | None,
    name: str | None,
    storage_path: str | os.PathLike[str] | None,
    resume: bool,
    points: Sequence[Mapping[str, Any]],
) -> tuple[SolverClient, bool]:
    """Start or join the study of a config; also return whether its actor was started here."""
    if config is None:
        raise ConfigError("config is None: give a config or a study")
    name = name or f"optimize-{uuid.uuid4().hex[:8]}"
    path = None if storage_path is None else os.fspath(storage_path)
    try:
        connect(name)
        own = False
    except StudyNotFoundError:
        own = True
    return start(config, name, storage_path=path, resume=resume, points_to_evaluate=points), own


def _own_config(study: SolverClient, config: StudyConfig | None) -> StudyConfig:
    """Return the study's own config, which a given one must not contradict."""
    stored = load_config(study.config())
    changes = [] if config is None else differences(identity(without_unread(stored)), identity(without_unread(config)))
    if changes:
        raise IdentityError(
            f"study {study.name!r} has another config ({'; '.join(changes)}): give its own config, or none"
        )
    return _single(stored)


def _with_metric(config: StudyConfig, metric: str | None) -> StudyConfig:
    """Return the config with the name of the metric, if there is one."""
    return config if metric is None else config.model_copy(update={"metric": metric})


def _single(config: StudyConfig) -> StudyConfig:
    """Return the config if it has a single objective; refuse another."""
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

"""A run as an Optuna study, so that optuna-dashboard and Optuna's own plots open it. Needs the extra ``[optuna]``."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from arqon_ray.core.record.evaluation import Evaluation
from arqon_ray.core.space.description import Options, Range
from arqon_ray.core.space.kinds.base import Parameter
from arqon_ray.core.space.space import Space
from arqon_ray.errors import ArqonError
from arqon_ray.report.opening import Source, open_run

if TYPE_CHECKING:
    import optuna

_UNMEASURED = 1.0
"""The assumed seconds of an evaluation whose time was not measured."""
_DIRECTIONS: dict[str, Literal["minimize", "maximize"]] = {"min": "minimize", "max": "maximize"}


def export_to_optuna(run: Source, storage: str, study_name: str | None = None) -> optuna.Study:
    """Write a run's evaluations into a new study of an Optuna storage.

    Each becomes a trial, in the order told: complete ones complete, stopped ones pruned, failed ones failed.
    Intermediate reports become intermediate values. Metrics, as ``metrics.NAME``, and the rest of the record become
    user attributes, in which numbers that are not finite are text. Running evaluations are left out, since nothing
    would end them in Optuna. Trials whose time was not measured follow one another, so that plots over time show their
    order.

    Args:
        run: a Run, or anything that :func:`open_run` accepts.
        storage: an Optuna storage URL, such as ``sqlite:///run.db``.
        study_name: the name of the Optuna study; None for the name of the run.

    Returns:
        The Optuna study.

    Raises:
        ArqonError: optuna is not installed, or the storage already has a study with this name.
        StateError: ``run`` is not accepted by :func:`open_run`.
    """
    try:
        import optuna
    except ImportError:
        raise ArqonError("optuna is not installed: pip install 'arqon-ray[optuna]'") from None
    run = open_run(run)
    name = run.name if study_name is None else study_name
    directions = [_DIRECTIONS[mode] for mode in run.config.objectives or [run.config.mode]]
    space = Space(run.config.bounds)
    columns = {
        n: _column(p, [e.params[n] for e in run.evaluations if n in e.params])
        for n, p in zip(space.names, space.parameters, strict=True)
    }
    trials = [_trial(e, columns, times) for e, times in zip(run.evaluations, _times(run.evaluations), strict=True)]
    try:
        study = optuna.create_study(storage=storage, study_name=name, directions=directions)
    except optuna.exceptions.DuplicatedStudyError:
        raise ArqonError(f"study_name is {name!r}: {storage} has such a study already; give another name") from None
    study.set_user_attr("metric", run.metric)
    study.add_trials(trials)
    return study


class _Column(NamedTuple):
    """A parameter in Optuna: its distribution, and how its values are converted."""

    distribution: Any
    write: Callable[[Any], Any]


def _column(parameter: Parameter, values: Sequence[Any]) -> _Column:
    """Return the Optuna distribution that is nearest to a parameter and contains all of its values.

    Optuna has no periodic ranges, no logarithmic steps, and no choices that are equal in Python, as 1 and True are:
    there every choice becomes its JSON. A grid that its arithmetic does not find again becomes a plain range.
    """
    described = parameter.describe()
    return _range(described, values) if isinstance(described, Range) else _options(described, parameter)


def _options(described: Options, parameter: Parameter) -> _Column:
    from optuna.distributions import CategoricalDistribution

    choices = described.choices
    if len(set(choices)) == len(choices):
        return _Column(CategoricalDistribution(list(choices)), parameter.native)
    return _Column(CategoricalDistribution([json.dumps(c) for c in choices]), lambda c: json.dumps(parameter.native(c)))


def _range(described: Range, values: Sequence[float]) -> _Column:
    from optuna.distributions import FloatDistribution, IntDistribution

    low, high, log = min([described.low, *values]), max([described.high, *values]), described.log
    if described.step is None:
        return _Column(FloatDistribution(low, high, log=log), float)
    if described.integer:
        step = int(described.step)
        even = not log and all((int(value) - int(low)) % step == 0 for value in (*values, high))
        return _Column(IntDistribution(int(low), int(high), log=log, step=step if even else 1), int)
    multiples = [(value - low) / described.step for value in values]
    # Both are how Optuna decides, the first in its constructor and the second for each value.
    even = (Decimal(repr(high)) - Decimal(repr(low))) % Decimal(repr(described.step)) == 0
    even = even and all(abs(multiple - round(multiple)) < 1e-8 for multiple in multiples)
    return _Column(FloatDistribution(low, high, log=log, step=described.step if even and not log else None), float)


@dataclass(frozen=True, slots=True)
class _Times:
    """When an evaluation began and ended, in seconds since 1970."""

    started: float
    ended: float


def _times(evaluations: Sequence[Evaluation]) -> Iterator[_Times]:
    """Yield the times of evaluations. Unmeasured ones begin when the one before has ended."""
    known = [_measured(e) for e in evaluations]
    lengths = [_UNMEASURED if e.seconds is None else e.seconds for e in evaluations]
    first, start = next(((k, times.started) for k, times in enumerate(known) if times), (len(known), time.time()))
    now = start - sum(lengths[:first])
    for times, length in zip(known, lengths, strict=True):
        times = times or _Times(now, now + length)
        now = max(now, times.ended)
        yield times


def _measured(evaluation: Evaluation) -> _Times | None:
    started, ended, seconds = evaluation.started, evaluation.ended, evaluation.seconds or 0.0
    if started is None and ended is None:
        return None
    started = started if started is not None else (ended or 0.0) - seconds
    return _Times(started, max(started, started + seconds if ended is None else ended))


def _trial(evaluation: Evaluation, columns: dict[str, _Column], times: _Times) -> optuna.trial.FrozenTrial:
    from optuna.trial import FrozenTrial, TrialState

    states = {"complete": TrialState.COMPLETE, "stopped": TrialState.PRUNED}
    values = evaluation.values or (() if evaluation.value is None else (evaluation.value,))
    trial = FrozenTrial(
        number=-1,  # the study counts
        trial_id=-1,
        state=states.get(evaluation.status, TrialState.FAIL),
        value=None,
        values=list(values) or None,
        # Optuna has local times.
        datetime_start=datetime.fromtimestamp(times.started),
        datetime_complete=datetime.fromtimestamp(times.ended),
        params={name: columns[name].write(value) for name, value in evaluation.params.items()},
        distributions={name: columns[name].distribution for name in evaluation.params},
        user_attrs=_attributes(evaluation),
        system_attrs={},
        intermediate_values={s.step: s.value for s in evaluation.steps if s.value is not None},
    )
    return trial


def _attributes(evaluation: Evaluation) -> dict[str, Any]:
    names = ("id", "origin", "cost", "step", "seconds", "node", "pid", "attempt")
    known = {name: getattr(evaluation, name) for name in names}
    if evaluation.error is not None:
        known |= {"error_kind": evaluation.error.kind, "error": evaluation.error.message}
    metrics = {f"metrics.{name}": _jsonable(value) for name, value in evaluation.metrics.items()}
    return {name: value for name, value in known.items() if value is not None} | metrics


def _jsonable(value: Any) -> Any:
    if isinstance(value, list):
        return [_jsonable(each) for each in value]
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value

"""A run as an Optuna study, so that optuna-dashboard and Optuna's own plots open it. Needs the extra ``[optuna]``."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from arqon_ray.core.evaluation import Evaluation
from arqon_ray.core.parameters import Categorical, Continuous, Discrete, Parameter
from arqon_ray.core.space import Space
from arqon_ray.errors import ArqonError
from arqon_ray.report.opening import Source, open_run

if TYPE_CHECKING:
    import optuna


def export_to_optuna(run: Source, storage: str, study_name: str | None = None) -> optuna.Study:
    """Write a run's evaluations into a new study of an Optuna storage.

    Args:
        run: the run, or what ``optimize`` returned; failed evaluations become failed trials.
        storage: an Optuna storage URL, such as ``sqlite:///run.db``.
        study_name: the study's name there; None for the run's own.

    Returns:
        The Optuna study.

    Raises:
        ArqonError: when optuna is not installed, or a study of that name is there already.
    """
    try:
        import optuna
    except ImportError:
        raise ArqonError("optuna is not installed: pip install 'arqon-ray[optuna]'") from None
    run = open_run(run)
    name = run.name if study_name is None else study_name
    direction: Literal["minimize", "maximize"] = "minimize" if run.config.mode == "min" else "maximize"
    space = Space(run.config.bounds)
    columns = {
        n: _column(p, [e.params[n] for e in run.evaluations if n in e.params])
        for n, p in zip(space.names, space.parameters, strict=True)
    }
    trials = [_trial(evaluation, columns) for evaluation in run.evaluations]
    try:
        study = optuna.create_study(storage=storage, study_name=name, direction=direction)
    except optuna.exceptions.DuplicatedStudyError:
        raise ArqonError(f"study_name is {name!r}: {storage} has such a study already; give another name") from None
    study.set_user_attr("metric", run.metric)
    study.add_trials(trials)
    return study


class _Column(NamedTuple):
    """A parameter in Optuna: its distribution, and its values as that has them."""

    distribution: Any
    write: Callable[[Any], Any]


def _column(parameter: Parameter, values: Sequence[Any]) -> _Column:
    """Return Optuna's nearest to a parameter that holds all of its values.

    Optuna has no periodic ranges, no logarithmic steps, and no choices that are equal in Python, as 1 and True are:
    there every choice becomes its JSON. A grid that its arithmetic does not find again becomes a plain range.
    """
    from optuna.distributions import FloatDistribution

    match parameter:
        case Categorical():
            return _choices(parameter)
        case Continuous():
            low, high = min([parameter.low, *values]), max([parameter.high, *values])
            return _Column(FloatDistribution(low, high, log=parameter.scale == "Log"), float)
        case Discrete():
            first, last = parameter.ends
            return _grid(parameter, min([first, *values]), max([last, *values]), values)


def _choices(parameter: Categorical) -> _Column:
    from optuna.distributions import CategoricalDistribution

    choices = parameter.choices
    if len(set(choices)) == len(choices):
        return _Column(CategoricalDistribution(list(choices)), parameter.native)
    return _Column(CategoricalDistribution([json.dumps(c) for c in choices]), lambda c: json.dumps(parameter.native(c)))


def _grid(parameter: Discrete, low: float, high: float, values: Sequence[float]) -> _Column:
    from optuna.distributions import FloatDistribution, IntDistribution

    log = parameter.scale == "Log"
    if parameter.integer:
        step = int(parameter.step)
        even = not log and all((int(value) - int(low)) % step == 0 for value in (*values, high))
        return _Column(IntDistribution(int(low), int(high), log=log, step=step if even else 1), int)
    multiples = [(value - low) / parameter.step for value in values]
    # Both are how Optuna decides, the first in its constructor and the second for each value.
    even = (Decimal(repr(high)) - Decimal(repr(low))) % Decimal(repr(parameter.step)) == 0
    even = even and all(abs(multiple - round(multiple)) < 1e-8 for multiple in multiples)
    return _Column(FloatDistribution(low, high, log=log, step=parameter.step if even and not log else None), float)


def _trial(evaluation: Evaluation, columns: dict[str, _Column]) -> optuna.trial.FrozenTrial:
    from optuna.trial import TrialState, create_trial

    attributes = {
        "id": evaluation.id,
        "origin": evaluation.origin,
        "cost": evaluation.cost,
        "step": evaluation.step,
        "error": None if evaluation.error is None else evaluation.error.message,
    }
    return create_trial(
        state=TrialState.FAIL if evaluation.value is None else TrialState.COMPLETE,
        value=evaluation.value,
        params={name: columns[name].write(value) for name, value in evaluation.params.items()},
        distributions={name: columns[name].distribution for name in evaluation.params},
        user_attrs={key: value for key, value in attributes.items() if value is not None},
        intermediate_values={},
    )

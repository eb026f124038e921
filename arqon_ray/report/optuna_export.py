"""A run as an Optuna study, so that optuna-dashboard and Optuna's own plots open it. Needs the extra ``[optuna]``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from arqon_ray.core.parameters import Categorical, Continuous, Discrete, Parameter
from arqon_ray.core.space import Space
from arqon_ray.errors import ArqonError
from arqon_ray.report.run import Evaluation, Run

if TYPE_CHECKING:
    import optuna


def export_to_optuna(run: Run, storage: str, study_name: str | None = None) -> optuna.Study:
    """Write a run's evaluations into a new study of an Optuna storage.

    Args:
        run: the run; failed evaluations become failed trials.
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
    name = run.name if study_name is None else study_name
    direction: Literal["minimize", "maximize"] = "minimize" if run.config.mode == "min" else "maximize"
    try:
        study = optuna.create_study(storage=storage, study_name=name, direction=direction)
    except optuna.exceptions.DuplicatedStudyError:
        raise ArqonError(f"study_name is {name!r}: {storage} has such a study already; give another name") from None
    study.set_user_attr("metric", run.metric)
    space = Space(run.config.bounds)
    distributions = {n: _distribution(p) for n, p in zip(space.names, space.parameters, strict=True)}
    study.add_trials([_trial(evaluation, distributions) for evaluation in run.evaluations])
    return study


def _distribution(parameter: Parameter) -> Any:
    """Return Optuna's distribution for a parameter; it has no periodic ones and no logarithmic steps."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    match parameter:
        case Categorical():
            return CategoricalDistribution(list(parameter.choices))
        case Continuous():
            return FloatDistribution(parameter.low, parameter.high, log=parameter.scale == "Log")
        case Discrete():
            high = parameter.low + (parameter.levels - 1) * parameter.step
            log = parameter.scale == "Log"
            if parameter.integer:
                step = 1 if log else int(parameter.step)
                return IntDistribution(int(parameter.low), int(high), log=log, step=step)
            return FloatDistribution(parameter.low, high, log=log, step=None if log else parameter.step)


def _trial(evaluation: Evaluation, distributions: dict[str, Any]) -> optuna.trial.FrozenTrial:
    from optuna.trial import TrialState, create_trial

    attributes = {"id": evaluation.id, "origin": evaluation.origin, "cost": evaluation.cost, "error": evaluation.error}
    return create_trial(
        state=TrialState.FAIL if evaluation.value is None else TrialState.COMPLETE,
        value=evaluation.value,
        params=dict(evaluation.params),
        distributions={name: distributions[name] for name in evaluation.params},
        user_attrs={key: value for key, value in attributes.items() if value is not None},
        intermediate_values={},
    )

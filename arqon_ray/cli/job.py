"""Job files: a study's config, the function to evaluate and how to run it, in one YAML file.

``study`` is the study's config (:class:`~arqon_ray.core.config.StudyConfig`); the keys around it say how its points are
evaluated. Whatever breaks a rule raises a :class:`~arqon_ray.errors.ConfigError` that names key, value and rule, before
Ray is started.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from arqon_ray.core.config import StudyConfig, load_config, read_config_file
from arqon_ray.core.inputs.documents import read_yaml
from arqon_ray.core.inputs.spelling import did_you_mean
from arqon_ray.core.inputs.values import shown
from arqon_ray.core.objectives.choose import objective_of
from arqon_ray.core.points import check_points
from arqon_ray.errors import ConfigError

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _study(value: Any) -> StudyConfig:
    try:
        return load_config(value)
    except ConfigError as error:
        raise ValueError(f"study.{error}") from None


class SchedulerConfig(BaseModel):
    """A scheduler that stops trials early. The job then runs through Ray Tune.

    Attributes:
        type: ``asha`` (asynchronous successive halving) or ``hyperband``.
        max_t: reports after which a trial ends.
        grace_period: reports that every trial makes at least; only for ``asha``.
        reduction_factor: at each rung, one trial in so many continues.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    type: Literal["asha", "hyperband"]
    max_t: int = Field(default=100, ge=1)
    grace_period: int = Field(default=1, ge=1)
    reduction_factor: int = Field(default=3, ge=2)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.grace_period > self.max_t:
            raise ValueError(f"grace_period is {self.grace_period!r}: it must not be above max_t ({self.max_t})")
        if self.type == "hyperband" and "grace_period" in self.model_fields_set:
            raise ValueError(f"grace_period is {self.grace_period!r}: scheduler type hyperband has none")
        return self


class Job(BaseModel):
    """The keys that every job file has.

    Attributes:
        name: the name of the run and of its folder. Default: the name of the file.
        objective: ``module:function`` or ``path.py:function``, the path relative to the job file. The function may be
            a coroutine function or a class. It can import the modules beside it, on the workers too.
        metric: the entry that counts in the dict that the function returns, and the label of the values. Default: the
            study's.
        study: the study's config: seed, budget, mode, bounds, strategy.
        resources: of one evaluation: ``cpu``, ``gpu``, ``memory`` in bytes, or custom ones.
        max_concurrency: evaluations at once. Default: as many as the cluster has resources for.
        output: folder for the results, relative to the working directory; ``~`` is the home directory. Default:
            ``results/<name>``.
        runtime_env: Ray's runtime environment of the workers, such as ``{working_dir: .}``.
        evaluation_timeout_s: seconds that one evaluation may run. Default: no limit.
        fail_fast: give up if so many evaluations, the first ones, all fail alike; null for never.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Name
    objective: Annotated[str, Field(pattern=r"^[^:]+:[A-Za-z_][A-Za-z0-9_.]*$")]
    metric: Annotated[str, Field(min_length=1)] = "loss"
    study: Annotated[StudyConfig, BeforeValidator(_study)]
    resources: dict[str, Amount] = Field(default_factory=lambda: {"cpu": 1.0})
    max_concurrency: int | None = Field(default=None, ge=1)
    output: Annotated[str, Field(min_length=1)] | None = None
    runtime_env: dict[str, Any] | None = None
    evaluation_timeout_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    fail_fast: int | None = Field(default=10, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _metric_of_the_study(cls, given: Any) -> Any:
        """Take the metric from the study if the job does not name one."""
        study = given.get("study") if isinstance(given, Mapping) else None
        named = study.get("metric") if isinstance(study, Mapping) else None
        if named is None or "metric" not in given:
            return given if named is None else {**given, "metric": named}
        if given["metric"] != named:
            raise ValueError(f"metric is {shown(given['metric'])} and study.metric {shown(named)}: give it once")
        return given

    @property
    def config(self) -> StudyConfig:
        """The study's config, with the metric."""
        return self.study.model_copy(update={"metric": self.metric})

    @property
    def folder(self) -> Path:
        """The folder of the results."""
        return Path(self.output).expanduser() if self.output else Path("results") / self.name


class RunJob(Job):
    """A job of ``arqon-ray run``: find the best parameters.

    Attributes:
        actor: the name of the study's actor, which distinguishes studies on one cluster.
        storage_path: where to store the study's log: a folder or URI that the actor's node can reach. Default: the
            output folder, or with an existing cluster the disk of its head node.
        scheduler: stops trials early, through Ray Tune; the function then reports with ``tune.report``.
        patience: stop after so many evaluations in a row without an improvement. Default: no limit.
        points_to_evaluate: points to evaluate before the solver's own, once even if the run is resumed; missing
            parameters are filled in. They count in the budget.
    """

    actor: Name = "arqon"
    storage_path: str | None = None
    scheduler: SchedulerConfig | None = None
    patience: int | None = Field(default=None, ge=1)
    points_to_evaluate: list[dict[str, Any]] = Field(default_factory=list)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.study.budget is None:
            raise ValueError("study.budget is required: the number of evaluations")
        for key in ("evaluation_timeout_s", "fail_fast", "patience"):
            if self.scheduler is not None and key in self.model_fields_set:
                raise ValueError(
                    f"{key} is {getattr(self, key)!r}: a job with a scheduler has none, since Tune ends its trials"
                )
        check_points(self.points_to_evaluate, self.study)
        objective_of(self.study).require_one_value("a run")
        return self


class SweepConfig(BaseModel):
    """The size of a sweep.

    Attributes:
        num_samples: the number of points, from index 0 on.
        shard_size: the points of one task and one Parquet file. Default: an automatic size.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    num_samples: int = Field(ge=1)
    shard_size: int | None = Field(default=None, ge=1)


class SweepJob(Job):
    """A job of ``arqon-ray sweep``: evaluate points of the probe. ``study`` has seed, mode and bounds."""

    sweep: SweepConfig


J = TypeVar("J", RunJob, SweepJob)


def load_job(path: str | Path, kind: type[J], settings: Sequence[str] = (), **more: Any) -> J:
    """Read and check a job file.

    Args:
        path: YAML or JSON.
        kind: :class:`RunJob` or :class:`SweepJob`.
        settings: ``key=value``, where the key is a dotted path such as ``study.budget``, and the value YAML.
        more: values that override those of the file, except None.

    Raises:
        ConfigError: the file or the job breaks a rule; the message names file, key, value and rule in one line.
    """
    source = read_config_file(path)
    for setting in settings:
        _apply(source, setting)
    source.setdefault("name", Path(path).stem)
    source.update({key: value for key, value in more.items() if value is not None})
    _hint(source, kind, path)
    try:
        return kind.model_validate(source)
    except ValidationError as error:
        raise ConfigError(f"{path}: " + "; ".join(_explain(e, kind) for e in error.errors())) from None


def _apply(source: dict[str, Any], setting: str) -> None:
    key, equals, text = setting.partition("=")
    if not equals or not all(key.split(".")):
        raise ConfigError(f"--set is {shown(setting)}: it must be key=value, such as study.budget=20")
    *parents, last = key.split(".")
    target: Any = source
    for depth, parent in enumerate(parents):
        if parents[:depth] == ["study", "bounds"]:
            _check_parameter(target, parent, setting)
        target = target.setdefault(parent, {})
        if not isinstance(target, dict):
            raise ConfigError(f"--set is {shown(setting)}: {parent} is {shown(target)} and has no keys")
    target[last] = read_yaml(text, f"--set {shown(key)}")


def _check_parameter(bounds: Mapping[str, Any], name: str, setting: str) -> None:
    """Refuse a parameter that does not exist if another one was probably meant."""
    near = did_you_mean(name, bounds) if name not in bounds else ""
    if near:
        raise ConfigError(
            f"--set is {shown(setting)}: study.bounds has no {name}{near}. A new parameter is set as a whole: "
            f"study.bounds.{name}='{{min: 0, max: 1}}'"
        )


def _hint(source: Mapping[str, Any], kind: type[Job], path: str | Path) -> None:
    """Refuse likely mistakes with a message that says what to do."""
    if "bounds" in source and "study" not in source:
        raise ConfigError(f"{path}: bounds is at the top level: put the study's config under the key study")
    if kind is RunJob and "sweep" in source:
        raise ConfigError(f"{path}: sweep is {shown(source['sweep'])}: this is the job of a sweep; use arqon-ray sweep")
    if kind is SweepJob and "scheduler" in source:
        raise ConfigError(f"{path}: scheduler is {shown(source['scheduler'])}: a sweep has none; use arqon-ray run")


def _explain(error: Any, kind: type[Job]) -> str:
    """Turn one pydantic error into ``key is value: rule``."""
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] == "value_error":
        message = str(error["ctx"]["error"])
        return message if not where or where == "study" else f"{where}.{message}"
    if error["type"] == "extra_forbidden":
        parts: Mapping[str, type[BaseModel]] = {"scheduler": SchedulerConfig, "sweep": SweepConfig}
        known = parts.get(str(error["loc"][0]), kind) if len(error["loc"]) > 1 else kind
        near = did_you_mean(error["loc"][-1], known.model_fields)
        return f"{where} is {shown(error['input'])}: unknown key{near}; the keys are {', '.join(known.model_fields)}"
    if error["type"] == "missing":
        return f"{where} is required"
    if where == "objective" and error["type"] == "string_pattern_mismatch":
        return f"objective is {shown(error['input'])}: it must be module:function or path.py:function"
    return f"{where} is {shown(error['input'])}: {error['msg'][:1].lower()}{error['msg'][1:]}"

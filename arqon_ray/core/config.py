"""The configuration schema of a study: reading, checking and writing.

A config is a dict, a JSON string or a YAML file, with the keys of :class:`StudyConfig`. One that is invalid is refused
here, before anything is built, with one message that names every key, value and rule.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from arqon_ray.core.inputs.documents import read_json, read_yaml
from arqon_ray.core.inputs.plain import Scalar, plain, value_of
from arqon_ray.core.inputs.spelling import did_you_mean
from arqon_ray.core.inputs.values import is_writable, shown
from arqon_ray.core.space.config import ParameterConfig
from arqon_ray.errors import ConfigError


class StudyConfig(BaseModel):
    """The config of a study.

    Attributes:
        seed: 0 .. 2**64 - 1. Config and seed determine every candidate, given the results.
        budget: the total number of candidates; None for no limit.
        mode: ``min`` or ``max``.
        objectives: the mode of each objective if there are several, of which ``mode`` is the first; None for a single
            one.
        metric: the name of the objective among an evaluation's metrics; None if it has no name. A study can be
            continued under another name.
        bounds: the parameters by name, at least one. A name must not be empty or contain NUL.
        probe_ratio: the largest share of the budget for the probe, 0 .. 1.
        strategy: ``auto``, or the name of one strategy.
        strategy_params: the strategy's own settings: JSON, with finite numbers and integers of at most 64 bits.

    Strings must be valid Unicode of at most 2**20 characters; dicts and lists may be nested 100 deep. Numbers may be of
    any type that :mod:`arqon_ray.core.inputs.values` reads.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    seed: int = Field(default=42, ge=0, lt=2**64)
    budget: int | None = Field(default=None, ge=0, lt=2**63)
    mode: Literal["min", "max"] = "min"
    objectives: list[Literal["min", "max"]] | None = Field(default=None, min_length=2)
    metric: str | None = Field(default=None, min_length=1, max_length=512)
    bounds: dict[str, ParameterConfig] = Field(min_length=1)
    probe_ratio: float = Field(default=0.2, ge=0.0, le=1.0)
    strategy: str = "auto"
    strategy_params: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _mode_of_the_first(cls, given: Any) -> Any:
        objectives = given.get("objectives") if isinstance(given, Mapping) else None
        return {"mode": objectives[0], **given} if isinstance(objectives, list) and objectives else given

    @field_validator("strategy_params", mode="before")
    @classmethod
    def _null_is_empty(cls, value: Any) -> Any:
        return {} if value is None else value

    @field_validator("strategy_params")
    @classmethod
    def _params_are_json(cls, value: dict[str, Any]) -> dict[str, Any]:
        if not is_writable(value):
            raise ValueError(f"is {shown(value)}: numbers must be finite, and integers must fit into 64 bits")
        try:
            json.dumps(value)
        except TypeError as error:
            raise ValueError(f"is {shown(value)}: it must be JSON ({error})") from None
        return value

    @model_validator(mode="after")
    def _check(self) -> StudyConfig:
        if self.objectives is not None and self.objectives[0] != self.mode:
            raise ValueError(f"mode is {self.mode!r}: it must be the first of objectives {self.objectives!r}")
        earlier: dict[str, ParameterConfig] = {}
        for name, parameter in self.bounds.items():
            if not name or "\0" in name:
                raise ValueError(f"bounds has the name {shown(name)}: a name must not be empty or contain NUL")
            for parent, values in (parameter.when or {}).items():
                self._check_condition(name, parent, values, earlier)
            earlier[name] = parameter
        return self

    @staticmethod
    def _check_condition(name: str, parent: str, values: list[Scalar], earlier: dict[str, ParameterConfig]) -> None:
        where = f"bounds.{name}.when"
        if parent not in earlier:
            near = did_you_mean(parent, earlier)
            raise ValueError(f"{where} is {parent!r}: it must name a parameter that comes earlier in bounds{near}")
        if not earlier[parent].finite:
            raise ValueError(f"{where} is {parent!r}: a condition needs choices, type int or step there")
        for value in values:
            if not earlier[parent].allows(value):
                raise ValueError(f"{where}.{parent} is {shown(value)}: {parent} never has this value")

    def __repr__(self) -> str:
        # A study may have thousands of parameters, and megabytes of choices.
        names = list(self.bounds)
        shown = ", ".join(map(repr, names[:3])) + (", ..." if len(names) > 3 else "")
        return f"StudyConfig({len(names)} parameters: {shown[:200]}; strategy={self.strategy!r}, seed={self.seed})"

    __str__ = __repr__

    def to_dict(self) -> dict[str, Any]:
        """Return the plain dict that reads back as this config, defaults left out but the seed."""
        document = {"seed": self.seed, **self.model_dump(exclude_defaults=True)}
        for parameter in document["bounds"].values():
            if "choices" in parameter:
                parameter["choices"] = [value_of(choice) for choice in parameter["choices"]]
        return document


def identity(config: StudyConfig) -> dict[str, Any]:
    """Return the part of a config that may not change while a study goes on: all but ``budget`` and ``metric``."""
    plain = config.to_dict()
    return {
        "seed": config.seed,
        "mode": config.mode,
        **({} if config.objectives is None else {"objectives": list(config.objectives)}),
        "bounds": plain["bounds"],
        "probe_ratio": config.probe_ratio,
        "strategy": config.strategy,
        "strategy_params": dict(config.strategy_params),
    }


def is_arqon_config(obj: object) -> bool:
    """Tell whether a dict is an arqon config, with ``bounds`` of min and max or of choices, and not a Tune space."""
    bounds = obj.get("bounds") if isinstance(obj, Mapping) else None
    if not isinstance(bounds, Mapping):
        return False
    return all(isinstance(p, Mapping) and ("choices" in p or {"min", "max"} & set(p)) for p in bounds.values())


def load_config(source: Mapping[str, Any] | str | StudyConfig) -> StudyConfig:
    """Check a config.

    Args:
        source: a dict, a JSON string, or a checked config, which is returned as it is.

    Raises:
        ConfigError: the JSON is malformed or the config invalid; the message names everything that is wrong.
    """
    if isinstance(source, StudyConfig):
        return source
    if isinstance(source, str):
        source = read_json(source, "config")
    if not isinstance(source, Mapping):
        raise ConfigError(f"config is {shown(source)}: it must be a dict or a JSON object with the key bounds")
    try:
        return StudyConfig.model_validate(plain(source))
    except ValidationError as error:
        raise ConfigError("; ".join(_explain(e) for e in error.errors())) from None


def read_config_file(path: str | Path) -> dict[str, Any]:
    """Read a YAML 1.2 file, or a JSON file if its name ends with ``.json``, without checking the config.

    Raises:
        ConfigError: the file is missing or malformed (see :mod:`arqon_ray.core.inputs.documents`), or its content is
            not a mapping.
    """
    file = Path(path).expanduser()
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not encoded in UTF-8: {error}") from None
    read = read_json if file.suffix.lower() == ".json" else read_yaml
    loaded = read(text, str(path))
    if not isinstance(loaded, dict):
        raise ConfigError(f"{path} contains {type(loaded).__name__}: it must be a mapping with keys such as bounds")
    return loaded


def _explain(error: Any) -> str:
    """Turn an error of pydantic into a message with key, value and rule."""
    where = ".".join(str(part) for part in error["loc"] if part not in ("list[union]",))
    if error["type"] == "extra_forbidden":
        known = ParameterConfig if error["loc"][0] == "bounds" else StudyConfig
        near = did_you_mean(error["loc"][-1], known.model_fields)
        return f"{where} is {shown(error['input'])}: unknown key{near}; the keys are {', '.join(known.model_fields)}"
    if error["type"] == "missing":
        return f"{where} is required: a dict of parameters"
    if error["type"] == "value_error":
        message = str(error["ctx"]["error"])
        if message.startswith("is "):
            return f"{where} {message}"
        return message if not where or message.startswith("bounds.") else f"{where}.{message}"
    return f"{where} is {shown(error['input'])}: {error['msg'][:1].lower()}{error['msg'][1:]}"

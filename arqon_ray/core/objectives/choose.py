"""Which kind of objective a config means."""

from __future__ import annotations

from arqon_ray.core.config import StudyConfig
from arqon_ray.core.objectives.base import Objective
from arqon_ray.core.objectives.several import Several
from arqon_ray.core.objectives.single import Single


def objective_of(config: StudyConfig) -> Objective:
    """Return the objective of a study, with nothing kept yet."""
    if config.objectives is not None:
        return Several(config.objectives, config.seed)
    return Single(config.mode)

"""A tiny third-party package, installed into a folder: a module, and metadata with an entry point."""

from __future__ import annotations

import os
from pathlib import Path

MODULE = '''
"""A strategy of another package: it steps away from the best point, less far each time."""

import numpy as np
from pydantic import Field

from arqon_ray import register_strategy
from arqon_ray.strategies import Closed, Count, Proposal, Strategy, StrategyParams, check


class Params(StrategyParams):
    step: float = Field(default=0.25, gt=0.0, le=0.5)


class Asked(Closed):
    asked: Count = 0


@register_strategy
class Stepper(Strategy):
    name = "stepper"
    role = "local"
    min_startup = 3
    params_model = Params

    def suits(self, space):
        return space.continuous

    def propose(self, evidence, memory, rng):
        asked = memory.get("asked", 0) + 1
        best = evidence.X[np.argmin(evidence.y)]
        step = rng.normal(scale=self.params.step / asked, size=evidence.space.d)
        return Proposal(evidence.space.snap((best + step)[None])[0], {"asked": asked})

    def check_memory(self, memory, context):
        check(Asked, memory)
'''


def install(folder: Path, name: str = "stepper", module: str = MODULE, entry: str | None = None) -> Path:
    """Install a package into a folder, as pip's ``--target`` would; returns the folder, for a PYTHONPATH."""
    package = f"arqon_{name}"
    (folder / f"{package}.py").write_text(module)
    metadata = folder / f"{package}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package.replace('_', '-')}\nVersion: 1.0\n")
    point = entry or f"{name} = {package}:{name.title()}"
    (metadata / "entry_points.txt").write_text(f"[arqon_ray.strategies]\n{point}\n")
    return folder


def path_with(folder: Path) -> str:
    """Return the ``PYTHONPATH`` of this process with one more folder."""
    return os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))

"""What is decided about one ask before a strategy proposes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from arqon_ray.core.strategies.strategy import Role


@dataclass(frozen=True, slots=True)
class Classification:
    """What is decided about one ask.

    Attributes:
        landscape: ``unknown``, ``smooth``, ``rugged``, ``noisy``, ``mixed``, ``conditional``; ``several objectives`` or
            ``multi-fidelity`` where the objective decides.
        roles: whom to ask, in this order; none where the config names a strategy.
        reason: why, in one sentence.
        findings: the numbers that it rests on.
        memory: what the classifier wants back at its next call; JSON.
        repeat: the row of the observation to evaluate once more, or None.
        coarse: whether a local search should leave the last digits for later.
    """

    landscape: str
    roles: tuple[Role, ...]
    reason: str
    findings: dict[str, Any]
    memory: dict[str, Any] = field(default_factory=dict)
    repeat: int | None = None
    coarse: bool = False

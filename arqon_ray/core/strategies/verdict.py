"""What is decided for one ask, before a strategy proposes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is decided for one ask.

    Attributes:
        landscape: ``unknown``, ``smooth``, ``rugged``, ``noisy``, ``mixed``, ``conditional``; ``several objectives`` or
            ``multi-fidelity`` where the objective decides.
        strategies: names in the order in which they are to be tried.
        reason: why, in one sentence.
        findings: the numbers that it rests on.
        memory: what the classifier wants back at its next call; JSON-able.
        repeat: the row of the observation to evaluate once more, or None.
        coarse: whether a local search is to leave the last digits for later.
    """

    landscape: str
    strategies: tuple[str, ...]
    reason: str
    findings: dict[str, Any]
    memory: dict[str, Any] = field(default_factory=dict)
    repeat: int | None = None
    coarse: bool = False

"""One strategy's attempt at a candidate, and what becomes of one that fails."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from arqon_ray.core.strategies.evidence import Evidence, Proposal
from arqon_ray.core.strategies.registry import is_built_in
from arqon_ray.core.strategies.strategy import Strategy

logger = logging.getLogger(__name__)

_LONGEST = 300
"""Characters of an error that are kept: it is written to the log with the candidate."""


_traced: set[tuple[str, str]] = set()
"""Failures whose traceback was logged in this process: a broken strategy fails at every ask."""


class StrategyFailedError(Exception):
    """A strategy could not compute: the next one is asked, and ``explain()`` shows this as ``trouble``."""


def attempt(
    strategy: Strategy, evidence: Evidence, memory: Mapping[str, Any], rng: np.random.Generator
) -> Proposal | None:
    """Return what a strategy proposes; None when it has nothing.

    A strategy of another package may fail in any way without ending the study: what it raised is logged with its
    traceback. What ours raise beside arithmetic errors is a bug of ours, and reaches the caller.

    Args:
        strategy: whose turn it is.
        evidence: what is known.
        memory: the strategy's.
        rng: the candidate's.

    Raises:
        StrategyFailedError: with the reason.
    """
    if len(evidence.y) < strategy.min_startup:
        return None
    if is_built_in(strategy):
        try:
            return strategy.propose(evidence, memory, rng)
        except (ArithmeticError, np.linalg.LinAlgError) as error:
            raise StrategyFailedError(str(error)) from error
    try:
        proposal = strategy.propose(evidence, copy.deepcopy(dict(memory)), rng)
        return None if proposal is None else _checked(proposal, evidence)
    except (ArithmeticError, np.linalg.LinAlgError) as error:
        raise StrategyFailedError(str(error)[:_LONGEST]) from error
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"[:_LONGEST]
        first = (strategy.name, reason) not in _traced
        _traced.add((strategy.name, reason))
        text = "strategy %r failed at candidate %d, and another one or the probe answers: %s"
        logger.error(text, strategy.name, evidence.number, reason, exc_info=error if first else None)
        raise StrategyFailedError(reason) from error


def _checked(proposal: object, evidence: Evidence) -> Proposal:
    """Return a proposal with its memory as it will be read from the log.

    Raises:
        TypeError: it is no proposal, or its memory is not JSON.
        ValueError: its point does not lie in the unit cube.
    """
    if not isinstance(proposal, Proposal):
        raise TypeError(f"it returned {type(proposal).__name__}: it must be a Proposal or None")
    point, d = np.asarray(proposal.point, dtype=np.float64), evidence.space.d
    if point.shape != (d,) or not np.all((point >= 0.0) & (point <= 1.0)):
        raise ValueError(f"its point is {point.tolist()}: it must be {d} numbers from 0 to 1")
    if not isinstance(proposal.memory, dict):
        raise TypeError(f"its memory is a {type(proposal.memory).__name__}: it must be a dict")
    return Proposal(point, {key: as_json(key, value) for key, value in proposal.memory.items()}, proposal.repeat)


def as_json(key: object, value: Any) -> Any:
    """Return a value of a memory as it comes back from the log.

    Raises:
        TypeError: the key is no text, or the value is not JSON.
    """
    if not isinstance(key, str):
        raise TypeError(f"its memory has the key {key!r}: keys must be texts")
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"memory[{key!r}] is not JSON: {error}") from None

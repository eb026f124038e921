"""Problems on which the solver is measured: many kinds, the optimum of each known, none of them centered.

An instance is a (name, dimension, instance number); the number decides shift and rotation. Everything is a pure
function of it, so that figures of different days compare.
"""

from __future__ import annotations

import json
import math
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.benchmarks.problems import boxes, learning, mixed, noisy, spaces
from tests.benchmarks.problems.problem import Params, Problem

__all__ = ["KNOWN", "Params", "Problem", "halves", "known", "problems"]

KNOWN = Path(__file__).with_name("known.json")


def problems() -> Iterator[Problem]:
    """Yield all problems, in a fixed order."""
    best = known()
    for part in (boxes, spaces, mixed, noisy, learning):
        for problem in part.problems():
            found = best.get(problem.name, {}).get("optimum", math.nan)
            yield replace(problem, optimum=found) if math.isnan(problem.optimum) else problem


def known() -> dict[str, Any]:
    """Return the best known value, and random search's median after 100, of the problems that have no formula."""
    return dict(json.loads(KNOWN.read_text())) if KNOWN.exists() else {}


def halves() -> dict[str, str]:
    """Return the half of each problem, ``choose`` or ``report``: every group is split evenly, by hash of the name."""
    groups: dict[str, list[str]] = defaultdict(list)
    for problem in problems():
        groups[problem.group].append(problem.name)
    half: dict[str, str] = {}
    for group in sorted(groups):
        for name in sorted(groups[group], key=lambda name: zlib.crc32(name.encode())):
            # Over a group's end as well, so that the odd ones even out.
            half[name] = ("choose", "report")[len(half) % 2]
    return half

"""Spaces and a hypothesis strategy for them, for the tests of core."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st

EVERY_KIND: dict[str, Any] = {
    "lr": {"min": 1e-4, "max": 0.1, "scale": "Log"},
    "batch": {"min": 8, "max": 128, "scale": "Log", "type": "int"},
    "dropout": {"min": 0.0, "max": 0.9, "step": 0.1},
    "angle": {"min": 0.0, "max": 360.0, "scale": "Periodic"},
    "hour": {"min": 0, "max": 24, "scale": "periodic", "type": "int"},
    "optimizer": {"choices": ["adam", "sgd"]},
    "size": {"choices": ["small", "medium", "large"], "ordered": True},
    "momentum": {"min": 0.0, "max": 0.99, "when": {"optimizer": "sgd"}},
    "nesterov": {"choices": [True, False, None], "when": {"optimizer": ["sgd"]}},
    "constant": {"min": 3.0, "max": 3.0},
}


@st.composite
def ranges(draw: st.DrawFn) -> dict[str, Any]:
    """Return a range of any kind, somewhere in the numbers that people use."""
    scale = draw(st.sampled_from(["Linear", "Log", "Periodic", "linear", "LOG"]))
    if draw(st.booleans()):
        low = draw(st.integers(1 if scale.lower() == "log" else -1000, 1000))
        high = low + draw(st.integers(1 if scale == "Periodic" else 0, 10_000))
        step = draw(st.sampled_from([None, 1, 2, 7]))
        return {"min": low, "max": high, "type": "int", "scale": scale, **({"step": step} if step else {})}
    low = draw(st.floats(1e-6, 1e3) if scale.lower() == "log" else st.floats(-1e4, 1e4))
    width = draw(st.floats(1e-3, 1e4))
    step = draw(st.sampled_from([None, None, 0.1, 0.25]))
    return {"min": low, "max": low + width, "scale": scale, **({"step": step} if step else {})}


EDGES = [0.0, 1.0, -1.0, 3.0, 5e-324, 2.2e-308, 1e-300, 1e10, 1e15, 8e307, -8e307, 1.7e308, -1e308, 2.0**52, 2.0**53]
"""Numbers at which arithmetic of float64 goes wrong first."""


@st.composite
def extreme_ranges(draw: st.DrawFn) -> dict[str, Any]:
    """Return a range of any two numbers, which the schema may refuse; the ends are often neighbors."""
    numbers = st.sampled_from(EDGES) | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
    low, high = sorted([draw(numbers), draw(numbers)])
    if draw(st.integers(0, 3)) == 0:
        high = low = float(low)
        for _ in range(draw(st.integers(0, 3))):
            high = math.nextafter(high, 1.7e308)
    bounds: dict[str, Any] = {"min": low, "max": high, "scale": draw(st.sampled_from(["Linear", "Log", "Periodic"]))}
    if draw(st.booleans()):
        bounds["step"] = draw(numbers | st.floats(1e-6, 1e3))
    if draw(st.booleans()):
        bounds["type"] = "int"
        bounds |= {key: int(bounds[key]) for key in ("min", "max", "step") if key in bounds}
    return bounds


def categories() -> st.SearchStrategy[dict[str, Any]]:
    """Return a list of choices, ordered or not."""
    scalars = st.sampled_from(["a", "b", 1, 2.5, True, None, "1", ""])
    lists = st.lists(scalars, min_size=1, max_size=5, unique_by=lambda c: (isinstance(c, bool), str(type(c)), c))
    return st.builds(lambda c, o: {"choices": c, "ordered": o}, lists, st.booleans())


@st.composite
def bounds(draw: st.DrawFn) -> dict[str, Any]:
    """Return bounds of one to five parameters, the later ones perhaps conditional on a category."""
    parameters = draw(st.lists(st.one_of(ranges(), categories()), min_size=1, max_size=5))
    named: dict[str, Any] = {f"p{i}": parameter for i, parameter in enumerate(parameters)}
    parents = [name for name, p in named.items() if "choices" in p]
    for name in list(named)[1:]:
        earlier = [parent for parent in parents if parent < name]
        if earlier and draw(st.booleans()):
            parent = draw(st.sampled_from(earlier))
            named[name] = {**named[name], "when": {parent: draw(st.sampled_from(named[parent]["choices"]))}}
    return named

"""Integers, steps, categories with and without an order, and parameters that exist under a condition."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from tests.benchmarks.problems.problem import Bounds, Params, Problem, seeded


def network(instance: int) -> Problem:
    """Return a network-like space of integers, categories and floats with an interaction."""
    rng = seeded("mixed", instance)
    best = rng.integers(0, 4, 2)
    table = rng.uniform(0.3, 1.5, (4, 3))
    table[best[0], best[1] % 3] = 0.0
    center = float(rng.uniform(-3.5, -1.5))
    layers = int(rng.integers(2, 7))

    def true(params: Params) -> float:
        a, b = "wxyz".index(params["activation"]), "pqr".index(params["pooling"])
        lr = (math.log10(params["lr"]) - center - 0.2 * a) ** 2
        width = (math.log2(params["width"]) - 6.0) ** 2 / 8.0
        return float(table[a, b] + lr + 0.1 * abs(params["layers"] - layers) + width + (params["dropout"] - 0.2) ** 2)

    bounds = {
        "activation": {"choices": list("wxyz")},
        "pooling": {"choices": list("pqr")},
        "lr": {"min": 1e-5, "max": 1.0, "scale": "Log"},
        "layers": {"min": 1, "max": 8, "type": "int"},
        "width": {"min": 8, "max": 512, "type": "int", "scale": "Log"},
        "dropout": {"min": 0.0, "max": 0.8, "step": 0.1},
    }
    return Problem(f"network-{instance}", "mixed", bounds, true)


def integers(d: int) -> Problem:
    """Return a bowl on integers of different widths."""
    rng = seeded("integers", d)
    tops = rng.integers(5, 60, d)
    center = (rng.uniform(0.1, 0.9, d) * tops).round()
    names = [f"n{j}" for j in range(d)]

    def true(params: Params) -> float:
        z = (np.array([params[name] for name in names]) - center) / tops
        return float(10.0 * (z @ z) + 2.0 * (z[0] - z[1]) ** 2)

    return Problem(
        f"integers-{d}d",
        "mixed",
        {n: {"min": 0, "max": int(t), "type": "int"} for n, t in zip(names, tops, strict=True)},
        true,
    )


def vessel() -> Problem:
    """Return the pressure vessel of the engineering literature: plates come in sixteenths of an inch."""

    def true(params: Params) -> float:
        shell, head, r, length = (params[name] for name in ("shell", "head", "radius", "length"))
        cost = 0.6224 * shell * r * length + 1.7781 * head * r**2 + 3.1661 * shell**2 * length + 19.84 * shell**2 * r
        volume = math.pi * r**2 * length + 4.0 / 3.0 * math.pi * r**3
        broken = (0.0193 * r / shell - 1.0, 0.00954 * r / head - 1.0, 1296000.0 / volume - 1.0)
        return cost + 3e4 * sum(max(each, 0.0) for each in broken)

    bounds: Bounds = {
        "shell": {"min": 0.0625, "max": 6.1875, "step": 0.0625},
        "head": {"min": 0.0625, "max": 6.1875, "step": 0.0625},
        "radius": {"min": 10.0, "max": 200.0},
        "length": {"min": 10.0, "max": 200.0},
    }
    return Problem("vessel-4d", "mixed", bounds, true, 6059.714335048436)


def categories(d: int) -> Problem:
    """Return many categories, each best next to a certain neighbor."""
    rng = seeded("categories", d)
    sizes = rng.integers(3, 6, d)
    best = [int(rng.integers(size)) for size in sizes]
    alone = [rng.uniform(0.2, 1.0, size) for size in sizes]
    pairs = [rng.uniform(0.1, 1.5, (a, b)) for a, b in pairwise(sizes)]
    for j, level in enumerate(best):
        alone[j][level] = 0.0
    for j, pair in enumerate(pairs):
        pair[best[j], best[j + 1]] = 0.0
    bounds: Bounds = {f"c{j}": {"choices": list("abcde"[: int(size)])} for j, size in enumerate(sizes)}

    def true(params: Params) -> float:
        levels = ["abcde".index(params[name]) for name in bounds]
        value = sum(table[level] for table, level in zip(alone, levels, strict=True))
        return float(value + sum(pair[levels[j], levels[j + 1]] for j, pair in enumerate(pairs)))

    return Problem(f"categories-{d}d", "mixed", bounds, true)


def grades() -> Problem:
    """Return categories in an order, which every peer has to find out, and two floats."""
    sizes = ["xs", "s", "m", "l", "xl", "xxl", "xxxl"]
    target = {"body": 4, "sleeve": 1, "collar": 5, "cuff": 2}

    def true(params: Params) -> float:
        steps = [sizes.index(params[name]) - level for name, level in target.items()]
        floats = (params["stretch"] - 0.31) ** 2 + (math.log10(params["stiffness"]) + 1.7) ** 2 / 4.0
        return float(0.08 * np.sum(np.square(steps)) + 0.05 * abs(steps[0] + steps[1]) + floats)

    bounds: Bounds = {name: {"choices": sizes, "ordered": True} for name in target}
    bounds |= {"stretch": {"min": 0.0, "max": 1.0}, "stiffness": {"min": 1e-4, "max": 1.0, "scale": "Log"}}
    return Problem("grades-6d", "mixed", bounds, true)


def flags(d: int) -> Problem:
    """Return switches that matter in pairs, a step size, and a number of rounds."""
    rng = seeded("flags", d)
    best = rng.integers(0, 2, d).astype(bool)
    weights = rng.uniform(0.1, 0.6, d)
    names = [f"use{j}" for j in range(d)]

    def true(params: Params) -> float:
        wrong = np.array([params[name] for name in names]) != best
        paired = 0.5 * np.sum(wrong[::2] ^ wrong[1::2])
        size = (math.log10(params["size"]) + 2.0 - 0.5 * wrong[0]) ** 2
        return float(weights @ wrong + 0.3 * paired + size + ((params["rounds"] - 23) / 20.0) ** 2)

    bounds: Bounds = {name: {"choices": [False, True]} for name in names}
    bounds |= {"size": {"min": 1e-4, "max": 1.0, "scale": "Log"}, "rounds": {"min": 1, "max": 60, "type": "int"}}
    return Problem(f"flags-{d}d", "mixed", bounds, true)


def models(instance: int) -> Problem:
    """Return a choice of models, each with parameters of its own."""
    rng = seeded("conditional", instance)
    c, gamma, depth, rate = rng.uniform(-1, 1, 4)

    def true(params: Params) -> float:
        if params["model"] == "svm":
            return float(
                0.1 + (math.log10(params["C"]) / 2 - c) ** 2 + (math.log10(params["gamma"]) / 2 + 1 - gamma) ** 2
            )
        if params["model"] == "boosting":
            return float((params["depth"] / 5 - 1 - depth) ** 2 + (math.log10(params["rate"]) + 1.5 - rate) ** 2)
        return 0.5 + 0.1 * abs(params["k"] - 9)

    bounds = {
        "model": {"choices": ["svm", "boosting", "neighbors"]},
        "C": {"min": 1e-3, "max": 1e3, "scale": "Log", "when": {"model": "svm"}},
        "gamma": {"min": 1e-5, "max": 10.0, "scale": "Log", "when": {"model": "svm"}},
        "depth": {"min": 1, "max": 12, "type": "int", "when": {"model": "boosting"}},
        "rate": {"min": 1e-3, "max": 1.0, "scale": "Log", "when": {"model": "boosting"}},
        "k": {"min": 1, "max": 30, "type": "int", "when": {"model": "neighbors"}},
    }
    levels = (np.arange(1, 13) / 5 - 1 - depth) ** 2
    return Problem(f"models-{instance}", "conditional", bounds, true, float(levels.min()))


def nested() -> Problem:
    """Return conditions within conditions: an optimizer, its momentum, and how that is used."""

    def true(params: Params) -> float:
        rate = math.log10(params["rate"])
        if params["optimizer"] == "adam":
            return float(0.15 + (rate + 3.2) ** 2 / 4.0 + (math.log10(1.0 - params["beta"]) + 1.3) ** 2 / 4.0)
        if not params["momentum"]:
            return 0.4 + (rate + 0.6) ** 2 / 4.0
        drag = math.log10(1.0 - params["drag"])
        ahead = 0.0 if params["ahead"] == "nesterov" else 0.08
        return float(ahead + (rate + 1.9 - drag / 2.0) ** 2 / 3.0 + (drag + 1.1) ** 2 / 3.0)

    bounds: Bounds = {
        "optimizer": {"choices": ["adam", "sgd"]},
        "rate": {"min": 1e-6, "max": 10.0, "scale": "Log"},
        "beta": {"min": 0.5, "max": 0.999, "when": {"optimizer": "adam"}},
        "momentum": {"choices": [False, True], "when": {"optimizer": "sgd"}},
        "drag": {"min": 0.0, "max": 0.99, "when": {"momentum": True}},
        "ahead": {"choices": ["plain", "nesterov"], "when": {"momentum": True}},
    }
    return Problem("nested-6d", "conditional", bounds, true)


def layers(most: int) -> Problem:
    """Return a network of so many layers, each with a width of its own."""
    widths = [5.2, 6.6, 4.1, 7.0][:most]

    def true(params: Params) -> float:
        n = params["layers"]
        off = sum((math.log2(params[f"width{j}"]) - widths[j]) ** 2 / 6.0 for j in range(n))
        return float(0.25 * (n - 3) ** 2 + off + (math.log10(params["rate"]) + 2.4 + 0.2 * (n - 3)) ** 2 / 2.0)

    bounds: Bounds = {
        "layers": {"min": 1, "max": most, "type": "int"},
        "rate": {"min": 1e-5, "max": 1.0, "scale": "Log"},
    }
    for j in range(most):
        within = {} if j == 0 else {"when": {"layers": list(range(j + 1, most + 1))}}
        bounds[f"width{j}"] = {"min": 8.0, "max": 256.0, "scale": "Log", **within}
    return Problem(f"layers-{most}", "conditional", bounds, true)


def problems() -> Iterator[Problem]:
    """Yield them in a fixed order."""
    yield from (network(0), network(1), integers(4), integers(8))
    yield from (vessel(), categories(8), grades(), flags(10))
    yield from (models(0), models(1), nested(), layers(4))

"""Problems on which the solver is measured: many kinds, each with a known optimum, none of them centered.

An instance is a (name, dimension, instance number); the number decides shift and rotation. Everything is a pure
function of it, so that figures of different days compare.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Params = dict[str, Any]


@dataclass(frozen=True)
class Problem:
    """One problem.

    Attributes:
        name: unique.
        group: the kind that it stands for.
        bounds: as in an arqon config.
        true: the value of parameters, to be minimized.
        optimum: its least value.
        noise: standard deviation of the normal noise that an evaluation adds.
    """

    name: str
    group: str
    bounds: dict[str, Any]
    true: Callable[[Params], float]
    optimum: float = 0.0
    noise: float = 0.0

    def evaluate(self, params: Params, rng: np.random.Generator) -> float:
        """Return what an evaluation gives: the true value and noise."""
        value = self.true(params)
        return value + self.noise * float(rng.normal()) if self.noise else value


def sphere(z: Array) -> float:
    return float(z @ z)


def ellipsoid(z: Array) -> float:
    return float(np.sum(10.0 ** (4.0 * np.linspace(0, 1, len(z))) * z * z)) / 100.0


def rosenbrock(z: Array) -> float:
    w = z + 1.0
    return float(np.sum(100.0 * (w[1:] - w[:-1] ** 2) ** 2 + (1.0 - w[:-1]) ** 2))


def ackley(z: Array) -> float:
    return float(
        20.0
        - 20.0 * math.exp(-0.2 * math.sqrt(float(z @ z) / len(z)))
        + math.e
        - math.exp(np.mean(np.cos(2 * np.pi * z)))
    )


def rastrigin(z: Array) -> float:
    return float(10.0 * len(z) + np.sum(z * z - 10.0 * np.cos(2.0 * np.pi * z)))


def griewank(z: Array) -> float:
    w = 10.0 * z
    return float(1.0 + w @ w / 4000.0 - np.prod(np.cos(w / np.sqrt(np.arange(1, len(w) + 1)))))


def levy(z: Array) -> float:
    w = 1.0 + z / 4.0
    end = (w[-1] - 1.0) ** 2 * (1.0 + np.sin(2 * np.pi * w[-1]) ** 2)
    middle = np.sum((w[:-1] - 1.0) ** 2 * (1.0 + 10.0 * np.sin(np.pi * w[:-1] + 1.0) ** 2))
    return float(np.sin(np.pi * (w[0] - 1.0)) ** 2 + middle + end)


def powers(z: Array) -> float:
    return float(np.sum(np.abs(z) ** (2.0 + 4.0 * np.linspace(0, 1, len(z))))) ** 0.5


def steps(z: Array) -> float:
    return sphere(np.floor(2.0 * z + 0.5) / 2.0)


def ridge(z: Array) -> float:
    return float(z[0] ** 2 + 100.0 * math.sqrt(float(z[1:] @ z[1:])))


def schaffer(z: Array) -> float:
    s = np.sqrt(z[:-1] ** 2 + z[1:] ** 2)
    return float(np.mean(np.sqrt(s) * (1.0 + np.sin(50.0 * s**0.2) ** 2))) ** 2


_SMOOTH = (sphere, ellipsoid, rosenbrock, powers, ridge)
_RUGGED = (ackley, rastrigin, griewank, levy, schaffer, steps)


def _rng(*name: Any) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(repr(name).encode()))


def _box(function: Callable[[Array], float], d: int, instance: int, noise: float = 0.0) -> Problem:
    """Return a shifted function on [-5, 5]^d, rotated in odd instances; its optimum lies in 90 % of the box."""
    rng = _rng(function.__name__, d, instance)
    shift = rng.uniform(-4.5, 4.5, d)
    rotation = np.linalg.qr(rng.normal(size=(d, d)))[0] if instance % 2 else np.eye(d)
    names = [f"x{j:02d}" for j in range(d)]

    def true(params: Params) -> float:
        return function(rotation @ (np.array([params[name] for name in names]) - shift))

    kind = "noisy" if noise else f"{'smooth' if function in _SMOOTH else 'rugged'} {d}d"
    bounds = {name: {"min": -5.0, "max": 5.0} for name in names}
    return Problem(f"{function.__name__}-{d}d-{instance}{'-noisy' if noise else ''}", kind, bounds, true, 0.0, noise)


def _corner(d: int) -> Problem:
    """Return a bent slope whose optimum is a corner of the box."""
    names = [f"x{j}" for j in range(d)]

    def true(params: Params) -> float:
        u = np.array([params[name] for name in names])
        return float(np.sum(u)) + 3.0 * float(np.prod(u)) - 1000.0

    return Problem(f"corner-{d}d", "bound", {n: {"min": 0.0, "max": 1.0} for n in names}, true, -1000.0)


def _edge(d: int) -> Problem:
    """Return a bowl whose least value within the box lies on a bound of every second parameter."""
    center = np.where(np.arange(d) % 2, 0.37, -0.4)
    names = [f"x{j}" for j in range(d)]

    def true(params: Params) -> float:
        return float(np.sum((np.array([params[name] for name in names]) - center) ** 2))

    return Problem(f"edge-{d}d", "bound", {n: {"min": 0.0, "max": 1.0} for n in names}, true, 0.16 * ((d + 1) // 2))


def _periodic(d: int) -> Problem:
    """Return angles whose optimum lies near the seam."""
    center = _rng("angles", d).uniform(-20.0, 20.0, d)
    names = [f"a{j}" for j in range(d)]

    def true(params: Params) -> float:
        delta = np.radians(np.array([params[name] for name in names]) - center)
        return float(np.sum(np.sin(delta / 2.0) ** 2) + 0.3 * np.sum(np.sin(2.0 * delta) ** 2))

    bounds = {name: {"min": 0.0, "max": 360.0, "scale": "Periodic"} for name in names}
    return Problem(f"angles-{d}d", "periodic", bounds, true)


def _mixed(instance: int) -> Problem:
    """Return a network-like space of integers, categories and floats with an interaction."""
    rng = _rng("mixed", instance)
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


def _conditional(instance: int) -> Problem:
    """Return a choice of models, each with parameters of its own."""
    rng = _rng("conditional", instance)
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


def _integers(d: int) -> Problem:
    """Return a bowl on integers of different widths."""
    rng = _rng("integers", d)
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


def problems() -> Iterator[Problem]:
    """Yield all problems, in a fixed order."""
    for d in (2, 5, 10):
        for i, function in enumerate((*_SMOOTH, *_RUGGED)):
            yield _box(function, d, i)
    for d, functions in ((20, (sphere, rosenbrock, ackley, levy)),):
        for i, function in enumerate(functions):
            yield _box(function, d, i)
    yield from (_corner(4), _edge(3), _edge(8))
    yield from (_periodic(2), _periodic(5))
    yield from (_mixed(0), _mixed(1), _integers(4), _conditional(0), _conditional(1))
    for function, d, noise in ((sphere, 2, 2.0), (ellipsoid, 5, 20.0), (levy, 4, 0.5), (rastrigin, 3, 3.0)):
        yield _box(function, d, 0, noise)

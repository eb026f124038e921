"""Kinds of parameters that the package has never heard of go through everything that asks a parameter something."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from arqon_ray.core.config import StudyConfig
from arqon_ray.core.probe.coverage import Coverage
from arqon_ray.core.refine.acquisition import LogExpectedImprovement
from arqon_ray.core.refine.features import Features
from arqon_ray.core.refine.search import Box, Search
from arqon_ray.core.refine.surrogate import Surrogate, default_theta
from arqon_ray.core.refine.tpe import Parzen
from arqon_ray.core.space.config import ParameterConfig
from arqon_ray.core.space.description import Options, Range
from arqon_ray.core.space.embeddings import Embedding, HasLevels
from arqon_ray.core.space.kernels import Kernel, Normal
from arqon_ray.core.space.kinds.base import Array, OutsideError, Parameter, finite_number
from arqon_ray.core.space.kinds.finite import Finite
from arqon_ray.core.space.snapping import ColumnSnap, Snaps
from arqon_ray.core.space.space import Space
from arqon_ray.errors import OutOfBoundsError
from arqon_ray.report.optuna_export import _column
from tests.core.refine.studies import STRATEGIES, evidence, random_best, run


@dataclass(frozen=True)
class PowerOfTwo(Finite):
    """``2**low .. 2**high``."""

    low: int
    high: int

    @property
    def levels(self) -> int:
        return self.high - self.low + 1

    def coordinate(self, k: NDArray[np.int64]) -> Array:
        return (np.asarray(k) + 0.5) / self.levels

    def rank(self, u: Array) -> NDArray[np.int64]:
        return np.minimum((np.clip(u, 0.0, 1.0) * self.levels).astype(np.int64), self.levels - 1)

    def decode(self, u: Array) -> list[int]:
        return [2 ** (self.low + k) for k in self.rank(u).tolist()]

    def to_native(self, u: Array) -> Array:
        return np.array(self.decode(u), dtype=np.float64)

    def native(self, value: Any) -> int:
        exponent = math.log2(max(finite_number(value), 0.5))
        if not (exponent.is_integer() and self.low <= exponent <= self.high):
            raise OutsideError("it must be a power of two")
        return int(2**exponent)

    def encode(self, value: Any) -> float:
        return float(self.coordinate(np.array(int(math.log2(self.native(value))) - self.low)))

    def describe(self) -> Options:
        return Options(tuple(2**k for k in range(self.low, self.high + 1)))


class Doubled(Embedding):
    """Twice the coordinate: distances count four times."""

    def __init__(self, parameters: Sequence[HasLevels]) -> None:
        self.m = len(parameters)
        self.owners = np.arange(self.m)

    def __call__(self, U: Array) -> Array:
        return 2.0 * U

    def pull_back(self, u: Array, gradient: Array) -> Array:
        return 2.0 * gradient


class Inner(ColumnSnap):
    """Keeps away from the ends of the unit interval."""

    def __init__(self, parameters: Sequence[Snaps]) -> None:
        self.k = len(parameters)

    def __call__(self, U: Array) -> Array:
        assert U.shape[1] == self.k
        return np.clip(U, 0.01, 0.99)


@dataclass(frozen=True)
class Probability(Parameter):
    """A number strictly between 0 and 1, on the scale of its log odds."""

    reach: float = 10.0

    @property
    def embedding(self) -> type[Embedding]:
        return Doubled

    @property
    def column_snap(self) -> type[ColumnSnap]:
        return Inner

    @property
    def kernel(self) -> Kernel:
        return Normal(periodic=False)

    def snap(self, u: Array) -> Array:
        return np.clip(u, 0.01, 0.99)

    def to_native(self, u: Array) -> Array:
        return np.asarray(1.0 / (1.0 + np.exp(-self.reach * (2.0 * self.snap(u) - 1.0))))

    def decode(self, u: Array) -> list[float]:
        values: list[float] = self.to_native(u).tolist()
        return values

    def native(self, value: Any) -> float:
        number = finite_number(value)
        if not 0.0 < number < 1.0:
            raise OutsideError("it must lie between 0 and 1")
        return number

    def encode(self, value: Any) -> float:
        number = self.native(value)
        return 0.5 * (1.0 + (math.log(number) - math.log1p(-number)) / self.reach)

    def describe(self) -> Range:
        return Range(*self.decode(np.array([0.0, 1.0])))


SPACE = Space(
    {
        "width": PowerOfTwo(0, 6),
        "drop": Probability(),
        "depth": PowerOfTwo(0, 30),
        "lr": ParameterConfig(min=0.0, max=1.0),
    }
)
"""Two new kinds beside one of ours."""


def objective(u: Array) -> float:
    """Return 0 at depth 2**20, drop 0.9, lr 0.3 and width 8."""
    at = SPACE.decode(u)
    odds = math.log(at["drop"] / (1.0 - at["drop"])) / 20.0  # type: ignore[operator]
    exponents = math.log2(at["depth"]) / 30.0 - 2 / 3, math.log2(at["width"]) / 6.0 - 0.5  # type: ignore[arg-type]
    return (odds - math.log(9.0) / 20.0) ** 2 + sum(e**2 for e in exponents) + (at["lr"] - 0.3) ** 2  # type: ignore[operator]


def test_points_are_snapped_decoded_and_encoded() -> None:
    U = np.random.default_rng(0).uniform(-0.2, 1.2, (50, SPACE.d))
    alone = np.stack([parameter.snap(U[:, j]) for j, parameter in enumerate(SPACE.parameters)], axis=1)
    snapped = SPACE.snap(U)
    np.testing.assert_array_equal(snapped, alone)
    np.testing.assert_allclose(SPACE.encode_many(SPACE.decode_array(U)), snapped, rtol=1e-12)
    assert SPACE.cardinality is None
    points = Space({"a": PowerOfTwo(0, 3), "b": PowerOfTwo(0, 1)}).points(100)
    assert points is not None
    assert len(points) == 8
    with pytest.raises(OutOfBoundsError, match=r"params\.width is 3: it must be a power of two"):
        SPACE.encode({"width": 3, "drop": 0.5, "depth": 1, "lr": 0.0})


def test_the_probe_covers_them() -> None:
    config = StudyConfig(bounds={"not": ParameterConfig(min=0.0, max=1.0)}, budget=100)
    coverage, seen, memory = Coverage(SPACE, config), set(), {}
    for _ in range(32):
        found, memory = coverage.fresh(memory, lambda point: point.tobytes() in seen)
        assert found is not None
        seen.add(found.point.tobytes())
        assert SPACE.encode(found.params).tobytes() == found.point.tobytes()
    assert len({SPACE.decode(np.frombuffer(point))["width"] for point in seen}) == 7
    small = Coverage(Space({"a": PowerOfTwo(0, 3)}), config)
    assert small.exhausted(4)
    assert not small.exhausted(3)


def test_distances_and_their_gradients_are_those_of_the_new_embedding() -> None:
    features = Features(SPACE)
    assert features.m == len(features.columns) == 4
    X = SPACE.snap(np.random.default_rng(0).random((12, 4)))
    model = Surrogate.condition(features, default_theta(4), X, np.array([objective(x) for x in X]))
    drop = SPACE.names.index("drop")
    (column,) = np.flatnonzero(features.columns[features.groups] == drop)
    np.testing.assert_array_equal(features(X)[:, column], 2.0 * X[:, drop])
    u = SPACE.snap(np.full((1, 4), 0.4))[0]
    _, _, d_mean, _ = model.predict_gradient(u, features(X[:1])[0])
    step = 1e-6 * np.eye(4)[drop]
    means, _ = model.predict(np.stack([u - step, u + step]))
    assert d_mean[drop] == pytest.approx((means[1] - means[0]) / 2e-6, rel=1e-4)


def test_the_search_for_the_best_point_changes_them_all() -> None:
    X = SPACE.snap(np.random.default_rng(1).random((30, 4)))
    y = np.array([objective(x) for x in X])
    model = Surrogate.condition(Features(SPACE), default_theta(4), X, (y - y.mean()) / y.std())
    acquisition = LogExpectedImprovement(model, float(np.min(model.z)))
    search = Search(acquisition, evidence(SPACE, X, y), Box(np.zeros(4), np.ones(4)), np.random.default_rng(0))
    found = search.run(X[:3])
    assert found is not None
    np.testing.assert_array_equal(SPACE.snap(found[None])[0], found)
    many = SPACE.snap(np.random.default_rng(2).random((2000, 4)))
    assert acquisition(found[None])[0] > np.max(acquisition(many)) - 0.05


def test_parzen_densities_integrate_to_one() -> None:
    space = Space({"drop": Probability(), "width": PowerOfTwo(0, 3)})
    density = Parzen.of(space, space.snap(np.array([[0.2, 0.1], [0.7, 0.9]])))
    grid = (np.arange(400) + 0.5) / 400
    cells = np.stack(np.meshgrid(grid, (np.arange(4) + 0.5) / 4), axis=-1).reshape(-1, 2)
    assert np.mean(np.exp(density.log_density(cells))) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("name", ["gaussian_process", "noisy_gaussian_process", "tpe"])
def test_strategies_find_the_optimum(name: str) -> None:
    start = SPACE.snap(np.random.default_rng(3).random((8, SPACE.d)))
    X, y, _ = run(STRATEGIES[name], SPACE, objective, 40, start=start)
    np.testing.assert_array_equal(SPACE.snap(X), X)
    assert np.min(y) < 0.8 * random_best(SPACE, objective, 40)


@pytest.mark.parametrize(("name", "within"), [("trust_region", 1e-6), ("cma_es", 1e-2)])
def test_strategies_for_real_numbers_find_the_optimum(name: str, within: float) -> None:
    space = Space({"drop": Probability(), "keep": Probability()})
    assert space.continuous
    X, y, _ = run(STRATEGIES[name], space, lambda u: float(np.sum((u - 0.3) ** 2)), 60)
    np.testing.assert_array_equal(space.snap(X), X)
    assert np.min(y) < within


@pytest.mark.parametrize(
    ("parameter", "values", "expected"),
    [
        (PowerOfTwo(0, 3), [1, 8], lambda d: d.choices == (1, 2, 4, 8)),
        (Probability(), [0.5], lambda d: 0.0 < d.low < 0.001 and 0.999 < d.high < 1.0),
    ],
)
def test_they_have_a_distribution_in_optuna(
    parameter: Parameter, values: list[Any], expected: Callable[[Any], bool]
) -> None:
    column = _column(parameter, values)
    assert expected(column.distribution)
    assert [column.write(value) for value in values] == values
